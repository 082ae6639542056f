package ws_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
	"duplex/ws/wstest"
)

// Fragments as they are written, flushed or by 4 KiB, and an empty last one when
// nothing is left.
func TestWriterFragments_5_4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		w, err := c.Writer(background, ws.Text)
		must(t, err)
		io.WriteString(w, "gr\xc3") // a cut inside a character is no fault
		must(t, w.Flush())
		must(t, w.Flush()) // nothing to flush
		io.WriteString(w, "\xbc\xc3\x9fe"+strings.Repeat("x", 5000))
		must(t, w.Flush())
		must(t, w.Close())
		must(t, w.Close())
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("written behind the end")
		}
		want := []struct {
			op   wire.Opcode
			fin  bool
			text string
		}{
			{wire.Text, false, "gr\xc3"},
			{wire.Continuation, false, "\xbc\xc3\x9fe" + strings.Repeat("x", 4096-4)},
			{wire.Continuation, false, strings.Repeat("x", 5000-(4096-4))},
			{wire.Continuation, true, ""},
		}
		for i, f := range want {
			h, p, err := peer.read()
			if err != nil || h.Opcode != f.op || h.Fin != f.fin || string(p) != f.text {
				t.Fatalf("frame %d: %v, %d bytes, %v", i, h, len(p), err)
			}
		}
	})
}

// Nothing but control frames gets between the fragments; what waited follows.
func TestWriterKeepsOthersWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Client, nil)
		w, err := c.Writer(background, ws.Text)
		must(t, err)
		io.WriteString(w, "one ")
		must(t, w.Flush())
		done := make(chan error, 1)
		must(t, c.Write(background, ws.Text, []byte("held")))
		must(t, c.Send(ws.Outgoing{Type: ws.Text, Data: []byte("held too"), Done: func(err error) { done <- err }}))
		second := make(chan *ws.MessageWriter, 1)
		go func() { w, _ := c.Writer(background, ws.Binary); second <- w }()
		peer.send(wire.Ping, "between")
		go c.Read(background)
		synctest.Wait()
		if len(done) != 0 || len(second) != 0 {
			t.Error("somebody did not wait")
		}
		io.WriteString(w, "two")
		must(t, w.Close())
		must(t, <-done)
		must(t, (<-second).Close())
		for _, want := range []string{"one ", "between", "two", "held", "held too", ""} {
			if _, p, err := peer.read(); err != nil || string(p) != want {
				t.Fatalf("%q, %v; want %q", p, err, want)
			}
		}
	})
}

func TestWriterRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		for _, typ := range []ws.MessageType{0, wire.Ping, wire.Close} {
			if _, err := c.Writer(background, typ); err == nil {
				t.Error(typ)
			}
		}
		w, err := c.Writer(background, ws.Text)
		must(t, err)
		io.WriteString(w, "half a character \xc3")
		if err := w.Close(); !errors.Is(err, protocol.ErrNotUTF8) {
			t.Error(err)
		}
		if err := w.Close(); !errors.Is(err, protocol.ErrNotUTF8) {
			t.Error(err)
		}
		peer.wantClose(ws.CloseInternalError)
	})
}

// When the connection closes under it, the stream and who waits behind it end.
func TestWriterWhenClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		w, err := c.Writer(background, ws.Text)
		must(t, err)
		io.WriteString(w, "one")
		must(t, w.Flush())
		done := make(chan error, 1)
		must(t, c.Send(ws.Outgoing{Type: ws.Text, Data: []byte("held"), Done: func(err error) { done <- err }}))
		second := make(chan error, 1)
		go func() { _, err := c.Writer(background, ws.Binary); second <- err }()
		synctest.Wait()
		must(t, c.StartClose(ws.CloseNormal, ""))
		if err := <-second; !errors.Is(err, ws.ErrClosed) {
			t.Error(err)
		}
		for range 2 {
			if err := w.Close(); !errors.Is(err, ws.ErrClosed) {
				t.Error(err)
			}
		}
		peer.wantClose(ws.CloseNormal)
		peer.Close()
		if err := <-done; err == nil {
			t.Error("sent behind the Close")
		}
	})
}

// The context bounds the wait for room; the stream can go on afterwards.
func TestWriterContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{PingInterval: -1, QueueLimit: 10_000})
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		w, err := c.Writer(ctx, ws.Binary)
		must(t, err)
		n, err := w.Write(make([]byte, 200_000))
		if !errors.Is(err, context.DeadlineExceeded) || n < 60_000 || n > 100_000 {
			t.Fatal(n, err)
		}
		if _, err := c.Writer(ctx, ws.Text); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		total := 0
		frames := make(chan bool)
		go func() {
			defer close(frames)
			for {
				h, p, err := peer.read()
				if err != nil {
					t.Error(err)
					return
				}
				if total += len(p); h.Fin {
					return
				}
			}
		}()
		synctest.Wait()
		must(t, w.Close())
		<-frames
		if total != n {
			t.Errorf("%d bytes came of %d", total, n)
		}
	})
}

// Messages that wait for the stream may fill the queue: they do not keep the
// stream itself from going on.
func TestWriterBesideAFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{QueueLimit: 10_000})
		w, err := c.Writer(background, ws.Text)
		must(t, err)
		io.WriteString(w, "one ")
		must(t, w.Flush())
		held := 0
		for c.Send(ws.Outgoing{Type: ws.Text, Data: []byte("held")}) == nil {
			held++
		}
		blocked := make(chan error, 1)
		go func() { blocked <- c.Write(background, ws.Text, []byte("blocked")) }()
		io.WriteString(w, "two")
		must(t, w.Close())
		must(t, <-blocked)
		peer.want(wire.Text, "one ")
		peer.want(wire.Continuation, "two")
		for range held {
			peer.want(wire.Text, "held")
		}
		peer.want(wire.Text, "blocked")
	})
}

// A message whose context ends before it can be finished ends the connection:
// nothing could follow it.
func TestWriterGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := wstest.Pipe(nil, nil)
		defer s.CloseNow()
		if err := c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, 512<<10)}); err != nil {
			t.Fatal(err) // more than the pipe holds: somebody is flushing
		}
		ctx, cancel := context.WithCancel(context.Background())
		w, err := c.Writer(ctx, ws.Text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("half")); err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := w.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v, want the context's error", err)
		}
		if _, _, err := s.Read(context.Background()); err != nil {
			t.Error(err)
		}
		if _, _, err := s.Read(context.Background()); ws.CloseStatus(err) != ws.CloseInternalError {
			t.Errorf("the peer got %v, want close code 1011", err)
		}
		c.CloseNow()
	})
}
