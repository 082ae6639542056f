package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
	"duplex/ws/wstest"
)

// readFor reads for at most d and wants nothing.
func readFor(t *testing.T, c *ws.Conn, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	start := time.Now()
	if _, p, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Read gave %q, %v", p, err)
	}
	if took := time.Since(start); took != d {
		t.Fatalf("Read took %v, not %v", took, d)
	}
}

// The end of a Read's context leaves the connection alive, also when a part of
// the message had come, wherever it is cut.
func TestReadTimeoutLeavesConnectionAlive(t *testing.T) {
	for _, role := range []protocol.Role{protocol.Server, protocol.Client} {
		t.Run(role.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := rawPipe(t, role, nil)
				readFor(t, c, time.Second)
				long := strings.Repeat("long text ", 1000)
				message := append(peer.frame(wire.Text, false, []byte("frag")), peer.frame(wire.Continuation, true, []byte("ments"))...)
				message = append(message, peer.frame(wire.Text, true, []byte(long))...)
				for _, b := range message[:40] {
					peer.write([]byte{b})
					if len(message) > 30 {
						synctest.Wait()
					}
				}
				wantRead(t, c, wire.Text, "fragments")
				readFor(t, c, 100*time.Millisecond)
				half := len(message) / 2
				peer.write(message[40:half])
				readFor(t, c, 3*time.Second) // the background reads from then on
				peer.write(message[half:])
				wantRead(t, c, wire.Text, long)
			})
		})
	}
}

// A context that has ended counts only when bytes are lacking.
func TestReadWithEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		ctx, cancel := context.WithCancelCause(background)
		why := errors.New("why")
		cancel(why)
		peer.write(append(peer.frame(wire.Text, true, []byte("1")), peer.frame(wire.Text, true, []byte("2"))...))
		if _, _, err := c.Read(ctx); !errors.Is(err, why) {
			t.Fatal(err)
		}
		wantRead(t, c, wire.Text, "1")
		if _, p, err := c.Read(ctx); err != nil || string(p) != "2" {
			t.Fatal(p, err)
		}
	})
}

func TestReadOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		first := make(chan error, 1)
		go func() {
			_, _, err := c.Read(background)
			first <- err
		}()
		synctest.Wait()
		if _, _, err := c.Read(background); err != ws.ErrReading {
			t.Error(err)
		}
		if _, _, err := c.ReadAppend(background, nil); err != ws.ErrReading {
			t.Error(err)
		}
		if _, _, err := c.Reader(background); err != ws.ErrReading {
			t.Error(err)
		}
		peer.send(wire.Text, "x")
		must(t, <-first)
	})
}

func TestReadOnPush(t *testing.T) {
	c, s := wstest.Pipe(nil, &ws.Options{Handler: handler{}})
	defer c.CloseNow()
	defer s.CloseNow()
	if _, _, err := s.Read(background); err != ws.ErrPush {
		t.Error(err)
	}
	if _, _, err := s.Reader(background); err != ws.ErrPush {
		t.Error(err)
	}
}

func TestReadAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		dst := []byte("before ")
		peer.send(wire.Binary, "one")
		typ, got, err := c.ReadAppend(background, dst)
		if err != nil || typ != wire.Binary || string(got) != "before one" {
			t.Fatal(typ, got, err)
		}
		peer.send(wire.Text, "two")
		time.Sleep(2 * time.Second) // parked by now
		if _, got, err = c.ReadAppend(background, dst); err != nil || string(got) != "before two" {
			t.Fatal(got, err)
		}
		peer.Close()
		if _, got, err = c.ReadAppend(background, dst); err == nil || string(got) != "before " {
			t.Fatal(got, err)
		}
	})
}

