package protocol

import (
	"strings"
	"testing"
)

// TestQuick: the short cut takes what is one whole frame in the buffer, and
// nothing else; with Frames on there is no short cut, and the outcome the same.
func TestQuick(t *testing.T) {
	type row struct {
		name  string
		in    func(Role) string
		o     Options
		quick bool
	}
	f := func(parts ...any) func(Role) string { return func(r Role) string { return frames(r, parts...) } }
	for _, c := range []row{
		{"text", f(0x81, "Hello"), Options{}, true},
		{"binary", f(0x82, "\xff"), Options{}, true},
		{"empty", f(0x82, ""), Options{}, true},
		{"UTF-8", f(0x81, "Hällo"), Options{}, true},
		{"125", f(0x81, strings.Repeat("a", 125)), Options{}, true},
		{"126", f(0x81, strings.Repeat("a", 126)), Options{}, true},
		{"whole buffer", f(0x81, strings.Repeat("a", 4080)), Options{}, true},
		{"at the limit", f(0x81, "abc"), Options{MaxMessage: 3}, true},
		{"no limit", f(0x81, "abc"), Options{MaxMessage: -1}, true},
		{"longer than the buffer", f(0x81, strings.Repeat("a", 5000)), Options{}, false},
		{"64-bit length", f(0x81, strings.Repeat("a", 65536)), Options{}, false},
		{"over the limit", f(0x81, "abcd"), Options{MaxMessage: 3}, false},
		{"not UTF-8", f(0x81, "\xff"), Options{}, false},
		{"cut character", f(0x81, "\xc3"), Options{}, false},
		{"fragment", f(0x01, "a", 0x80, "b"), Options{}, false},
		{"continuation", f(0x80, "a"), Options{}, false},
		{"in a message", f(0x01, "a", 0x81, "b"), Options{}, false},
		{"RSV1", f(0xc1, "\x01a"), Options{}, false},
		{"RSV1 with codec", f(0xc1, "\x01a"), Options{Codec: runs{}}, false},
		{"ping", f(0x89, "a"), Options{}, false},
		{"reserved", f(0x83, "a"), Options{}, false},
		{"long form", func(r Role) string {
			if r == Client {
				return "\x81\x7e\x00\x02hi"
			}
			return "\x81\xfe\x00\x02\x00\x00\x00\x00hi"
		}, Options{}, false},
		{"cut long form", func(r Role) string { return "\x81\xfe\x01"[:2] }, Options{}, false},
		{"wrong mask", func(r Role) string { return frames(1-r, 0x81, "abcdefgh") }, Options{}, false},
		{"cut header", func(r Role) string { return frames(r, 0x81, "a")[:1] }, Options{}, false},
		{"cut mask", func(r Role) string { return frames(Server, 0x81, "a")[:4] }, Options{}, false},
		{"cut payload", func(r Role) string { return strings.TrimSuffix(frames(r, 0x81, "abc"), "c")[:4] }, Options{}, false},
	} {
		for _, role := range both {
			c.o.Role, c.o.Key = role, fixedKey
			in := c.in(role)
			m := New(c.o)
			m.Advance(copy(m.Space(), in))
			var ev Event
			if got := m.quick(&ev); got != c.quick {
				t.Errorf("%s, %v: %v", c.name, role, got)
			}

			fast, slow := newEcho(c.o), newEcho(c.o)
			slow.m.o.Frames = true // New made a copy
			fast.feed(in, 0)
			slow.feed(in, 0)
			var rest []string
			for _, s := range slow.log {
				if !strings.HasPrefix(s, "< frame") {
					rest = append(rest, s)
				}
			}
			equalLog(t, fast.log, rest)
			if a, b := fast.end(), slow.end(); (a == nil) != (b == nil) || a != nil && a.Error() != b.Error() {
				t.Errorf("%s, %v: %v, with frames %v", c.name, role, a, b)
			}
		}
	}
}
