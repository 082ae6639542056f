package server_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"duplex/server"
	"duplex/wire"
	"duplex/ws"
)

// target is a server under attack, and a client of it that must be served all
// the while.
type target struct {
	running
	bystander *ws.Conn
	before    int64 // bytes of heap
}

func newTarget(t *testing.T, o server.Options) *target {
	t.Helper()
	s := start(t, o)
	s.Route("/ws", server.Route{Handler: echo{}})
	v := &target{running: s, bystander: s.dial(t, "/ws")}
	v.wantServed(t)
	v.before = heap()
	return v
}

// wantServed: the old client and a new one are, soon.
func (v *target) wantServed(t *testing.T) {
	t.Helper()
	took := wantEcho(t, v.bystander, "served?")
	begin := time.Now()
	c := v.open(t, "/ws")
	c.send(t, string(text("and I?")))
	c.wantText(t, "and I?")
	c.Close()
	if took = max(took, time.Since(begin)); took > 3*time.Second {
		t.Errorf("others waited %v", took)
	}
}

// wantHeap: the server, and the test's own clients, have not grown by more.
func (v *target) wantHeap(t *testing.T, most int64) {
	t.Helper()
	grown := heap() - v.before
	t.Logf("heap grew by %s of at most %s", mib(grown), mib(most))
	if grown > most {
		t.Errorf("the heap grew by %s, want at most %s", mib(grown), mib(most))
	}
}

// announce is the header of a masked binary frame of n bytes that does not come.
func announce(n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{0x82, 0xFF}, n), 1, 2, 3, 4)
}

// TestHostileLength_5_2: what is announced and not sent costs nothing.
func TestHostileLength_5_2(t *testing.T) {
	v := newTarget(t, quiet())
	v.Route("/endless", server.Route{Handler: echo{}, Options: &ws.Options{MaxMessage: -1}})
	for _, c := range []struct {
		path string
		n    uint64
		code ws.CloseCode // 0: the server waits for the rest
	}{
		{"/ws", 1 << 63, ws.CloseProtocolError},
		{"/ws", 1<<64 - 1, ws.CloseProtocolError},
		{"/ws", 1 << 40, ws.CloseMessageTooBig},
		{"/ws", 1 << 62, ws.CloseMessageTooBig},
		{"/ws", 16 << 20, 0},
		{"/endless", 1 << 63, ws.CloseProtocolError},
		{"/endless", 1 << 30, 0},
	} {
		for range 20 {
			conn := v.open(t, c.path)
			conn.send(t, string(announce(c.n)))
			if c.code != 0 {
				conn.wantClose(t, c.code)
			} else {
				conn.send(t, "only this") // and nothing more
			}
		}
	}
	time.Sleep(20 * time.Millisecond) // the server has read it all
	v.wantHeap(t, 8<<20)
	v.wantServed(t)
}

// TestHostileFragments_5_4: a million fragments without a byte in them.
func TestHostileFragments_5_4(t *testing.T) {
	v := newTarget(t, quiet())
	conn := v.open(t, "/ws")
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		conn.wantClose(t, ws.CloseMessageTooBig)
	}()
	_, _ = conn.Write(frameOf(0x01, nil))
	batch := bytes.Repeat(frameOf(0x00, nil), 10_000)
	for i := range 100 {
		if _, err := conn.Write(batch); err != nil {
			break // refused
		}
		if i%20 == 0 {
			v.wantServed(t)
		}
	}
	receive(t, "Close", closed)
	v.wantHeap(t, 4<<20)
	v.wantServed(t)
}

