package protocol

import (
	"sync/atomic"
	"time"

	"duplex/wire"
)

// Defaults of Options.
const (
	DefaultReadBuffer   = 4096
	MinReadBuffer       = 256
	DefaultMaxMessage   = 16 << 20
	DefaultMaxFragments = 131072
	DefaultPongTimeout  = 20 * time.Second
	DefaultCloseTimeout = 5 * time.Second
)

// Options of a Machine. The zero value is a server's with good limits and
// without keep-alive.
type Options struct {
	// Role of this end; default Server.
	Role Role
	// ReadBuffer is the size in bytes of the buffer that Space lends; default
	// 4096, at least 256. Frames up to this size are handed over in place.
	ReadBuffer int
	// MaxMessage is the longest message taken, in bytes as delivered (after
	// decompression); default 16 MiB, negative for no limit. One over it ends
	// in ErrMessageTooBig as soon as a header announces it.
	MaxMessage int64
	// MaxFragments bounds the frames of one message; default 131072, negative
	// for no limit. It costs nothing but stops endless empty fragments.
	MaxFragments int
	// Strict also refuses lengths that are not in their shortest form (RFC 6455
	// §5.2), which deployed ESP32 servers send.
	Strict bool
	// Frames makes Next yield a FrameEvent for every frame header.
	Frames bool
	// Codec compresses and decompresses messages (RSV1, RFC 7692); nil for none.
	Codec Codec
	// PingInterval is the time between two keep-alive pings; 0 sends none.
	PingInterval time.Duration
	// PongTimeout is how long after a keep-alive ping the peer may stay silent:
	// any bytes from it count as life. Default 20 s.
	PongTimeout time.Duration
	// CloseTimeout bounds the wait for the answer to our Close; default 5 s.
	CloseTimeout time.Duration
	// Buffers lends memory; nil for plain allocation.
	Buffers Buffers
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Key returns a fresh, unpredictable masking key (RFC 6455 §5.3, §10.3). A
	// client must have one; Init panics without.
	Key func() [4]byte

	filled bool
}

// Fill returns a copy of o in which every default stands, for many machines to
// share: a Machine keeps a pointer to what it was given.
func (o Options) Fill() *Options {
	orInt(&o.ReadBuffer, DefaultReadBuffer)
	o.ReadBuffer = max(o.ReadBuffer, MinReadBuffer)
	if o.MaxMessage == 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	orInt(&o.MaxFragments, DefaultMaxFragments)
	orTime(&o.PongTimeout, DefaultPongTimeout)
	orTime(&o.CloseTimeout, DefaultCloseTimeout)
	if o.Buffers == nil {
		o.Buffers = heap{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Role == Client && o.Key == nil {
		panic("protocol: a client's Options need Key")
	}
	o.filled = true
	return &o
}

func orInt(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}

func orTime(v *time.Duration, def time.Duration) {
	if *v == 0 {
		*v = def
	}
}

// Codec is one connection's message compression (RFC 7692). Inflate is called
// by the owner of the read half, Deflate by that of the write half.
type Codec interface {
	// Inflate appends the message that src compresses to dst, which has length
	// 0, and ends with ErrMessageTooBig once that is more than max bytes (max <
	// 0: no limit). A *Fault as error fails the connection as it says, any other
	// as ErrCorrupt. dst may have too little room: append grows it.
	Inflate(dst, src []byte, max int64) ([]byte, error)
	// Deflate appends src compressed to dst, or reports false to send it plain.
	// src is only read and does not overlap dst.
	Deflate(dst, src []byte) ([]byte, bool)
}

// Buffers lends the machine its memory, so that pools and budgets live above
// it. It is called by the owner of the read half.
type Buffers interface {
	// Get returns a slice of at least n bytes, or nil when a budget is used up.
	// A message that finds no room ends the connection with ErrOverBudget; the
	// read buffer, of ReadBuffer bytes, is then allocated plainly.
	Get(n int) []byte
	// Put ends the loan of a slice from Get, and has it in its whole capacity;
	// reuse is false when its bytes now belong to somebody else. Each Get has
	// one Put at most: Free settles what is still on loan.
	Put(b []byte, reuse bool)
}

type heap struct{}

func (heap) Get(n int) []byte { return make([]byte, n) }
func (heap) Put([]byte, bool) {}

// Machine is one endpoint of one connection. See the package's documentation
// for who may call what.
type Machine struct {
	o *Options
	read
	write
	meeting
	maxMessage atomic.Int64
}

// New returns a Machine with options o.
func New(o Options) *Machine {
	m := new(Machine)
	m.Init(&o)
	return m
}

// Init makes m ready for a new connection, also after another one: nobody may
// use m meanwhile, and memory still lent is forgotten unless Free was called.
// Options that came from Fill are shared, others copied.
func (m *Machine) Init(o *Options) {
	if !o.filled {
		o = o.Fill()
	}
	*m = Machine{o: o}
	m.maxMessage.Store(o.MaxMessage)
	m.startClock()
}

// Role returns which end m is.
func (m *Machine) Role() Role { return m.o.Role }

// SetMaxMessage changes the limit of Options.MaxMessage from the next frame on:
// n bytes, of which 0 lets only empty messages in; negative for none. Any
// goroutine.
func (m *Machine) SetMaxMessage(n int64) { m.maxMessage.Store(n) }

// Kind says what an Event is.
type Kind uint8

// The kinds of events.
const (
	// MessageEvent is a whole message: Op is wire.Text or wire.Binary.
	MessageEvent Kind = iota + 1
	// PartEvent is a piece of a message, after SetParts.
	PartEvent
	// PingEvent is a ping from the peer; its pong is already owed.
	PingEvent
	// PongEvent is a pong; Machine.LastPong says which ping it answers.
	PongEvent
	// CloseEvent is the peer's Close frame; Next then returns a CloseError.
	CloseEvent
	// FrameEvent is a frame's header (Options.Frames), judged or not;
	// Machine.LastHeader has it.
	FrameEvent
)

// Event is something that came from the peer.
type Event struct {
	// Kind says which of the other fields mean something.
	Kind Kind
	// Op is the message's type, or the control or traced frame's opcode.
	Op wire.Opcode
	// Fin is true for the last part of a message.
	Fin bool
	// Code of a CloseEvent; its reason is Data.
	Code wire.CloseCode
	// Data is lent until the next call of Next, Space, Advance or EOF, and may
	// be changed until then. Take and Detach lend it for longer.
	Data []byte
	// Offset of a part in its message, in bytes.
	Offset int64
	// Total length of the part's message in bytes, -1 while unknown: a message
	// in several frames shows its length with its last one.
	Total int64
}
