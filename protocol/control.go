package protocol

import (
	"time"

	"duplex/wire"
)

const (
	// maxPongs bounds what a peer that pings and never reads makes us keep. Past
	// it the oldest pong is left out, as §5.5.3 allows.
	maxPongs = 64
	// maxPings bounds the unanswered pings whose time is remembered.
	maxPings = 16
)

// pinged is a ping of ours that waits for its pong.
type pinged struct {
	id uint64
	at time.Time
}

// control handles a control frame once its payload is whole (§5.5). It fits
// the buffer, so it is never read into a message.
func (m *Machine) control(ev *Event) step {
	n := int(m.frame.Length)
	if m.w-m.r < n {
		return starve
	}
	p := m.buf[m.r : m.r+n : m.r+n]
	if m.frame.Masked {
		wire.Mask(p, m.frame.Key, 0)
	}
	m.r += n
	m.inside, m.left = false, 0
	m.lentBuf = true
	switch m.frame.Opcode {
	case wire.Ping:
		m.owePong(p)
		*ev = Event{Kind: PingEvent, Op: wire.Ping, Fin: true, Data: p}
	case wire.Pong:
		m.pongID, m.pongRTT = m.answered(p)
		*ev = Event{Kind: PongEvent, Op: wire.Pong, Fin: true, Data: p}
	case wire.Close:
		return m.closed(ev, p)
	}
	return yield
}

// closed takes the peer's Close frame (§5.5.1, §7.1.5).
func (m *Machine) closed(ev *Event, p []byte) step {
	code, reason, ok := wire.ParseClose(p)
	var text wire.UTF8
	switch {
	case !ok:
		m.fail(ErrCloseLength)
		return again
	case len(p) > 0 && !code.Sendable():
		m.fail(ErrCloseCode)
		return again
	case !text.Write(reason) || !text.Whole():
		m.fail(ErrCloseReason)
		return again
	}
	m.end(&CloseError{Code: code, Reason: string(reason), Remote: true})
	m.mu.Lock()
	m.set(closeRcvd)
	m.closeBy = time.Time{}
	m.oweClose(code, "") // §5.5.1: the answer typically echoes the code
	m.mu.Unlock()
	*ev = Event{Kind: CloseEvent, Op: wire.Close, Fin: true, Code: code, Data: reason}
	return yield
}

// owePong queues the answer to a ping (§5.5.2).
func (m *Machine) owePong(p []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pongCount == maxPongs {
		m.pongs = m.pongs[:copy(m.pongs, m.pongs[1+m.pongs[0]:])]
		m.pongCount--
	}
	m.pongs = append(append(m.pongs, byte(len(p))), p...)
	m.pongCount++
	m.set(owesPong)
}

// Ping appends a ping and returns its ID: the PongEvent that answers it, or a
// later ping, has this ID or a higher one. After Close has been sent or
// received it appends nothing and returns ErrClosing. Write half.
func (m *Machine) Ping(dst []byte) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Closing() {
		return dst, 0, ErrClosing
	}
	dst = m.ping(dst)
	return dst, m.lastPing, nil
}

// ping appends a ping; needs mu.
func (m *Machine) ping(dst []byte) []byte {
	m.lastPing++
	if len(m.pings) == maxPings {
		m.pings = m.pings[:copy(m.pings, m.pings[1:])]
	}
	m.pings = append(m.pings, pinged{m.lastPing, m.o.Now()})
	p := pingPayload(m.lastPing)
	return m.frameTo(dst, wire.Ping, p[:])
}

// pingPayload is the low half of a ping's ID in hexadecimal: devices log
// payloads as text.
func pingPayload(id uint64) (p [8]byte) {
	for i := range p {
		p[i] = "0123456789abcdef"[id>>(28-4*i)&0xF]
	}
	return p
}

// answered finds the ping that a pong answers. It answers earlier ones too:
// §5.5.3 lets the peer answer only the newest.
func (m *Machine) answered(p []byte) (id uint64, rtt time.Duration) {
	if len(p) != 8 {
		return 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, g := range m.pings {
		if [8]byte(p) == pingPayload(g.id) {
			m.pings = m.pings[:copy(m.pings, m.pings[i+1:])]
			return g.id, m.o.Now().Sub(g.at)
		}
	}
	return 0, 0
}

// Pong appends an unasked pong, which a peer takes as a sign of life and does
// not answer (RFC 6455 §5.5.3). Of p it takes the first 125 bytes (§5.5). Write
// half; error ErrClosing.
func (m *Machine) Pong(dst, p []byte) ([]byte, error) {
	if m.Closing() {
		return dst, ErrClosing
	}
	return m.frameTo(dst, wire.Pong, p[:min(len(p), wire.MaxControl)]), nil
}
