package ws

import (
	"context"
	"fmt"
	"sync"
	"unicode/utf8"

	"duplex/protocol"
)

// writer is the side that sends. What cannot leave at once is queued as
// messages; they are framed as they enter the flush. Whoever finds nobody
// flushing becomes the flusher and unlocks mu while it writes; what the
// transport does not take at once is drained by a goroutine that lives as long
// as there is a backlog. Every call of the machine's write half is under mu.
type writer struct {
	mu       sync.Mutex
	flushing bool
	closing  bool   // our Close is queued or sent: nothing comes behind it
	err      error  // the transport takes no more
	end      error  // how the connection ended
	queue    []item // in order
	held     []item // messages that wait for the open MessageWriter
	stream   bool   // a MessageWriter is open
	waiting  int    // bytes queued, held, or in out and not taken
	out      []byte // framed; out[sent:] is not yet taken
	sent     int
	appended int64         // bytes ever framed
	taken    int64         // of these, taken by the transport
	acks     []ack         // completions, by the bytes they wait for
	urgent   []byte        // framed pings, to go before the queue
	change   chan struct{} // closed when there is room, a MessageWriter ended, or all is sent
}

// item is something to send.
type item struct {
	kind   itemKind
	op     MessageType
	fin    bool
	data   []byte // ours, from memory
	shared *Prepared
	code   CloseCode
	reason string
	done   func(error)
}

type itemKind uint8

const (
	message itemKind = iota
	fragment
	closing
)

func (it *item) size() int {
	if it.shared != nil {
		return len(it.shared.payload)
	}
	return len(it.data)
}

type ack struct {
	at   int64
	done func(error)
}

const (
	// flushSize is about how much is framed for one write.
	flushSize = 64 << 10
	// frameRoom is more than a frame takes besides its payload.
	frameRoom = 64
	// itemCost is what an item counts in the queue besides its bytes, so that
	// endless empty messages are bounded too.
	itemCost = 64
)

// Write sends one message. It returns once the bytes are copied or taken by the
// kernel: p is the caller's again. Messages of concurrent calls go out whole,
// in the order in which the calls got in. When the queue is full
// Options.Policy decides; ctx bounds only the wait for room. On a TLS or other
// Stream transport a ctx that cannot end, with the policy Block, lets the Write
// of up to 16 KiB wait for the stream itself, up to Options.WriteTimeout.
//
// Errors: ErrSlow; protocol.ErrNotUTF8 for text that is not; ErrClosed or a
// *CloseError when the connection is closing or over.
func (c *Conn) Write(ctx context.Context, typ MessageType, p []byte) error {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := c.room(ctx, len(p), c.o.Policy); err != nil {
		return err
	}
	it := item{kind: message, op: typ, data: p}
	if w.flushing || w.stream {
		return c.enqueue(it)
	}
	return c.writeNow(it, c.patient(ctx) && len(p) <= tlsPiece)
}

// patient reports whether a write may wait for the transport itself.
func (c *Conn) patient(ctx context.Context) bool {
	return ctx.Done() == nil && c.o.Policy == Block && c.t.Kind() == Stream
}

// Outgoing is a message for Send.
type Outgoing struct {
	// Type and Data are the message; Data is copied.
	Type MessageType
	Data []byte
	// Prepared, if set, is sent instead, by reference.
	Prepared *Prepared
	// Policy for a full queue; Block, the zero value, means Options.Policy, and
	// if that is Block too the message is left out with ErrSlow.
	Policy Policy
	// Done, if set, is called exactly once if Send returns nil: with nil when
	// the kernel has taken the last byte, else with why it never will. It runs
	// on whatever goroutine flushes and must not block.
	Done func(err error)
}

// Send queues a message and returns at once, whatever the peer does. Errors as
// Write's.
func (c *Conn) Send(o Outgoing) error {
	w := &c.w
	it := item{kind: message, op: o.Type, data: o.Data, shared: o.Prepared, done: o.Done}
	if o.Prepared != nil {
		it.op = o.Prepared.typ
	}
	policy := o.Policy
	if policy == Block {
		policy = c.o.Policy
	}
	if policy == Block {
		policy = Drop
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := c.room(context.Background(), it.size(), policy); err != nil {
		return err
	}
	if w.flushing || w.stream {
		return c.enqueue(it)
	}
	return c.writeNow(it, false)
}

// room sees to it that the queue takes n bytes more: it waits, or does what else
// the policy says. w.mu held, free in between.
func (c *Conn) room(ctx context.Context, n int, policy Policy) error {
	w := &c.w
	for {
		err := c.unsendable()
		switch {
		case err != nil:
			return err
		case w.waiting == 0 || w.waiting+n+itemCost <= c.o.QueueLimit:
			return nil
		case policy == Drop:
			return ErrSlow
		case policy == CloseSlow:
			w.mu.Unlock()
			c.shut(CloseError{Code: ClosePolicyViolation, Reason: "reads too slowly", Err: ErrSlow})
			w.mu.Lock()
			return ErrSlow
		}
		if err := w.wait(ctx); err != nil {
			return err
		}
	}
}

// unsendable says why nothing can be sent any more; nil while it can. w.mu held.
func (c *Conn) unsendable() error {
	w := &c.w
	switch {
	case w.end != nil:
		return w.end
	case w.err != nil:
		return w.err
	case w.closing || c.m.Closing():
		return ErrClosed
	}
	return nil
}

// wait needs mu, which is free while it waits for a change.
func (w *writer) wait(ctx context.Context) error {
	if w.change == nil {
		w.change = make(chan struct{})
	}
	ch := w.change
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return ended(ctx)
	}
}

