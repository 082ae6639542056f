package server_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"duplex/server"
	"duplex/ws"
)

// TestHandlerLife: Open once and first, messages in order, Close once and last,
// with the peer's code; then the session cannot be found.
func TestHandlerLife(t *testing.T) {
	s := start(t, quiet())
	type event struct {
		what string
		err  error
		gone bool
	}
	events := make(chan event, 20)
	s.Route("/ws", server.Route{Handler: hooks{
		open:    func(*server.Session) { events <- event{what: "open"} },
		message: func(_ *server.Session, m string) { events <- event{what: m} },
		close: func(c *server.Session, err error) {
			_, found := c.Server().Session(c.ID())
			events <- event{"close", err, !found}
		},
	}})
	c := s.dial(t, "/ws")
	for _, m := range []string{"a", "b", "c"} {
		write(t, c, m)
	}
	if err := c.Close(4321, "that is all"); err != nil {
		t.Errorf("close: %v", err)
	}
	for _, want := range []string{"open", "a", "b", "c", "close"} {
		e := receive(t, want, events)
		if e.what != want {
			t.Fatalf("got %q, want %q", e.what, want)
		}
		if want != "close" {
			continue
		}
		var ce *ws.CloseError
		if !errors.As(e.err, &ce) || ce.Code != 4321 || ce.Reason != "that is all" || !ce.Remote {
			t.Errorf("Close was told %v", e.err)
		}
		if !e.gone {
			t.Error("the session can be found in its Close")
		}
	}
	eventually(t, "no session", func() bool { return s.Len() == 0 })
	select {
	case e := <-events:
		t.Errorf("after Close came %q", e.what)
	default:
	}
}

