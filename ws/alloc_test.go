package ws_test

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// allocations is how many a call of f makes, of all goroutines together, at its
// best: pools may be emptied at any moment.
func allocations(t *testing.T, f func()) float64 {
	t.Helper()
	if raceEnabled {
		t.Skip("pools are leaky under the race detector")
	}
	best := testing.AllocsPerRun(200, f)
	for range 4 {
		best = min(best, testing.AllocsPerRun(200, f))
	}
	return best
}

// fed is a Conn over TCP, and a function that makes the peer send a message.
func fed(t *testing.T, o *ws.Options) (c *ws.Conn, nc net.Conn, feed func()) {
	a, b := tcpPair(t)
	c = attached(t, b, protocol.Server, o)
	frame := rawAt(t, a, protocol.Server).frame(wire.Text, true, []byte("a small message, as most are"))
	return c, a, func() {
		if _, err := a.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
}

// Reading into the caller's memory allocates nothing, with a context that
// cannot end and with one that can, used again and again.
func TestReadAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	for name, ctx := range map[string]context.Context{"background": background, "cancellable": ctx} {
		t.Run(name, func(t *testing.T) {
			c, _, feed := fed(t, nil)
			buf := make([]byte, 0, 4096)
			if n := allocations(t, func() {
				feed()
				if _, _, err := c.ReadAppend(ctx, buf); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations a message", n)
			}
			// Read's own memory is the one it may have.
			if n := allocations(t, func() {
				feed()
				if _, _, err := c.Read(ctx); err != nil {
					t.Fatal(err)
				}
			}); n > 1 {
				t.Errorf("%v allocations a Read", n)
			}
		})
	}
}

// Neither does writing to a peer that reads, nor a push echo.
func TestWriteAllocations(t *testing.T) {
	for _, role := range []protocol.Role{protocol.Server, protocol.Client} {
		t.Run(role.String(), func(t *testing.T) {
			a, b := tcpPair(t)
			c := attached(t, a, role, nil)
			message, sink := make([]byte, 1000), make([]byte, 64<<10)
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			size := len(message) + wire.Header{Length: 1000, Masked: role == protocol.Client}.Size()
			if n := allocations(t, func() {
				if err := c.Write(ctx, ws.Binary, message); err != nil {
					t.Fatal(err)
				}
				for got := 0; got < size; {
					n, err := b.Read(sink)
					if err != nil {
						t.Fatal(err)
					}
					got += n
				}
			}); n != 0 {
				t.Errorf("%v allocations a message", n)
			}
		})
	}
}

func TestPushEchoAllocations(t *testing.T) {
	_, nc, feed := fed(t, &ws.Options{Handler: handler{message: func(c *ws.Conn, typ ws.MessageType, p []byte) {
		_ = c.Write(background, typ, p)
	}}})
	sink := make([]byte, 4096)
	if n := allocations(t, func() {
		feed()
		if _, err := nc.Read(sink); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations an echo", n)
	}
}

// An idle pull connection is not more than a few KiB and goroutines.
func TestIdleConnectionSize(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory is counted too")
	}
	const conns = 200
	var before, after runtime.MemStats
	o := (ws.Options{}).Fill()
	open := make([]*ws.Conn, 0, conns)
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines := runtime.NumGoroutine()
	for range conns {
		c := ws.Attach(newScripted(), protocol.Server, nil, o)
		open = append(open, c)
	}
	time.Sleep(1200 * time.Millisecond) // until the background reads them
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := int64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse) / conns
	t.Logf("%d bytes and %d goroutines a connection", per, (runtime.NumGoroutine()-goroutines)/conns)
	if per > 24<<10 {
		t.Errorf("%d bytes a connection", per)
	}
	for _, c := range open {
		c.CloseNow()
	}
}