// TestByteByByte: the cut never matters.
func TestByteByByte(t *testing.T) {
	v := newTarget(t, quiet())
	conn := dialRaw(t, v.addr)
	sent := request("/ws") + string(text("one")) + string(frameOf(0x89, []byte("p"))) +
		string(frameOf(0x01, []byte("tw"))) + string(frameOf(0x80, []byte("o"))) +
		string(text(strings.Repeat("long ", 60))) + string(closing(ws.CloseNormal))
	go func() {
		for i := range len(sent) {
			if _, err := io.WriteString(conn, sent[i:i+1]); err != nil {
				t.Errorf("byte %d: %v", i, err)
				return
			}
		}
	}()
	if r, body := conn.response(t); r.StatusCode != 101 {
		t.Fatalf("%s %s", r.Status, body)
	}
	conn.wantText(t, "one")
	conn.wantText(t, "two")
	conn.wantText(t, strings.Repeat("long ", 60))
	conn.wantClose(t, ws.CloseNormal)
	v.wantServed(t)
}

// TestHostileHeaders sends megabytes of them, and one that never ends.
func TestHostileHeaders(t *testing.T) {
	o := quiet()
	o.MaxHeader = 8 << 10
	v := newTarget(t, o)
	line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
	var answered atomic.Int32
	each(20, func(i int) {
		conn := dialRaw(t, v.addr)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if got := conn.wantEOF(t); strings.HasPrefix(got, "HTTP/1.1 431 ") {
				answered.Add(1)
			} else if got != "" {
				t.Errorf("answered %.100q", got)
			}
		}()
		_, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\n")
		for n := 0; n < 4<<20 && err == nil; n += len(line) {
			if i%2 == 0 {
				_, err = io.WriteString(conn, line)
			} else {
				_, err = io.WriteString(conn, line[10:len(line)-2])
			}
		}
		receive(t, "the end of the stream", done)
	})
	// The answer is lost where a reset overtakes it, as bytes were left unread.
	t.Logf("%d of 20 got their 431", answered.Load())
	small := dialRaw(t, v.addr) // one that does not send on gets it
	small.send(t, "GET /ws HTTP/1.1\r\nHost: x\r\n"+strings.Repeat(line, 12)+line[:400])
	if r, _ := small.response(t); r.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%s", r.Status)
	}
	v.wantHeap(t, 8<<20)
	v.wantServed(t)
}

// TestHostileSilence: connections that never speak are closed after
// HeaderTimeout, and so are those that speak slowly.
func TestHostileSilence(t *testing.T) {
	const n = 320
	o := quiet()
	o.HeaderTimeout = 500 * time.Millisecond
	v := newTarget(t, o)
	begin := time.Now()
	conns := make([]*raw, n)
	for i := range conns {
		conns[i] = dialRaw(t, v.addr)
		if i%2 == 0 {
			conns[i].send(t, "GET /ws HTTP/1.1\r\nHo")
		}
	}
	v.wantHeap(t, n*(32<<10))
	v.wantServed(t)
	var drips atomic.Int32
	each(n, func(i int) {
		if i%8 == 0 { // a byte now and then does not help
			go func() {
				for range 100 {
					if _, err := io.WriteString(conns[i], "x"); err != nil {
						return
					}
					drips.Add(1)
					time.Sleep(50 * time.Millisecond)
				}
			}()
		}
		if got := conns[i].wantEOF(t); got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("answered %.60q", got)
		}
	})
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("closed after %v", d)
	}
	v.wantServed(t)
}

// TestHostilePings_5_5_2: a peer that pings without end and reads no pong.
func TestHostilePings_5_5_2(t *testing.T) {
	v := newTarget(t, quiet())
	conn := v.open(t, "/ws")
	batch := bytes.Repeat(frameOf(0x89, bytes.Repeat([]byte("p"), wire.MaxControl)), 1000)
	for i := range 60 { // 7 MiB of pings
		_ = conn.SetWriteDeadline(time.Now().Add(patience))
		if _, err := conn.Write(batch); err != nil {
			break // refused is as good
		}
		if i%20 == 0 {
			v.wantServed(t)
		}
	}
	v.wantHeap(t, 4<<20)
	v.wantServed(t)
}

