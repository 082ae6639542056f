package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/server"
	"duplex/wire"
	"duplex/ws"
)

// patience bounds every wait for something that should come soon: generous, as
// it only runs out in a test that fails.
const patience = 15 * time.Second

// children are what the test binary does when a test starts it again.
var children = map[string]func(){}

const childVar = "DUPLEX_TEST_CHILD"

func TestMain(m *testing.M) {
	if child := children[os.Getenv(childVar)]; child != nil {
		child()
		return
	}
	goleak.VerifyTestMain(m)
}

// quiet are Options whose server says nothing.
func quiet() server.Options {
	return server.Options{Log: slog.New(slog.DiscardHandler)}
}

// running is a server on a loopback port, closed when the test ends.
type running struct {
	*server.Server
	addr string
}

func start(t testing.TB, o server.Options) running {
	t.Helper()
	return serve(t, server.New(o))
}

func serve(t testing.TB, s *server.Server) running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, s, l)
	return running{s, l.Addr().String()}
}

// serveOn serves l until the test ends.
func serveOn(t testing.TB, s *server.Server, l net.Listener) {
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; !errors.Is(err, server.ErrClosed) {
			t.Errorf("Serve returned %v, want ErrClosed", err)
		}
		eventually(t, "every session has gone", func() bool { return s.Len() == 0 })
	})
}

func (s running) url(path string) string { return "ws://" + s.addr + path }

// within is a context that bounds a test's step.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// dial connects with the package's own client, closed when the test ends.
func (s running) dial(t testing.TB, path string) *ws.Conn {
	t.Helper()
	c, err := s.try(t, path, nil)
	if err != nil {
		t.Fatalf("dial %s: %v", path, err)
	}
	t.Cleanup(c.CloseNow)
	return c
}

func (s running) try(t testing.TB, path string, o *ws.DialOptions) (*ws.Conn, error) {
	return ws.Dial(within(t), s.url(path), o)
}

func write(t testing.TB, c *ws.Conn, text string) {
	t.Helper()
	if err := c.Write(within(t), ws.Text, []byte(text)); err != nil {
		t.Fatalf("write %.40q: %v", text, err)
	}
}

func read(t testing.TB, c *ws.Conn) string {
	t.Helper()
	_, p, err := c.Read(within(t))
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return string(p)
}

// wantEcho holds that the other end echoes, and returns how long it took.
func wantEcho(t testing.TB, c *ws.Conn, text string) time.Duration {
	t.Helper()
	begin := time.Now()
	write(t, c, text)
	if got := read(t, c); got != text {
		t.Fatalf("echo of %.40q is %.40q", text, got)
	}
	return time.Since(begin)
}

// wantEnd holds that c ends with the code.
func wantEnd(t testing.TB, c *ws.Conn, code ws.CloseCode) *ws.CloseError {
	t.Helper()
	for {
		_, _, err := c.Read(within(t))
		if err == nil {
			continue
		}
		var ce *ws.CloseError
		if !errors.As(err, &ce) || ce.Code != code {
			t.Fatalf("the connection ended with %v, want code %d", err, code)
		}
		return ce
	}
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// receive takes from a channel, or fails the test.
func receive[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
		panic("unreachable")
	}
}

// echo answers every message with itself.
type echo struct{ server.Base }

func (echo) Message(s *server.Session, typ ws.MessageType, p []byte) {
	_ = s.Write(s.Context(), typ, p)
}

// hooks is a Handler of functions; nil ones do nothing.
type hooks struct {
	open    func(*server.Session)
	message func(*server.Session, string)
	close   func(*server.Session, error)
}

func (h hooks) Open(s *server.Session) {
	if h.open != nil {
		h.open(s)
	}
}

func (h hooks) Message(s *server.Session, _ ws.MessageType, p []byte) {
	if h.message != nil {
		h.message(s, string(p))
	}
}

func (h hooks) Close(s *server.Session, err error) {
	if h.close != nil {
		h.close(s, err)
	}
}

// raw is a client that can do everything wrong.
type raw struct {
	net.Conn
	in *bufio.Reader
}

