package wire

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestSendable holds every code against the words of §7.4.2 and the registry.
func TestSendable(t *testing.T) {
	for code := 0; code <= 0xFFFF; code++ {
		var want bool
		switch {
		case code < 1000: // §7.4.2: "not used"
		case code == 1004, code == 1005, code == 1006: // §7.4.1: reserved, or "MUST NOT be set"
		case code == 1015: // §7.4.1: "MUST NOT be set"
		case code <= 1014: // §7.4.1 and the registry
			want = true
		case code < 3000: // §7.4.2: reserved for the protocol
		case code < 5000: // §7.4.2: libraries, applications
			want = true
		}
		if got := CloseCode(code).Sendable(); got != want {
			t.Errorf("%d: %v", code, got)
		}
	}
}

func TestCloseCodeString(t *testing.T) {
	seen := map[string]CloseCode{}
	for code := CloseCode(1000); code <= 1015; code++ {
		s := code.String()
		if code == 1004 {
			if s != "unassigned" {
				t.Errorf("1004: %q", s)
			}
			continue
		}
		if other, ok := seen[s]; ok || s == "unassigned" || s == "" {
			t.Errorf("%d: %q, as %d", code, s, other)
		}
		seen[s] = code
	}
	for code, want := range map[CloseCode]string{
		0: "unassigned", 999: "unassigned", 1016: "unassigned", 2999: "unassigned",
		3000: "registered by a library", 3999: "registered by a library",
		4000: "private to the application", 4999: "private to the application",
		5000: "unassigned", 65535: "unassigned",
	} {
		if got := code.String(); got != want {
			t.Errorf("%d: %q", code, got)
		}
	}
}

// TestClosePayload is §5.5.1: two bytes of code, then the reason.
func TestClosePayload(t *testing.T) {
	for _, c := range []struct {
		payload string
		code    CloseCode
		reason  string
		ok      bool
	}{
		{"", CloseNoStatus, "", true},
		{"\x03", 0, "", false},
		{"\x03\xe8", CloseNormal, "", true},
		{"\x03\xe8bye", CloseNormal, "bye", true},
		{"\x0f\xa0" + strings.Repeat("x", MaxReason), 4000, strings.Repeat("x", MaxReason), true},
		{"\x00\x00", 0, "", true},             // not judged here
		{"\xff\xff\xff", 65535, "\xff", true}, // nor here
	} {
		code, reason, ok := ParseClose([]byte(c.payload))
		if code != c.code || string(reason) != c.reason || ok != c.ok {
			t.Errorf("% x: %d %q %v", c.payload, code, reason, ok)
		}
		if !ok {
			continue
		}
		if got := AppendClose([]byte("x"), code, c.reason); string(got) != "x"+c.payload {
			t.Errorf("%d %q: % x", code, c.reason, got)
		}
	}
	if got := AppendClose(nil, CloseNoStatus, "left out with its code"); len(got) != 0 {
		t.Errorf("no status: %q", got)
	}
	if got := AppendClose(nil, CloseNormal, strings.Repeat("x", 200)); len(got) != MaxControl {
		t.Errorf("a long reason makes %d bytes", len(got))
	}
}

// TestTrimReason: at most 123 bytes, never half a character.
func TestTrimReason(t *testing.T) {
	for _, char := range []string{"a", "é", "€", "𤭢"} {
		for lead := range 5 {
			for n := range 40 {
				whole := strings.Repeat("a", lead) + strings.Repeat(char, n) + strings.Repeat("b", 90) + strings.Repeat(char, n)
				got := TrimReason(whole)
				switch {
				case !strings.HasPrefix(whole, got), !utf8.ValidString(got), len(got) > MaxReason:
					t.Fatalf("%q became %q", whole, got)
				case len(whole) <= MaxReason && got != whole:
					t.Fatalf("%q was cut to %q", whole, got)
				case len(whole) > MaxReason && len(got)+len(char) <= MaxReason:
					t.Fatalf("%q lost more than needed: %q", whole, got)
				}
			}
		}
	}
	// What is no UTF-8 is cut all the same.
	if got := TrimReason(strings.Repeat("\x80", 300)); len(got) > MaxReason || len(got) < MaxReason-utf8.UTFMax {
		t.Errorf("%d bytes", len(got))
	}
}
