package protocol

import (
	"strings"
	"sync"
	"testing"

	"duplex/wire"
)

// states is what can be asked of a closing connection.
func states(m *Machine) string {
	var s []string
	if m.Closing() {
		s = append(s, "closing")
	}
	if m.CloseReceived() {
		s = append(s, "received")
	}
	if m.CloseExpected() {
		s = append(s, "expected")
	}
	return strings.Join(s, " ")
}

func want(t *testing.T, m *Machine, state string) {
	t.Helper()
	if got := states(m); got != state {
		t.Errorf("%q, want %q", got, state)
	}
}

// TestCloseByUs is §7.1.2: we start, messages go on coming and pings are
// answered (§5.5.2) until the peer's Close comes.
func TestCloseByUs(t *testing.T) {
	for _, role := range both {
		for _, chop := range []int{0, 1} {
			e := newEcho(Options{Role: role})
			want(t, e.m, "")
			out, err := e.m.StartClose([]byte("x"), 1001, "going")
			if err != nil || out[0] != 'x' {
				t.Fatal(err)
			}
			equalLog(t, tell(nil, role, out[1:]), []string{"> close 1001 going"})
			want(t, e.m, "closing")
			e.feed(frames(role, 0x81, "still", 0x89, "there", 0x01, "fra", 0x80, "gments"), chop)
			equalLog(t, e.log, []string{"< text still", "< ping there", "> pong there", "< text fragments"})
			want(t, e.m, "closing")
			if e.end() != nil {
				t.Error(e.end())
			}
			e.log = nil
			e.feed(frames(role, 0x88, "\x03\xe9thanks", 0x81, "lost", 0x89, "lost"), chop)
			equalLog(t, e.log, []string{"< close 1001 thanks"})
			want(t, e.m, "closing received expected")
			e.endsIn(t, 1001, true, nil)
		}
	}
}

// TestCloseByPeer is §5.5.1: the answer has the code, and nothing follows it.
func TestCloseByPeer(t *testing.T) {
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey})
		m.Advance(copy(m.Space(), frames(role, 0x89, "?", 0x88, "\x0f\xa0bye")))
		m.Next()
		ev, _, _ := m.Next()
		if ev.Kind != CloseEvent || ev.Code != 4000 || string(ev.Data) != "bye" || !ev.Fin || ev.Op != wire.Close {
			t.Errorf("%+v", ev)
		}
		want(t, m, "closing received")
		if _, err := m.Message(nil, wire.Text, nil); err != ErrClosing {
			t.Error(err)
		}
		if out, err := m.StartClose(nil, 1000, ""); err != ErrClosing || out != nil {
			t.Error(out, err)
		}
		if !m.Owes() {
			t.Error("owes nothing")
		}
		equalLog(t, tell(nil, role, m.Output(nil)), []string{"> pong ?", "> close 4000 "})
		want(t, m, "closing received expected")
		if m.Owes() || m.Output(nil) != nil {
			t.Error("owes more")
		}
	}
}

// TestCloseByBoth: the two Close frames cross; no third one is sent.
func TestCloseByBoth(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role})
		e.m.StartClose(nil, 1000, "")
		e.feed(frames(role, 0x88, "\x03\xe9"), 1)
		equalLog(t, e.log, []string{"< close 1001 "})
		want(t, e.m, "closing received expected")
		e.endsIn(t, 1001, true, nil)
		if out, err := e.m.StartClose(nil, 1000, ""); err != ErrClosing || out != nil {
			t.Error(out, err)
		}
	}
}

// TestCloseThenFault: when the peer breaks a rule after our Close, the fault
// ends the connection without another Close.
func TestCloseThenFault(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role})
		e.m.StartClose(nil, 1000, "")
		e.feed(frames(role, 0x89, "?", 0x83, ""), 0)
		equalLog(t, e.log, []string{"< ping ?", "> pong ?"})
		want(t, e.m, "closing expected")
		e.endsIn(t, 1002, false, ErrReservedOpcode)
	}
}

// TestFaultThenClose: a fault that is not yet refused leaves no room for a
// Close of ours.
func TestFaultThenClose(t *testing.T) {
	m := New(Options{})
	m.Advance(copy(m.Space(), "\x83\x00"))
	m.Next()
	want(t, m, "closing")
	if out, err := m.StartClose(nil, 1000, ""); err != ErrClosing || out != nil {
		t.Error(out, err)
	}
	equalLog(t, tell(nil, Server, m.Output(nil)), []string{"> close 1002 " + ErrUnmasked.Text})
	want(t, m, "closing expected")
}

