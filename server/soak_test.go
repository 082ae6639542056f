package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duplex/server"
	"duplex/wire"
	"duplex/ws"
)

// soakTime is how long TestSoak opens connections, from the environment.
func soakTime(t *testing.T) time.Duration {
	v := os.Getenv("DUPLEX_SOAK")
	if v == "" {
		return time.Second
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatalf("DUPLEX_SOAK is %q, want a duration such as 30s", v)
	}
	return d
}

// soak is a server that is connected to and left in every state.
type soak struct {
	*server.Server
	group  server.Group
	budget *ws.Budget
	addrs  []string
}

func newSoak(t *testing.T) *soak {
	o := quiet()
	o.HeaderTimeout = 500 * time.Millisecond
	o.OnPanic = func(*server.Session, any, []byte) {}
	s := &soak{budget: ws.NewBudget(64 << 20)}
	o.WebSocket = ws.Options{
		Budget: s.budget, PingInterval: 20 * time.Millisecond, PongTimeout: patience,
		WriteTimeout: 300 * time.Millisecond, CloseTimeout: 300 * time.Millisecond,
	}
	s.Server = server.New(o)
	s.Route("/echo", server.Route{Handler: echo{}})
	s.Route("/impatient", server.Route{Handler: echo{}, Options: &ws.Options{
		PingInterval: 10 * time.Millisecond, PongTimeout: 10 * time.Millisecond,
	}})
	s.Route("/group", server.Route{Handler: hooks{open: func(c *server.Session) { _ = s.group.Join(c, nil) }}})
	s.Route("/ping", server.Route{Func: func(ctx context.Context, c *server.Session) {
		for {
			if _, err := c.Ping(ctx); err != nil {
				return
			}
		}
	}})
	s.Route("/panic", server.Route{Handler: hooks{message: func(*server.Session, string) { panic("soak") }}})
	s.Route("/work", server.Route{Handler: hooks{message: func(c *server.Session, m string) {
		id := c.ID()
		_ = s.Queue(func() { _ = s.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte(m)}) })
	}}})
	s.Route("/close", server.Route{Handler: hooks{message: func(c *server.Session, _ string) {
		_ = s.CloseSession(c.ID(), 4000, "as you wish")
	}}})
	s.Handle("/page", http.HandlerFunc(hello))
	for range 4 { // ports, as closed connections keep theirs for a while
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s.addrs = append(s.addrs, l.Addr().String())
		go s.Serve(l)
	}
	return s
}

