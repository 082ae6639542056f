package ws

import (
	"log/slog"
	"time"

	"duplex/protocol"
)

// Defaults of Options.
const (
	DefaultMaxMessage   = protocol.DefaultMaxMessage
	DefaultQueueLimit   = 1 << 20
	DefaultPingInterval = 30 * time.Second
	DefaultPongTimeout  = protocol.DefaultPongTimeout
	DefaultWriteTimeout = 10 * time.Second
	DefaultCloseTimeout = protocol.DefaultCloseTimeout
)

// Options of a connection. The zero value, and a nil *Options, is safe and
// good. Options are copied when a Conn is made and never written.
type Options struct {
	// Subprotocols that we speak (RFC 6455 §1.9). A client offers them in this
	// order, the preferred first; a server takes the first of the client's list
	// that is among them, or none.
	Subprotocols []string
	// Origins lists patterns of hosts, besides the request's own, whose pages
	// may connect (RFC 6455 §10.2), as in path.Match: "example.com",
	// "*.example.com", "*:8080", "https://example.com"; "*" admits every page.
	// Requests without an Origin header do not come from a page and pass.
	// Accept only.
	Origins []string
	// Handler makes the connection push: its methods are called, and Read is an
	// error. Nil makes it pull.
	Handler Handler

	// MaxMessage is the longest message taken, in bytes after decompression;
	// default 16 MiB, negative for no limit. A longer one ends the connection
	// with 1009. Conn.SetMaxMessage changes it later.
	MaxMessage int64
	// MaxFragments bounds the frames of one message; default 131072, negative
	// for no limit.
	MaxFragments int
	// Strict refuses frame lengths not in their shortest form (RFC 6455 §5.2),
	// which deployed ESP32 servers send.
	Strict bool
	// ReadBuffer in bytes, default 4096. A connection holds it while it waits.
	ReadBuffer int
	// Budget bounds the unfinished messages of all connections that share it;
	// nil for none.
	Budget *Budget

	// QueueLimit bounds the bytes of messages that wait to be sent; default
	// 1 MiB. One message is taken whatever its length when none waits.
	QueueLimit int
	// Policy says what happens to a message that the queue has no room for;
	// default Block.
	Policy Policy

	// PingInterval is the time between keep-alive pings; default 30 s (proxies
	// cut silent connections at 60 s), negative for none.
	PingInterval time.Duration
	// PongTimeout is how long after a ping the peer may be silent, default 20 s;
	// then the connection ends with 1006 and protocol.ErrSilent. Any byte is
	// life, and no time runs while bytes from the peer wait unread.
	PongTimeout time.Duration
	// WriteTimeout is how long the peer may take no byte of what we send;
	// default 10 s. Then the connection ends.
	WriteTimeout time.Duration
	// CloseTimeout bounds the wait for the peer's Close; default 5 s.
	CloseTimeout time.Duration
	// IdleTimeout closes the connection with 1001 when no message has come for
	// this long; 0 for never. Pings and pongs do not count.
	IdleTimeout time.Duration

	// Trace hooks, for tools and metrics; nil for none.
	Trace *Trace
	// OnPanic is told of a panic in a Handler's method; its connection ends
	// with 1011, no other. Default: slog.Error with the stack.
	OnPanic func(c *Conn, value any, stack []byte)

	machine *protocol.Options // set by Fill
}

// Policy says what happens when a peer reads more slowly than we send, once
// Options.QueueLimit bytes wait.
type Policy uint8

// The policies.
const (
	// Block makes Write wait for room, as long as its context lasts; Send,
	// which does not wait, leaves the message out and returns ErrSlow.
	Block Policy = iota
	// Drop leaves the message out; the call returns ErrSlow.
	Drop
	// CloseSlow ends the connection with 1008; the call returns ErrSlow.
	CloseSlow
)

// Fill returns a copy of o in which every default stands. Connections made with
// the same filled Options share it, which saves memory; any other is filled
// anew for each connection. A filled one that is changed has to be filled again.
func (o Options) Fill() *Options {
	o.machine = nil // o may be a filled one that has been changed since
	return o.fill(protocol.Server)
}

func (o Options) fill(role protocol.Role) *Options {
	if o.machine != nil && o.machine.Role == role {
		return &o
	}
	or(&o.MaxMessage, DefaultMaxMessage)
	or(&o.QueueLimit, DefaultQueueLimit)
	or(&o.PingInterval, DefaultPingInterval)
	or(&o.PongTimeout, DefaultPongTimeout)
	or(&o.WriteTimeout, DefaultWriteTimeout)
	or(&o.CloseTimeout, DefaultCloseTimeout)
	if o.OnPanic == nil {
		o.OnPanic = func(c *Conn, value any, stack []byte) {
			slog.Error("WebSocket handler panicked", "remote", c.RemoteAddr(), "panic", value, "stack", string(stack))
		}
	}
	o.machine = protocol.Options{
		Role:         role,
		ReadBuffer:   o.ReadBuffer,
		MaxMessage:   o.MaxMessage,
		MaxFragments: o.MaxFragments,
		Strict:       o.Strict,
		Frames:       o.Trace != nil && o.Trace.FrameIn != nil,
		PingInterval: max(o.PingInterval, 0),
		PongTimeout:  o.PongTimeout,
		CloseTimeout: o.CloseTimeout,
		Buffers:      memory{o.Budget, readBuffer(o.ReadBuffer)},
		Key:          maskKey,
	}.Fill()
	return &o
}

// readBuffer returns the length of the slices that read buffers of n bytes are.
func readBuffer(n int) int {
	_, size := class(n)
	return size
}

func or[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// filled returns o ready for role, itself if it is.
func filled(o *Options, role protocol.Role) *Options {
	switch {
	case o == nil:
		return Options{}.fill(role)
	case o.machine != nil && o.machine.Role == role:
		return o
	}
	return o.fill(role)
}
