package ws

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"duplex/protocol"
)

// Conn is one WebSocket connection, either end. All its methods may be called
// from any goroutine, except that only one Read or Reader may be under way.
// When it is over, what reads, sends or waits returns an error in whose chain is
// a *CloseError. The resources of a Conn are freed when it is over, which Close
// and CloseNow see to.
type Conn struct {
	m    protocol.Machine
	t    Transport
	o    *Options
	info *Handshake
	pre  []byte // came in the handshake's segment; the reader's

	r     reader
	w     writer
	clock clock

	data  atomic.Pointer[any]
	local atomic.Pointer[CloseError] // the close that we began
	left  atomic.Bool                // its frame is on its way
	cause atomic.Pointer[error]      // why the stream ended, when we know better than EOF
	done  chan struct{}              // closed when the transport is
}

// Handshake is what is known of an opening handshake.
type Handshake struct {
	// Request that the client sent: on a server what the HTTP server made of
	// it, on a client the last after redirects. Nil for Attach without one.
	Request *http.Request
	// Response that a client got, without its body; nil on a server.
	Response *http.Response
	// Subprotocol agreed on; empty for none.
	Subprotocol string
	// Early holds bytes that came from the peer behind its part of the
	// handshake: the beginning of its first frames.
	Early []byte
	// Codec of the extension agreed on; nil for none.
	Codec protocol.Codec
}

// Attach makes a Conn of a stream on which the opening handshake is done. It
// is the base of Accept and Dial, for handshakes that they do not know. h may
// be nil, and so may o.
func Attach(t Transport, role protocol.Role, h *Handshake, o *Options) *Conn {
	c := &Conn{t: t, o: filled(o, role), info: new(Handshake), done: make(chan struct{})}
	if h != nil {
		*c.info = *h
	}
	c.pre, c.info.Early = c.info.Early, nil
	mo := c.o.machine
	if c.info.Codec != nil {
		own := *mo
		own.Codec = c.info.Codec
		mo = own.Fill()
	}
	c.m.Init(mo)
	c.start()
	return c
}

// start sets the connection going.
func (c *Conn) start() {
	c.clock.lastMessage.Store(time.Now().UnixNano())
	c.r.mu.Lock()
	c.watch() // also schedules
	c.r.mu.Unlock()
	if h := c.o.Handler; h != nil {
		go c.push(h)
	}
}

// Role returns which end of the connection this is.
func (c *Conn) Role() protocol.Role { return c.m.Role() }

// Subprotocol returns the subprotocol agreed on, empty for none.
func (c *Conn) Subprotocol() string { return c.info.Subprotocol }

// Request returns the HTTP request of the opening handshake: its URL, headers,
// cookies, TLS state, path values. The body is gone. Nil for an Attach without.
func (c *Conn) Request() *http.Request { return c.info.Request }

// Response returns the response that Dial got, nil on a server.
func (c *Conn) Response() *http.Response { return c.info.Response }

// Transport returns the stream below.
func (c *Conn) Transport() Transport { return c.t }

// RemoteAddr returns the peer's address, nil if the transport has none.
func (c *Conn) RemoteAddr() net.Addr {
	if a, ok := c.t.(interface{ RemoteAddr() net.Addr }); ok {
		return a.RemoteAddr()
	}
	return nil
}

// LocalAddr returns our address, nil if the transport has none.
func (c *Conn) LocalAddr() net.Addr {
	if a, ok := c.t.(interface{ LocalAddr() net.Addr }); ok {
		return a.LocalAddr()
	}
	return nil
}

// SetMaxMessage changes the limit of Options.MaxMessage, in bytes, for the
// messages that begin from now on; negative for no limit.
func (c *Conn) SetMaxMessage(n int64) { c.m.SetMaxMessage(n) }

// NonMinimal counts the frames that came with a length not in its shortest form
// (RFC 6455 §5.2), as ESP-IDF's server sends for 65,535 bytes. See
// Options.Strict.
func (c *Conn) NonMinimal() uint64 { return c.m.NonMinimal() }

// SetData keeps one value of the application's with the connection.
func (c *Conn) SetData(v any) { c.data.Store(&v) }

// Data returns what SetData was given last, nil before.
func (c *Conn) Data() any {
	if p := c.data.Load(); p != nil {
		return *p
	}
	return nil
}

// Context returns a context that ends when the connection does, with what Read
// returns as its cause. It holds the values of the request's context.
func (c *Conn) Context() context.Context {
	r := &c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		base := context.Background()
		if c.info.Request != nil {
			base = context.WithoutCancel(c.info.Request.Context())
		}
		r.ctx, r.cancel = context.WithCancelCause(base)
		if r.err != nil {
			r.cancel(r.err)
		}
	}
	return r.ctx
}

// Err returns nil while the connection lasts, then what Read returns.
func (c *Conn) Err() error {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.r.err
}

// Done returns a channel that is closed when the connection is over and its
// socket closed.
func (c *Conn) Done() <-chan struct{} { return c.done }