// client connects by TCP and, for a path, does the opening handshake.
func (s *soak) client(path string) (*raw, error) {
	nc, err := net.Dial("tcp", s.addrs[rand.IntN(len(s.addrs))])
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(patience))
	c := &raw{nc, bufio.NewReader(nc)}
	if path == "" {
		return c, nil
	}
	if _, err = c.Write([]byte(request(path))); err == nil {
		var r *http.Response
		if r, err = http.ReadResponse(c.in, nil); err == nil && r.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("opening handshake: %s", r.Status)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// cut resets the connection.
func (c *raw) cut() {
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// states are the ways in which a connection is left: path, what is sent, what is
// read, and whether it is reset. A negative read is all there is.
var states = []struct {
	name, path string
	send       []byte
	read       int
	reset      bool
}{
	{name: "never speaks"},
	{name: "mid-handshake", send: []byte(request("/echo")[:70])},
	{name: "mid-handshake, reset", send: []byte(request("/echo")[:70]), reset: true},
	{name: "before the 101 is read", send: []byte(request("/echo") + string(text("x"))), reset: true},
	{name: "plain page", send: []byte("GET /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), read: -1},
	{name: "idle", path: "/echo"},
	{name: "mid-header", path: "/echo", send: text("header")[:1]},
	{name: "mid-frame", path: "/echo", send: text("a frame")[:8], reset: true},
	{name: "mid-message", path: "/echo", send: frameOf(0x01, []byte("first of several"))},
	{name: "mid-message, long", path: "/echo", send: frameOf(0x02, make([]byte, 40<<10)), reset: true},
	{name: "echo unread", path: "/echo", send: text("hello"), reset: true},
	{name: "echo half read", path: "/echo", send: frameOf(0x82, make([]byte, 8<<10)), read: 100},
	{name: "Close sent, answer unread", path: "/echo", send: closing(ws.CloseNormal)},
	{name: "Close sent and reset", path: "/echo", send: closing(ws.CloseNormal), reset: true},
	{name: "closed well", path: "/echo", send: append(text("bye"), closing(ws.CloseNormal)...), read: -1},
	{name: "violation", path: "/echo", send: []byte{0x81, 1, 'x'}, read: -1},
	{name: "during its Ping", path: "/ping", read: 10, reset: true},
	{name: "during a broadcast", path: "/group", read: 500},
	{name: "during a broadcast, reset", path: "/group", read: 500, reset: true},
	{name: "answers no ping", path: "/impatient", read: -1},
	{name: "panic", path: "/panic", send: text("x"), read: 8},
	{name: "queued work", path: "/work", send: text("x"), reset: true},
	{name: "closed by ID", path: "/close", send: text("x"), read: -1},
}

func (s *soak) leave(t *testing.T, i int) error {
	st := states[i]
	c, err := s.client(st.path)
	if err != nil {
		return err
	}
	defer c.Close()
	_, _ = c.Write(st.send)
	switch {
	case st.read < 0:
		var b bytes.Buffer
		if _, err := b.ReadFrom(c.in); err != nil && !reset(err) {
			t.Errorf("%s: the server does not end the stream: %v", st.name, err)
		}
	case st.read > 0:
		for n := 0; n < st.read; {
			k, err := c.in.Read(make([]byte, st.read))
			if err != nil {
				break
			}
			n += k
		}
	}
	if st.reset {
		c.cut()
	}
	return nil
}

// slowReader asks for much, reads a little and goes.
func (s *soak) slowReader(*testing.T) error {
	c, err := s.client("/echo")
	if err != nil {
		return err
	}
	defer c.cut()
	_ = c.SetDeadline(time.Now().Add(20 * time.Millisecond))
	for f := frameOf(0x82, make([]byte, 64<<10)); err == nil; {
		_, err = c.Write(f)
	}
	return nil
}

// halfClose ends its direction behind a message and reads the echo.
func (s *soak) halfClose(t *testing.T) error {
	c, err := s.client("/echo")
	if err != nil {
		return err
	}
	defer c.Close()
	_, _ = c.Write(text("half-closed"))
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	if h, p, err := c.frame(); err != nil || h.Opcode == wire.Text && string(p) != "half-closed" {
		t.Errorf("half-close: %q, %v", p, err)
	}
	c.wantEOF(t)
	return nil
}

// ours is the package's own client, in several ways.
func (s *soak) ours(t *testing.T) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	way := rand.IntN(4)
	if way == 0 { // given up while it dials
		short, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(2000))*time.Microsecond)
		defer cancel()
		ctx = short
	}
	c, err := ws.Dial(ctx, "ws://"+s.addrs[0]+"/echo", nil)
	if err != nil {
		if way == 0 {
			err = nil
		}
		return err
	}
	defer c.CloseNow()
	if err := c.Write(ctx, ws.Text, []byte("x")); err != nil && way != 0 {
		t.Errorf("write: %v", err)
	}
	switch way {
	case 1:
		if _, err := c.Ping(ctx); err != nil {
			t.Errorf("ping: %v", err)
		}
	case 2:
		if err := c.Close(ws.CloseNormal, ""); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	return nil
}

// TestSoak opens and leaves connections in every state, many at once, for
// DUPLEX_SOAK, and holds that nothing stays: no session, no member, no memory of
// the budget, no goroutine, no descriptor.
func TestSoak(t *testing.T) {
	warm := dialRaw(t, start(t, quiet()).addr) // what the runtime opens once
	warm.Close()
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	s := newSoak(t)
	var opened [100]atomic.Int64
	var failed atomic.Int64
	ways := make([]func(*testing.T) error, 0, len(states)+3)
	for i := range states {
		ways = append(ways, func(t *testing.T) error { return s.leave(t, i) })
	}
	ways = append(ways, s.slowReader, s.halfClose, s.ours)

	begin := time.Now()
	end := begin.Add(soakTime(t))
	var all sync.WaitGroup
	all.Go(func() {
		for time.Now().Before(end) {
			_, _ = s.group.Broadcast(ws.Outgoing{Type: ws.Binary, Data: make([]byte, rand.IntN(2000)), Policy: ws.Policy(rand.IntN(3))})
			time.Sleep(time.Millisecond)
		}
	})
	for worker := range 16 {
		all.Go(func() {
			for n := worker; (time.Now().Before(end) || n < worker+len(ways)) && !t.Failed(); n++ {
				way := n % len(ways)
				if err := ways[way](t); err != nil {
					failed.Add(1)
					t.Logf("not connected: %v", err)
					time.Sleep(10 * time.Millisecond)
					continue
				}
				opened[way].Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	if err := s.Shutdown(within(t)); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	total := int64(0)
	for i := range ways {
		n := opened[i].Load()
		if total += n; n == 0 {
			t.Errorf("way %d of %d never worked", i, len(ways))
		}
	}
	t.Logf("%d connections in %d ways, %.0f a second; %d not connected", total, len(ways), float64(total)/took.Seconds(), failed.Load())
	if failed.Load() > total/10 {
		t.Errorf("%d of %d could not connect", failed.Load(), total)
	}
	if n, m, b := s.Len(), s.group.Len(), s.budget.Used(); n != 0 || m != 0 || b != 0 {
		t.Errorf("left: %d sessions, %d members, %d bytes of the budget", n, m, b)
	}
	eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
	if descriptors >= 0 {
		eventually(t, "the descriptors are closed", func() bool { return openDescriptors() <= descriptors })
	}
}

// openDescriptors counts them, -1 where the system does not tell.
func openDescriptors() int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	n := 0
	for _, e := range names {
		// Not the one that the counting takes.
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(to, "/proc/") {
			n++
		}
	}
	return n
}
