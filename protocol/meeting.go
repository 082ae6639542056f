package protocol

import (
	"sync"
	"sync/atomic"
	"time"

	"duplex/wire"
)

// meeting is where the two halves meet: how far the closing handshake is (§7.1)
// and what is owed to the peer. The lock is held for a few instructions, and
// only for control frames and the clock.
type meeting struct {
	state atomic.Uint32 // bits below; written under mu
	heard atomic.Bool   // bytes came since the last Tick

	pongCount uint8 // all from here on needs mu
	closeCode wire.CloseCode
	mu        sync.Mutex
	reason    string // owed with closeCode
	pongs     []byte // owed: for each a length byte and the payload

	lastPing uint64    // ID of the newest ping
	pings    []pinged  // not yet answered, oldest first
	nextPing time.Time // when the keep-alive sends the next; zero for never
	lifeBy   time.Time // when silence since a keep-alive ping is death; zero: none waits
	closeBy  time.Time // when our Close is not waited for any more
}

const (
	closeSent uint32 = 1 << iota // our Close frame is in the output
	closeRcvd                    // the peer's Close frame came
	failed                       // the peer broke a rule: we fail the connection
	streamEnd                    // the peer's stream ended
	owesPong                     // Output has something to say
	owesPing
	owesClose

	owes = owesPong | owesPing | owesClose
)

func (m *meeting) is(bits uint32) bool { return m.state.Load()&bits != 0 }

// set and unset need mu.
func (m *meeting) set(bits uint32)   { m.state.Store(m.state.Load() | bits) }
func (m *meeting) unset(bits uint32) { m.state.Store(m.state.Load() &^ bits) }

// Owes reports whether Output has bytes to give. Any goroutine.
func (m *Machine) Owes() bool { return m.is(owes) }

// Closing reports whether either side has begun the closing handshake, or the
// connection failed: no message can be sent any more. Any goroutine.
func (m *Machine) Closing() bool {
	return m.is(closeSent | closeRcvd | failed | streamEnd | owesClose)
}

// CloseExpected reports whether TCP should end now: the closing handshake is
// over, or the connection failed and the Close frame that says so has been
// given out, or the peer's stream ended (RFC 6455 §7.1.1, §7.1.7). Any
// goroutine. A server then closes first; a client waits a while for that.
func (m *Machine) CloseExpected() bool {
	s := m.state.Load()
	return s&streamEnd != 0 || s&closeSent != 0 && s&(closeRcvd|failed) != 0
}

// CloseReceived reports whether the peer's Close frame has come. Any goroutine.
func (m *Machine) CloseReceived() bool { return m.is(closeRcvd) }

// oweClose needs mu. Only the first Close frame counts.
func (m *meeting) oweClose(code wire.CloseCode, reason string) {
	m.stopClock()
	if m.is(closeSent | owesClose) {
		return
	}
	m.closeCode, m.reason = code, reason
	m.set(owesClose)
}

// Output appends what is owed to the peer to dst: pongs, a keep-alive ping, the
// Close frame that answers or refuses. Write half. It may be called with data
// frames of a message still to come: control frames go between them (§5.4).
func (m *Machine) Output(dst []byte) []byte {
	if !m.Owes() {
		return dst
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	// A ping that came before the peer's Close is answered, also when our own
	// Close is out already (§5.5.2).
	for p := m.pongs; len(p) > 0; {
		n := 1 + int(p[0])
		dst = m.frameTo(dst, wire.Pong, p[1:n])
		p = p[n:]
	}
	m.pongs, m.pongCount = m.pongs[:0], 0
	if cap(m.pongs) > 512 {
		m.pongs = nil
	}
	if m.is(owesPing) {
		dst = m.ping(dst)
	}
	if m.is(owesClose) {
		dst = m.closeTo(dst, m.closeCode, m.reason)
	}
	m.unset(owes)
	return dst
}

// StartClose appends our Close frame and starts the wait for the answer, which
// Tick bounds. Code wire.CloseNoStatus sends an empty one. No data can be sent
// after it; messages from the peer go on being delivered until its Close comes.
// Write half.
//
// Errors: ErrSendCode, ErrSendReason, ErrClosing when the closing handshake has
// begun; dst comes back as it was.
func (m *Machine) StartClose(dst []byte, code wire.CloseCode, reason string) ([]byte, error) {
	if err := CheckClose(code, reason); err != nil {
		return dst, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Closing() {
		return dst, ErrClosing
	}
	return m.closeTo(dst, code, reason), nil
}

// closeTo appends our Close frame; needs mu.
func (m *Machine) closeTo(dst []byte, code wire.CloseCode, reason string) []byte {
	var b [wire.MaxControl]byte
	dst = m.frameTo(dst, wire.Close, wire.AppendClose(b[:0], code, reason))
	m.unset(owesClose)
	m.set(closeSent)
	m.stopClock()
	if !m.is(closeRcvd | streamEnd) {
		m.closeBy = m.o.Now().Add(m.o.CloseTimeout)
	}
	return dst
}
