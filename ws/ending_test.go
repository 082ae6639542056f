package ws_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// The write timeout of a backlog does not end a connection that has been idle
// since.
func TestWriteTimeoutEndsWithTheBacklog(t *testing.T) {
	a, b := tcpPair(t)
	c := attached(t, a, protocol.Server, &ws.Options{WriteTimeout: 300 * time.Millisecond})
	const size = 16 << 20
	must(t, c.Write(background, ws.Binary, make([]byte, size)))
	if _, err := io.CopyN(io.Discard, b, size+10); err != nil {
		t.Fatal(err)
	}
	time.Sleep(400 * time.Millisecond)
	must(t, c.Write(background, ws.Text, []byte("still here")))
	rawAt(t, b, protocol.Server).want(wire.Text, "still here")
}

// After 1002, 1007 and 1009 the peer gets the Close frame, although it is still
// sending: no reset overtakes it (RFC 6455 §7.1.1, §7.1.7).
func TestCloseFrameReachesAPeerThatSends(t *testing.T) {
	faults := map[ws.CloseCode]func(peer *raw) []byte{
		ws.CloseProtocolError:  func(p *raw) []byte { return p.frame(3, true, nil) },
		ws.CloseInvalidPayload: func(p *raw) []byte { return p.frame(wire.Text, true, []byte("\xff")) },
		ws.CloseMessageTooBig:  func(p *raw) []byte { return p.frame(wire.Binary, true, make([]byte, 2000)) },
	}
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		for code, faulty := range faults {
			for _, role := range []protocol.Role{protocol.Server, protocol.Client} {
				t.Run(role.String()+" "+code.String(), func(t *testing.T) {
					a, b := pair(t)
					if role == protocol.Client {
						a, b = b, a
					}
					c := attached(t, b, role, &ws.Options{MaxMessage: 1000})
					go c.Read(background)
					peer := rawAt(t, a, role)
					peer.write(faulty(peer))
					more := peer.frame(wire.Binary, true, make([]byte, 1000))
					for range 4000 {
						if _, err := peer.Write(more); err != nil {
							break // the stream is ended: the Close frame must be there all the same
						}
					}
					if reason := peer.wantClose(code); reason == "" {
						t.Error("no reason")
					}
					a.Close()
					await(t, c.Done(), "the end")
					var f *ws.Fault
					if !errors.As(c.Err(), &f) || f.Code != code {
						t.Error(c.Err())
					}
				})
			}
		}
	})
}

// Whatever the peer does to the stream is the end, with 1006, and frees all.
func TestStreamEnds(t *testing.T) {
	ways := map[string]func(nc net.Conn){
		"end":        func(nc net.Conn) { nc.Close() },
		"reset":      func(nc net.Conn) { nc.(*net.TCPConn).SetLinger(0); nc.Close() },
		"half-close": func(nc net.Conn) { nc.(*net.TCPConn).CloseWrite() },
	}
	for name, way := range ways {
		for _, waits := range []string{"read", "nobody", "backlog"} {
			t.Run(name+" "+waits, func(t *testing.T) {
				t.Parallel()
				a, b := tcpPair(t)
				c := attached(t, b, protocol.Server, &ws.Options{WriteTimeout: time.Second})
				done := make(chan error, 1)
				switch waits {
				case "read":
					go func() { _, _, err := c.Read(background); done <- err }()
				case "backlog":
					must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 16<<20), Done: func(err error) { done <- err }}))
				default:
					done <- io.EOF
				}
				way(a)
				await(t, c.Done(), "the end")
				if ws.CloseStatus(c.Err()) != ws.CloseAbnormal {
					t.Error(c.Err())
				}
				if err := await(t, done, "the completion"); err == nil {
					t.Error("went well")
				}
			})
		}
	}
}

// A reset after our Close is a close like another.
func TestResetAfterOurClose(t *testing.T) {
	a, b := tcpPair(t)
	c := attached(t, b, protocol.Server, nil)
	go func() {
		rawAt(t, a, protocol.Server).wantClose(ws.CloseNormal)
		a.(*net.TCPConn).SetLinger(0)
		a.Close()
	}()
	must(t, c.Close(ws.CloseNormal, ""))
	if ws.CloseStatus(c.Err()) != ws.CloseNormal {
		t.Error(c.Err())
	}
}

// The server ends TCP first (§7.1.1): the client's end is not in TIME_WAIT.
func TestServerEndsTCPFirst_7_1_1(t *testing.T) {
	for _, first := range []protocol.Role{protocol.Client, protocol.Server} {
		a, b := tcpPair(t)
		if first == protocol.Client {
			c := attached(t, a, protocol.Client, nil)
			peer := rawAt(t, b, protocol.Client)
			must(t, c.StartClose(ws.CloseNormal, ""))
			peer.wantClose(ws.CloseNormal)
			peer.sendClose(ws.CloseNormal, "")
			b.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			if _, _, err := peer.read(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the client ended TCP: ", err)
			}
			b.Close()
			await(t, c.Done(), "the end")
			continue
		}
		c := attached(t, b, protocol.Server, nil)
		peer := rawAt(t, a, protocol.Server)
		must(t, c.StartClose(ws.CloseNormal, ""))
		peer.wantClose(ws.CloseNormal)
		peer.sendClose(ws.CloseNormal, "")
		a.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, _, err := peer.read(); err != io.EOF {
			t.Error(err)
		}
		a.Close()
		await(t, c.Done(), "the end")
	}
}

