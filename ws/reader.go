package ws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"duplex/protocol"
)

// reader is the side that takes in. Whoever waits for something from the peer
// (Read, Ping, Close, the push loop, the background) takes the role of reader
// and drives the machine; what it meets and does not want is parked. mu guards
// the fields, never a read.
type reader struct {
	mu          sync.Mutex
	driving     bool // somebody has the role
	lent        bool // a handler or a MessageReader has memory of the machine's
	lentSize    int  // bytes of it
	left        int  // bytes left to them when the role went to somebody else
	stuck       bool // the open message has grown too long to go on without a Read
	watched     bool // the clock will look whether the role is free
	waiters     int
	wake        chan struct{} // closed when something changed; nil while nobody waits
	parked      []protocol.Event
	parkedBytes int
	pong        uint64        // newest ping that was answered
	rtt         time.Duration // its round trip
	err         error         // how the connection ended
	theirs      *CloseError   // the peer's Close frame
	aborted     bool          // the transport is closed: whoever drives comes to the end

	ctx    context.Context
	cancel context.CancelCauseFunc

	reading    atomic.Bool    // a Read or Reader is under way
	unfinished *MessageReader // whoever set reading

	// Owner of the role only.
	armed   <-chan struct{} // Done of the context whose end interrupts a read
	disarm  func() bool
	eof     bool // the stream has ended
	dropped bool // a message or a part was: none is delivered any more
}

const (
	// parkLimit is how much is kept for a Read to come, in bytes; then the peer
	// waits.
	parkLimit = 64 << 10
	// parkCost is what an event is counted besides its data.
	parkCost = 64
	// patience is how long the role may be free before the background takes it.
	patience = time.Second
)

// wants is what somebody drives the machine for.
type wants struct {
	message    bool   // the next message
	parts      bool   // in parts
	own        bool   // in memory of the caller's own
	into       []byte // appended to this, if fill
	fill       bool
	pong       uint64 // the answer to this ping
	background bool   // nothing: until somebody wants something
	discard    bool   // the end
}

// Read returns the next message, in memory that is the caller's. It waits as
// long as ctx lasts; the end of ctx leaves the connection as it was, and a
// later Read returns the message whole. After the end of the connection it
// returns the messages that had come, then a *CloseError: code 1000 when the
// peer closed normally.
func (c *Conn) Read(ctx context.Context) (MessageType, []byte, error) {
	return c.read(ctx, wants{message: true, own: true})
}

// ReadAppend is Read into memory that the caller has: the message is appended
// to dst. On an error dst comes back as it was.
func (c *Conn) ReadAppend(ctx context.Context, dst []byte) (MessageType, []byte, error) {
	typ, p, err := c.read(ctx, wants{message: true, into: dst, fill: true})
	if err != nil {
		return 0, dst, err
	}
	return typ, p, nil
}

func (c *Conn) read(ctx context.Context, w wants) (MessageType, []byte, error) {
	if err := c.startReading(); err != nil {
		return 0, nil, err
	}
	defer c.r.reading.Store(false)
	if err := c.skipUnfinished(ctx); err != nil {
		return 0, nil, err
	}
	ev, _, err := c.next(ctx, w)
	if err != nil {
		return 0, nil, err
	}
	return ev.Op, ev.Data, nil
}

func (c *Conn) startReading() error {
	if c.o.Handler != nil {
		return ErrPush
	}
	if !c.r.reading.CompareAndSwap(false, true) {
		return ErrReading
	}
	return nil
}

// next waits for what w says. lent is true for an event in the machine's
// memory: the caller sets r.lent to false when done with it.
func (c *Conn) next(ctx context.Context, w wants) (ev protocol.Event, lent bool, err error) {
	r := &c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case w.message && len(r.parked) > 0:
			ev := r.unpark()
			c.watch()
			if w.fill {
				ev.Data = append(w.into, ev.Data...)
			}
			return ev, false, nil
		case w.pong != 0 && r.pong >= w.pong:
			return ev, false, nil
		case r.err != nil:
			return ev, false, r.err
		}
		// After our Close nothing is parked any more.
		r.stuck = r.stuck && !w.message
		full := (r.parkedBytes >= parkLimit || r.stuck) && !w.message && !w.discard && c.local.Load() == nil
		if full && w.background {
			return ev, false, nil
		}
		if full || !c.takeRole() {
			if err := r.wait(ctx); err != nil {
				return ev, false, err
			}
			continue
		}
		r.mu.Unlock()
		ev, got, err := c.drive(ctx, w)
		r.mu.Lock()
		if r.lent = got && !w.own && !w.fill; r.lent {
			r.lentSize = cap(ev.Data)
		}
		c.freeRole()
		if got || err != nil || w.background {
			return ev, r.lent, err
		}
	}
}