// What Read returns is the caller's: nothing that comes later changes it.
func TestReadGivesMemoryAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		var got [][]byte
		sizes := []int{0, 1, 100, 4000, 4096, 5000, 20_000, 70_000, 300_000}
		for i := range 3 * len(sizes) {
			n := sizes[i%len(sizes)]
			go peer.Write(peer.frame(wire.Binary, true, bytes.Repeat([]byte{byte(i)}, n)))
			_, p, err := c.Read(background)
			must(t, err)
			got = append(got, p)
			if len(p) != n || cap(p) > n+n/2+64 {
				t.Fatalf("%d bytes came in a slice of %d with room for %d", n, len(p), cap(p))
			}
		}
		for i, p := range got {
			if bytes.Count(p, []byte{byte(i)}) != len(p) {
				t.Fatalf("message %d was changed", i)
			}
		}
	})
}

// With nobody reading, Context ends when the peer goes, however it goes, with
// what Read returns as its cause.
func TestContextEndsWhenPeerGoes(t *testing.T) {
	ways := map[string]struct {
		leave func(peer *raw)
		code  ws.CloseCode
	}{
		"close":  {func(p *raw) { p.sendClose(ws.CloseGoingAway, "") }, ws.CloseGoingAway},
		"end":    {func(p *raw) { p.Close() }, ws.CloseAbnormal},
		"cut":    {func(p *raw) { p.write(p.frame(wire.Text, true, []byte("12345"))[:8]); p.Close() }, ws.CloseAbnormal},
		"faulty": {func(p *raw) { p.send(3, "") }, ws.CloseProtocolError},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := rawPipe(t, protocol.Server, nil)
				early := c.Context()
				if c.Err() != nil || early.Err() != nil {
					t.Fatal("over before it began")
				}
				peer.send(wire.Text, "unread")
				way.leave(peer)
				<-early.Done()
				if code := ws.CloseStatus(context.Cause(early)); code != way.code {
					t.Error(context.Cause(early))
				}
				if late := c.Context(); context.Cause(late) != context.Cause(early) || late != early {
					t.Error(context.Cause(late))
				}
				wantRead(t, c, wire.Text, "unread") // what had come is still there
				if _, _, err := c.Read(background); err != context.Cause(early) || err != c.Err() {
					t.Error(err)
				}
			})
		})
	}
}

func TestContextHasTheRequestsValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := pipe(t, nil, nil)
		if c.Context().Value("k") != nil {
			t.Fatal("a value from nowhere")
		}
		c.CloseNow()
		if err := c.Context().Err(); err != context.Canceled {
			t.Fatal(err)
		}
		<-s.Context().Done()
		if s.Context().Err() == nil || !errors.Is(context.Cause(c.Context()), ws.ErrClosed) {
			t.Fatal(context.Cause(c.Context()))
		}
	})
}

// Messages that nobody reads are kept up to a bound, then the peer has to wait;
// none is lost.
func TestParkingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		payload := strings.Repeat("x", 1000)
		const messages = 400
		sent := make(chan int, messages)
		go func() {
			for i := range messages {
				if _, err := peer.Write(peer.frame(wire.Text, true, fmt.Appendf(nil, "%d %s", i, payload))); err != nil {
					return
				}
				sent <- i
			}
		}()
		time.Sleep(10 * time.Second)
		bound := (ws.ParkLimit + wstest.DefaultBuffer + 3*4096) / len(payload)
		if n := len(sent); n > bound || n < wstest.DefaultBuffer/len(payload) {
			t.Fatalf("%d messages were taken with nobody reading, the bound is %d", n, bound)
		}
		for i := range messages {
			wantRead(t, c, wire.Text, fmt.Sprintf("%d %s", i, payload))
		}
	})
}

// Empty messages have a bound too.
func TestParkingIsBoundedForEmptyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NetPipe(1024)
		c := attached(t, a, protocol.Server, nil)
		defer b.Close()
		peer := rawAt(t, b, protocol.Server)
		const messages = 5000
		sent := make(chan int, messages)
		go func() {
			for i := range messages {
				if _, err := peer.Write(peer.frame(wire.Binary, true, nil)); err != nil {
					return
				}
				sent <- i
			}
		}()
		time.Sleep(10 * time.Second)
		if n := len(sent); n > 2500 {
			t.Fatalf("%d empty messages were taken", n)
		}
		for range messages {
			wantRead(t, c, wire.Binary, "")
		}
	})
}

