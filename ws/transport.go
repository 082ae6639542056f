package ws

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// Transport is the byte stream below a Conn. Read and SetReadDeadline have the
// meaning of net.Conn's; one goroutine reads and one writes at a time, and
// Close and SetReadDeadline come from any.
type Transport interface {
	// Read reads what has come, waiting for it; io.EOF when the peer has ended
	// its direction.
	Read(p []byte) (int, error)
	// SetReadDeadline makes a Read, also one under way, end at t with an
	// os.ErrDeadlineExceeded and without harm to the stream; zero for never.
	SetReadDeadline(t time.Time) error
	// TryWrite writes what the kernel takes of p without waiting. Fewer bytes
	// than len(p) and no error mean that it would have had to wait; a stream
	// that cannot know always returns 0.
	TryWrite(p []byte) (int, error)
	// Write writes all of p, waiting for room up to timeout after the last
	// progress.
	Write(p []byte, timeout time.Duration) error
	// CloseWrite ends our direction and leaves the other open; an error where
	// the stream cannot.
	CloseWrite() error
	// Close ends both directions at once and makes Read and Write return.
	Close() error
	// Kind says what this is.
	Kind() Kind
}

// Kind says what a Transport is made of.
type Kind uint8

// The kinds of Transport.
const (
	// Stream is any net.Conn: TLS, a pipe, a proxy's.
	Stream Kind = iota
	// TCP is a plain socket, which can be written without waiting.
	TCP
)

// NewTransport returns the Transport over nc: kind TCP for a *net.TCPConn or
// *net.UnixConn where the system has non-blocking writes, else Stream. nc
// belongs to the Transport from then on.
func NewTransport(nc net.Conn) Transport {
	s := stream{nc}
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		if t := newSocket(s); t != nil {
			return t
		}
	}
	return s
}

type stream struct{ net.Conn }

func (stream) Kind() Kind                   { return Stream }
func (stream) TryWrite([]byte) (int, error) { return 0, nil }

// tlsPiece is what one deadline covers: a TLS connection is lost when a write
// times out, whatever of it went out (crypto/tls.Conn.SetWriteDeadline), so a
// slow peer must get through a piece in time, not through everything.
const tlsPiece = 16 << 10

func (s stream) Write(p []byte, timeout time.Duration) error {
	_, isTLS := s.Conn.(*tls.Conn)
	for len(p) > 0 {
		piece := p
		if isTLS && len(p) > tlsPiece {
			piece = p[:tlsPiece]
		}
		if err := s.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
		n, err := s.Conn.Write(piece)
		// Left behind it would fail a later TryWrite.
		_ = s.SetWriteDeadline(time.Time{})
		p = p[n:]
		switch {
		case err == nil && n < len(piece):
			return io.ErrShortWrite
		case err != nil && (n == 0 || isTLS || !errors.Is(err, os.ErrDeadlineExceeded)):
			return err
		}
	}
	return nil
}

func (s stream) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close of a TLS connection waits up to 5 s to send an alert to a peer that
// does not read; the connection below it ends at once.
func (s stream) Close() error {
	if c, ok := s.Conn.(*tls.Conn); ok {
		return c.NetConn().Close()
	}
	return s.Conn.Close()
}
