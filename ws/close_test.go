package ws_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// RFC 6455 §7.1.1: the server ends TCP first; a client waits a while for that.
func TestClientWaitsForServerToEndTCP_7_1_1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Client, nil)
		start := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- c.Close(ws.CloseNormal, "bye") }()
		if reason := peer.wantClose(ws.CloseNormal); reason != "bye" {
			t.Fatal(reason)
		}
		peer.sendClose(ws.CloseNormal, "")
		if _, _, err := peer.read(); err != io.EOF || time.Since(start) != time.Second {
			t.Fatalf("%v after %v", err, time.Since(start))
		}
		must(t, <-closed)
	})
}

// A peer that takes a little now and then does not stretch Close.
func TestCloseBoundWhilePeerTrickles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			b := make([]byte, 16)
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Second):
				}
				if _, err := peer.Conn.Read(b); err != nil {
					return
				}
			}
		}()
		must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 1<<20)}))
		start := time.Now()
		if err := c.Close(ws.CloseNormal, ""); err == nil {
			t.Error("a Close that was never sent went well")
		}
		if d := time.Since(start); d > 16*time.Second {
			t.Errorf("Close took %v", d)
		}
	})
}

// A Close that never left is no closing handshake.
func TestCloseBehindABacklogThatNeverLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 1<<20)}))
		go func() {
			time.Sleep(time.Second)
			peer.Close()
		}()
		if err := c.Close(ws.CloseNormal, ""); ws.CloseStatus(err) != ws.CloseAbnormal {
			t.Fatal(err)
		}
	})
}

// When both sides begin, and ours was still queued, what the peer said counts.
func TestPeerClosesWhileOursIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 1<<20)}))
		must(t, c.StartClose(ws.CloseNormal, "mine"))
		peer.sendClose(ws.CloseGoingAway, "yours")
		synctest.Wait()
		go io.Copy(io.Discard, peer.Conn)
		<-c.Done()
		var ce *ws.CloseError
		if !errors.As(c.Err(), &ce) || ce.Code != ws.CloseGoingAway || !ce.Remote {
			t.Fatal(c.Err())
		}
	})
}

func TestCloseCodes_7_4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		for _, code := range []ws.CloseCode{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000} {
			if err := c.Close(code, "x"); !errors.Is(err, protocol.ErrSendCode) {
				t.Errorf("%d: %v", code, err)
			}
		}
		for _, reason := range []string{string(make([]byte, 124)), "\xff"} {
			if err := c.StartClose(ws.CloseNormal, reason); !errors.Is(err, protocol.ErrSendReason) {
				t.Errorf("%q: %v", reason, err)
			}
		}
		must(t, c.StartClose(ws.CloseNoStatus, ""))
		if h, p, err := peer.read(); err != nil || h.Opcode != wire.Close || len(p) != 0 {
			t.Fatal(h, p, err)
		}
	})
}

// The closing handshake, begun by either end over every stream, goes well for
// both, with what was queued before it.
func TestClosingHandshake(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		for _, first := range []protocol.Role{protocol.Client, protocol.Server} {
			t.Run(first.String(), func(t *testing.T) {
				a, b := pair(t)
				c, s := connect(t, a, b, nil, nil)
				if first == protocol.Server {
					c, s = s, c
				}
				const queued = 20
				for range queued {
					must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 40_000)}))
				}
				closed := make(chan error, 1)
				go func() { closed <- c.Close(ws.CloseGoingAway, "done") }()
				for range queued {
					if _, p, err := s.Read(soon(t)); err != nil || len(p) != 40_000 {
						t.Fatal(len(p), err)
					}
				}
				_, _, err := s.Read(soon(t))
				var ce *ws.CloseError
				if !errors.As(err, &ce) || *ce != (ws.CloseError{Code: ws.CloseGoingAway, Reason: "done", Remote: true}) {
					t.Fatal(err)
				}
				must(t, await(t, closed, "Close"))
				must(t, s.Close(ws.CloseNormal, "")) // after the end
				await(t, s.Done(), "the other end")
				if err := c.Err(); !errors.As(err, &ce) || *ce != (ws.CloseError{Code: ws.CloseGoingAway, Reason: "done"}) {
					t.Error(err)
				}
				if f := c.CloseFrame(); f == nil || f.Code != ws.CloseGoingAway {
					t.Error(f)
				}
			})
		}
	})
}