// dialRaw connects by TCP, closed when the test ends.
func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetReadDeadline(time.Now().Add(2 * patience))
	return &raw{nc, bufio.NewReader(nc)}
}

// request is an opening handshake; lines are more header fields.
func request(path string, lines ...string) string {
	head := []string{
		"GET " + path + " HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
	}
	return strings.Join(append(head, lines...), "\r\n") + "\r\n\r\n"
}

func (c *raw) send(t testing.TB, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// response reads an HTTP response; it is an answer to a GET.
func (c *raw) response(t testing.TB) (*http.Response, string) {
	t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatalf("response: %v", err)
	}
	if r.StatusCode == http.StatusSwitchingProtocols {
		return r, ""
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("response body: %v", err)
	}
	return r, string(body)
}

// open connects and does the opening handshake.
func (s running) open(t testing.TB, path string, lines ...string) *raw {
	t.Helper()
	c := dialRaw(t, s.addr)
	c.send(t, request(path, lines...))
	if r, body := c.response(t); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("opening handshake: %s %s", r.Status, body)
	}
	return c
}

// frameOf is one frame from a client.
func frameOf(first byte, payload []byte) []byte {
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	h := wire.Header{Fin: first&0x80 != 0, RSV: first >> 4 & 7, Opcode: wire.Opcode(first & 15),
		Masked: true, Key: key, Length: uint64(len(payload))}
	return wire.AppendMasked(wire.AppendHeader(nil, h), payload, key)
}

func text(s string) []byte { return frameOf(0x81, []byte(s)) }

// closing is a Close frame from a client.
func closing(code ws.CloseCode) []byte { return frameOf(0x88, wire.AppendClose(nil, code, "")) }

// frame reads a frame from the server.
func (c *raw) frame() (h wire.Header, payload []byte, err error) {
	for n := 2; ; n++ {
		p, err := c.in.Peek(n)
		if err != nil {
			return h, nil, err
		}
		var whole bool
		if h, _, whole = wire.ParseHeader(p); whole {
			_, _ = c.in.Discard(n)
			break
		}
	}
	payload = make([]byte, h.Length)
	_, err = io.ReadFull(c.in, payload)
	return h, payload, err
}

// wantText reads frames until a text, which must be this one.
func (c *raw) wantText(t testing.TB, want string) {
	t.Helper()
	for {
		h, p, err := c.frame()
		if err != nil {
			t.Fatalf("waiting for %.40q: %v", want, err)
		}
		if h.Opcode == wire.Text {
			if string(p) != want {
				t.Fatalf("got %.40q, want %.40q", p, want)
			}
			return
		}
	}
}

// wantClose reads until a Close frame with this code, answers it, and holds that
// the end of the stream follows.
func (c *raw) wantClose(t testing.TB, want ws.CloseCode) (reason string) {
	t.Helper()
	for {
		h, p, err := c.frame()
		if err != nil {
			t.Fatalf("waiting for Close %d: %v", want, err)
		}
		if h.Opcode != wire.Close {
			continue
		}
		code, text, ok := wire.ParseClose(p)
		if !ok || code != want {
			t.Fatalf("got Close %d %q, want %d", code, text, want)
		}
		_, _ = c.Write(closing(code)) // the server may have gone already
		if n, err := io.Copy(io.Discard, c.in); n != 0 || err != nil && !reset(err) {
			t.Fatalf("after Close came %d bytes and %v, want the end of the stream", n, err)
		}
		return string(text)
	}
}

// reset reports whether the peer has cut the connection while it held bytes of
// ours unread.
func reset(err error) bool { return err != nil && !errors.Is(err, os.ErrDeadlineExceeded) }

// wantEOF holds that the server ends the stream, whatever it says before, and
// returns that.
func (c *raw) wantEOF(t testing.TB) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := io.Copy(&b, c.in); err != nil && !reset(err) {
		t.Fatalf("the server keeps the connection open: %v", err)
	}
	return b.String()
}

// heap returns the bytes in live objects.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what sync.Pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// each runs f n times at once and waits.
func each(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
