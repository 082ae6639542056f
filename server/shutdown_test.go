package server_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duplex/server"
	"duplex/ws"
)

// TestShutdownTellsEveryone: each client, of either kind of route, sees Close
// 1001 and the end of the stream, behind what was queued to it; each handler
// hears of it once, before Shutdown returns.
func TestShutdownTellsEveryone(t *testing.T) {
	const n = 20
	s := start(t, quiet())
	var closed, returned atomic.Int32
	s.Route("/push", server.Route{Handler: hooks{close: func(_ *server.Session, err error) {
		if ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("Close was told %v", err)
		}
		time.Sleep(10 * time.Millisecond) // Shutdown waits for it
		closed.Add(1)
	}}})
	s.Route("/pull", server.Route{Func: func(ctx context.Context, c *server.Session) {
		_, _, err := c.Read(ctx)
		if ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Errorf("Read returned %v", err)
		}
		time.Sleep(10 * time.Millisecond)
		returned.Add(1)
	}})
	var clients []*raw
	for range n {
		clients = append(clients, s.open(t, "/push"), s.open(t, "/pull"))
	}
	eventually(t, "all are open", func() bool { return s.Len() == 2*n })
	for session := range s.Sessions() {
		if err := session.Send(ws.Outgoing{Type: ws.Text, Data: []byte("last words")}); err != nil {
			t.Errorf("Send: %v", err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(within(t)) }()
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			c.wantText(t, "last words")
			if reason := c.wantClose(t, ws.CloseGoingAway); reason == "" {
				t.Error("Close without a reason")
			}
		})
	}
	all.Wait()
	if err := receive(t, "Shutdown", ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if closed.Load() != n || returned.Load() != n || s.Len() != 0 {
		t.Errorf("when Shutdown returned %d of %d had been closed, %d had returned, %d were left", closed.Load(), n, returned.Load(), s.Len())
	}
	if err := s.Shutdown(within(t)); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}
	if nc, err := net.Dial("tcp", s.addr); err == nil {
		nc.Close()
		t.Error("the port is still open")
	}
	time.Sleep(20 * time.Millisecond) // time for a second call
	if closed.Load() != n {
		t.Errorf("Close was called %d times for %d sessions", closed.Load(), n)
	}
}

// TestShutdownOfStalledClients: those that never read and those that never
// answer cost CloseTimeout and WriteTimeout, no more.
func TestShutdownOfStalledClients(t *testing.T) {
	o := quiet()
	// The write timeout also bounds the writing of each 101, on a busy machine.
	o.WebSocket = ws.Options{WriteTimeout: 2 * time.Second, CloseTimeout: 300 * time.Millisecond, QueueLimit: 64 << 20}
	s := start(t, o)
	var closed atomic.Int32
	s.Route("/ws", server.Route{Handler: hooks{close: func(*server.Session, error) { closed.Add(1) }}})
	s.Route("/func", server.Route{Func: func(ctx context.Context, c *server.Session) {
		defer closed.Add(1)
		<-ctx.Done()
	}})
	for _, path := range []string{"/ws", "/func"} {
		for range 5 {
			s.open(t, path)                                                    // never answers
			_, _ = s.open(t, path).Write([]byte{0x82, 0xFF, 0, 0, 0, 1, 0, 0}) // half a frame
			_, _ = s.open(t, path).Write([]byte{0x01, 0x81, 1, 2, 3, 4, 'x'})  // half a message
			s.open(t, path)                                                    // never reads, below
		}
	}
	eventually(t, "all are open", func() bool { return s.Len() == 40 })
	i := 0
	for session := range s.Sessions() {
		if i++; i%4 == 0 {
			_ = session.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 16<<20)})
		}
	}
	begin := time.Now()
	if err := s.Shutdown(within(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	// 2 s to write, 0.3 s to answer, 1 s of linger.
	if d := time.Since(begin); d > patience/2 {
		t.Errorf("Shutdown took %v", d)
	}
	if closed.Load() != 40 {
		t.Errorf("%d of 40 handlers were told", closed.Load())
	}
}

// TestShutdownOfSilentConnections: those on which no request is under way do not
// delay it. net/http alone waits 5 s for some.
func TestShutdownOfSilentConnections(t *testing.T) {
	s := start(t, quiet())
	s.Handle("/page", http.HandlerFunc(hello))
	var conns []*raw
	for range 5 { // no request, half a request, and one that stays connected after it
		none, half, kept := dialRaw(t, s.addr), dialRaw(t, s.addr), dialRaw(t, s.addr)
		half.send(t, "GET /ws HT")
		kept.send(t, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
		kept.response(t)
		conns = append(conns, none, half, kept)
	}
	begin := time.Now()
	if err := s.Shutdown(within(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("Shutdown took %v", d)
	}
	for _, c := range conns {
		c.wantEOF(t)
	}
}

// TestShutdownEndsWithItsContext: then the rest is cut.
func TestShutdownEndsWithItsContext(t *testing.T) {
	s := start(t, quiet())
	told := make(chan error, 1)
	s.Route("/ws", server.Route{Handler: hooks{close: func(_ *server.Session, err error) { told <- err }}})
	c := s.open(t, "/ws")
	s.only(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("it took %v", d)
	}
	if err := receive(t, "the handler is told", told); err == nil {
		t.Error("told nil")
	}
	c.wantClose(t, ws.CloseGoingAway) // it had been sent
	if err := s.Shutdown(within(t)); err != nil {
		t.Errorf("a second Shutdown, with time: %v", err)
	}
}

// TestShutdownRaces lets clients connect, and other Shutdowns run, meanwhile:
// nobody hangs, nobody is left, and who was let in is told.
func TestShutdownRaces(t *testing.T) {
	for range 5 {
		s := start(t, quiet())
		var opened, closed, told, refused atomic.Int32
		h := hooks{
			open:  func(*server.Session) { opened.Add(1) },
			close: func(*server.Session, error) { closed.Add(1) },
		}
		s.Route("/push", server.Route{Handler: h})
		s.Route("/pull", server.Route{Func: func(ctx context.Context, c *server.Session) {
			h.Open(c)
			<-ctx.Done()
			h.Close(c, nil)
		}})
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := s.try(t, []string{"/push", "/pull"}[i%2], nil)
					if err != nil {
						refused.Add(1)
						continue
					}
					for err == nil {
						_, _, err = c.Read(context.Background())
					}
					if ws.CloseStatus(err) == ws.CloseGoingAway {
						told.Add(1)
					} else {
						t.Errorf("a client let in saw %v", err)
					}
				}
			})
		}
		eventually(t, "clients are in", func() bool { return opened.Load() >= 8 })
		each(3, func(int) {
			if err := s.Shutdown(within(t)); err != nil {
				t.Errorf("Shutdown: %v", err)
			}
		})
		if o, c := opened.Load(), closed.Load(); o != c {
			t.Errorf("%d opened, %d closed when Shutdown returned", o, c)
		}
		close(stop)
		clients.Wait()
		if told.Load() < 8 {
			t.Errorf("%d of the first 8 were told", told.Load())
		}
	}
}

