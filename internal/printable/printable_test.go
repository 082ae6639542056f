package printable_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"duplex/internal/printable"
)

func ExampleLine() {
	fmt.Println(printable.Line("red\x1b[31m\r\n"))
	// Output: red␛[31m␍␊
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"hello, world ~":       "hello, world ~",
		"消息　全角":                "消息　全角", // the ideographic space is a space
		"é 👩‍🚀 ½":              "é 👩‍🚀 ½",
		"\x00\t\n\x1f\x7f":     "␀␉␊␟␡",
		"\x1b]0;title\x07":     "␛]0;title␇",
		"\u009b31m":            "<U+009B>31m",
		"\u202egnp.exe":        "<U+202E>gnp.exe",
		"\u2028\u2066\ufeff":   "<U+2028><U+2066><U+FEFF>",
		"bad \xff\x9b byte":    "bad <FF><9B> byte",
		"\ufffd is a real one": "\ufffd is a real one",
	} {
		if got := printable.Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBlock(t *testing.T) {
	for in, want := range map[string]string{
		"one":                  "one",
		"{\n\t\"a\": 1\r\n}\n": "{\n  \t\"a\": 1\n  }\n  ",
		"back\rto the start":   "back␍to the start",
		"\r":                   "␍",
		"up\x1b[A":             "up␛[A",
	} {
		if got := printable.Block(in, "  "); got != want {
			t.Errorf("Block(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
		left int
	}{
		{"hello", 5, "hello", 0},
		{"hello", 4, "hell", 1},
		{"hello", 0, "", 5},
		{"aé", 2, "a", 2},
		{"a👩", 4, "a", 4},
		{"\x80\x80\x80\x80\x80\x80", 5, "\x80", 5}, // not UTF-8: bounded all the same
	} {
		got, left := printable.Cut(c.in, c.n)
		if got != c.want || left != c.left {
			t.Errorf("Cut(%q, %d) = %q, %d; want %q, %d", c.in, c.n, got, left, c.want, c.left)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\x1b[31m\u009b\xff\n\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		line := printable.Line(s)
		if !utf8.ValidString(line) || strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsFunc(line, steers) {
			t.Errorf("Line(%q) = %q", s, line)
		}
		if again := printable.Line(line); again != line {
			t.Errorf("Line is not idempotent: %q, then %q", line, again)
		}
	})
}

// steers reports whether r changes the writing direction or ends a line.
func steers(r rune) bool {
	return unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, unicode.Zl, unicode.Zp)
}
