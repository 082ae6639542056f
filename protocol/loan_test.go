package protocol

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"duplex/wire"
)

// TestLoan: Data stays as it is until the next call of the read half, and what
// is taken or detached until its owner is done with it, whatever comes after.
func TestLoan(t *testing.T) {
	for _, role := range both {
		texts := []string{
			"in the buffer", strings.Repeat("whole buffer", 300), strings.Repeat("joined", 5000),
			"", "in the buffer again", strings.Repeat("joined again", 3000),
		}
		for name, keep := range map[string]func(*Machine, Event) []byte{
			"Take":   func(m *Machine, ev Event) []byte { return m.Take(ev) },
			"Detach": func(m *Machine, ev Event) []byte { m.Detach(); return ev.Data },
			"twice":  func(m *Machine, ev Event) []byte { m.Detach(); m.Detach(); return m.Take(ev) },
		} {
			for _, chop := range []int{0, 1, 700, 5000} {
				var in string
				for i, s := range texts {
					if i%2 == 0 {
						in += frames(role, 0x81, s, 0x89, "between")
					} else {
						in += frames(role, 0x01, s[:len(s)/2], 0x89, "inside", 0x80, s[len(s)/2:])
					}
				}
				l := &ledger{}
				m := New(Options{Role: role, Key: fixedKey, Buffers: l})
				var kept [][]byte
				for rest := in; len(rest) > 0; {
					space := m.Space()
					if chop > 0 {
						space = space[:min(chop, len(space))]
					}
					n := copy(space, rest)
					rest = rest[n:]
					m.Advance(n)
					for {
						ev, ok, err := m.Next()
						if err != nil {
							t.Fatal(err)
						}
						if !ok {
							break
						}
						if ev.Kind == MessageEvent {
							kept = append(kept, keep(m, ev))
						}
					}
				}
				if m.Free(); l.now != 0 {
					t.Errorf("%s: %d bytes are still on loan", name, l.now)
				}
				for i, s := range texts {
					if string(kept[i]) != s {
						t.Errorf("%s, chop %d: message %d of %d bytes was overwritten", name, chop, i, len(s))
					}
				}
			}
		}
	}
}

// TestTakeWithoutCopy: a joined message is handed over as it is.
func TestTakeWithoutCopy(t *testing.T) {
	m := New(Options{})
	for rest := frames(Server, 0x82, strings.Repeat("x", 10000)); len(rest) > 0; {
		n := copy(m.Space(), rest)
		rest = rest[n:]
		m.Advance(n)
		if ev, ok, _ := m.Next(); ok {
			if got := m.Take(ev); &got[0] != &ev.Data[0] {
				t.Error("copied")
			}
			return
		}
	}
	t.Error("no message")
}

// TestTakeOfNothing: events without data can be taken.
func TestTakeOfNothing(t *testing.T) {
	m := New(Options{Frames: true})
	m.Advance(copy(m.Space(), frames(Server, 0x81, "")))
	ev, _, _ := m.Next()
	if got := m.Take(ev); ev.Kind != FrameEvent || len(got) != 0 {
		t.Error(ev, got)
	}
	m.Detach()
	if ev, _, _ = m.Next(); ev.Kind != MessageEvent || len(m.Take(ev)) != 0 {
		t.Error(ev)
	}
}

// TestTakeInflated: memory that the codec made is not given to Buffers.
func TestTakeInflated(t *testing.T) {
	for _, n := range []int{1, 200} {
		l := &ledger{}
		m := New(Options{Codec: runs{}, Buffers: l})
		m.Advance(copy(m.Space(), frames(Server, 0xc1, strings.Repeat("\xffa", n))))
		ev, _, err := m.Next()
		if err != nil || !bytes.Equal(m.Take(ev), bytes.Repeat([]byte("a"), 255*n)) {
			t.Fatal(err)
		}
		if m.Free(); l.now != 0 {
			t.Errorf("%d bytes are still on loan", l.now)
		}
	}
}

// TestDetachAfterClose: the reason of the last event can be kept as well.
func TestDetachAfterClose(t *testing.T) {
	l := &ledger{}
	m := New(Options{Buffers: l})
	m.Advance(copy(m.Space(), frames(Server, 0x88, "\x03\xe8goodbye", 0x81, "lost")))
	ev, _, _ := m.Next()
	m.Detach()
	copy(m.Space(), strings.Repeat("x", 1000))
	m.Advance(1000)
	if m.Free(); string(ev.Data) != "goodbye" || l.now != 0 || l.kept != 1 {
		t.Errorf("%q, %d on loan, %d kept", ev.Data, l.now, l.kept)
	}
}

// TestFree gives everything back, in whatever state, and is the end.
func TestFree(t *testing.T) {
	for _, in := range []string{
		"", "\x81", frames(Server, 0x81, "Hello", 0x81, "World"), frames(Server, 0x82, strings.Repeat("x", 9000))[:8000],
		frames(Server, 0x02, strings.Repeat("x", 9000), 0x89, "?"),
	} {
		l := &ledger{}
		m := New(Options{Buffers: l})
		for rest := in; len(rest) > 0; {
			n := copy(m.Space(), rest)
			rest = rest[n:]
			m.Advance(n)
			m.Next()
		}
		m.Free()
		m.Free()
		_, ok, err := m.Next()
		var ce *CloseError
		if l.now != 0 || ok || !errors.Is(err, ErrFreed) || !errors.As(err, &ce) || ce.Code != wire.CloseAbnormal {
			t.Errorf("%d bytes: %d on loan, %v", len(in), l.now, err)
		}
	}
	// A machine that has ended keeps its end.
	m := New(Options{})
	m.EOF()
	m.Free()
	if _, _, err := m.Next(); !errors.Is(err, ErrNoClose) {
		t.Error(err)
	}
}
