package ws

import (
	"errors"
	"os"
	"unicode/utf8"

	"duplex/protocol"
)

// flushOwed sends what the machine owes, without waiting.
func (c *Conn) flushOwed() {
	c.w.mu.Lock()
	c.flush(false)
	c.w.mu.Unlock()
}

// flush sends all that is queued. With wait false it never blocks: a backlog is
// left to a goroutine. w.mu held, and free while writing.
func (c *Conn) flush(wait bool) { c.flushWith(nil, wait) }

// fair is how many writes one call makes: its own and some for others that
// write at the same time. Then a goroutine goes on.
const fair = 8

// flushWith is flush with the lent rest of a long payload behind w.out. It waits
// for what is in out and rest, not for what others queue meanwhile.
func (c *Conn) flushWith(rest []byte, wait bool) {
	w := &c.w
	if w.flushing {
		return
	}
	w.flushing = true
	for n := 0; w.err == nil && c.load(); n++ {
		if n == fair {
			go c.drain()
			return
		}
		if !c.writeOut(&rest, wait) {
			return // drain has taken over
		}
		wait = false
	}
	c.flushed()
}

// load fills out from the queue and reports whether there is anything to write.
func (c *Conn) load() bool {
	w := &c.w
	if w.sent < len(w.out) {
		return true
	}
	w.out, w.sent = w.out[:0], 0
	if len(w.urgent) > 0 {
		c.outbuf(smallest)
		c.frame(func(out []byte) ([]byte, error) { return append(out, w.urgent...), nil })
		w.urgent = nil
	}
	if c.m.Owes() {
		c.outbuf(smallest)
		c.frame(func(out []byte) ([]byte, error) { return c.m.Output(out), nil })
	}
	for len(w.queue) > 0 && len(w.out) < flushSize {
		it := w.queue[0]
		w.queue[0] = item{}
		if w.queue = w.queue[1:]; len(w.queue) == 0 {
			w.queue = nil
		}
		c.loadItem(&it)
	}
	return len(w.out) > 0
}

// outbuf makes sure that out has memory, n bytes if it is new.
func (c *Conn) outbuf(n int) {
	if c.w.out == nil {
		c.w.out = memory{}.Get(n)[:0]
	}
}

// loadItem frames a queued item; a refusal goes to its completion.
func (c *Conn) loadItem(it *item) {
	w := &c.w
	c.outbuf(max(smallest, min(w.waiting, flushSize)))
	data := it.data
	if it.shared != nil {
		data = it.shared.payload
	}
	w.waiting -= it.size() + itemCost
	err := c.frame(func(out []byte) ([]byte, error) {
		out, rest, err := c.encode(out, it, data)
		return append(out, rest...), err
	})
	if it.data != nil {
		memory{}.Put(it.data[:cap(it.data)], true)
	}
	if it.done == nil {
		return
	}
	if err != nil {
		w.acks = append(w.acks, ack{0, func(error) { it.done(c.refused(err)) }})
		return
	}
	w.acks = append(w.acks, ack{w.appended, it.done})
}

// writeOut writes out and rest; false when a goroutine has taken over the
// flushing. w.mu is free while it writes.
func (c *Conn) writeOut(rest *[]byte, wait bool) bool {
	w := &c.w
	p, more := w.out[w.sent:], *rest
	w.mu.Unlock()
	n, err := c.put(p, wait)
	if err == nil && n == len(p) && len(more) > 0 {
		var m int
		m, err = c.put(more, wait)
		n, more = n+m, more[m:]
	}
	w.mu.Lock()
	*rest = nil
	w.sent += min(n, len(p))
	c.took(n)
	if err != nil {
		c.writeFailed(err)
		return true
	}
	if w.sent == len(w.out) && len(more) == 0 {
		return true
	}
	if len(more) > 0 { // lent: it must be ours before the caller returns
		left := append(memory{}.Get(len(w.out) - w.sent + len(more))[:0], w.out[w.sent:]...)
		c.freeOut()
		w.out, w.sent = append(left, more...), 0
	}
	c.traceQueue()
	go c.drain()
	return false
}