// TestCloseEOF: our Close went unanswered, the stream ended.
func TestCloseEOF(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role})
		e.m.StartClose(nil, 1000, "")
		e.m.EOF()
		want(t, e.m, "closing expected")
		e.endsIn(t, 1006, false, ErrNoClose)
		if !e.m.Deadline().IsZero() {
			t.Error("still waits")
		}
	}
}

// TestStartClose is §5.5.1 and §7.4: what may stand in a Close frame.
func TestStartClose(t *testing.T) {
	for _, role := range both {
		for _, c := range []struct {
			code   wire.CloseCode
			reason string
			err    error
			sent   string
		}{
			{1000, "", nil, "> close 1000 "},
			{wire.CloseNoStatus, "", nil, "> close "},
			{4999, strings.Repeat("x", 123), nil, "> close 4999 " + strings.Repeat("x", 123)},
			{1000, strings.Repeat("x", 124), ErrSendReason, ""},
			{1000, "\xff", ErrSendReason, ""},
			{wire.CloseNoStatus, "why", ErrSendCode, ""},
			{wire.CloseAbnormal, "", ErrSendCode, ""},
			{1015, "", ErrSendCode, ""},
			{0, "", ErrSendCode, ""},
			{2999, "", ErrSendCode, ""},
			{5000, "", ErrSendCode, ""},
		} {
			m := New(Options{Role: role, Key: fixedKey})
			out, err := m.StartClose([]byte("x"), c.code, c.reason)
			if err != c.err || out[0] != 'x' || (len(out) == 1) != (err != nil) {
				t.Fatalf("%d %q: %v", c.code, c.reason, err)
			}
			if err == nil {
				equalLog(t, tell(nil, role, out[1:]), []string{c.sent})
			} else if m.Closing() {
				t.Errorf("%d %q: closing all the same", c.code, c.reason)
			}
		}
	}
}

// TestOutputInMessage: control frames may go between a message's frames (§5.4).
func TestOutputInMessage(t *testing.T) {
	e := newEcho(Options{})
	out, _ := e.m.Frame(nil, wire.Text, []byte("a"), false)
	e.m.Advance(copy(e.m.Space(), frames(Server, 0x89, "?")))
	e.m.Next()
	out = e.m.Output(out)
	out, _ = e.m.Frame(out, wire.Continuation, []byte("b"), true)
	equalLog(t, tell(nil, Server, out), []string{"> text(01) a", "> pong ?", "> continuation b"})
}

// TestHalves: the two halves, the clock and the questions at once. The race
// detector watches; each side must have said and heard all.
func TestHalves(t *testing.T) {
	const n = 300
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey, PingInterval: 1, PongTimeout: 1 << 60, Buffers: &recycler{}})
		var sent []byte
		var messages, pings, pongs int
		var wg sync.WaitGroup
		stop := make(chan struct{})
		wg.Add(3)
		go func() { // the read half
			defer wg.Done()
			in := frames(role, 0x81, "Hello", 0x89, "?", 0x8a, "00000001", 0x02, strings.Repeat("x", 5000), 0x80, "y")
			for range n {
				for rest := in; len(rest) > 0; {
					k := copy(m.Space(), rest)
					rest = rest[k:]
					m.Advance(k)
					for {
						ev, ok, _ := m.Next()
						if !ok {
							break
						}
						switch ev.Kind {
						case MessageEvent:
							messages++
						case PingEvent:
							pings++
						case PongEvent:
							pongs++
							m.LastPong()
						}
					}
				}
			}
			m.Advance(copy(m.Space(), frames(role, 0x88, "\x03\xe8")))
			m.Next()
			m.EOF()
			m.Free()
		}()
		go func() { // the write half
			defer wg.Done()
			for !m.CloseReceived() {
				sent = m.Output(sent[:0])
				sent, _ = m.Message(sent, wire.Text, []byte("Hello"))
				sent, _, _ = m.Ping(sent)
			}
			// The round in which the Close came may have answered it already.
			if last := m.Output(nil); len(last) > 0 {
				sent = last
			}
		}()
		go func() { // whoever else
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				default:
				}
				m.Tick(m.o.Now(), true)
				m.Deadline()
				m.Owes()
				m.Closing()
				m.CloseExpected()
				m.SetMaxMessage(DefaultMaxMessage)
			}
		}()
		for !m.CloseReceived() {
			m.Owes()
		}
		close(stop)
		wg.Wait()
		log := tell(nil, role, sent)
		if messages != 2*n || pings != n || pongs != n || len(log) == 0 || log[len(log)-1] != "> close 1000 " || !m.CloseExpected() {
			t.Errorf("%d messages, %d pings, %d pongs; last sent %q", messages, pings, pongs, log)
		}
	}
}
