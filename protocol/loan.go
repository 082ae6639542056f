package protocol

import "duplex/wire"

// Take makes the last event's Data the caller's own and returns it: without a
// copy when it was joined in memory of its own. Owner of the read half only.
func (m *Machine) Take(ev Event) []byte {
	if m.lentBody {
		m.dropBody(false)
		m.lentBody = false
		return ev.Data
	}
	return append(make([]byte, 0, len(ev.Data)), ev.Data...)
}

// Detach leaves the memory that holds the last event's Data to whoever has it,
// so that reading can go on before that one is done with it. Owner of the read
// half only.
func (m *Machine) Detach() {
	if m.lentBody {
		m.dropBody(false)
		m.lentBody = false
	}
	if m.lentBuf && m.buf != nil {
		if m.r < m.w {
			m.moveBuf(max(m.w-m.r, m.o.ReadBuffer), false)
		} else {
			m.dropBuf(false)
		}
		m.lentBuf = false
	}
}

// reclaim ends the loan of the last event's data.
func (m *Machine) reclaim() {
	m.lentBuf = false
	if m.lentBody {
		m.lentBody = false
		m.dropBody(true)
	}
}

// openBuf takes a buffer of at least n bytes.
func (m *Machine) openBuf(n int) {
	m.buf = m.o.Buffers.Get(n)
	m.ownBuf = m.buf == nil // a budget is for messages: the read buffer comes anyway
	if m.ownBuf {
		m.buf = make([]byte, n)
	}
	m.r, m.w = 0, 0
}

// moveBuf moves what is not yet consumed to another buffer of at least n bytes.
func (m *Machine) moveBuf(n int, reuse bool) {
	old, own, rest := m.buf, m.ownBuf, m.buf[m.r:m.w]
	m.openBuf(n)
	m.w = copy(m.buf, rest)
	if !own {
		m.o.Buffers.Put(old[:cap(old)], reuse)
	}
}

func (m *Machine) dropBuf(reuse bool) {
	if m.buf != nil && !m.ownBuf {
		m.o.Buffers.Put(m.buf[:cap(m.buf)], reuse)
	}
	m.buf, m.ownBuf, m.r, m.w = nil, false, 0, 0
}

func (m *Machine) dropBody(reuse bool) {
	if m.body != nil && !m.ownBody {
		m.o.Buffers.Put(m.body[:cap(m.body)], reuse)
	}
	m.body, m.ownBody = nil, false
}

// Free gives all memory back; the machine can only report its end afterwards,
// ErrFreed if it had not ended. Owner of the read half only.
func (m *Machine) Free() {
	m.reclaim()
	if m.err == nil {
		m.end(&CloseError{Code: wire.CloseAbnormal, Err: ErrFreed})
	}
	m.dropBuf(true)
}
