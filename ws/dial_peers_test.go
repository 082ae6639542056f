package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/protocol"
	"duplex/ws"
)

// noLeaks fails the test when it leaves a goroutine. Call it first: what is
// registered later is cleaned up before.
func noLeaks(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

// within is a context for what takes no time when all is well.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// listen serves each connection with f, which need not close it, and returns
// the address.
func listen(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, l, f)
	return l.Addr().String()
}

// serve is listen on a listener that is there.
func serve(t *testing.T, l net.Listener, f func(net.Conn)) {
	var mu sync.Mutex
	var open []net.Conn
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// readHead reads the head of a request, byte for byte, and nothing behind it.
func readHead(c io.Reader) string {
	var head []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		if _, err := io.ReadFull(c, b); err != nil {
			return string(head)
		}
		head = append(head, b[0])
	}
	return string(head)
}

// parseHead is what net/http makes of it.
func parseHead(t *testing.T, head string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		t.Errorf("%v in %q", err, head)
		return &http.Request{URL: new(url.URL)}
	}
	return r
}

// keyIn is the Sec-WebSocket-Key of a request.
func keyIn(head string) string {
	_, rest, _ := strings.Cut(head, "\r\nSec-WebSocket-Key: ")
	key, _, _ := strings.Cut(rest, "\r\n")
	return key
}

// switching is the 101 that answers head, with more header lines.
func switching(head, lines string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + protocol.AcceptKey(keyIn(head)) + "\r\n" + lines + "\r\n"
}

// answering is a server that gives one answer, in which ACCEPT stands for the
// right value.
func answering(t *testing.T, answer string) (addr string) {
	return listen(t, func(c net.Conn) {
		head := readHead(c)
		io.WriteString(c, strings.ReplaceAll(answer, "ACCEPT", protocol.AcceptKey(keyIn(head))))
	})
}

// sockets is a NetDial that knows whether all its sockets were closed.
type sockets struct {
	mu     sync.Mutex
	opened int
	closed int
	addrs  []string
}

func (s *sockets) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.addrs = append(s.addrs, network+" "+addr)
	s.mu.Unlock()
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.opened++
	s.mu.Unlock()
	return &countedConn{Conn: c, s: s}, nil
}

func (s *sockets) check(t *testing.T, opened int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened != opened || s.closed != opened {
		t.Errorf("%d sockets opened and %d closed, want %d", s.opened, s.closed, opened)
	}
}

type countedConn struct {
	net.Conn
	once sync.Once
	s    *sockets
}

func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.s.mu.Lock()
		c.s.closed++
		c.s.mu.Unlock()
	})
	return c.Conn.Close()
}

// addrOnly is a NetDial that connects to nothing and keeps the address.
func addrOnly(addr *string) func(context.Context, string, string) (net.Conn, error) {
	return func(_ context.Context, network, a string) (net.Conn, error) {
		*addr = network + " " + a
		return nil, errors.New("not today")
	}
}

// mustFail dials, wants a *HandshakeError with all these parts in its text, and
// returns it.
func mustFail(t *testing.T, rawURL string, o *ws.DialOptions, parts ...string) *ws.HandshakeError {
	t.Helper()
	c, err := ws.Dial(within(t), rawURL, o)
	if err == nil {
		c.CloseNow()
		t.Fatal("Dial succeeded")
	}
	return wantError(t, err, parts...)
}

func wantError(t *testing.T, err error, parts ...string) *ws.HandshakeError {
	t.Helper()
	var he *ws.HandshakeError
	if !errors.As(err, &he) {
		t.Fatalf("%T %v is no *HandshakeError", err, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
	return he
}

// checkEcho sends a message over a connection to an echoing server, and closes.
func checkEcho(t *testing.T, c *ws.Conn) {
	t.Helper()
	ctx := within(t)
	if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := c.Read(ctx); err != nil || string(p) != "hello" {
		t.Fatalf("Read: %q, %v", p, err)
	}
	if err := c.Close(ws.CloseNormal, ""); err != nil {
		t.Fatal(err)
	}
}

// echo accepts and echoes until the client closes.
func echo(o *ws.Options) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), typ, p) != nil {
				return
			}
		}
	}
}
