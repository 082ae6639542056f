package protocol

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"duplex/wire"
)

// clockAt is a clock that a test sets.
type clockAt struct{ t time.Time }

func newClock() *clockAt { return &clockAt{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clockAt) now() time.Time         { return c.t }
func (c *clockAt) add(d time.Duration)    { c.t = c.t.Add(d) }
func (c *clockAt) in(t time.Time) float64 { return t.Sub(c.t).Seconds() }
func (c *clockAt) options(o Options) Options {
	o.Now, o.Key = c.now, fixedKey
	return o
}

// pong is the frame that answers the ping that stands in out.
func pong(m *Machine, out []byte) string {
	s := tell(nil, m.Role(), out)
	return raw(m.Role(), 0x8a, strings.TrimPrefix(s[len(s)-1], "> ping "))
}

// TestPingID: a pong tells the ping and how long it took; a late one answers
// the earlier ones as well (§5.5.3), an unknown or second one none.
func TestPingID(t *testing.T) {
	for _, role := range both {
		c := newClock()
		e := newEcho(c.options(Options{Role: role}))
		var outs [][]byte
		for i := range 3 {
			out, id, err := e.m.Ping(nil)
			if err != nil || id != uint64(i+1) {
				t.Fatal(id, err)
			}
			outs = append(outs, out)
			c.add(time.Second)
		}
		expect := func(in string, id uint64, rtt time.Duration) {
			t.Helper()
			e.feed(in, 0)
			if gotID, gotRTT := e.m.LastPong(); gotID != id || gotRTT != rtt {
				t.Errorf("pong of %d after %v, want %d, %v", gotID, gotRTT, id, rtt)
			}
		}
		expect(raw(role, 0x8a, "unasked"), 0, 0)
		expect(raw(role, 0x8a, "00000009"), 0, 0)
		expect(pong(e.m, outs[1]), 2, 2*time.Second)
		expect(pong(e.m, outs[1]), 0, 0)
		expect(pong(e.m, outs[0]), 0, 0)
		c.add(time.Second)
		expect(pong(e.m, outs[2]), 3, 2*time.Second)
	}
}

// TestPingBound: of pings that nobody answers the newest are remembered.
func TestPingBound(t *testing.T) {
	c := newClock()
	e := newEcho(c.options(Options{}))
	var outs [][]byte
	for range maxPings + 5 {
		out, _, _ := e.m.Ping(nil)
		outs = append(outs, out)
	}
	for i, out := range outs[:7] {
		e.feed(pong(e.m, out), 0)
		want := uint64(i + 1)
		if i < 5 {
			want = 0
		}
		if id, _ := e.m.LastPong(); id != want {
			t.Errorf("pong %d answers %d", i+1, id)
		}
	}
	if len(e.m.pings) != maxPings-2 {
		t.Errorf("%d pings remembered", len(e.m.pings))
	}
}

// TestPongBound: a peer that pings and never reads makes us keep the newest
// pongs only, in order (§5.5.3).
func TestPongBound(t *testing.T) {
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey})
		const n = 1000
		for i := range n {
			m.Advance(copy(m.Space(), raw(role, 0x89, fmt.Sprintf("%0*d", 1+i%125, i))))
			if ev, ok, err := m.Next(); !ok || ev.Kind != PingEvent {
				t.Fatal(err)
			}
		}
		if cap(m.pongs) > 2*maxPongs*126 {
			t.Errorf("%d bytes kept", cap(m.pongs))
		}
		var want []string
		for i := n - maxPongs; i < n; i++ {
			want = append(want, "> pong "+brief(fmt.Sprintf("%0*d", 1+i%125, i)))
		}
		equalLog(t, tell(nil, role, m.Output(nil)), want)
		if m.Owes() || m.Output(nil) != nil || cap(m.pongs) > 512 {
			t.Error("memory for pongs stays")
		}
	}
}

// TestControlLent: the payload of a control frame is lent in place, and its
// pong has a copy.
func TestControlLent(t *testing.T) {
	m := New(Options{})
	m.Advance(copy(m.Space(), raw(Server, 0x89, "Hello")))
	ev, _, _ := m.Next()
	copy(ev.Data, "?????")
	equalLog(t, tell(nil, Server, m.Output(nil)), []string{"> pong Hello"})
}

// TestControlBetween: a ping in the middle of a long message neither waits for
// it nor disturbs it, also where the message is read into its own memory.
func TestControlBetween(t *testing.T) {
	for _, role := range both {
		for _, chop := range chops {
			a, b := strings.Repeat("a", 20000), strings.Repeat("b", 7000)
			e := newEcho(Options{Role: role, ReadBuffer: 256})
			e.feed(frames(role, 0x02, a, 0x89, "1", 0x00, b, 0x8a, strings.Repeat("p", 125), 0x89, strings.Repeat("q", 125), 0x80, a), chop)
			want := append(pongs("1"), "< pong "+brief(strings.Repeat("p", 125)))
			want = append(append(want, pongs(strings.Repeat("q", 125))...), echoes("binary", a+b+a)...)
			equalLog(t, e.log, want)
		}
	}
}

// TestPongUnasked: §5.5.3; at most what a control frame can carry.
func TestPongUnasked(t *testing.T) {
	m := New(Options{Role: Client, Key: fixedKey})
	out, err := m.Pong([]byte("x"), []byte(strings.Repeat("p", 200)))
	if err != nil || out[0] != 'x' {
		t.Fatal(err)
	}
	equalLog(t, tell(nil, Client, out[1:]), []string{"> pong " + brief(strings.Repeat("p", 125))})
	m.StartClose(nil, wire.CloseNormal, "")
	if out, err := m.Pong(nil, nil); err != ErrClosing || out != nil {
		t.Error(out, err)
	}
}

// TestPingPayload: a ping's payload is its ID as text, as devices log payloads.
func TestPingPayload(t *testing.T) {
	m := New(Options{})
	m.lastPing = 0x1_0000_abcd - 1
	out, id, _ := m.Ping(nil)
	equalLog(t, tell(nil, Server, out), []string{"> ping 0000abcd"})
	if id != 0x1_0000_abcd {
		t.Error(id)
	}
	m.Advance(copy(m.Space(), raw(Server, 0x8a, "0000abcd")))
	m.Next()
	if got, _ := m.LastPong(); got != id {
		t.Errorf("answers %#x", got)
	}
}
