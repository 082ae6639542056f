package protocol

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// TestEOF is the stream's end in every state (RFC 6455 §7.1.5: 1006).
func TestEOF(t *testing.T) {
	long := strings.Repeat("x", 9000)
	for _, role := range both {
		for _, c := range []struct {
			name, in string
			cause    error
		}{
			{"at once", "", ErrNoClose},
			{"between messages", frames(role, 0x81, "Hello"), ErrNoClose},
			{"after a ping", frames(role, 0x89, ""), ErrNoClose},
			{"in a header", frames(role, 0x81, "Hello")[:1], ErrCut},
			{"in a payload", frames(role, 0x81, "Hello")[:8-map[Role]int{Server: 0, Client: 3}[role]], ErrCut},
			{"in a long payload", frames(role, 0x82, long)[:8500], ErrCut},
			{"in a ping", frames(role, 0x89, "Hello")[:4], ErrCut},
			{"between fragments", frames(role, 0x01, "Hello"), ErrCut},
			{"between empty fragments", frames(role, 0x01, "", 0x00, ""), ErrCut},
		} {
			l := &ledger{}
			e := newEcho(Options{Role: role, Buffers: l, PingInterval: time.Second})
			e.feed(c.in, 0)
			e.m.EOF()
			e.endsIn(t, 1006, false, c.cause)
			if !e.m.CloseExpected() || !e.m.Closing() || e.m.CloseReceived() || !e.m.Deadline().IsZero() {
				t.Errorf("%s: not over", c.name)
			}
			if out := e.m.Output(nil); len(out) != 0 {
				t.Errorf("%s: still owes % x", c.name, out)
			}
			if err := e.m.Tick(time.Now().Add(time.Hour), true); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			if e.m.Advance(0); l.now != 0 {
				t.Errorf("%s: %d bytes stay on loan", c.name, l.now)
			}
		}
	}
}

// TestEOFLate: whoever ends the stream with messages unread loses them.
func TestEOFLate(t *testing.T) {
	m := New(Options{})
	m.Advance(copy(m.Space(), frames(Server, 0x81, "unread")))
	m.EOF()
	if _, ok, err := m.Next(); ok || !errors.Is(err, ErrCut) {
		t.Error(ok, err)
	}
}

// TestEOFAfterEnd: the first end stays, and a fault's Close can still go out.
func TestEOFAfterEnd(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role})
		e.feed(frames(role, 0x88, "\x03\xe8"), 0)
		e.m.EOF()
		e.endsIn(t, 1000, true, nil)

		m := New(Options{Role: role, Key: fixedKey})
		m.Advance(copy(m.Space(), frames(role, 0x83, "")))
		m.Next()
		m.EOF()
		e = &echo{m: m}
		e.endsIn(t, 1002, false, ErrReservedOpcode)
		equalLog(t, tell(nil, role, m.Output(nil)), []string{"> close 1002 " + ErrReservedOpcode.Text})
	}
}

// TestFail is RFC 6455 §7.1.7: nothing but the Close goes out, what comes is
// discarded, and the error stays.
func TestFail(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role})
		e.feed(frames(role, 0x81, "Hello", 0x83, "", 0x81, "World", 0x88, "\x03\xe8"), 0)
		e.feed(frames(role, 0x89, "?", 0x88, "\x03\xe8"), 1)
		equalLog(t, e.log, append(echoes("text", "Hello"), "> close 1002 "+ErrReservedOpcode.Text))
		e.endsIn(t, 1002, false, ErrReservedOpcode)
		if _, err := e.m.Message(nil, 1, nil); err != ErrClosing {
			t.Error(err)
		}
		if e.m.CloseReceived() {
			t.Error("a Close after the fault counts")
		}
	}
}
