// Package wstest gives tests two ends of a WebSocket in memory: no socket, no
// port, and time stands still for them in a testing/synctest bubble, where real
// TCP does not advance.
//
//	client, server := wstest.Pipe(nil, nil)
//	defer client.CloseNow()
//	defer server.CloseNow()
package wstest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"

	"duplex/protocol"
	"duplex/ws"
)

// Pipe returns the two ends of an open connection. Options may be nil.
func Pipe(client, server *ws.Options) (c, s *ws.Conn) {
	a, b := NetPipe(DefaultBuffer)
	c = ws.Attach(ws.NewTransport(a), protocol.Client, nil, client)
	s = ws.Attach(ws.NewTransport(b), protocol.Server, nil, server)
	return c, s
}

// DefaultBuffer is how many bytes a Pipe holds each way, as a socket's buffers
// do.
const DefaultBuffer = 64 << 10

// NetPipe returns the two ends of a buffered stream in memory. Unlike net.Pipe
// a Write returns when its bytes are in the buffer of size bytes, and CloseWrite
// ends one direction. Deadlines work as those of a socket.
func NetPipe(size int) (a, b *End) {
	ab, ba := newLane(size), newLane(size)
	return &End{in: ba, out: ab}, &End{in: ab, out: ba}
}

// End is one end of a NetPipe: a net.Conn with CloseWrite. All methods may be
// called from any goroutine.
type End struct{ in, out *lane }

// Read implements net.Conn.
func (e *End) Read(p []byte) (int, error) { return e.in.read(p) }

// Write implements net.Conn.
func (e *End) Write(p []byte) (int, error) { return e.out.write(p) }

// CloseWrite ends our direction: the other end reads what was written, then
// io.EOF.
func (e *End) CloseWrite() error { e.out.finish(); return nil }

// Close ends both directions; what the other end has not read, it still can.
func (e *End) Close() error {
	e.out.finish()
	e.in.discard()
	return nil
}

// SetDeadline implements net.Conn.
func (e *End) SetDeadline(t time.Time) error {
	e.in.reader.set(e.in, t)
	e.out.writer.set(e.out, t)
	return nil
}

// SetReadDeadline implements net.Conn.
func (e *End) SetReadDeadline(t time.Time) error { e.in.reader.set(e.in, t); return nil }

// SetWriteDeadline implements net.Conn.
func (e *End) SetWriteDeadline(t time.Time) error { e.out.writer.set(e.out, t); return nil }

// LocalAddr implements net.Conn.
func (e *End) LocalAddr() net.Addr { return pipeAddr{} }

// RemoteAddr implements net.Conn.
func (e *End) RemoteAddr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }

// lane is one direction.
type lane struct {
	mu       sync.Mutex
	cond     sync.Cond
	buf      []byte
	size     int
	finished bool // the writer closed
	gone     bool // the reader closed
	reader   limit
	writer   limit
}

func newLane(size int) *lane {
	l := &lane{size: size}
	l.cond.L = &l.mu
	return l
}

func (l *lane) read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.gone:
			return 0, net.ErrClosed
		case l.reader.over():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(l.buf) > 0:
			n := copy(p, l.buf)
			l.buf = l.buf[:copy(l.buf, l.buf[n:])]
			l.cond.Broadcast()
			return n, nil
		case l.finished:
			return 0, io.EOF
		}
		l.cond.Wait()
	}
}

func (l *lane) write(p []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.finished:
			return n, net.ErrClosed
		case l.gone:
			return n, io.ErrClosedPipe
		case l.writer.over():
			return n, os.ErrDeadlineExceeded
		case len(p) == 0:
			return n, nil
		}
		if k := min(len(p), l.size-len(l.buf)); k > 0 {
			l.buf = append(l.buf, p[:k]...)
			p, n = p[k:], n+k
			l.cond.Broadcast()
			continue
		}
		l.cond.Wait()
	}
}

func (l *lane) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finished = true
	l.writer.stop()
	l.cond.Broadcast()
}

func (l *lane) discard() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone, l.buf = true, nil
	l.reader.stop()
	l.cond.Broadcast()
}

// limit is a deadline; guarded by its lane's mu.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func (d *limit) over() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *limit) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (d *limit) set(l *lane, t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d.stop()
	d.at = t
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.cond.Broadcast()
		})
	}
	l.cond.Broadcast()
}
