package server_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"duplex/server"
	"duplex/ws"
)

// completion is a Done that is held to be called once.
type completion struct {
	calls atomic.Int32
	done  chan error
}

func newCompletion() *completion { return &completion{done: make(chan error, 4)} }

func (c *completion) Done(err error) {
	c.calls.Add(1)
	c.done <- err
}

// only returns the session when there is one.
func (s running) only(t testing.TB) *server.Session {
	t.Helper()
	var found *server.Session
	eventually(t, "one session", func() bool {
		n := 0
		for session := range s.Sessions() {
			found = session
			n++
		}
		return n == 1
	})
	return found
}

func TestSendByID(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	c := s.dial(t, "/ws")
	id := s.only(t).ID()
	done := newCompletion()
	data := []byte("mine again at once")
	if err := s.Send(id, ws.Outgoing{Type: ws.Text, Data: data, Done: done.Done}); err != nil {
		t.Fatal(err)
	}
	clear(data)
	if got := read(t, c); got != "mine again at once" {
		t.Errorf("got %q", got)
	}
	if err := receive(t, "completion", done.done); err != nil {
		t.Errorf("completed with %v", err)
	}
	if err := s.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte("\xff"), Done: done.Done}); err == nil {
		t.Error("text that is not UTF-8 goes out")
	}
	if err := s.Send(id+1, ws.Outgoing{Type: ws.Text, Done: done.Done}); !errors.Is(err, server.ErrNoSession) {
		t.Errorf("to nobody: %v", err)
	}
	c.CloseNow()
	eventually(t, "the session has gone", func() bool { return s.Len() == 0 })
	if err := s.Send(id, ws.Outgoing{Type: ws.Text, Done: done.Done}); !errors.Is(err, server.ErrNoSession) {
		t.Errorf("after its end: %v", err)
	}
	if n := done.calls.Load(); n != 1 {
		t.Errorf("completed %d times: a Send that fails does not complete", n)
	}
}

// TestSendCompletesWhenTheKernelHasIt: nil only once the peer has made room.
func TestSendCompletesWhenTheKernelHasIt(t *testing.T) {
	const size = 16 << 20 // more than the socket buffers of both ends
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	c := s.open(t, "/ws")
	id := s.only(t).ID()
	done := newCompletion()
	if err := s.Send(id, ws.Outgoing{Type: ws.Binary, Data: bytes.Repeat([]byte("x"), size), Done: done.Done}); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done.done:
		t.Fatalf("completed with %v though nobody reads", err)
	default:
	}
	if _, p, err := c.frame(); err != nil || len(p) != size {
		t.Fatalf("%d bytes, %v", len(p), err)
	}
	if err := receive(t, "completion", done.done); err != nil {
		t.Errorf("completed with %v", err)
	}
}

// TestSendCompletesOnceWhateverHappens breaks connections under full queues.
func TestSendCompletesOnceWhateverHappens(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}, Options: &ws.Options{QueueLimit: 4 << 20}})
	var completed, failed atomic.Int32
	payload := bytes.Repeat([]byte("x"), 100<<10)
	for round := range 12 {
		c := s.open(t, "/ws")
		session := s.only(t)
		var mu sync.Mutex
		var sent []*completion
		each(4, func(int) {
			for range 40 {
				done := newCompletion()
				if s.Send(session.ID(), ws.Outgoing{Type: ws.Binary, Data: payload[:rand.IntN(len(payload))], Done: done.Done}) == nil {
					mu.Lock()
					sent = append(sent, done)
					mu.Unlock()
				}
			}
		})
		switch round % 4 {
		case 0:
			c.Close()
		case 1:
			each(4, func(int) { session.CloseNow() })
		case 2:
			_ = session.StartClose(ws.CloseNormal, "")
			_, _ = c.Write(closing(ws.CloseNormal))
			c.wantEOF(t)
		case 3:
			each(2, func(i int) {
				if i == 0 {
					session.CloseNow()
				} else {
					c.Close()
				}
			})
		}
		eventually(t, "the session has gone", func() bool { return s.Len() == 0 })
		for i, done := range sent {
			if err := receive(t, "completion "+strconv.Itoa(i), done.done); err == nil {
				completed.Add(1)
			} else {
				failed.Add(1)
			}
		}
		for _, done := range sent {
			if n := done.calls.Load(); n != 1 {
				t.Errorf("round %d: completed %d times", round, n)
			}
		}
	}
	t.Logf("%d completed, %d failed", completed.Load(), failed.Load())
	if completed.Load() == 0 || failed.Load() == 0 {
		t.Error("the test shows only one outcome")
	}
}

// TestSendNeverReachesAnother: descriptors are reused at once, IDs are not. Work
// for a client that has gone never reaches the one that came next, the fault of
// identifying a client by its descriptor.
func TestSendNeverReachesAnother(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: hooks{message: func(c *server.Session, m string) {
		id := c.ID()
		for range 5 {
			queue(t, s.Server, func() {
				_ = s.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte("for " + m)})
			})
		}
	}}})
	var strays, got atomic.Int32
	each(4, func(worker int) {
		for i := range 60 {
			name := strconv.Itoa(worker) + "-" + strconv.Itoa(i)
			c := s.open(t, "/ws")
			_, _ = c.Write(text(name))
			if i%3 != 0 { // gone before the work runs, or in the middle of it
				c.Close()
				continue
			}
			for range 5 {
				_, p, err := c.frame()
				if err != nil {
					t.Errorf("client %s: %v", name, err)
					break
				}
				got.Add(1)
				if string(p) != "for "+name {
					strays.Add(1)
				}
			}
			c.Close()
		}
	})
	eventually(t, "all have gone", func() bool { return s.Len() == 0 }) // and queue nothing more
	if n := strays.Load(); n != 0 || got.Load() != 4*20*5 {
		t.Errorf("%d messages came, %d of them meant for another", got.Load(), n)
	}
}

// TestSendWithoutLoss is the fault list's 12 MB frame: it arrives whole, and what
// comes next is not inside it.
func TestSendWithoutLoss(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	c := s.dial(t, "/ws")
	id := s.only(t).ID()
	big := strings.Repeat("0123456789ab", 1_000_000)
	if err := s.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte(big)}); err != nil {
		t.Fatal(err)
	}
	for err := s.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte("next")}); ; err = s.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte("next")}) {
		if err == nil {
			break
		}
		if !errors.Is(err, ws.ErrSlow) { // told so, not lost
			t.Fatal(err)
		}
		if got := read(t, c); got != big {
			t.Fatalf("%d bytes came, not the %d sent", len(got), len(big))
		}
		big = ""
	}
	if big != "" {
		if got := read(t, c); got != big {
			t.Fatalf("%d bytes came, not the %d sent", len(got), len(big))
		}
	}
	if got := read(t, c); got != "next" {
		t.Errorf("then %.40q", got)
	}
}