// takeRole needs mu. Memory that a handler still has is left to it.
func (c *Conn) takeRole() bool {
	if c.r.driving {
		return false
	}
	c.r.driving = true
	if c.r.lent {
		c.m.Detach()
		c.r.lent = false
		c.r.left += c.r.lentSize
		c.o.Budget.add(c.r.lentSize) // it is still in use
	}
	return true
}

// giveBack ends the loan of memory to a handler or a MessageReader.
func (c *Conn) giveBack() {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.lent = false
	c.o.Budget.giveBack(c.r.left)
	c.r.left = 0
}

// freeRole needs mu.
func (c *Conn) freeRole() {
	c.r.driving = false
	c.r.rouse()
	c.watch()
	if c.r.aborted && c.r.err == nil {
		go func() { _ = c.awaitEnd() }() // the last driver left without seeing it
	}
}

// watch makes the clock look, in a while, whether somebody reads; needs mu.
func (c *Conn) watch() {
	if !c.r.watched && c.r.err == nil {
		c.r.watched = true
		c.clock.mu.Lock()
		c.clock.watch = time.Now().Add(patience)
		c.clock.mu.Unlock()
		c.schedule()
	}
}

// background reads while nobody else does, so that pings are answered and the
// peer's going is seen.
func (c *Conn) background() {
	_, _, _ = c.next(context.Background(), wants{background: true})
}

// awaitEnd reads, and drops messages, until the connection is over.
func (c *Conn) awaitEnd() error {
	_, _, err := c.next(context.Background(), wants{discard: true})
	return err
}

// wait needs mu, which is free while it waits.
func (r *reader) wait(ctx context.Context) error {
	if r.wake == nil {
		r.wake = make(chan struct{})
	}
	ch := r.wake
	r.waiters++
	r.mu.Unlock()
	var err error
	select {
	case <-ch:
	case <-ctx.Done():
		err = ended(ctx)
	}
	r.mu.Lock()
	r.waiters--
	return err
}

// rouse needs mu.
func (r *reader) rouse() {
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}

func ended(ctx context.Context) error {
	return fmt.Errorf("ws: %w", context.Cause(ctx))
}

// park keeps an event for a Read to come and reports whether it was the last
// that there is room for. Owner of the role.
func (c *Conn) park(ev protocol.Event) (full bool) {
	ev.Data = c.own(ev)
	r := &c.r
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parked = append(r.parked, ev)
	r.parkedBytes += len(ev.Data) + parkCost
	r.rouse()
	return r.parkedBytes >= parkLimit
}

// unpark needs mu.
func (r *reader) unpark() protocol.Event {
	ev := r.parked[0]
	r.parked[0] = protocol.Event{}
	if r.parked = r.parked[1:]; len(r.parked) == 0 {
		r.parked = nil
	}
	r.parkedBytes -= len(ev.Data) + parkCost
	r.rouse() // there is room: somebody may want to drive on
	return ev
}

// drive runs the machine until it has what w wants (got), somebody else should
// drive, ctx ends (err) or the connection is over. Owner of the role.
func (c *Conn) drive(ctx context.Context, w wants) (ev protocol.Event, got bool, err error) {
	c.m.SetParts(w.parts)
	for {
		ev, ok, err := c.m.Next()
		if c.m.Owes() {
			c.flushOwed()
		}
		switch {
		case err != nil:
			c.finish(err)
			return ev, false, nil
		case !ok:
			if c.idleFor(w) || c.tooMuch(w) {
				return ev, false, nil
			}
			if err := c.fill(ctx); err != nil {
				return ev, false, err
			}
			continue
		}
		if !c.wanted(&ev, w) {
			continue
		}
		if w.message {
			c.hand(&ev, w)
			return ev, true, nil
		}
		if full := c.park(ev); full && !w.discard {
			return ev, false, nil
		}
	}
}

// idleFor reports whether the driver can stop while the machine has nothing.
func (c *Conn) idleFor(w wants) bool {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return w.background && c.r.waiters > 0 || w.pong != 0 && c.r.pong >= w.pong
}

