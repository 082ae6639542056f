package ws

import (
	"context"
	"io"

	"duplex/protocol"
)

// MessageReader streams one message; see Conn.Reader. One goroutine at a time.
type MessageReader struct {
	c    *Conn
	ctx  context.Context
	part protocol.Event
	lent bool
	err  error
}

// Reader waits for the next message and returns a stream of its payload, which
// comes as the peer sends it and is held in memory only piece by piece. ctx
// bounds the waiting, here and in the stream's Read; its end leaves the
// connection alive and the rest of this message to be skipped. A message that
// was not read to its end is skipped by the next Read or Reader. MaxMessage
// applies.
func (c *Conn) Reader(ctx context.Context) (MessageType, *MessageReader, error) {
	if err := c.startReading(); err != nil {
		return 0, nil, err
	}
	defer c.r.reading.Store(false)
	if err := c.skipUnfinished(ctx); err != nil {
		return 0, nil, err
	}
	m := &MessageReader{c: c, ctx: ctx}
	if err := m.nextPart(ctx); err != nil {
		return 0, nil, err
	}
	c.r.unfinished = m
	return m.part.Op, m, nil
}

// nextPart waits for more of the message.
func (m *MessageReader) nextPart(ctx context.Context) error {
	m.giveBack()
	ev, lent, err := m.c.next(ctx, wants{message: true, parts: true})
	if err != nil {
		return err
	}
	m.part, m.lent = ev, lent
	return nil
}

// giveBack ends the loan of the last part's memory.
func (m *MessageReader) giveBack() {
	if m.lent {
		m.lent = false
		m.c.giveBack()
	}
	m.part.Data = nil
}

// Read implements io.Reader: io.EOF after the message's last byte.
func (m *MessageReader) Read(p []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	if err := m.c.startReading(); err != nil {
		return 0, err
	}
	defer m.c.r.reading.Store(false)
	if len(p) == 0 {
		return 0, nil
	}
	if m.c.r.unfinished != m {
		m.err = io.ErrUnexpectedEOF // the next message has been asked for
		return 0, m.err
	}
	for len(m.part.Data) == 0 {
		if m.part.Fin {
			m.giveBack()
			m.c.r.unfinished = nil
			m.err = io.EOF
			return 0, io.EOF
		}
		if err := m.nextPart(m.ctx); err != nil {
			return 0, err
		}
	}
	n := copy(p, m.part.Data)
	m.part.Data = m.part.Data[n:]
	return n, nil
}

// skipUnfinished reads past the rest of a message that a MessageReader left.
func (c *Conn) skipUnfinished(ctx context.Context) error {
	for m := c.r.unfinished; m != nil; {
		if m.part.Fin {
			m.giveBack()
			c.r.unfinished = nil
			return nil
		}
		if err := m.nextPart(ctx); err != nil {
			return err
		}
	}
	return nil
}
