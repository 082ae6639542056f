package ws_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// Every size arrives as it was, over every stream, both ways.
func TestWriteSizes(t *testing.T) {
	sizes := []int{0, 1, 125, 126, 127, 4096, 4097, 65535, 65536, 65537, 1 << 20, 3<<20 + 1}
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c, s := connect(t, a, b, nil, nil)
		for _, ends := range [][2]*ws.Conn{{c, s}, {s, c}} {
			from, to := ends[0], ends[1]
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			go func() {
				for i, n := range sizes {
					p := bytes.Repeat([]byte{'a' + byte(i)}, n)
					writer := []context.Context{background, ctx}[i%2]
					if err := from.Write(writer, ws.Text, p); err != nil {
						t.Error(err)
					}
					clear(p) // the caller's again
				}
			}()
			for i, n := range sizes {
				typ, p, err := to.Read(soon(t))
				if err != nil || typ != ws.Text || len(p) != n || bytes.Count(p, []byte{'a' + byte(i)}) != n {
					t.Fatalf("size %d: %v, %d bytes, %v", n, typ, len(p), err)
				}
			}
		}
	})
}

// 8 MiB both ways at once: neither end waits for the other to read first.
func TestFullDuplex(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c, s := connect(t, a, b, nil, nil)
		p := bytes.Repeat([]byte("12345678"), 1<<20)
		ctx := soon(t)
		var all sync.WaitGroup
		for _, end := range []*ws.Conn{c, s} {
			all.Go(func() {
				if err := end.Write(ctx, ws.Binary, p); err != nil {
					t.Error(err)
				}
				if _, got, err := end.Read(ctx); err != nil || !bytes.Equal(got, p) {
					t.Error(len(got), err)
				}
			})
		}
		all.Wait()
	})
}

func TestWriteRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, role := range []protocol.Role{protocol.Server, protocol.Client} {
			c, peer := rawPipe(t, role, nil)
			bad := strings.Repeat("x", 100_000) + "\xff"
			for _, stalled := range []bool{false, true} {
				if stalled { // from now on messages are queued
					must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 200_000)}))
				}
				for _, p := range []string{"\xff", bad} {
					if err := c.Write(background, ws.Text, []byte(p)); !errors.Is(err, protocol.ErrNotUTF8) {
						t.Error(err)
					}
					if err := c.Send(ws.Outgoing{Type: ws.Text, Data: []byte(p), Done: func(error) { t.Error("Done of what was refused") }}); !errors.Is(err, protocol.ErrNotUTF8) {
						t.Error(err)
					}
				}
				for _, typ := range []ws.MessageType{0, 3, wire.Close, wire.Ping, 15} {
					if err := c.Write(background, typ, nil); !errors.Is(err, protocol.ErrSendOrder) {
						t.Error(typ, err)
					}
				}
			}
			go func() { must(t, c.Write(background, ws.Text, []byte("good"))) }()
			if h, p, err := peer.read(); err != nil || h.Opcode != wire.Binary || len(p) != 200_000 {
				t.Error(h, len(p), err)
			}
			peer.want(wire.Text, "good")
		}
	})
}

func TestWriteAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		must(t, c.StartClose(ws.CloseNormal, ""))
		writes := map[string]func() error{
			"write":  func() error { return c.Write(background, ws.Text, nil) },
			"send":   func() error { return c.Send(ws.Outgoing{Type: ws.Text}) },
			"json":   func() error { return c.WriteJSON(background, 1) },
			"ping":   func() error { _, err := c.Ping(background); return err },
			"writer": func() error { _, err := c.Writer(background, ws.Text); return err },
		}
		for name, write := range writes {
			if err := write(); !errors.Is(err, ws.ErrClosed) {
				t.Errorf("%s while closing: %v", name, err)
			}
		}
		peer.sendClose(ws.CloseNormal, "")
		<-c.Context().Done()
		for range 2 {
			for name, write := range writes {
				if err := write(); ws.CloseStatus(err) != ws.CloseNormal {
					t.Errorf("%s after the end: %v", name, err)
				}
			}
			peer.Close()
			<-c.Done()
		}
	})
}

