package ws

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

// NetConn makes a net.Conn of c: each Write is one message of type typ, none if
// it is empty, and several of at most 1 MiB if it is longer, as peers have
// limits (text is cut between characters). Read gives the payloads of the messages that come, one behind
// the other; one of the other type ends the connection with 1003. Deadlines end
// a call, not the connection. To Read a normal closure by the peer (1000, 1001)
// is io.EOF; after our own, and to Write, it is net.ErrClosed. Closing it closes
// c with 1000. c must be a pull connection, and nobody else may read it.
func NetConn(c *Conn, typ MessageType) net.Conn {
	n := &netConn{c: c, typ: typ}
	n.read.init()
	n.write.init()
	return n
}

type netConn struct {
	c           *Conn
	typ         MessageType
	read, write deadline

	mu  sync.Mutex // one Read at a time
	cur *MessageReader
}

func (n *netConn) Read(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	ctx := n.read.context()
	if ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded // also when there is something to read
	}
	for {
		if n.cur == nil {
			typ, r, err := n.c.Reader(ctx)
			if err != nil {
				return 0, n.outward(err)
			}
			if typ != n.typ {
				n.c.shut(CloseError{Code: CloseUnsupportedData, Reason: "expected " + n.typ.String() + " messages", Err: errType})
				return 0, n.outward(n.c.awaitEnd())
			}
			n.cur = r
		}
		n.cur.ctx = ctx
		k, err := n.cur.Read(p)
		switch {
		case err == io.EOF:
			n.cur = nil
		case err != nil:
			return k, n.outward(err)
		case k > 0:
			return k, nil
		}
	}
}

var errType = errors.New("a message of the other type")

func (n *netConn) Write(p []byte) (int, error) {
	ctx := n.write.context()
	if ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded // also when there is room
	}
	done := 0
	for done < len(p) {
		piece := n.piece(p[done:])
		if err := n.outward(n.c.Write(ctx, n.typ, piece)); err == io.EOF {
			return done, net.ErrClosed
		} else if err != nil {
			return done, err
		}
		done += len(piece)
	}
	return done, nil
}

// netConnMessage is the longest message that a netConn sends.
const netConnMessage = 1 << 20

// piece returns as much of p as goes into one message.
func (n *netConn) piece(p []byte) []byte {
	if len(p) <= netConnMessage {
		return p
	}
	end := netConnMessage
	for n.typ == Text && end > netConnMessage-utf8.UTFMax && !utf8.RuneStart(p[end]) {
		end--
	}
	return p[:end]
}

// outward translates errors into those of a net.Conn.
func (n *netConn) outward(err error) error {
	var ce *CloseError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosed):
		return net.ErrClosed
	case errors.As(err, &ce):
		if ce.Code != CloseNormal && ce.Code != CloseGoingAway || ce.Err != nil {
			return err
		}
		if ce.Remote {
			return io.EOF
		}
		return net.ErrClosed
	case errors.Is(err, context.Canceled):
		return os.ErrDeadlineExceeded
	}
	return err
}

func (n *netConn) Close() error {
	n.read.stop()
	n.write.stop()
	return n.c.Close(CloseNormal, "")
}

func (n *netConn) LocalAddr() net.Addr  { return addr(n.c.LocalAddr()) }
func (n *netConn) RemoteAddr() net.Addr { return addr(n.c.RemoteAddr()) }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error  { n.read.set(t); return nil }
func (n *netConn) SetWriteDeadline(t time.Time) error { n.write.set(t); return nil }

// addr stands in for an address that a transport does not have.
func addr(a net.Addr) net.Addr {
	if a == nil {
		return noAddr{}
	}
	return a
}

type noAddr struct{}

func (noAddr) Network() string { return "websocket" }
func (noAddr) String() string  { return "websocket" }

// deadline is a context that ends at a time which may be moved, for calls under
// way too, as net.Conn wants it.
type deadline struct {
	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
	timer  *time.Timer
}

func (d *deadline) init() { d.ctx, d.cancel = context.WithCancel(context.Background()) }

func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ctx
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fired := d.timer != nil && !d.timer.Stop()
	d.timer = nil
	if fired || d.ctx.Err() != nil {
		d.cancel() // a timer that has fired may be about to
		d.init()
	}
	if t.IsZero() {
		return
	}
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, d.cancel)
	} else {
		d.cancel()
	}
}

// stop forgets the time.
func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}