// put writes p to the transport: all of it, or as much as goes without waiting.
func (c *Conn) put(p []byte, wait bool) (n int, err error) {
	if wait {
		if err = c.t.Write(p, c.o.WriteTimeout); err == nil {
			n = len(p)
		}
	} else {
		n, err = c.t.TryWrite(p)
	}
	if c.o.Trace != nil && c.o.Trace.BytesOut != nil && err == nil && n > 0 {
		c.o.Trace.BytesOut(p[:n])
	}
	return n, err
}

// drain writes the backlog, waiting for the peer, until there is none.
func (c *Conn) drain() {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	var none []byte
	for w.err == nil && c.load() {
		c.writeOut(&none, true)
		c.traceQueue()
	}
	c.flushed()
}

// took counts n bytes that the transport has taken and completes what waited
// for them. w.mu held, free during the completions.
func (c *Conn) took(n int) {
	w := &c.w
	w.taken += int64(n)
	w.waiting -= n
	if w.change != nil && w.waiting <= c.o.QueueLimit/2 {
		w.changed()
	}
	for len(w.acks) > 0 && w.acks[0].at <= w.taken {
		a := w.acks[0]
		if w.acks = w.acks[1:]; len(w.acks) == 0 {
			w.acks = nil
		}
		w.mu.Unlock()
		a.done(nil)
		w.mu.Lock()
	}
}

// flushed ends the flushing. w.mu held.
func (c *Conn) flushed() {
	w := &c.w
	c.freeOut()
	w.flushing = false
	w.changed()
}

func (c *Conn) freeOut() {
	if c.w.out != nil {
		memory{}.Put(c.w.out[:cap(c.w.out)], true)
		c.w.out = nil
	}
	c.w.sent = 0
}

// writeFailed ends the connection because the transport did not take bytes.
// w.mu held, free in between.
func (c *Conn) writeFailed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.w.mu.Unlock()
		c.abort(err)
		c.w.mu.Lock()
		return
	}
	// A peer that is gone may have said why: what it sent last, its Close too,
	// is read before.
	c.blame(err)
	c.stopWriting(&CloseError{Code: CloseAbnormal, Err: err})
	c.hurry(linger)
	go c.background()
}

// stopWriting refuses everything queued and to come with err. w.mu held, free
// during the completions.
func (c *Conn) stopWriting(err error) {
	w := &c.w
	if w.err == nil {
		w.err = err
	}
	c.dropQueue(err)
	acks := w.acks
	w.acks = nil // before mu is free: each completion is called once
	c.complete(acks, err)
	w.changed()
}

// dropQueue refuses what is queued and not yet framed. w.mu held, free during
// the completions.
func (c *Conn) dropQueue(err error) {
	w := &c.w
	queue := append(w.queue, w.held...)
	w.queue, w.held = nil, nil
	var acks []ack
	for _, it := range queue {
		w.waiting -= it.size() + itemCost
		if it.data != nil {
			memory{}.Put(it.data[:cap(it.data)], true)
		}
		if it.done != nil {
			acks = append(acks, ack{0, it.done})
		}
	}
	c.complete(acks, err)
}

// complete calls completions. w.mu held, free during the calls.
func (c *Conn) complete(acks []ack, err error) {
	if len(acks) > 0 {
		c.w.mu.Unlock()
		for _, a := range acks {
			a.done(err)
		}
		c.w.mu.Lock()
	}
}

// Prepared is a message made once for many connections: it is checked once, and
// queues hold a reference to it. It must not change; any goroutine may use it.
type Prepared struct {
	typ     MessageType
	payload []byte
}

// Prepare makes a Prepared of a copy of p. The error is protocol.ErrNotUTF8 for
// text that is not, protocol.ErrSendOrder for a type that is neither Text nor
// Binary.
func Prepare(typ MessageType, p []byte) (*Prepared, error) {
	switch {
	case typ != Text && typ != Binary:
		return nil, protocol.ErrSendOrder
	case typ == Text && !utf8.Valid(p):
		return nil, protocol.ErrNotUTF8
	}
	return &Prepared{typ, append([]byte(nil), p...)}, nil
}