// tooMuch reports whether an open message has grown past what is kept for a Read
// to come, and then lets the peer wait with the rest.
func (c *Conn) tooMuch(w wants) bool {
	if w.message || w.discard || c.m.Joined() < parkLimit || c.local.Load() != nil {
		return false
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.stuck = true
	return true
}

// hand gives the event's data to the one who drove for it.
func (c *Conn) hand(ev *protocol.Event, w wants) {
	switch {
	case w.own:
		ev.Data = c.own(*ev)
	case w.fill:
		ev.Data = append(w.into, ev.Data...)
	}
}

// own returns the event's data as memory for the application to keep: the
// machine's own if little of it is empty, else a copy, and the machine's goes
// back into its pool.
func (c *Conn) own(ev protocol.Event) []byte {
	if n := len(ev.Data); cap(ev.Data) > n+n/4 {
		return append(make([]byte, 0, n), ev.Data...)
	}
	return c.m.Take(ev)
}

// wanted does what every event is due and reports whether it is for the
// application.
func (c *Conn) wanted(ev *protocol.Event, w wants) bool {
	switch ev.Kind {
	case protocol.MessageEvent, protocol.PartEvent:
		if c.o.IdleTimeout > 0 {
			c.clock.lastMessage.Store(time.Now().UnixNano())
		}
		// After our Close nobody waits for messages (§1.4), unless a Read does.
		// Behind one that was dropped none may follow.
		c.r.dropped = c.r.dropped || !w.message && (w.discard || c.local.Load() != nil)
		return !c.r.dropped
	case protocol.PingEvent:
		_, ok := c.o.Handler.(PingHandler)
		return ok && !w.discard && c.local.Load() == nil
	case protocol.PongEvent:
		c.ponged()
		_, ok := c.o.Handler.(PongHandler)
		return ok && !w.discard && c.local.Load() == nil
	case protocol.CloseEvent:
		c.r.mu.Lock()
		c.r.theirs = &CloseError{Code: ev.Code, Reason: string(ev.Data), Remote: true}
		c.r.mu.Unlock()
	case protocol.FrameEvent:
		h, n := c.m.LastHeader()
		c.o.Trace.FrameIn(Frame{h, n})
	}
	return false
}

func (c *Conn) ponged() {
	id, rtt := c.m.LastPong()
	if id == 0 {
		return
	}
	c.r.mu.Lock()
	c.r.pong, c.r.rtt = id, rtt
	c.r.rouse()
	c.r.mu.Unlock()
}

// fill reads from the transport into the machine. Only the end of ctx is an
// error; the stream's end is told to the machine.
func (c *Conn) fill(ctx context.Context) error {
	space := c.m.Space()
	if len(c.pre) > 0 {
		n := copy(space, c.pre)
		if c.pre = c.pre[n:]; len(c.pre) == 0 {
			c.pre = nil
		}
		c.received(space[:n])
		return nil
	}
	if err := c.arm(ctx); err != nil {
		return err
	}
	n, err := c.t.Read(space)
	switch {
	case n > 0:
		c.received(space[:n]) // an error comes again
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The deadline may be one that an earlier context has set: put it away,
		// and only then ask whether ours has ended.
		if err := c.t.SetReadDeadline(time.Time{}); err != nil {
			c.lost(err)
		}
		if ctx.Err() != nil {
			return ended(ctx)
		}
	default:
		c.lost(err)
	}
	return nil
}

func (c *Conn) received(p []byte) {
	if c.o.Trace != nil && c.o.Trace.BytesIn != nil {
		c.o.Trace.BytesIn(p)
	}
	c.m.Advance(len(p))
}

// lost tells the machine that the stream ended with err.
func (c *Conn) lost(err error) {
	if err != io.EOF {
		c.blame(err)
	}
	c.r.eof = true
	c.m.EOF()
}

// blame keeps the first reason for the stream's end.
func (c *Conn) blame(err error) { c.cause.CompareAndSwap(nil, &err) }

// arm makes the end of ctx interrupt a read. It stays armed for the next read
// with the same context, which then costs nothing.
func (c *Conn) arm(ctx context.Context) error {
	done := ctx.Done()
	if done == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ended(ctx)
	}
	if done != c.r.armed {
		c.unarm()
		c.r.armed = done
		c.r.disarm = context.AfterFunc(ctx, c.interrupt)
	}
	return nil
}

func (c *Conn) unarm() {
	if c.r.disarm != nil {
		c.r.disarm()
		c.r.armed, c.r.disarm = nil, nil
	}
}

// interrupt makes a read that waits return.
func (c *Conn) interrupt() { _ = c.t.SetReadDeadline(time.Unix(1, 0)) }