// Both ends at once, each many times.
func TestCloseFromEverywhere(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c, s := connect(t, a, b, nil, nil)
		var all sync.WaitGroup
		for i := range 8 {
			end := []*ws.Conn{c, s}[i%2]
			all.Go(func() {
				if err := end.Close(ws.CloseNormal, ""); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() { _, _, _ = end.Read(background) })
		}
		all.Wait()
	})
}

// The answer to a Close without a code has none either, and is 1005 here.
func TestEmptyClose_7_1_5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		peer.send(wire.Close, "")
		if _, _, err := c.Read(background); ws.CloseStatus(err) != ws.CloseNoStatus {
			t.Error(err)
		}
		peer.want(wire.Close, "")
		if _, _, err := peer.read(); err != io.EOF {
			t.Error(err)
		}
	})
}

// RFC 6455 §5.5.1: the answer echoes the code; a server then ends TCP at once.
func TestCloseAnswered_5_5_1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer := rawPipe(t, protocol.Server, nil)
		start := time.Now()
		peer.sendClose(4321, "why not")
		peer.wantClose(4321)
		if _, _, err := peer.read(); err != io.EOF {
			t.Error(err)
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("nobody read for %v", d)
		}
	})
}

// A peer that never answers our Close.
func TestCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{CloseTimeout: 3 * time.Second})
		start := time.Now()
		err := c.Close(ws.CloseNormal, "")
		if !errors.Is(err, protocol.ErrNoAnswer) || ws.CloseStatus(err) != ws.CloseAbnormal || time.Since(start) != 3*time.Second {
			t.Error(err, time.Since(start))
		}
		peer.wantClose(ws.CloseNormal)
		if c.CloseFrame() != nil {
			t.Error(c.CloseFrame())
		}
	})
}

// While a peer that does not answer goes on sending, the time runs too.
func TestCloseTimeoutWhilePeerSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Client, nil)
		go func() {
			for {
				if _, err := peer.Write(peer.frame(wire.Text, true, []byte("more"))); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		must(t, c.StartClose(ws.CloseNormal, ""))
		start := time.Now()
		<-c.Done()
		if d := time.Since(start); d != ws.DefaultCloseTimeout || !errors.Is(c.Err(), protocol.ErrNoAnswer) {
			t.Error(d, c.Err())
		}
		time.Sleep(time.Second) // the peer's last write
	})
}

// A device that just ends the stream after our Close has closed.
func TestPeerEndsStreamAfterOurClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		go func() {
			peer.wantClose(ws.CloseNormal)
			peer.Close()
		}()
		must(t, c.Close(ws.CloseNormal, ""))
		if ws.CloseStatus(c.Err()) != ws.CloseNormal {
			t.Error(c.Err())
		}
	})
}

// CloseNow in every state ends everything at once and for good.
func TestCloseNow(t *testing.T) {
	states := map[string]func(c *ws.Conn, peer *raw){
		"idle":    func(*ws.Conn, *raw) {},
		"reading": func(c *ws.Conn, _ *raw) { go c.Read(background) },
		"lent":    func(c *ws.Conn, p *raw) { p.fragment(wire.Text, "part"); _, _, _ = c.Reader(background) },
		"parked":  func(_ *ws.Conn, p *raw) { p.send(wire.Text, "x"); time.Sleep(2 * time.Second) },
		"full": func(_ *ws.Conn, p *raw) {
			p.write(p.frame(wire.Text, true, make([]byte, ws.ParkLimit-100)))
			time.Sleep(2 * time.Second)
			p.send(wire.Text, "behind")
		},
		"pinging":   func(c *ws.Conn, _ *raw) { go c.Ping(background) },
		"backlog":   func(c *ws.Conn, _ *raw) { _ = c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 1<<20)}) },
		"writing":   func(c *ws.Conn, _ *raw) { go c.Write(background, ws.Binary, make([]byte, 1<<20)) },
		"streaming": func(c *ws.Conn, _ *raw) { w, _ := c.Writer(background, ws.Text); w.Write(make([]byte, 5000)) },
		"closing":   func(c *ws.Conn, _ *raw) { go c.Close(ws.CloseNormal, "") },
		"lingering": func(c *ws.Conn, p *raw) { p.sendClose(ws.CloseNormal, ""); go c.Read(background) },
		"failed":    func(c *ws.Conn, p *raw) { p.send(3, ""); go c.Read(background) },
		"over":      func(c *ws.Conn, p *raw) { p.Close(); time.Sleep(5 * time.Second) },
	}
	for name, reach := range states {
		for _, role := range []protocol.Role{protocol.Server, protocol.Client} {
			t.Run(name+" "+role.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, peer := rawPipe(t, role, nil)
					reach(c, peer)
					synctest.Wait()
					start := time.Now()
					c.CloseNow()
					c.CloseNow()
					if d := time.Since(start); d != 0 {
						t.Errorf("took %v", d)
					}
					if c.Err() == nil || c.Context().Err() == nil {
						t.Error("not over")
					}
				})
			})
		}
	}
}