// A peer that sends byte by byte is understood, over every stream.
func TestByteByBytePeer(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c := attached(t, b, protocol.Server, nil)
		peer := rawAt(t, a, protocol.Server)
		var all []byte
		for i := range 20 {
			all = append(all, peer.frame(wire.Text, false, []byte("grüße "))...)
			all = append(all, peer.frame(wire.Ping, true, []byte{byte(i)})...)
			all = append(all, peer.frame(wire.Continuation, true, []byte("aus Köln"))...)
		}
		go func() {
			for i := range all {
				if _, err := a.Write(all[i : i+1]); err != nil {
					return
				}
			}
		}()
		for range 20 {
			wantRead(t, c, wire.Text, "grüße aus Köln")
		}
		for i := range 20 {
			peer.want(wire.Pong, string([]byte{byte(i)}))
		}
	})
}

func TestSetMaxMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{MaxMessage: 10})
		peer.send(wire.Text, "0123456789")
		wantRead(t, c, wire.Text, "0123456789")
		c.SetMaxMessage(20)
		peer.send(wire.Text, "0123456789+")
		wantRead(t, c, wire.Text, "0123456789+")
		peer.fragment(wire.Text, "0123456789")
		peer.send(wire.Continuation, "0123456789+")
		_, _, err := c.Read(background)
		if ws.CloseStatus(err) != ws.CloseMessageTooBig || !errors.Is(err, protocol.ErrMessageTooBig) {
			t.Fatal(err)
		}
		peer.wantClose(ws.CloseMessageTooBig)
	})
}

func TestConnTellsOfItself(t *testing.T) {
	a, b := tcpPair(t)
	c, s := connect(t, a, b, nil, nil)
	if c.Role() != protocol.Client || s.Role() != protocol.Server || c.Subprotocol() != "" || c.Request() != nil || c.Response() != nil {
		t.Error(c.Role(), s.Role(), c.Subprotocol(), c.Request(), c.Response())
	}
	if c.RemoteAddr().String() != b.LocalAddr().String() || c.LocalAddr().String() != a.LocalAddr().String() {
		t.Error(c.RemoteAddr(), c.LocalAddr())
	}
	if c.Data() != nil {
		t.Error(c.Data())
	}
	c.SetData(7)
	if c.Data() != 7 || c.Transport() == nil {
		t.Error(c.Data(), c.Transport())
	}
	bare := ws.Attach(newScripted(), protocol.Client, nil, nil)
	defer bare.CloseNow()
	if bare.RemoteAddr() != nil || bare.LocalAddr() != nil {
		t.Error(bare.RemoteAddr(), bare.LocalAddr())
	}
}

// Bytes that came with the handshake are read first, whatever their number.
func TestEarlyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NetPipe(wstest.DefaultBuffer)
		peer := rawAt(t, b, protocol.Server)
		long := strings.Repeat("early ", 2000)
		early := append(peer.frame(wire.Text, true, []byte("1")), peer.frame(wire.Text, true, []byte(long))...)
		late := early[len(early)-100:]
		early = early[:len(early)-100]
		c := ws.Attach(ws.NewTransport(a), protocol.Server, &ws.Handshake{Early: early, Subprotocol: "x"}, nil)
		defer c.CloseNow()
		wantRead(t, c, wire.Text, "1")
		go peer.Write(late)
		wantRead(t, c, wire.Text, long)
		if c.Subprotocol() != "x" {
			t.Error(c.Subprotocol())
		}
		peer.Close()
		if _, _, err := c.Read(background); ws.CloseStatus(err) != ws.CloseAbnormal || errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}