// A peer that stops reading does not stop us reading, and is gone in the end.
func TestPeerStopsReading(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c := attached(t, b, protocol.Server, &ws.Options{WriteTimeout: 300 * time.Millisecond})
		peer := rawAt(t, a, protocol.Server)
		must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 16<<20)}))
		for range 10 {
			peer.send(wire.Text, "I talk and do not listen")
			peer.send(wire.Ping, "hello?")
			wantRead(t, c, wire.Text, "I talk and do not listen")
		}
		await(t, c.Done(), "the write timeout")
		if !errors.Is(c.Err(), os.ErrDeadlineExceeded) {
			t.Error(c.Err())
		}
	})
}

// A push echo over every stream, with pings from inside the handler: less than
// what is kept is under way.
func TestPushEchoOverStreams(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		over := make(chan error, 1)
		h := handler{
			message: func(c *ws.Conn, typ ws.MessageType, p []byte) {
				if len(p) > 100 && p[0]%4 == 0 {
					_, _ = c.Ping(soon(t)) // the lent bytes stay
				}
				_ = c.Write(c.Context(), typ, p)
			},
			close: func(_ *ws.Conn, err error) { over <- err },
		}
		c, _ := connect(t, a, b, nil, &ws.Options{Handler: h})
		const messages = 300
		text := func(i int) string { return strings.Repeat(string(rune('A'+i%20)), i*i%9000) }
		for first := 0; first < messages; first += 5 {
			for i := range 5 {
				must(t, c.Write(background, ws.Text, []byte(text(first+i))))
			}
			for i := range 5 {
				wantRead(t, c, ws.Text, text(first+i))
			}
		}
		must(t, c.Close(ws.CloseNormal, ""))
		if err := await(t, over, "the handler's Close"); ws.CloseStatus(err) != ws.CloseNormal {
			t.Error(err)
		}
	})
}

// What does not fit the kernel's buffers is copied: the slice is the caller's
// again when Write returns.
func TestWriteOfALongSliceOverTCP(t *testing.T) {
	a, b := tcpPair(t)
	c := attached(t, a, protocol.Server, nil)
	p := bytes.Repeat([]byte("0123456789"), 1<<20)
	want := string(p)
	must(t, c.Write(background, ws.Text, p))
	clear(p)
	rawAt(t, b, protocol.Server).want(wire.Text, want)
}

// No descriptor is left, whatever state connections end in.
func TestDescriptorsAreFreed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts /proc/self/fd")
	}
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(names)
	}
	before := count()
	for i := range 24 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		a, err := net.Dial("tcp", l.Addr().String())
		must(t, err)
		b, err := l.Accept()
		must(t, err)
		l.Close()
		c := ws.Attach(ws.NewTransport(a), protocol.Client, nil, nil)
		s := ws.Attach(ws.NewTransport(b), protocol.Server, nil, nil)
		switch i % 4 {
		case 0:
			go s.Read(background)
			must(t, c.Close(ws.CloseNormal, ""))
		case 1:
			_ = s.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 8<<20)})
			go s.Read(background)
			c.CloseNow()
		case 2:
			go c.Read(background)
			must(t, s.StartClose(ws.CloseGoingAway, ""))
		case 3:
			c.CloseNow()
			s.CloseNow()
		}
		await(t, c.Done(), "the client's end")
		await(t, s.Done(), "the server's end")
	}
	if after := count(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// Over TLS both ends say that they end it: an end without that is no attack
// (RFC 8446 §6.1).
func TestTLSIsEndedInOrder(t *testing.T) {
	for _, role := range []protocol.Role{protocol.Client, protocol.Server} {
		a, b := tlsPair(t)
		if role == protocol.Server {
			a, b = b, a
		}
		c := attached(t, a, role, nil)
		peer := rawAt(t, b, role)
		must(t, c.StartClose(ws.CloseNormal, ""))
		peer.wantClose(ws.CloseNormal)
		peer.sendClose(ws.CloseNormal, "")
		if role == protocol.Client {
			must(t, b.(*tls.Conn).CloseWrite())
		}
		if _, _, err := peer.read(); err != io.EOF {
			t.Error(role, err)
		}
		b.Close()
		await(t, c.Done(), "the end")
	}
}

// On a socket too what the peer said last is read, although it left with a
// reset and a write has failed of it.
func TestLastWordsBeforeAReset(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a reset may discard what had come")
	}
	a, b := tcpPair(t)
	c := attached(t, b, protocol.Server, nil)
	peer := rawAt(t, a, protocol.Server)
	must(t, c.Write(background, ws.Text, []byte("never read")))
	peer.send(wire.Text, "last")
	peer.sendClose(ws.CloseGoingAway, "bye")
	a.Close() // with something unread: a reset
	for range 100 {
		if c.Write(background, ws.Text, []byte("to nobody")) != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	wantRead(t, c, wire.Text, "last")
	if _, _, err := c.Read(soon(t)); ws.CloseStatus(err) != ws.CloseGoingAway {
		t.Error(err)
	}
}