// TestShutdownWaitsForHandshakes: one that is being checked when it begins is
// refused with 503, not left over.
func TestShutdownWaitsForHandshakes(t *testing.T) {
	s := start(t, quiet())
	checking, checked := make(chan struct{}), make(chan struct{})
	s.Route("/ws", server.Route{
		Handler: hooks{open: func(*server.Session) { t.Error("opened after Shutdown began") }},
		Check: func(_ http.ResponseWriter, r *http.Request) *http.Request {
			close(checking)
			<-checked
			return r
		},
	})
	c := dialRaw(t, s.addr)
	c.send(t, request("/ws"))
	receive(t, "Check runs", checking)
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(within(t)) }()
	eventually(t, "the listener is closed", func() bool {
		nc, err := net.Dial("tcp", s.addr)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
	close(checked)
	if r, body := c.response(t); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s %q", r.Status, body)
	}
	if err := receive(t, "Shutdown", ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// TestClose cuts everything at once, without a Close frame, and again does
// nothing.
func TestClose(t *testing.T) {
	s := start(t, quiet())
	told := make(chan error, 20)
	blocked := make(chan struct{})
	s.Route("/ws", server.Route{Handler: hooks{
		message: func(*server.Session, string) { <-blocked },
		close:   func(_ *server.Session, err error) { told <- err },
	}})
	s.Route("/func", server.Route{Func: func(ctx context.Context, c *server.Session) {
		<-ctx.Done()
		told <- context.Cause(ctx)
	}})
	var clients []*raw
	for i := range 10 {
		clients = append(clients, s.open(t, "/ws"), s.open(t, "/func"))
		if i < 5 {
			_, _ = clients[2*i].Write(text("a handler that does not return"))
		}
	}
	eventually(t, "all are open", func() bool { return s.Len() == 20 })
	for range 8 {
		_ = s.Queue(func() { <-blocked }) // the first run, the others are dropped
	}
	begin := time.Now()
	each(3, func(int) {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	if d := time.Since(begin); d > 3*time.Second {
		t.Errorf("Close took %v", d)
	}
	for _, c := range clients {
		if n, err := io.Copy(io.Discard, c.in); n != 0 || err != nil && !reset(err) {
			t.Errorf("a client saw %d bytes and %v, want the end of the stream", n, err)
		}
	}
	close(blocked)
	for range clients {
		if err := receive(t, "every handler is told", told); !errors.Is(err, ws.ErrClosed) {
			t.Errorf("told %v", err)
		}
	}
	if err := s.Queue(func() {}); !errors.Is(err, server.ErrClosed) {
		t.Errorf("Queue: %v", err)
	}
	if err := s.Shutdown(within(t)); err != nil {
		t.Errorf("Shutdown after Close: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l); !errors.Is(err, server.ErrClosed) {
		t.Errorf("Serve after Close: %v", err)
	}
	if _, err := l.Accept(); err == nil {
		t.Error("Serve left its listener open")
	}
}