// TestFuncSessionEndsWithItsConnection: it cannot be found any more as soon as
// its Context ends, whenever Func heeds that.
func TestFuncSessionEndsWithItsConnection(t *testing.T) {
	s := start(t, quiet())
	var g server.Group
	stuck, running := make(chan struct{}), make(chan uint64, 1)
	returned := make(chan error, 1)
	s.Route("/ws", server.Route{Func: func(ctx context.Context, c *server.Session) {
		if err := g.Join(c, nil); err != nil {
			t.Errorf("join: %v", err)
		}
		running <- c.ID()
		_, _, err := c.Read(ctx)
		<-stuck
		returned <- err
	}})
	c := s.dial(t, "/ws")
	id := receive(t, "Func runs", running)
	if _, ok := s.Session(id); !ok || g.Len() != 1 || s.Len() != 1 {
		t.Fatalf("open: found %v, %d in the group, %d sessions", ok, g.Len(), s.Len())
	}
	if err := c.Close(ws.CloseNormal, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	eventually(t, "the session is forgotten while its Func still runs", func() bool { return s.Len() == 0 && g.Len() == 0 })
	if err := s.Send(id, ws.Outgoing{Type: ws.Text}); !errors.Is(err, server.ErrNoSession) {
		t.Errorf("Send to it: %v", err)
	}
	close(stuck)
	if err := receive(t, "Func returns", returned); ws.CloseStatus(err) != ws.CloseNormal {
		t.Errorf("Read in Func: %v", err)
	}
}

func TestSessionValues(t *testing.T) {
	s := start(t, quiet())
	type key struct{ n int }
	done := make(chan struct{})
	s.Route("/ws", server.Route{Handler: hooks{
		open: func(c *server.Session) {
			if c.Value(key{1}) != nil || c.Data() != nil {
				t.Error("a new session has values")
			}
			c.SetValue(key{1}, "one")
			c.SetValue(key{2}, 2)
			c.SetData("mine")
		},
		message: func(c *server.Session, _ string) { c.SetValue(key{2}, c.Value(key{2}).(int)+1) },
		close: func(c *server.Session, _ error) {
			if c.Value(key{1}) != "one" || c.Value(key{2}) != 4 || c.Data() != "mine" {
				t.Errorf("values in Close: %v %v %v", c.Value(key{1}), c.Value(key{2}), c.Data())
			}
			close(done)
		},
	}})
	c := s.dial(t, "/ws")
	write(t, c, "x")
	write(t, c, "y")
	c.Close(ws.CloseNormal, "")
	receive(t, "Close", done)
}

func TestSessionIDsAreNeverReused(t *testing.T) {
	s := start(t, quiet())
	var mu sync.Mutex
	seen := map[uint64]bool{}
	s.Route("/ws", server.Route{Handler: hooks{open: func(c *server.Session) {
		mu.Lock()
		defer mu.Unlock()
		if seen[c.ID()] || c.ID() == 0 {
			t.Errorf("ID %d again", c.ID())
		}
		seen[c.ID()] = true
	}}})
	each(8, func(int) {
		for range 25 {
			c := s.open(t, "/ws")
			_, _ = c.Write(closing(ws.CloseNormal))
			c.wantEOF(t)
			c.Close()
		}
	})
	if len(seen) != 200 {
		t.Errorf("%d IDs of 200 sessions", len(seen))
	}
}

func TestSessionsListAndClose(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	conns := map[uint64]*ws.Conn{}
	for range 5 {
		c := s.dial(t, "/ws")
		wantEcho(t, c, "hi")
		for session := range s.Sessions() {
			if conns[session.ID()] == nil {
				conns[session.ID()] = c
			}
		}
	}
	if len(conns) != 5 || s.Len() != 5 {
		t.Fatalf("%d listed, %d counted, want 5", len(conns), s.Len())
	}
	var ids []uint64
	for session := range s.Sessions() { // listing holds no lock
		ids = append(ids, session.ID())
		if found, ok := s.Session(session.ID()); !ok || found != session {
			t.Errorf("%v is not found by its ID", session)
		}
		if session.RemoteAddr().String() != conns[session.ID()].LocalAddr().String() {
			t.Errorf("%v is of %v, want %v", session, session.RemoteAddr(), conns[session.ID()].LocalAddr())
		}
	}
	for range s.Sessions() {
		break
	}
	slices.Sort(ids)
	victim := ids[2]
	if err := s.CloseSession(victim, 99, ""); err == nil {
		t.Error("code 99 can be sent")
	}
	if err := s.CloseSession(victim, 4000, "you"); err != nil {
		t.Errorf("close by ID: %v", err)
	}
	if ce := wantEnd(t, conns[victim], 4000); ce.Reason != "you" {
		t.Errorf("reason %q", ce.Reason)
	}
	eventually(t, "one has gone", func() bool { return s.Len() == 4 })
	if err := s.CloseSession(victim, 4000, ""); !errors.Is(err, server.ErrNoSession) {
		t.Errorf("close of one that has gone: %v", err)
	}
	for id, c := range conns {
		if id != victim {
			wantEcho(t, c, "still here")
		}
	}
}

// controls sees control frames too.
type controls struct {
	echo
	seen chan string
}

func (c controls) Ping(s *server.Session, p []byte) { c.seen <- "ping " + string(p) }
func (c controls) Pong(s *server.Session, p []byte) { c.seen <- "pong " + string(p) }

func TestHandlerSeesControlFrames(t *testing.T) {
	s := start(t, quiet())
	h := controls{seen: make(chan string, 4)}
	s.Route("/ws", server.Route{Handler: h})
	c := s.open(t, "/ws")
	for _, f := range [][]byte{frameOf(0x89, []byte("one")), frameOf(0x8A, []byte("two")), text("three")} {
		_, _ = c.Write(f)
	}
	if a, b := receive(t, "a ping", h.seen), receive(t, "a pong", h.seen); a != "ping one" || b != "pong two" {
		t.Errorf("seen %q and %q", a, b)
	}
	c.wantText(t, "three") // and messages are messages
}