// Done is called once the transport has taken the last byte, in order.
func TestSendDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{PingInterval: -1})
		var mu sync.Mutex
		var done []int
		for i := range 5 {
			o := ws.Outgoing{Type: ws.Binary, Data: make([]byte, 50_000), Done: func(err error) {
				mu.Lock()
				defer mu.Unlock()
				done = append(done, i)
				if err != nil {
					t.Error(err)
				}
			}}
			if i == 3 {
				o.Prepared, _ = ws.Prepare(ws.Text, []byte(strings.Repeat("p", 100_000)))
			}
			must(t, c.Send(o))
			clear(o.Data)
		}
		synctest.Wait()
		mu.Lock()
		if len(done) == 0 || len(done) == 5 {
			t.Errorf("%v done while the peer has read nothing", done)
		}
		mu.Unlock()
		for i := range 5 {
			h, p, err := peer.read()
			if err != nil || len(p) != 50_000+50_000*btoi(i == 3) || (h.Opcode == wire.Text) != (i == 3) {
				t.Fatal(h, len(p), err)
			}
		}
		synctest.Wait()
		if fmt.Sprint(done) != "[0 1 2 3 4]" {
			t.Error(done)
		}
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// When the connection ends, what was queued is told why it never leaves.
func TestSendDoneAfterTheEnd(t *testing.T) {
	ends := map[string]func(c *ws.Conn, peer *raw){
		"abort":   func(c *ws.Conn, _ *raw) { c.CloseNow() },
		"peer":    func(_ *ws.Conn, peer *raw) { peer.Close() },
		"closed":  func(_ *ws.Conn, peer *raw) { peer.sendClose(ws.CloseNormal, "") },
		"faulty":  func(_ *ws.Conn, peer *raw) { peer.send(3, "") },
		"timeout": func(*ws.Conn, *raw) {},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, peer := rawPipe(t, protocol.Server, nil)
				const sends = 10
				results := make(chan error, 2*sends)
				for range sends {
					must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 90_000), Done: func(err error) { results <- err }}))
				}
				end(c, peer)
				<-c.Done()
				synctest.Wait()
				failed := 0
				for range sends {
					if err := <-results; err != nil {
						failed++
						var ce *ws.CloseError
						if !errors.As(err, &ce) {
							t.Error(err)
						}
					}
				}
				if failed < sends-2 || len(results) != 0 {
					t.Errorf("%d of %d failed, %d were told twice", failed, sends, len(results))
				}
			})
		})
	}
}

// Done may use the connection.
func TestSendFromDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		left := 5
		var next func(error)
		next = func(err error) {
			if left--; left > 0 && err == nil {
				must(t, c.Send(ws.Outgoing{Type: ws.Text, Data: []byte{'0' + byte(left)}, Done: next}))
			} else {
				c.CloseNow()
			}
		}
		must(t, c.Send(ws.Outgoing{Type: ws.Text, Data: []byte("first"), Done: next}))
		peer.want(wire.Text, "first")
		for _, want := range "4321" {
			peer.want(wire.Text, string(want))
		}
		<-c.Done()
	})
}

func TestPrepared(t *testing.T) {
	if _, err := ws.Prepare(ws.Text, []byte("\xff")); !errors.Is(err, protocol.ErrNotUTF8) {
		t.Error(err)
	}
	if _, err := ws.Prepare(wire.Ping, nil); !errors.Is(err, protocol.ErrSendOrder) {
		t.Error(err)
	}
	source := []byte(strings.Repeat("prepared ", 20_000))
	small, err := ws.Prepare(ws.Text, source[:8])
	must(t, err)
	long, err := ws.Prepare(ws.Binary, source)
	must(t, err)
	want := string(source)
	clear(source)
	synctest.Test(t, func(t *testing.T) {
		for _, role := range []protocol.Role{protocol.Server, protocol.Client} {
			c, peer := rawPipe(t, role, nil)
			go func() {
				for range 3 {
					must(t, c.Send(ws.Outgoing{Prepared: small}))
					must(t, c.Send(ws.Outgoing{Prepared: long}))
				}
			}()
			for range 3 {
				peer.want(wire.Text, want[:8])
				peer.want(wire.Binary, want)
			}
			synctest.Wait()
		}
	})
}

// One caller is not kept to write for the others: beside writers that never
// pause each Write comes back.
func TestWriteIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		s.tryWrite = func(p []byte) (int, error) { time.Sleep(time.Millisecond); return len(p), nil }
		s.write = func([]byte) error { time.Sleep(time.Millisecond); return nil }
		c := ws.Attach(s, protocol.Server, nil, nil)
		stop := make(chan struct{})
		var others sync.WaitGroup
		for range 4 {
			others.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if c.Write(background, ws.Binary, make([]byte, 100)) != nil {
						return
					}
					time.Sleep(100 * time.Microsecond)
				}
			})
		}
		time.Sleep(10 * time.Millisecond)
		start := time.Now()
		must(t, c.Write(background, ws.Binary, nil))
		if d := time.Since(start); d > 50*time.Millisecond {
			t.Errorf("a Write took %v", d)
		}
		close(stop)
		done := make(chan struct{})
		go func() { others.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(50 * time.Millisecond):
			t.Error("a Write is kept although the others have stopped")
		}
		c.CloseNow()
		<-done
		time.Sleep(time.Second) // the transport's last write
	})
}
