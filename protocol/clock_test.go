package protocol

import (
	"testing"
	"time"

	"duplex/wire"
)

// kept is a machine with keep-alive on a clock that the test sets.
func kept(role Role) (*clockAt, *echo) {
	c := newClock()
	return c, newEcho(c.options(Options{Role: role, PingInterval: 30 * time.Second, PongTimeout: 20 * time.Second, CloseTimeout: 5 * time.Second}))
}

// tick goes on by d and expects what Tick says, what goes out, and how many
// seconds remain to the deadline (-1: there is none).
func tick(t *testing.T, c *clockAt, e *echo, d time.Duration, reading bool, err error, sent int, next float64) {
	t.Helper()
	c.add(d)
	if got := e.m.Tick(c.now(), reading); got != err {
		t.Errorf("Tick: %v, want %v", got, err)
	}
	if out := tell(nil, e.m.Role(), e.m.Output(nil)); len(out) != sent {
		t.Errorf("sent %q, want %d", out, sent)
	}
	deadline(t, c, e, next)
}

func deadline(t *testing.T, c *clockAt, e *echo, next float64) {
	t.Helper()
	switch at := e.m.Deadline(); {
	case at.IsZero():
		if next >= 0 {
			t.Errorf("no deadline, want one in %v s", next)
		}
	case c.in(at) != next:
		t.Errorf("deadline in %v s, want %v", c.in(at), next)
	}
}

// TestKeepAlive: a ping each interval, any byte is life, silence is death.
func TestKeepAlive(t *testing.T) {
	for _, role := range both {
		c, e := kept(role)
		deadline(t, c, e, 30)
		tick(t, c, e, 29*time.Second, true, nil, 0, 1)
		tick(t, c, e, time.Second, true, nil, 1, 20) // a ping; life is wanted in 20 s
		c.add(19 * time.Second)
		e.feed(raw(role, 0x81, "a")[:1], 0) // half a header will do
		tick(t, c, e, time.Second, true, nil, 0, 10)
		tick(t, c, e, 10*time.Second, true, nil, 1, 20)
		tick(t, c, e, 20*time.Second, true, ErrSilent, 0, 10)
		// The caller decides; the clock goes on.
		tick(t, c, e, 10*time.Second, true, nil, 1, 10)
		tick(t, c, e, 10*time.Second, true, ErrSilent, 0, 20)
	}
}

// TestKeepAliveTraffic: pings go out also while the peer talks; what came
// before a ping is no answer to it.
func TestKeepAliveTraffic(t *testing.T) {
	c, e := kept(Server)
	c.add(30 * time.Second)
	e.feed(raw(Server, 0x81, "before the ping"), 0)
	tick(t, c, e, 0, true, nil, 1, 20)
	tick(t, c, e, 20*time.Second, true, ErrSilent, 0, 10)
}

// TestKeepAliveNotReading: while bytes may wait unread silence is no death.
func TestKeepAliveNotReading(t *testing.T) {
	c, e := kept(Client)
	tick(t, c, e, 30*time.Second, true, nil, 1, 20)
	tick(t, c, e, 20*time.Second, false, nil, 0, 10)
	tick(t, c, e, 10*time.Second, false, nil, 1, 10)
	tick(t, c, e, 10*time.Second, false, nil, 0, 20)
	tick(t, c, e, 20*time.Second, true, ErrSilent, 0, 0) // and a ping is due
}

// TestKeepAliveOnePing: a ping that could not be written yet is sent once.
func TestKeepAliveOnePing(t *testing.T) {
	c, e := kept(Server)
	for range 5 {
		c.add(30 * time.Second)
		e.m.Tick(c.now(), false)
	}
	if out := tell(nil, Server, e.m.Output(nil)); len(out) != 1 {
		t.Errorf("%q", out)
	}
}

// TestNoKeepAlive: without an interval nothing is ever due.
func TestNoKeepAlive(t *testing.T) {
	c := newClock()
	e := newEcho(c.options(Options{}))
	tick(t, c, e, 1000*time.Hour, true, nil, 0, -1)
}

// TestKeepAliveStops: a peer that closes, a fault, and the stream's end stop
// pings and patience alike.
func TestKeepAliveStops(t *testing.T) {
	for name, stop := range map[string]func(*Machine){
		"close": func(m *Machine) { m.Advance(copy(m.Space(), frames(Server, 0x88, "\x03\xe8"))); m.Next() },
		"fault": func(m *Machine) { m.Advance(copy(m.Space(), frames(Server, 0x83, ""))); m.Next() },
		"EOF":   func(m *Machine) { m.EOF() },
	} {
		for _, pinged := range []bool{false, true} {
			c, e := kept(Server)
			if pinged {
				c.add(30 * time.Second)
				e.m.Tick(c.now(), true) // a ping is owed, life is wanted
			}
			stop(e.m)
			deadline(t, c, e, -1)
			c.add(time.Hour)
			if err := e.m.Tick(c.now(), true); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, s := range tell(nil, Server, e.m.Output(nil)) {
				if s[:7] == "> ping " {
					t.Errorf("%s: %q", name, s)
				}
			}
		}
	}
}

// TestCloseTimeout is §7.1.1: the wait for the answer to our Close is bounded,
// the keep-alive is over.
func TestCloseTimeout(t *testing.T) {
	for _, role := range both {
		c, e := kept(role)
		tick(t, c, e, 30*time.Second, true, nil, 1, 20)
		e.m.StartClose(nil, wire.CloseNormal, "")
		deadline(t, c, e, 5)
		tick(t, c, e, 4*time.Second, true, nil, 0, 1)
		e.feed(raw(role, 0x81, "not the answer"), 0)
		tick(t, c, e, time.Second, true, ErrNoAnswer, 0, -1)
		tick(t, c, e, time.Hour, true, nil, 0, -1)

		c, e = kept(role)
		e.m.StartClose(nil, wire.CloseNormal, "")
		e.feed(frames(role, 0x88, "\x03\xe8"), 0)
		tick(t, c, e, time.Hour, true, nil, 0, -1)

		// The answer to their Close is not waited for.
		c, e = kept(role)
		e.feed(frames(role, 0x88, "\x03\xe8"), 0)
		tick(t, c, e, time.Hour, true, nil, 0, -1)

		// After a fault the peer has the same time to end the stream.
		c, e = kept(role)
		e.feed(frames(role, 0x83, ""), 0)
		tick(t, c, e, 5*time.Second, true, ErrNoAnswer, 0, -1)
	}
}

// TestTickEarly: Tick before the deadline changes nothing.
func TestTickEarly(t *testing.T) {
	c, e := kept(Server)
	for range 29 {
		tick(t, c, e, time.Second, true, nil, 0, c.in(e.m.Deadline())-1)
	}
}
