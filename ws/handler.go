package ws

import (
	"context"
	"fmt"
	"runtime/debug"

	"duplex/protocol"
)

// Handler takes what happens on a push connection. Its methods are called one
// at a time and in order, on a goroutine of the connection's own; while one
// runs the connection goes on answering pings (after a second, and until 64 KiB
// of messages wait for their turn), and the methods of Conn may be called, Ping
// and Close included.
type Handler interface {
	// Open is called once, before anything else.
	Open(c *Conn)
	// Message is called for each message. p is lent until Message returns and
	// may be changed.
	Message(c *Conn, typ MessageType, p []byte)
	// Close is called once, after everything else, with what ended the
	// connection: usually a *CloseError.
	Close(c *Conn, err error)
}

// PingHandler is a Handler that also wants to see pings. They are answered
// without its help, and at once; Ping is called in turn with the other methods,
// in the order in which things came. p is lent until it returns.
type PingHandler interface {
	Ping(c *Conn, p []byte)
}

// PongHandler is a Handler that also wants to see pongs; rules as PingHandler's.
type PongHandler interface {
	Pong(c *Conn, p []byte)
}

// poison, when set by tests, spoils lent data after its handler returned.
var poison func(p []byte)

// push runs the Handler until the connection is over.
func (c *Conn) push(h Handler) {
	defer func() { // also when a method has ended its goroutine
		c.giveBack()
		err := c.awaitEnd()
		c.guard(func() { h.Close(c, err) })
	}()
	if c.guard(func() { h.Open(c) }) {
		for {
			ev, lent, err := c.next(context.Background(), wants{message: true})
			if err != nil {
				break
			}
			ok := c.guard(func() { c.deliver(h, ev) })
			if poison != nil {
				poison(ev.Data)
			}
			if lent {
				c.giveBack()
			}
			if !ok {
				break
			}
		}
	}
}

// deliver calls the method for an event.
func (c *Conn) deliver(h Handler, ev protocol.Event) {
	switch ev.Kind {
	case protocol.PingEvent:
		h.(PingHandler).Ping(c, ev.Data)
	case protocol.PongEvent:
		h.(PongHandler).Pong(c, ev.Data)
	default:
		h.Message(c, ev.Op, ev.Data)
	}
}

// guard calls f and reports whether it came back without a panic, which ends
// this connection and no other.
func (c *Conn) guard(f func()) (ok bool) {
	defer func() {
		v := recover()
		if v == nil && !ok { // runtime.Goexit: nobody is left to read
			go c.CloseNow()
		}
		if v != nil {
			c.shut(protocol.CloseError{Code: CloseInternalError, Reason: "internal error", Err: fmt.Errorf("handler panicked: %v", v)})
			stack := debug.Stack()
			func() {
				defer func() { _ = recover() }() // a panicking reporter has nobody left to tell
				c.o.OnPanic(c, v, stack)
			}()
		}
	}()
	f()
	return true
}
