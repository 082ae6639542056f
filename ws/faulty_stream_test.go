package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// scripted is a Transport whose every step the test decides.
type scripted struct {
	tryWrite func(p []byte) (int, error)
	write    func(p []byte) error
	reset    func() // a read deadline is taken away

	mu     sync.Mutex
	out    []byte
	past   chan struct{} // closed by a deadline in the past
	closed chan struct{}
	once   sync.Once
}

func newScripted() *scripted {
	return &scripted{past: make(chan struct{}), closed: make(chan struct{})}
}

func (s *scripted) Read([]byte) (int, error) {
	s.mu.Lock()
	past := s.past
	s.mu.Unlock()
	select {
	case <-past:
		return 0, os.ErrDeadlineExceeded
	case <-s.closed:
		return 0, net.ErrClosed
	}
}

func (s *scripted) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	select {
	case <-s.past:
		if t.IsZero() {
			s.past = make(chan struct{})
		}
	default:
		if !t.IsZero() {
			close(s.past)
		}
	}
	s.mu.Unlock()
	if t.IsZero() && s.reset != nil {
		s.reset()
	}
	return nil
}

func (s *scripted) take(p []byte) {
	s.mu.Lock()
	s.out = append(s.out, p...)
	s.mu.Unlock()
}

func (s *scripted) taken() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.out)
}

func (s *scripted) TryWrite(p []byte) (int, error) {
	n, err := len(p), error(nil)
	if s.tryWrite != nil {
		n, err = s.tryWrite(p)
	}
	s.take(p[:n])
	return n, err
}

func (s *scripted) Write(p []byte, _ time.Duration) error {
	if s.write != nil {
		if err := s.write(p); err != nil {
			return err
		}
	}
	s.take(p)
	return nil
}

func (s *scripted) CloseWrite() error { return nil }
func (s *scripted) Close() error      { s.once.Do(func() { close(s.closed) }); return nil }
func (s *scripted) Kind() ws.Kind     { return ws.TCP }

// parse splits bytes into frames and fails the test when they are none.
func parse(t *testing.T, p []byte) (frames []wire.Header, payloads [][]byte) {
	t.Helper()
	r := rawAt(t, &reading{Reader: bytes.NewReader(p)}, protocol.Client)
	for {
		h, payload, err := r.read()
		if err == io.EOF {
			return frames, payloads
		}
		if err != nil || h.Opcode.Reserved() || h.RSV != 0 {
			t.Fatalf("no frame behind %d good ones: %v, %v", len(frames), h, err)
		}
		frames, payloads = append(frames, h), append(payloads, payload)
	}
}

type reading struct {
	net.Conn
	io.Reader
}

func (r *reading) Read(p []byte) (int, error) { return r.Reader.Read(p) }

// A ping that gets in while the flusher is busy with the rest of a long payload
// goes behind it, whatever part of it the kernel takes.
func TestPingBesideALongWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		var c *ws.Conn
		calls := 0
		s.tryWrite = func(p []byte) (int, error) {
			if calls++; calls < 2 {
				return len(p), nil
			}
			go func() { _, _ = c.Ping(background) }()
			synctest.Wait()
			return len(p) / 2, nil
		}
		c = ws.Attach(s, protocol.Server, nil, nil)
		defer c.CloseNow()
		long := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
		must(t, c.Write(background, ws.Binary, long))
		synctest.Wait()
		frames, payloads := parse(t, s.taken())
		if len(frames) != 2 || frames[0].Opcode != wire.Binary || frames[1].Opcode != wire.Ping {
			t.Fatalf("sent %v", frames)
		}
		if !bytes.Equal(payloads[0], long) {
			t.Fatal("the payload is not what was written")
		}
		c.CloseNow()
	})
}

// A completion is called once, also when the connection is given up while the
// transport takes the last byte.
func TestDoneOnceWhenTakenAndAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		release := make(chan struct{})
		s.tryWrite = func([]byte) (int, error) { return 0, nil }
		s.write = func([]byte) error { <-release; return nil }
		c := ws.Attach(s, protocol.Server, nil, nil)
		var mu sync.Mutex
		calls := 0
		inside := make(chan struct{})
		must(t, c.Send(ws.Outgoing{Type: ws.Text, Data: []byte("x"), Done: func(error) {
			mu.Lock()
			calls++
			first := calls == 1
			mu.Unlock()
			if first {
				<-inside
			}
		}}))
		synctest.Wait()
		go c.CloseNow()
		synctest.Wait()
		close(release)
		synctest.Wait()
		close(inside)
		<-c.Done()
		synctest.Wait()
		if calls != 1 {
			t.Fatalf("Done was called %d times", calls)
		}
	})
}

// CloseNow ends at once although the reader, whose context ended in the same
// moment, leaves without having seen it.
func TestCloseNowBesideAReadThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		c := ws.Attach(s, protocol.Server, nil, nil)
		s.reset = func() {
			s.reset = nil
			go c.CloseNow()
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(background)
		go func() { synctest.Wait(); cancel() }()
		if _, _, err := c.Read(ctx); err == nil {
			t.Fatal("a Read of nothing returned")
		}
		start := time.Now()
		<-c.Done()
		if d := time.Since(start); d > 0 {
			t.Fatalf("the end took another %v", d)
		}
		synctest.Wait()
	})
}

// A write that fails is told to its caller.
func TestWriteFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		s.tryWrite = func([]byte) (int, error) { return 0, errPlug }
		c := ws.Attach(s, protocol.Client, nil, nil)
		defer c.CloseNow()
		err := c.Write(background, ws.Text, []byte("x"))
		if !errors.Is(err, errPlug) || ws.CloseStatus(err) != ws.CloseAbnormal {
			t.Fatal(err)
		}
		<-c.Done()
		if !errors.Is(c.Err(), errPlug) {
			t.Fatal(c.Err())
		}
		if err := c.Write(background, ws.Text, []byte("x")); ws.CloseStatus(err) != ws.CloseAbnormal {
			t.Fatal(err)
		}
	})
}

var errPlug = errors.New("somebody pulled the plug")

// Empty messages are queued without their caller's memory.
func TestQueuedEmptyMessageLeavesMemoryAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScripted()
		release := make(chan struct{})
		s.tryWrite = func([]byte) (int, error) { return 0, nil }
		s.write = func([]byte) error { <-release; return nil }
		c := ws.Attach(s, protocol.Server, nil, nil)
		defer c.CloseNow()
		mine := map[*byte]bool{}
		for range 64 {
			b := make([]byte, 4096)
			mine[&b[0]] = true
			must(t, c.Write(background, ws.Binary, b[:0]))
		}
		close(release)
		synctest.Wait()
		for range 64 {
			if b := ws.Lend(4096); mine[&b[0]] {
				t.Fatal("the caller's memory went into the pool")
			}
		}
		c.CloseNow()
	})
}
