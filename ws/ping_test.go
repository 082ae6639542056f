package ws_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// Ping needs no Read beside it, keeps what it meets, and tells the time.
func TestPing_5_5_2(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		if c.RTT() != 0 {
			t.Fatal(c.RTT())
		}
		go func() {
			_, p, _ := peer.read()
			peer.send(wire.Text, "first")
			peer.send(wire.Pong, "unasked")
			time.Sleep(3 * time.Second)
			peer.send(wire.Text, "second")
			peer.send(wire.Pong, string(p))
		}()
		if rtt, err := c.Ping(background); err != nil || rtt != 3*time.Second || c.RTT() != rtt {
			t.Fatal(rtt, c.RTT(), err)
		}
		wantRead(t, c, wire.Text, "first")
		wantRead(t, c, wire.Text, "second")
	})
}

// Many pings at once; the peer answers only the newest (§5.5.3).
func TestPingsAnsweredTogether_5_5_3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Client, nil)
		const pings = 20
		results := make(chan error, pings)
		for range pings {
			go func() {
				_, err := c.Ping(background)
				results <- err
			}()
		}
		var last []byte
		for range pings {
			_, last, _ = peer.read()
		}
		peer.send(wire.Pong, string(last))
		for range pings {
			must(t, <-results)
		}
	})
}

func TestPingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, err := c.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		peer.send(wire.Text, "alive")
		wantRead(t, c, wire.Text, "alive")
		go func() { time.Sleep(time.Second); peer.sendClose(ws.CloseNormal, "") }()
		if _, err := c.Ping(background); ws.CloseStatus(err) != ws.CloseNormal {
			t.Fatal(err)
		}
		if _, err := c.Ping(background); ws.CloseStatus(err) != ws.CloseNormal {
			t.Fatal(err)
		}
	})
}

// Pings for a peer that takes nothing do not pile up.
func TestPingsToAPeerThatTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		release := make(chan struct{})
		s.tryWrite = func([]byte) (int, error) { return 0, nil }
		s.write = func([]byte) error { <-release; return nil }
		c := ws.Attach(s, protocol.Server, nil, nil)
		ctx, cancel := context.WithCancel(background)
		cancel()
		var err error
		for range 1000 {
			if _, err = c.Ping(ctx); err == ws.ErrSlow {
				break
			}
		}
		if err != ws.ErrSlow {
			t.Fatal(err)
		}
		close(release)
		synctest.Wait()
		if frames, _ := parse(t, s.taken()); len(frames) < 50 || len(frames) > 150 {
			t.Fatal(len(frames))
		}
		c.CloseNow()
	})
}

// A Ping beside unread messages past the bound waits for a Read to take them.
func TestPingWaitsWhenParkingIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		long := strings.Repeat("x", ws.ParkLimit/2)
		for range 3 {
			go func() { peer.Write(peer.frame(wire.Text, true, []byte(long))) }()
			synctest.Wait()
			time.Sleep(2 * time.Second)
		}
		done := make(chan error, 1)
		go func() { _, err := c.Ping(background); done <- err }()
		_, p, err := peer.read()
		must(t, err)
		peer.send(wire.Pong, string(p))
		time.Sleep(time.Minute)
		select {
		case err := <-done:
			t.Fatal("Ping is back:", err)
		default:
		}
		wantRead(t, c, wire.Text, long)
		wantRead(t, c, wire.Text, long)
		must(t, <-done)
		wantRead(t, c, wire.Text, long)
	})
}