func (w *writer) changed() {
	if w.change != nil {
		close(w.change)
		w.change = nil
	}
}

// enqueue copies a message into the queue. w.mu held.
func (c *Conn) enqueue(it item) error {
	data := it.data
	if it.kind == message && it.shared == nil && it.op == Text && !utf8.Valid(data) {
		return protocol.ErrNotUTF8
	}
	if it.kind == message && it.op != Text && it.op != Binary {
		return protocol.ErrSendOrder
	}
	if it.data = nil; it.shared == nil && len(data) > 0 {
		b := memory{}.Get(len(data))
		it.data = b[:copy(b, data)]
	}
	w := &c.w
	w.waiting += it.size() + itemCost
	if w.stream && it.kind == message {
		w.held = append(w.held, it)
	} else {
		w.queue = append(w.queue, it)
	}
	c.traceQueue()
	return nil
}

func (c *Conn) traceQueue() {
	if c.o.Trace != nil && c.o.Trace.Queue != nil {
		c.o.Trace.Queue(c.w.waiting)
	}
}

// writeNow frames an item straight from its data, nobody flushing. w.mu held.
func (c *Conn) writeNow(it item, wait bool) error {
	w := &c.w
	data := it.data
	if it.shared != nil {
		data = it.shared.payload
	}
	size := len(data) + frameRoom
	if c.plain() {
		size = min(size, flushSize) // the rest is lent
	}
	c.outbuf(size)
	c.frame(func(out []byte) ([]byte, error) { return c.m.Output(out), nil })
	var rest []byte
	err := c.frame(func(out []byte) (_ []byte, err error) {
		out, rest, err = c.encode(out, &it, data)
		return out, err
	})
	if err != nil {
		c.flush(false) // Output may have given something
		return c.refused(err)
	}
	if rest != nil {
		w.appended += int64(len(rest))
		w.waiting += len(rest)
	}
	if it.done != nil {
		w.acks = append(w.acks, ack{w.appended, it.done})
	}
	c.flushWith(rest, wait)
	if it.done == nil {
		return w.err // with a completion, that one is told
	}
	return nil
}

// frame lets f append to out and counts what it did. w.mu held.
func (c *Conn) frame(f func(out []byte) ([]byte, error)) error {
	w := &c.w
	n := len(w.out)
	out, err := f(w.out)
	w.out = out
	w.appended += int64(len(out) - n)
	w.waiting += len(out) - n
	if len(out) > n {
		c.traceOut(out[n:])
	}
	return err
}

// encode frames one item. rest is what of a long payload was not copied to out
// and goes right behind it.
func (c *Conn) encode(out []byte, it *item, data []byte) (_, rest []byte, err error) {
	switch {
	case it.kind == fragment:
		out, err = c.m.Frame(out, it.op, data, it.fin)
	case it.kind == closing:
		if out, err = c.m.StartClose(out, it.code, it.reason); err == nil {
			c.left.Store(true)
			c.schedule()
		}
	case it.shared != nil, c.plain() && len(data) > flushSize:
		if it.shared == nil && it.op == Text && !utf8.Valid(data) {
			return out, nil, protocol.ErrNotUTF8
		}
		return c.encodeLong(out, it.op, data)
	default:
		out, err = c.m.Message(out, it.op, data)
	}
	return out, nil, err
}

// plain reports whether payloads go out as they are: not masked (§5.1), not
// compressed.
func (c *Conn) plain() bool { return c.m.Role() == protocol.Server && c.info.Codec == nil }

func (c *Conn) encodeLong(out []byte, op MessageType, data []byte) (_, rest []byte, err error) {
	if c.m.Role() == protocol.Client {
		out, err = c.m.Message(out, op, data)
		return out, nil, err
	}
	out, _, _, err = c.m.Begin(out, op, len(data))
	if err != nil {
		return out, nil, err
	}
	n := min(len(data), max(flushSize-len(out), 0))
	if out = append(out, data[:n]...); n < len(data) {
		rest = data[n:]
	}
	return out, rest, nil
}

// refused turns a machine's refusal into what the caller is told.
func (c *Conn) refused(err error) error {
	if err == protocol.ErrClosing {
		return ErrClosed
	}
	return fmt.Errorf("ws: %w", err)
}
