package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// A message is read as it comes: its beginning before its end was sent.
func TestReaderStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		whole := peer.frame(wire.Binary, true, bytes.Repeat([]byte("0123456789"), 3000))
		peer.write(whole[:1000])
		typ, r, err := c.Reader(background)
		if err != nil || typ != wire.Binary {
			t.Fatal(typ, err)
		}
		b := make([]byte, 100)
		if _, err := io.ReadFull(r, b); err != nil || !bytes.HasPrefix(b, []byte("0123456789")) {
			t.Fatal(b, err)
		}
		go peer.Write(whole[1000:])
		rest, err := io.ReadAll(r)
		if err != nil || len(rest) != 30_000-100 {
			t.Fatal(len(rest), err)
		}
		if n, err := r.Read(b); n != 0 || err != io.EOF {
			t.Fatal(n, err)
		}
		peer.send(wire.Text, "next")
		wantRead(t, c, wire.Text, "next")
	})
}

// Read and Reader go past what was left of a message; the stale reader says so.
func TestReaderLeftUnfinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		for range 2 {
			peer.fragment(wire.Text, strings.Repeat("a", 5000))
			peer.send(wire.Continuation, strings.Repeat("b", 9000))
		}
		peer.send(wire.Text, "next")
		_, first, err := c.Reader(background)
		must(t, err)
		if n, err := first.Read(make([]byte, 10)); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		_, second, err := c.Reader(background)
		must(t, err)
		if n, err := first.Read(make([]byte, 10)); n != 0 || err != io.ErrUnexpectedEOF {
			t.Fatal(n, err)
		}
		if n, err := io.ReadFull(second, make([]byte, 6000)); n != 6000 || err != nil {
			t.Fatal(n, err)
		}
		wantRead(t, c, wire.Text, "next")
	})
}

// A Reader's wait may end and be taken up again; meanwhile the background may
// have gone on with the same message, and Ping may have used its buffer.
func TestReaderBetweenTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{PingInterval: -1})
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if _, _, err := c.Reader(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		peer.fragment(wire.Text, "one ")
		ctx, cancel = context.WithTimeout(background, time.Second)
		defer cancel()
		_, r, err := c.Reader(ctx)
		must(t, err)
		b := make([]byte, 2)
		if _, err := io.ReadFull(r, b); string(b) != "on" || err != nil {
			t.Fatal(b, err)
		}
		go func() {
			h, p, _ := peer.read()
			peer.fragment(wire.Continuation, "two ")
			peer.send(wire.Pong, string(p))
			peer.fragment(wire.Continuation, "three ")
			if h.Opcode != wire.Ping {
				t.Error(h)
			}
		}()
		if _, err := c.Ping(background); err != nil {
			t.Fatal(err)
		}
		rest := make([]byte, 12)
		if n, err := io.ReadFull(r, rest); string(rest) != "e two three " {
			t.Fatalf("%q %v", rest[:n], err)
		}
		if n, err := r.Read(b); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(n, err)
		}
		time.Sleep(5 * time.Second)
		peer.send(wire.Continuation, "four")
		time.Sleep(5 * time.Second) // parked by the background
		peer.send(wire.Text, "next")
		// This reader's context is over: only what needs no waiting comes.
		if got, err := io.ReadAll(r); string(got) != "four" || err != nil {
			t.Fatalf("%q %v", got, err)
		}
		wantRead(t, c, wire.Text, "next")
	})
}

// A message cut short is no message.
func TestReaderCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		peer.fragment(wire.Text, "half")
		_, r, err := c.Reader(background)
		must(t, err)
		peer.Close()
		got, err := io.ReadAll(r)
		if string(got) != "half" || !errors.Is(err, protocol.ErrCut) || ws.CloseStatus(err) != ws.CloseAbnormal {
			t.Fatalf("%q %v", got, err)
		}
	})
}

func TestReaderLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, &ws.Options{MaxMessage: 100})
		peer.fragment(wire.Binary, strings.Repeat("x", 60))
		peer.send(wire.Continuation, strings.Repeat("x", 60))
		_, r, err := c.Reader(background)
		must(t, err)
		if got, err := io.ReadAll(r); len(got) != 60 || ws.CloseStatus(err) != ws.CloseMessageTooBig {
			t.Fatal(len(got), err)
		}
	})
}

// An empty message is an empty stream, and Read of no bytes is nothing.
func TestReaderEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		peer.fragment(wire.Text, "")
		peer.send(wire.Continuation, "")
		typ, r, err := c.Reader(background)
		if err != nil || typ != wire.Text {
			t.Fatal(typ, err)
		}
		if n, err := r.Read(nil); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		if got, err := io.ReadAll(r); len(got) != 0 || err != nil {
			t.Fatal(got, err)
		}
	})
}

// Streams both ways over every kind, larger than any buffer.
func TestReaderAndWriterOverStreams(t *testing.T) {
	onStreams(t, func(t *testing.T, pair func(t *testing.T) (a, b net.Conn)) {
		a, b := pair(t)
		c, s := connect(t, a, b, nil, nil)
		data := bytes.Repeat([]byte("stream on "), 100_000)
		go func() {
			_, r, err := s.Reader(background)
			if err != nil {
				return
			}
			w, err := s.Writer(background, ws.Binary)
			if err != nil {
				return
			}
			io.Copy(w, r)
			w.Close()
		}()
		go func() {
			w, err := c.Writer(background, ws.Binary)
			if err != nil {
				return
			}
			w.Write(data)
			w.Close()
		}()
		_, r, err := c.Reader(soon(t))
		must(t, err)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
			t.Fatal(len(got), err)
		}
	})
}
