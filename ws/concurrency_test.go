package ws_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duplex/protocol"
	"duplex/ws"
)

// numbered is a message that says who sent it and which of his it is.
func numbered(writer, i, size int) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(writer))
	p = binary.BigEndian.AppendUint32(p, uint32(i))
	return append(p, make([]byte, size)...)
}

// inOrder counts what comes from each writer and fails the test when anything
// is missing in between or comes twice.
type inOrder struct {
	t    *testing.T
	next map[uint32]uint32
}

func (o *inOrder) take(p []byte) {
	if len(p) < 8 {
		o.t.Errorf("a message of %d bytes", len(p))
		return
	}
	writer, i := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	if i != o.next[writer] {
		o.t.Errorf("writer %d: message %d came when %d was due", writer, i, o.next[writer])
	}
	o.next[writer] = i + 1
}

// Many writers of every kind, readers, pings both ways: each writer's messages
// arrive in its order and each Done is called once.
func TestManyWriters(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c, s := connect(t, a, b, &ws.Options{QueueLimit: 50_000}, &ws.Options{QueueLimit: 50_000})
		ctx := soon(t)
		const writers, messages = 6, 60
		var all sync.WaitGroup
		var sent, done atomic.Int32
		for _, ends := range [][2]*ws.Conn{{c, s}, {s, c}} {
			from, to := ends[0], ends[1]
			for w := range writers {
				all.Go(func() {
					random := rand.New(rand.NewPCG(uint64(w), 1))
					for i := range messages {
						if err := writeSomehow(ctx, from, w, numbered(w, i, random.IntN(3000)), &sent, &done); err != nil {
							t.Errorf("writer %d: %v", w, err)
							return
						}
					}
				})
			}
			all.Go(func() {
				order := inOrder{t, map[uint32]uint32{}}
				for range writers * messages {
					_, p, err := to.Read(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					order.take(p)
				}
			})
			all.Go(func() {
				for range 20 {
					if _, err := from.Ping(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		go s.Read(background)
		must(t, c.Close(ws.CloseNormal, ""))
		await(t, s.Done(), "the other end")
		if sent.Load() != done.Load() {
			t.Errorf("%d sent with Done, %d calls", sent.Load(), done.Load())
		}
	})
}

// writeSomehow writes in the way of that writer.
func writeSomehow(ctx context.Context, c *ws.Conn, writer int, p []byte, sent, done *atomic.Int32) error {
	switch writer % 3 {
	case 0:
		return c.Write(ctx, ws.Binary, p)
	case 1:
		m, err := c.Writer(ctx, ws.Binary)
		if err != nil {
			return err
		}
		if _, err := m.Write(p[:len(p)/2]); err != nil {
			return err
		}
		if err := m.Flush(); err != nil {
			return err
		}
		if _, err := m.Write(p[len(p)/2:]); err != nil {
			return err
		}
		return m.Close()
	}
	for {
		err := c.Send(ws.Outgoing{Type: ws.Binary, Data: p, Done: func(error) { done.Add(1) }})
		if err == nil {
			sent.Add(1)
		}
		if err != ws.ErrSlow || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// Everything at once and an end at a random moment, by either side, in any way:
// nothing hangs, no completion is lost or called twice, what came is in order.
func TestEndAtARandomMoment(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		for i := range 12 {
			a, b := pair(t)
			endAtRandom(t, a, b, rand.New(rand.NewPCG(uint64(i), 7)), i)
		}
	})
}

func endAtRandom(t *testing.T, a, b net.Conn, random *rand.Rand, round int) {
	order := inOrder{t, map[uint32]uint32{}}
	push := &ws.Options{QueueLimit: 20_000, CloseTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second, Handler: handler{
		message: func(_ *ws.Conn, _ ws.MessageType, p []byte) { order.take(p) },
	}}
	pull := &ws.Options{QueueLimit: 20_000, CloseTimeout: 2 * time.Second, WriteTimeout: 2 * time.Second}
	c := ws.Attach(ws.NewTransport(a), protocol.Client, nil, pull)
	s := ws.Attach(ws.NewTransport(b), protocol.Server, nil, push)
	ctx := soon(t)
	var all sync.WaitGroup
	var sent, done atomic.Int32
	for w := range 4 {
		all.Go(func() {
			for i := 0; writeSomehow(ctx, c, w, numbered(w, i, i*37%2000), &sent, &done) == nil; i++ {
			}
		})
		all.Go(func() {
			for i := 0; writeSomehow(ctx, s, w, numbered(w, i, i*37%2000), &sent, &done) == nil; i++ {
			}
		})
	}
	all.Go(func() {
		for {
			rctx, cancel := context.WithTimeout(ctx, time.Millisecond)
			_, _, err := c.Read(rctx)
			cancel()
			if err != nil && !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
				return
			}
		}
	})
	for _, end := range []*ws.Conn{c, s} {
		all.Go(func() {
			for {
				pctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
				_, err := end.Ping(pctx)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && err != ws.ErrSlow || ctx.Err() != nil {
					return
				}
			}
		})
	}
	time.Sleep(time.Duration(random.IntN(10_000)) * time.Microsecond)
	ends := []*ws.Conn{c, s}
	first, second := ends[random.IntN(2)], ends[random.IntN(2)]
	switch round % 4 {
	case 0:
		_ = first.Close(ws.CloseNormal, "")
	case 1:
		first.CloseNow()
	case 2:
		go first.Close(ws.CloseGoingAway, "")
		time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
		second.CloseNow()
	case 3:
		go first.Close(ws.CloseNormal, "")
		_ = second.StartClose(ws.CloseNormal, "")
	}
	await(t, c.Done(), "the client's end")
	await(t, s.Done(), "the server's end")
	all.Wait()
	for wait := time.Now(); sent.Load() != done.Load() && time.Since(wait) < 5*time.Second; {
		time.Sleep(time.Millisecond) // the last flusher is on its way out
	}
	if sent.Load() != done.Load() {
		t.Errorf("%d sent with Done, %d calls", sent.Load(), done.Load())
	}
}
