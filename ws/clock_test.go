package ws_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// Both ends with default options keep each other alive, pull and push, with
// nobody doing anything.
func TestKeepAlive(t *testing.T) {
	for name, o := range map[string]*ws.Options{"pull": nil, "push": {Handler: handler{}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := pipe(t, nil, o)
				time.Sleep(24 * time.Hour)
				if c.Err() != nil || s.Err() != nil {
					t.Fatal(c.Err(), s.Err())
				}
				if c.RTT() != 0 {
					t.Fatal(c.RTT())
				}
			})
		})
	}
}

// A keep-alive ping goes out every PingInterval.
func TestPingInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, peer := rawPipe(t, protocol.Client, &ws.Options{PingInterval: 7 * time.Second})
		start := time.Now()
		for i := range 5 {
			h, p, err := peer.read()
			if err != nil || h.Opcode != wire.Ping || !h.Masked {
				t.Fatal(h, err)
			}
			if d := time.Since(start); d != time.Duration(i+1)*7*time.Second {
				t.Fatalf("ping %d after %v", i, d)
			}
			peer.send(wire.Pong, string(p))
		}
	})
}

// A peer that does not show any life after a ping is dead, whoever waits.
func TestSilentPeer(t *testing.T) {
	waits := map[string]func(c *ws.Conn) error{
		"read": func(c *ws.Conn) error { _, _, err := c.Read(background); return err },
		"ping": func(c *ws.Conn) error { _, err := c.Ping(background); return err },
		"none": func(c *ws.Conn) error { <-c.Context().Done(); return c.Err() },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := rawPipe(t, protocol.Server, nil)
				start := time.Now()
				if err := wait(c); !errors.Is(err, protocol.ErrSilent) || ws.CloseStatus(err) != ws.CloseAbnormal {
					t.Fatal(err)
				}
				if d := time.Since(start); d != ws.DefaultPingInterval+ws.DefaultPongTimeout {
					t.Fatal(d)
				}
				<-c.Done()
			})
		})
	}
}

// Any byte is life: half a frame now and then keeps the connection.
func TestAnyByteIsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		frame := peer.frame(wire.Text, true, []byte(strings.Repeat("x", 60)))
		for _, b := range frame {
			time.Sleep(19 * time.Second)
			peer.write([]byte{b})
		}
		wantRead(t, c, wire.Text, strings.Repeat("x", 60))
	})
}

// While bytes of the peer wait unread its silence proves nothing.
func TestNoSilenceWhileBytesWaitUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		long := strings.Repeat("x", ws.ParkLimit)
		peer.send(wire.Text, long)
		time.Sleep(2 * time.Second)
		peer.send(wire.Text, "behind")
		time.Sleep(24 * time.Hour)
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		wantRead(t, c, wire.Text, long)
		wantRead(t, c, wire.Text, "behind")
		// From now on it is read, and silence counts again.
		if _, _, err := c.Read(background); !errors.Is(err, protocol.ErrSilent) {
			t.Fatal(err)
		}
	})
}

func TestIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{IdleTimeout: 10 * time.Second, PingInterval: -1})
		start := time.Now()
		for range 3 {
			time.Sleep(9 * time.Second)
			peer.send(wire.Text, "here")
			wantRead(t, c, wire.Text, "here")
		}
		time.Sleep(5 * time.Second)
		peer.send(wire.Ping, "no message")
		peer.want(wire.Pong, "no message")
		if reason := peer.wantClose(ws.CloseGoingAway); reason != "idle" {
			t.Error(reason)
		}
		if d := time.Since(start); d != 37*time.Second {
			t.Errorf("closed after %v", d)
		}
		peer.sendClose(ws.CloseGoingAway, "")
		<-c.Context().Done()
		if code := ws.CloseStatus(c.Err()); code != ws.CloseGoingAway {
			t.Error(c.Err())
		}
	})
}

// Messages that wait because the application is slow make no idle connection.
func TestIdleTimeoutWhileMessagesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{IdleTimeout: 10 * time.Second})
		long := strings.Repeat("x", ws.ParkLimit)
		peer.send(wire.Text, long)
		time.Sleep(time.Hour)
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		wantRead(t, c, wire.Text, long)
		if _, _, err := c.Read(background); ws.CloseStatus(err) != ws.CloseAbnormal && ws.CloseStatus(err) != ws.CloseGoingAway {
			t.Fatal(err)
		}
	})
}

// A peer that takes nothing for WriteTimeout is given up, whoever writes.
func TestWriteTimeout(t *testing.T) {
	writes := map[string]func(c *ws.Conn) error{
		"wait": func(c *ws.Conn) (err error) { // short ones wait for the stream itself
			for err == nil {
				err = c.Write(background, ws.Binary, make([]byte, 16<<10))
			}
			return err
		},
		"copy":  func(c *ws.Conn) error { return c.Write(background, ws.Binary, make([]byte, 1<<20)) },
		"queue": func(c *ws.Conn) error { return c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 1<<20)}) },
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := rawPipe(t, protocol.Server, &ws.Options{PingInterval: -1})
				start := time.Now()
				err := write(c)
				if name != "wait" {
					must(t, err)
				} else if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error(err)
				}
				<-c.Done()
				// Twice, if the pipe's buffer took something in the first.
				if d := time.Since(start); d != ws.DefaultWriteTimeout && d != 2*ws.DefaultWriteTimeout || !errors.Is(c.Err(), os.ErrDeadlineExceeded) {
					t.Error(d, c.Err())
				}
			})
		})
	}
}

// A slow peer that goes on taking is not given up.
func TestWriteTimeoutIsSinceTheLastProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		written := make(chan error, 1)
		go func() { written <- c.Write(background, ws.Binary, make([]byte, 1<<20)) }()
		b := make([]byte, 32<<10)
		for n := 0; n < 1<<20; {
			time.Sleep(9 * time.Second)
			k, err := peer.Conn.Read(b)
			must(t, err)
			n += k
			peer.send(wire.Pong, "life")
		}
		must(t, <-written)
	})
}

// The idle timeout closes once, also when the peer does not take the Close: no
// timer that fires again and again, no goroutine each time.
func TestIdleBehindABlockedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := rawPipe(t, protocol.Server, &ws.Options{IdleTimeout: time.Second, PingInterval: -1})
		must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 1<<20)})) // nobody reads it
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > 20 {
			t.Errorf("%d goroutines", n)
		}
		<-c.Done()
		if err := c.Err(); err == nil {
			t.Error("no error")
		}
	})
}
