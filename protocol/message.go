package protocol

import (
	"errors"

	"duplex/wire"
)

// data takes what has come of a data frame's payload.
func (m *Machine) data(ev *Event) step {
	if !m.admitTail() || !m.admitBuffered() {
		return again
	}
	if m.parts && !m.compressed {
		return m.part(ev)
	}
	whole := m.left == uint64(m.done)
	if len(m.body) == 0 && m.frame.Fin {
		if whole {
			return m.message(ev, m.consume())
		}
		if m.frame.Length <= uint64(m.o.ReadBuffer) {
			return starve // it fits: wait for the rest where it is
		}
	}
	switch {
	case !m.toBody():
		return again
	case !whole:
		return starve
	case !m.frame.Fin:
		return again
	}
	m.lentBody = true
	return m.message(ev, m.body)
}

// admitTail unmasks and checks what came straight into body.
func (m *Machine) admitTail() bool {
	if m.tail == 0 {
		return true
	}
	// Advance lowered left already, so the tail ends at Length - left.
	n := uint64(m.tail)
	m.tail = 0
	return m.admit(m.body[uint64(len(m.body))-n:], m.frame.Length-m.left-n)
}

// admitBuffered unmasks and checks the payload bytes at buf[r+done:].
func (m *Machine) admitBuffered() bool {
	have := m.w - m.r
	if uint64(have) > m.left {
		have = int(m.left)
	}
	p := m.buf[m.r+m.done : m.r+have]
	pos := m.frame.Length - m.left + uint64(m.done)
	m.done = have
	return m.admit(p, pos)
}

// admit unmasks p, which stands at pos in the frame's payload, and checks it.
func (m *Machine) admit(p []byte, pos uint64) bool {
	ascii := m.frame.Masked && wire.MaskASCII(p, m.frame.Key, int(pos&3))
	if m.op != wire.Text || m.compressed || ascii && m.text.Whole() {
		return true
	}
	// A bad byte fails the connection at once (§8.1), also in mid-frame.
	if !m.text.Write(p) {
		m.fail(ErrInvalidUTF8)
		return false
	}
	return true
}

// consume takes the admitted bytes out of buf and returns them, where they are.
func (m *Machine) consume() []byte {
	end := m.r + m.done
	p := m.buf[m.r:end:end]
	m.r = end
	m.left -= uint64(m.done)
	m.done = 0
	m.inside = m.left > 0
	m.lentBuf = true
	return p
}

// toBody moves the admitted bytes from buf to the message.
func (m *Machine) toBody() bool {
	if m.done > 0 && !m.grow(m.done) {
		return false
	}
	m.body = append(m.body, m.consume()...)
	m.lentBuf = false
	return true
}

// minBody is the first size of a joined message.
const minBody = 1024

// grow makes room in body for at least n bytes more: twice what has been
// received (Buffers may round that up), never what was only announced.
func (m *Machine) grow(n int) bool {
	need := len(m.body) + n
	if need <= cap(m.body) {
		return true
	}
	size := max(minBody, need+min(need, maxInt-need))
	// What is nearly enough is made enough: the end would be copied for a rest.
	if end := uint64(len(m.body)) + m.left; m.frame.Fin && end < uint64(size)+uint64(size)/16 {
		size = max(int(end), need)
	}
	b := m.o.Buffers.Get(size)
	if b == nil {
		m.fail(ErrOverBudget)
		return false
	}
	b = b[:copy(b, m.body)]
	m.dropBody(true)
	m.body = b
	return true
}

// part delivers what has come since the last part, if it is worth an event.
func (m *Machine) part(ev *Event) step {
	var p []byte
	if len(m.body) > 0 { // came before parts were asked for
		if !m.toBody() {
			return again
		}
		p, m.lentBody = m.body, true
	} else {
		p = m.consume()
	}
	end := m.frame.Fin && m.left == 0
	if len(p) == 0 && !end {
		if m.inside {
			return starve
		}
		return again
	}
	*ev = Event{Kind: PartEvent, Op: m.op, Data: p, Offset: m.sent, Total: -1, Fin: end}
	m.sent += int64(len(p))
	if m.frame.Fin {
		ev.Total = m.sent + int64(m.left)
	}
	if end {
		return m.finish()
	}
	return yield
}

// message delivers a whole message, inflated if need be.
func (m *Machine) message(ev *Event, p []byte) step {
	if m.compressed {
		var ok bool
		if p, ok = m.inflate(p); !ok {
			return again
		}
	}
	kind := MessageEvent
	if m.parts {
		kind = PartEvent
	}
	*ev = Event{Kind: kind, Op: m.op, Data: p, Fin: true, Total: int64(len(p))}
	return m.finish()
}

// finish ends the open message: a text must not end inside a character.
func (m *Machine) finish() step {
	if m.op == wire.Text && !m.text.Whole() {
		m.fail(ErrInvalidUTF8)
		return again
	}
	m.op, m.sent = 0, 0
	return yield
}

// inflate decompresses a whole message into memory of its own, which takes
// the place of body.
func (m *Machine) inflate(p []byte) ([]byte, bool) {
	limit := m.maxMessage.Load()
	size := max(minBody, len(p)+3*min(len(p), (maxInt-len(p))/4))
	if limit >= 0 && int64(size) > limit {
		size = max(int(limit), 1)
	}
	room := m.o.Buffers.Get(size)
	if room == nil {
		m.fail(ErrOverBudget)
		return nil, false
	}
	out, err := m.o.Codec.Inflate(room[:0], p, limit)
	f := ErrCorrupt
	switch {
	case err != nil:
		errors.As(err, &f)
	case limit >= 0 && int64(len(out)) > limit:
		f = ErrMessageTooBig
	case m.op == wire.Text && !m.text.Write(out):
		f = ErrInvalidUTF8
	default:
		f = nil
	}
	own := !sameMemory(out, room)
	if own || f != nil {
		m.o.Buffers.Put(room[:cap(room)], true)
	}
	if f != nil {
		m.fail(f)
		return nil, false
	}
	m.dropBody(true)
	m.body, m.ownBody, m.lentBody, m.lentBuf = out, own, true, false
	return out, true
}

// sameMemory reports whether a and b begin at the same byte.
func sameMemory(a, b []byte) bool {
	return cap(a) > 0 && cap(b) > 0 && &a[:1][0] == &b[:1][0]
}