// TestHostileHalfMessages: all unfinished messages together keep to the budget;
// who would exceed it is sent away with 1013, the others are served.
func TestHostileHalfMessages(t *testing.T) {
	const n, limit = 1000, 4 << 20
	budget := ws.NewBudget(limit)
	v := newTarget(t, quiet())
	v.Route("/half", server.Route{Handler: echo{}, Options: &ws.Options{Budget: budget, CloseTimeout: 100 * time.Millisecond}})
	half := append(announce(1<<20), make([]byte, 20<<10)...)
	fragment := frameOf(0x02, make([]byte, 20<<10))
	var refused, held []*raw
	var peak int64
	for i := range n {
		c := v.open(t, "/half")
		_, _ = c.Write([][]byte{half, fragment}[i%2])
		// Either it is charged or refused: wait for which.
		eventually(t, "the server has read it", func() bool {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := c.in.Peek(1)
			_ = c.SetReadDeadline(time.Now().Add(2 * patience))
			used := budget.Used()
			peak = max(peak, used)
			if err == nil {
				refused = append(refused, c)
				return true
			}
			if used > int64(len(held))*(16<<10) && len(held) < limit/(16<<10) {
				held = append(held, c)
				return true
			}
			return false
		})
		if len(refused) > 0 && refused[len(refused)-1] == c {
			c.wantClose(t, ws.CloseTryAgainLater)
			c.Close()
		}
		if i%200 == 0 {
			v.wantServed(t)
		}
	}
	t.Logf("%d held, %d refused, budget used at most %s of %s", len(held), len(refused), mib(peak), mib(limit))
	if peak > limit || peak < limit/2 {
		t.Errorf("at most %d bytes of the budget of %d were used", peak, limit)
	}
	if len(refused) < n/2 {
		t.Errorf("only %d of %d were refused", len(refused), n)
	}
	v.wantHeap(t, 4*limit)
	v.wantServed(t)
	for _, c := range held {
		c.Close()
	}
	eventually(t, "the budget is whole again", func() bool { return budget.Used() == 0 })
	eventually(t, "the sessions have gone", func() bool { return v.Len() == 1 })
}

// TestHostileGarbage: no bytes, before or after the handshake, do harm.
func TestHostileGarbage(t *testing.T) {
	o := quiet()
	o.HeaderTimeout = 300 * time.Millisecond
	o.WebSocket.CloseTimeout = 200 * time.Millisecond
	v := newTarget(t, o)
	var hello bytes.Buffer
	_ = tls.Client(recorder{&hello}, &tls.Config{ServerName: "x"}).Handshake()
	if hello.Len() < 100 {
		t.Fatal("no ClientHello")
	}
	random := rand.NewChaCha8([32]byte{1})
	for i := range 200 {
		garbage := make([]byte, 1+i*20)
		_, _ = random.Read(garbage)
		switch i % 10 {
		case 0:
			garbage = hello.Bytes()
		case 1:
			garbage = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
		}
		plain := dialRaw(t, v.addr)
		_, _ = plain.Write(garbage)
		upgraded := v.open(t, "/ws")
		_, _ = upgraded.Write(garbage)
		_ = plain.Conn.(*net.TCPConn).CloseWrite()
		_ = upgraded.Conn.(*net.TCPConn).CloseWrite()
		if got := plain.wantEOF(t); got != "" && !strings.HasPrefix(got, "HTTP/1.1 4") {
			t.Errorf("garbage %d was answered with %.60q", i, got)
		}
		upgraded.wantEOF(t)
		plain.Close()
		upgraded.Close()
		if i%20 == 0 {
			v.wantServed(t)
		}
	}
	v.wantHeap(t, 4<<20)
	v.wantServed(t)
}

// recorder is a connection that keeps what is written and says nothing.
type recorder struct{ b *bytes.Buffer }

func (r recorder) Write(p []byte) (int, error)    { return r.b.Write(p) }
func (recorder) Read([]byte) (int, error)         { return 0, io.EOF }
func (recorder) Close() error                     { return nil }
func (recorder) LocalAddr() net.Addr              { return nil }
func (recorder) RemoteAddr() net.Addr             { return nil }
func (recorder) SetDeadline(time.Time) error      { return nil }
func (recorder) SetReadDeadline(time.Time) error  { return nil }
func (recorder) SetWriteDeadline(time.Time) error { return nil }
