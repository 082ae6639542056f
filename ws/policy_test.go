package ws_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// stalled is a Conn whose queue is full: what it takes beyond is the policy's.
func stalled(t *testing.T, policy ws.Policy) (c *ws.Conn, peer *raw) {
	t.Helper()
	c, peer = rawPipe(t, protocol.Server, &ws.Options{Policy: policy, QueueLimit: 100_000, PingInterval: -1})
	must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 200_000)}))
	// One message is taken whatever its length when none waits; the rest of it
	// is over the limit already.
	return c, peer
}

func TestPolicyBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := stalled(t, ws.Block)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if err := c.Write(ctx, ws.Text, []byte("no")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Send(ws.Outgoing{Type: ws.Text, Data: []byte("no")}); err != ws.ErrSlow {
			t.Error(err)
		}
		written := make(chan error, 1)
		go func() { written <- c.Write(background, ws.Text, []byte("yes")) }()
		synctest.Wait()
		if len(written) != 0 {
			t.Error("Write did not wait")
		}
		_, _, err := peer.read()
		must(t, err)
		must(t, <-written)
		peer.want(wire.Text, "yes")
	})
}

func TestPolicyDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := stalled(t, ws.Drop)
		if err := c.Write(background, ws.Text, []byte("no")); err != ws.ErrSlow {
			t.Error(err)
		}
		if err := c.Send(ws.Outgoing{Type: ws.Text, Done: func(error) { t.Error("Done of a message left out") }}); err != ws.ErrSlow {
			t.Error(err)
		}
		_, _, err := peer.read()
		must(t, err)
		synctest.Wait()
		must(t, c.Write(background, ws.Text, []byte("yes")))
		peer.want(wire.Text, "yes")
	})
}

// CloseSlow ends the connection with 1008 and says ErrSlow to everybody.
func TestPolicyCloseSlow(t *testing.T) {
	for _, way := range []string{"write", "send", "send its own"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				policy := ws.CloseSlow
				if way == "send its own" {
					policy = ws.Block
				}
				c, peer := stalled(t, policy)
				var err error
				if way == "write" {
					err = c.Write(background, ws.Text, []byte("no"))
				} else {
					err = c.Send(ws.Outgoing{Type: ws.Text, Policy: ws.CloseSlow})
				}
				if err != ws.ErrSlow {
					t.Error(err)
				}
				if err := c.Write(background, ws.Text, nil); !errors.Is(err, ws.ErrClosed) {
					t.Error(err)
				}
				_, _, err = peer.read() // it wakes up after all
				must(t, err)
				peer.wantClose(ws.ClosePolicyViolation)
				peer.sendClose(ws.ClosePolicyViolation, "")
				<-c.Context().Done()
				if err := c.Err(); ws.CloseStatus(err) != ws.ClosePolicyViolation || !errors.Is(err, ws.ErrSlow) {
					t.Error(err)
				}
			})
		})
	}
}

// A slow peer that never wakes up is gone within the write timeout, and the
// application can tell why.
func TestPolicyCloseSlowForAPeerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := stalled(t, ws.CloseSlow)
		queued := make(chan error, 1)
		_ = c.Send(ws.Outgoing{Type: ws.Text, Done: func(err error) { queued <- err }})
		start := time.Now()
		<-c.Done()
		if d := time.Since(start); d > 2*ws.DefaultWriteTimeout || !errors.Is(c.Err(), ws.ErrSlow) || ws.CloseStatus(c.Err()) != ws.CloseAbnormal {
			t.Error(d, c.Err())
		}
	})
}

// The queue's bound counts bytes and messages, and all of it is given back.
func TestQueueLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deepest, last atomic.Int64
		o := &ws.Options{Policy: ws.Drop, QueueLimit: 50_000, PingInterval: -1,
			Trace: &ws.Trace{Queue: func(n int) { last.Store(int64(n)); deepest.Store(max(deepest.Load(), int64(n))) }}}
		c, peer := rawPipe(t, protocol.Server, o)
		for round := range 3 {
			taken := 0
			for i := range 10_000 {
				switch err := c.Write(background, ws.Binary, make([]byte, i%3*100)); err {
				case nil:
					taken++
				case ws.ErrSlow:
				default:
					t.Fatal(err)
				}
			}
			if taken == 10_000 || taken < 100 || deepest.Load() > 50_000 {
				t.Fatalf("round %d: %d taken, %d bytes deep", round, taken, deepest.Load())
			}
			for range taken {
				_, _, err := peer.read()
				must(t, err)
			}
			synctest.Wait()
			if last.Load() != 0 {
				t.Fatalf("round %d: %d bytes left in an empty queue", round, last.Load())
			}
		}
	})
}

// Writers that wait for room all get it.
func TestBlockedWritersAllWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := stalled(t, ws.Block)
		const writers = 50
		written := make(chan error, writers)
		for i := range writers {
			go func() { written <- c.Write(background, ws.Text, fmt.Appendf(nil, "%d%*d", i, 1000*(i+1), 0)) }()
		}
		for range writers + 1 {
			_, _, err := peer.read()
			must(t, err)
		}
		for range writers {
			must(t, <-written)
		}
	})
}
