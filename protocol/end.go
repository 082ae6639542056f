package protocol

import (
	"errors"
	"time"

	"duplex/wire"
)

// What a CloseError of code 1006 says when there was no Close frame.
var (
	// ErrNoClose: the stream ended between messages, without a Close frame.
	ErrNoClose = errors.New("the stream ended without a Close frame")
	// ErrCut: the stream ended inside a frame or a fragmented message.
	ErrCut = errors.New("the stream ended inside a message")
	// ErrFreed: the machine was given up.
	ErrFreed = errors.New("the connection was given up")
)

// end makes err the last word of the read half: what is buffered and what was
// joined is of no use to anybody then.
func (m *Machine) end(err *CloseError) {
	m.err = err
	m.r, m.w, m.tail = 0, 0, 0
	m.dropBody(true)
}

// fail ends the connection because of f (§7.1.7).
func (m *Machine) fail(f *Fault) {
	m.end(&CloseError{Code: f.Code, Reason: f.Text, Err: f})
	m.mu.Lock()
	m.set(failed)
	m.oweClose(f.Code, f.Text)
	m.mu.Unlock()
}

// EOF says that the peer's stream has ended; call it when Next wants more.
// Without a Close frame from the peer before it Next then returns a CloseError
// of code wire.CloseAbnormal: ErrCut when the end came inside a message, else
// ErrNoClose. Owner of the read half only.
func (m *Machine) EOF() {
	m.reclaim()
	if m.err == nil {
		err := ErrNoClose
		if m.inside || m.op != 0 || m.r < m.w {
			err = ErrCut
		}
		m.end(&CloseError{Code: wire.CloseAbnormal, Err: err})
	}
	m.mu.Lock()
	m.set(streamEnd)
	m.stopClock()
	m.closeBy = time.Time{}
	m.mu.Unlock()
}
