package server

import (
	"strconv"
	"sync"

	"duplex/ws"
)

// Session is one WebSocket connection of a Server. All methods of ws.Conn are
// its own; the Data of the Conn itself belongs to the Server.
type Session struct {
	*ws.Conn
	s  *Server
	id uint64

	mu      sync.Mutex
	data    any
	values  map[any]any
	members []*member // one for each group
	ended   bool
}

// ID returns the session's number, which no other session of the server has or
// will have.
func (s *Session) ID() uint64 { return s.id }

// Server returns the server that the session belongs to.
func (s *Session) Server() *Server { return s.s }

// String names the session for logs.
func (s *Session) String() string { return "session " + strconv.FormatUint(s.id, 10) }

// SetData keeps one value of the application's with the session; for several see
// SetValue.
func (s *Session) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = v
}

// Data returns what SetData was given last, nil before.
func (s *Session) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}

// Value returns what SetValue keeps for key, nil for nothing.
func (s *Session) Value(key any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// SetValue keeps a value of the application's with the session. Keys are
// compared as in a map; use types of your own, as with context.WithValue.
func (s *Session) SetValue(key, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = make(map[any]any)
	}
	s.values[key] = value
}

// leaveAll takes an ended session out of its groups, for good; again it does
// nothing.
func (s *Session) leaveAll() {
	s.mu.Lock()
	members := s.members
	s.members, s.ended = nil, true
	s.mu.Unlock()
	for _, m := range members {
		m.group.mu.Lock()
		m.group.cut(m)
		m.group.mu.Unlock()
	}
}