// From inside a handler too.
func TestCloseFromHandler(t *testing.T) {
	ends := map[string]func(c *ws.Conn) error{
		"Close":      func(c *ws.Conn) error { return c.Close(ws.CloseNormal, "") },
		"CloseNow":   func(c *ws.Conn) error { c.CloseNow(); return nil },
		"StartClose": func(c *ws.Conn) error { return c.StartClose(ws.CloseNormal, "") },
	}
	for name, end := range ends {
		for _, method := range []string{"open", "message", "close"} {
			t.Run(name+" in "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var calls []string
					call := func(c *ws.Conn, now string) {
						calls = append(calls, now)
						if now == method {
							if err := end(c); err != nil {
								t.Error(err)
							}
						}
					}
					c, s := pipe(t, nil, &ws.Options{Handler: handler{
						func(c *ws.Conn) { call(c, "open") },
						func(c *ws.Conn, _ ws.MessageType, p []byte) { call(c, "message"); _ = string(p) },
						func(c *ws.Conn, err error) { call(c, "close") },
					}})
					_ = c.Write(background, ws.Text, []byte("hello"))
					if method == "close" {
						synctest.Wait()
						go c.Close(ws.CloseNormal, "")
					}
					<-s.Done()
					<-c.Done()
					synctest.Wait()
					if calls[0] != "open" || calls[len(calls)-1] != "close" || len(calls) > 3 {
						t.Error(calls)
					}
				})
			})
		}
	}
}

// StartClose from a handler that then sleeps, with more waiting than is kept:
// the peer's answer is seen all the same.
func TestStartCloseBesideASleepingHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handler{message: func(c *ws.Conn, _ ws.MessageType, _ []byte) {
			time.Sleep(3 * time.Second)
			_ = c.StartClose(ws.CloseNormal, "")
			time.Sleep(time.Minute)
		}}
		c, peer := rawPipe(t, protocol.Server, &ws.Options{Handler: h})
		peer.send(wire.Text, "go")
		peer.write(peer.frame(wire.Binary, true, make([]byte, ws.ParkLimit-200)))
		time.Sleep(2 * time.Second)
		peer.write(peer.frame(wire.Binary, true, make([]byte, 1000)))
		peer.wantClose(ws.CloseNormal)
		peer.sendClose(ws.CloseNormal, "")
		start := time.Now()
		<-c.Done()
		if d := time.Since(start); d > 3*time.Second || ws.CloseStatus(c.Err()) != ws.CloseNormal {
			t.Error(d, c.Err())
		}
		time.Sleep(5 * time.Minute)
	})
}

// A stream that cannot end one direction is ended as a whole, without a wait.
func TestCloseWithoutHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		c, s := connect(t, a, b, nil, nil)
		start := time.Now()
		go s.Read(background)
		must(t, c.Close(ws.CloseNormal, ""))
		<-s.Done()
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// What a peer that has gone said last is read even though a write has failed.
func TestLastWordsBesideAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		peer.send(wire.Text, "last")
		peer.sendClose(ws.CloseGoingAway, "bye")
		peer.Close()
		if err := c.Write(background, ws.Text, []byte("to nobody")); err == nil {
			t.Error("written to nobody")
		}
		wantRead(t, c, wire.Text, "last")
		if _, _, err := c.Read(background); ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Error(err)
		}
	})
}
