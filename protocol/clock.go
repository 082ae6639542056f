package protocol

import (
	"errors"
	"time"
)

// What Tick says when the peer is not waited for any more.
var (
	// ErrSilent: no bytes came within PongTimeout after a keep-alive ping.
	ErrSilent = errors.New("the peer is silent: nothing came after a ping")
	// ErrNoAnswer: the peer did not answer our Close within CloseTimeout.
	ErrNoAnswer = errors.New("the peer did not answer our Close")
)

// startClock arms the keep-alive.
func (m *Machine) startClock() {
	if m.o.PingInterval > 0 {
		m.nextPing = m.o.Now().Add(m.o.PingInterval)
	}
}

// stopClock ends the keep-alive, as a peer that has begun to close may well be
// silent; needs mu.
func (m *meeting) stopClock() {
	m.nextPing, m.lifeBy = time.Time{}, time.Time{}
	m.unset(owesPing)
}

// hear notes a sign of life from the peer.
func (m *meeting) hear() {
	if !m.heard.Load() { // a store each read would move the cache line about
		m.heard.Store(true)
	}
}

// Deadline returns when Tick wants to be called next; zero for never. It can
// come nearer only by StartClose and Output. Any goroutine.
func (m *Machine) Deadline() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return earliest(earliest(m.nextPing, m.lifeBy), m.closeBy)
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// Tick does what is due at now: a keep-alive ping, which Output then gives out,
// or the end of patience: ErrSilent after a ping without any sign of life,
// ErrNoAnswer after a Close without an answer; TCP should then end. reading is
// false while bytes from the peer may be waiting unread: silence is then no
// sign of death. Any goroutine.
func (m *Machine) Tick(now time.Time, reading bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.heard.Swap(false) {
		m.lifeBy = time.Time{}
	}
	switch {
	case due(m.closeBy, now):
		m.closeBy = time.Time{}
		return ErrNoAnswer
	case due(m.lifeBy, now):
		m.lifeBy = now.Add(m.o.PongTimeout)
		if reading {
			return ErrSilent
		}
	}
	if due(m.nextPing, now) {
		m.nextPing = now.Add(m.o.PingInterval)
		m.set(owesPing)
		if m.lifeBy.IsZero() {
			m.lifeBy = now.Add(m.o.PongTimeout)
		}
	}
	return nil
}

func due(t, now time.Time) bool { return !t.IsZero() && !now.Before(t) }
