package ws

import (
	"context"
	"errors"

	"duplex/wire"
)

// MessageWriter sends one message in frames; see Conn.Writer. One goroutine at
// a time.
type MessageWriter struct {
	c    *Conn
	ctx  context.Context
	typ  MessageType
	buf  []byte
	sent bool // a frame has gone out
	err  error
}

// fragmentSize is the payload of the frames that a MessageWriter makes by
// itself.
const fragmentSize = 4 << 10

var errWriterClosed = errors.New("ws: this message has been finished")

// Writer begins a message of unknown length that is sent in fragments (RFC 6455
// §5.4) as it is written, 4 KiB each, or when Flush is called. Other messages
// wait until Close has sent the last fragment: never forget it. A second Writer
// waits too. ctx bounds the waiting, here and in Write, Flush and Close; when it
// ends, the message can still be finished only while nothing has to be waited
// for.
func (c *Conn) Writer(ctx context.Context, typ MessageType) (*MessageWriter, error) {
	if typ != Text && typ != Binary {
		return nil, errors.New("ws: a message is Text or Binary, not " + typ.String())
	}
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	for {
		if err := c.room(ctx, 0, Block); err != nil {
			return nil, err
		}
		if !w.stream {
			break
		}
		if err := w.wait(ctx); err != nil {
			return nil, err
		}
	}
	w.stream = true
	return &MessageWriter{c: c, ctx: ctx, typ: typ}, nil
}

// Write implements io.Writer; p is copied.
func (m *MessageWriter) Write(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n := len(p)
	for len(m.buf)+len(p) > fragmentSize {
		k := fragmentSize - len(m.buf)
		m.buf = append(m.buf, p[:k]...)
		p = p[k:]
		if err := m.send(false); err != nil {
			return n - len(p), err
		}
	}
	m.buf = append(m.buf, p...)
	return n, nil
}

// Flush sends what has been written and is not sent yet as a fragment of its
// own, if there is any. Text may be cut anywhere, also inside a character.
func (m *MessageWriter) Flush() error {
	if m.err != nil || len(m.buf) == 0 {
		return m.err
	}
	return m.send(false)
}

// Close sends the rest as the last fragment, an empty one if nothing is left
// after a Flush, and lets other messages pass. A message that cannot be finished,
// because the context ended first or its text is not UTF-8 to the end, is an
// error and ends the connection with 1011: nothing else could follow it.
func (m *MessageWriter) Close() error {
	if m.err != nil {
		if m.err == errWriterClosed {
			return nil
		}
		return m.err
	}
	err := m.send(true)
	switch {
	case err == nil:
		m.err = errWriterClosed
	case m.err == nil: // the context ended
		m.err = err
		m.giveUp(err)
	}
	return err
}

// giveUp ends the connection in the middle of the message.
func (m *MessageWriter) giveUp(cause error) {
	m.c.shut(CloseError{Code: CloseInternalError, Reason: "message given up", Err: cause})
}

func (m *MessageWriter) send(fin bool) error {
	c, w := m.c, &m.c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	m.err = c.unsendable()
	it := item{kind: fragment, op: m.typ, data: m.buf, fin: fin}
	if m.sent {
		it.op = wire.Continuation
	}
	// In the queue nobody could be told of bad UTF-8, so wait to be next. The
	// queue's limit does not count here: what is held waits for this message.
	for m.err == nil && w.flushing {
		if err := w.wait(m.ctx); err != nil {
			return err
		}
		m.err = c.unsendable()
	}
	if m.err != nil {
		return m.err
	}
	if err := c.writeNow(it, c.patient(m.ctx)); err != nil {
		m.err = err
		go m.giveUp(err) // not under the lock
		return err
	}
	m.buf, m.sent = m.buf[:0], true
	if fin {
		c.releaseHeld()
	}
	return nil
}

// releaseHeld lets the messages pass that waited for a MessageWriter. w.mu held.
func (c *Conn) releaseHeld() {
	w := &c.w
	w.stream = false
	w.queue = append(w.queue, w.held...)
	w.held = nil
	w.changed()
	c.flush(false)
}
