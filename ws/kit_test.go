package ws_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
	"duplex/ws/wstest"
)

var background = context.Background()

func TestMain(m *testing.M) {
	ws.Poison()
	goleak.VerifyTestMain(m)
}

// raw is a peer that knows frames and nothing else.
type raw struct {
	t *testing.T
	net.Conn
	in    *bufio.Reader
	masks bool
}

// rawAt is the raw peer of a Conn in the given role, at nc.
func rawAt(t *testing.T, nc net.Conn, role protocol.Role) *raw {
	return &raw{t: t, Conn: nc, in: bufio.NewReader(nc), masks: role == protocol.Server}
}

// frame returns the bytes of a frame.
func (r *raw) frame(op wire.Opcode, fin bool, p []byte) []byte {
	h := wire.Header{Fin: fin, Opcode: op, Length: uint64(len(p))}
	if !r.masks {
		return append(wire.AppendHeader(nil, h), p...)
	}
	h.Masked, h.Key = true, [4]byte{1, 2, 3, 4}
	return wire.AppendMasked(wire.AppendHeader(nil, h), p, h.Key)
}

// send sends a whole frame.
func (r *raw) send(op wire.Opcode, p string) { r.write(r.frame(op, true, []byte(p))) }

// fragment sends one that is not the last.
func (r *raw) fragment(op wire.Opcode, p string) { r.write(r.frame(op, false, []byte(p))) }

func (r *raw) sendClose(code wire.CloseCode, reason string) {
	r.send(wire.Close, string(wire.AppendClose(nil, code, reason)))
}

func (r *raw) write(p []byte) {
	r.t.Helper()
	if _, err := r.Write(p); err != nil {
		r.t.Fatal("raw peer:", err)
	}
}

// read returns the next frame.
func (r *raw) read() (h wire.Header, p []byte, err error) {
	var n int
	for size := 2; ; size++ {
		b, err := r.in.Peek(size)
		if err != nil {
			return h, nil, err
		}
		var ok bool
		if h, n, ok = wire.ParseHeader(b); ok {
			break
		}
	}
	_, _ = r.in.Discard(n)
	p = make([]byte, h.Length)
	_, err = io.ReadFull(r.in, p)
	if h.Masked {
		wire.Mask(p, h.Key, 0)
	}
	return h, p, err
}

// want reads a frame and fails the test if it is another.
func (r *raw) want(op wire.Opcode, p string) {
	r.t.Helper()
	h, got, err := r.read()
	if err != nil || h.Opcode != op || string(got) != p {
		r.t.Fatalf("raw peer read %v %.100q, %v; want %v %.100q", h, got, err, op, p)
	}
}

// wantClose reads up to a Close frame and checks its code.
func (r *raw) wantClose(code wire.CloseCode) (reason string) {
	r.t.Helper()
	for {
		h, p, err := r.read()
		if err != nil {
			r.t.Fatalf("raw peer: %v before a Close frame", err)
		}
		if h.Opcode == wire.Close {
			got, text, ok := wire.ParseClose(p)
			if !ok || got != code {
				r.t.Fatalf("raw peer read Close %v %q, want %v", got, text, code)
			}
			return string(text)
		}
	}
}

// rawPipe is a Conn over memory and its raw peer. It ends with the test.
func rawPipe(t *testing.T, role protocol.Role, o *ws.Options) (*ws.Conn, *raw) {
	a, b := wstest.NetPipe(wstest.DefaultBuffer)
	c := ws.Attach(ws.NewTransport(a), role, nil, o)
	t.Cleanup(func() { b.Close(); c.CloseNow() })
	return c, rawAt(t, b, role)
}

// pipe is wstest.Pipe that ends with the test.
func pipe(t *testing.T, client, server *ws.Options) (c, s *ws.Conn) {
	c, s = wstest.Pipe(client, server)
	t.Cleanup(func() { c.CloseNow(); s.CloseNow() })
	return c, s
}

// streams are the kinds of stream that a Conn runs over. Each gives two ends
// of a fresh one.
var streams = []struct {
	name string
	pair func(t *testing.T) (client, server net.Conn)
}{
	{"pipe", func(*testing.T) (net.Conn, net.Conn) {
		a, b := wstest.NetPipe(wstest.DefaultBuffer)
		return a, b
	}},
	{"tcp", tcpPair},
	{"unix", func(t *testing.T) (net.Conn, net.Conn) {
		return socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
	}},
	{"tls", tlsPair},
}

// onStreams runs a test over every kind of stream, at the same time.
func onStreams(t *testing.T, f func(t *testing.T, pair func(t *testing.T) (client, server net.Conn))) {
	for _, s := range streams {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f(t, s.pair)
		})
	}
}

func tcpPair(t *testing.T) (client, server net.Conn) { return socketPair(t, "tcp", "127.0.0.1:0") }

func socketPair(t *testing.T, network, addr string) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Skip("no such sockets here: ", err)
	}
	defer l.Close()
	client, err = net.Dial(network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func tlsPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	cert := certificate()
	c := tls.Client(a, &tls.Config{RootCAs: cert.pool, ServerName: "localhost"})
	s := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{cert.pair}})
	failed := make(chan error, 1)
	go func() { failed <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	return c, s
}

type certified struct {
	pair tls.Certificate
	pool *x509.CertPool
}

// certificate is one for localhost, made once.
var certificate = sync.OnceValue(func() certified {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return certified{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool}
})

// connect makes Conns of two ends of a stream. They end with the test.
func connect(t *testing.T, client, server net.Conn, co, so *ws.Options) (c, s *ws.Conn) {
	c = ws.Attach(ws.NewTransport(client), protocol.Client, nil, co)
	s = ws.Attach(ws.NewTransport(server), protocol.Server, nil, so)
	t.Cleanup(func() { c.CloseNow(); s.CloseNow() })
	return c, s
}

// attached is one Conn that ends with the test.
func attached(t *testing.T, nc net.Conn, role protocol.Role, o *ws.Options) *ws.Conn {
	c := ws.Attach(ws.NewTransport(nc), role, nil, o)
	t.Cleanup(c.CloseNow)
	return c
}

// soon is a context with a bound that only a test that fails meets.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(background, 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// await fails the test if ch gives nothing for long.
func await[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// wantRead reads a message and fails the test if it is another.
func wantRead(t *testing.T, c *ws.Conn, typ ws.MessageType, p string) {
	t.Helper()
	gotTyp, got, err := c.Read(soon(t))
	if err != nil || gotTyp != typ || string(got) != p {
		t.Fatalf("Read gave %v %.100q, %v; want %v %.100q", gotTyp, got, err, typ, p)
	}
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// handler is a ws.Handler of functions, nil for those that do nothing.
type handler struct {
	open    func(*ws.Conn)
	message func(*ws.Conn, ws.MessageType, []byte)
	close   func(*ws.Conn, error)
}

func (h handler) Open(c *ws.Conn) {
	if h.open != nil {
		h.open(c)
	}
}

func (h handler) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	if h.message != nil {
		h.message(c, typ, p)
	}
}

func (h handler) Close(c *ws.Conn, err error) {
	if h.close != nil {
		h.close(c, err)
	}
}

// controls is a handler that sees pings and pongs too.
type controls struct {
	handler
	ping, pong func(*ws.Conn, []byte)
}

func (h controls) Ping(c *ws.Conn, p []byte) { h.ping(c, p) }
func (h controls) Pong(c *ws.Conn, p []byte) { h.pong(c, p) }
