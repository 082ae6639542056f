package server

import (
	"errors"
	"iter"
	"slices"
	"sync"

	"duplex/ws"
)

// Group is a set of sessions to send to. The zero value is an empty group and
// takes 32 bytes. A session that ends leaves its groups by itself. Do not copy.
type Group struct {
	mu      sync.Mutex
	members []*member
}

// member ties a session to a group: it knows its place, so that leaving is
// quick. Fields but session and group are guarded by the group's mu.
type member struct {
	session *Session
	group   *Group
	at      int // index in group.members
}

// ErrEnded: a session that has ended cannot join.
var ErrEnded = errors.New("server: the session has ended")

// Join makes s a member. replay, if not nil, runs first, under the group's
// lock: nothing is sent to the group meanwhile, so what replay sends to s and
// what the group sends after it meet without a gap. That no message is both
// replayed and sent is for a lock of the caller's, held over recording and
// Broadcast, and over Join. replay must not use the group, and should send with
// Send: the whole group waits for a Write to a slow s. Joining twice does
// nothing, replay included. ErrEnded says that s has ended.
func (g *Group) Join(s *Session, replay func()) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.mu.Lock()
	ended := s.ended
	joined := slices.ContainsFunc(s.members, func(m *member) bool { return m.group == g })
	s.mu.Unlock()
	switch {
	case ended:
		return ErrEnded
	case joined:
		return nil
	}
	if replay != nil {
		replay()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended { // meanwhile
		return ErrEnded
	}
	m := &member{session: s, group: g, at: len(g.members)}
	g.members = append(g.members, m)
	s.members = append(s.members, m)
	return nil
}

// Leave takes s out and reports whether it was in.
func (g *Group) Leave(s *Session) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.members, func(m *member) bool { return m.group == g })
	if i < 0 {
		return false
	}
	g.cut(s.members[i])
	s.members = slices.Delete(s.members, i, i+1)
	return true
}

// cut takes a member out of the group; g.mu held. Once for each member, as only
// who has taken it out of its session's list calls it.
func (g *Group) cut(m *member) {
	last := len(g.members) - 1
	g.members[m.at] = g.members[last]
	g.members[m.at].at = m.at
	g.members[last] = nil
	g.members = g.members[:last]
	if last == 0 {
		g.members = nil
	}
}

// Len returns the number of members.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// Members returns the sessions that are members when it is called.
func (g *Group) Members() iter.Seq[*Session] {
	g.mu.Lock()
	all := make([]*Session, len(g.members))
	for i, m := range g.members {
		all[i] = m.session
	}
	g.mu.Unlock()
	return slices.Values(all)
}

// Broadcast queues a message to every member except those named and returns to
// how many. It does not wait: a member that reads too slowly misses the message,
// or is closed, by o.Policy. Messages of several Broadcasts reach every member
// in the same order. o.Done, if set, is called once for each that took it.
// No Done of a message to a member, Broadcast's or another, may use the group:
// it may run inside a Broadcast. The error is that of ws.Prepare.
func (g *Group) Broadcast(o ws.Outgoing, except ...*Session) (int, error) {
	if o.Prepared == nil {
		p, err := ws.Prepare(o.Type, o.Data)
		if err != nil {
			return 0, err
		}
		o.Prepared = p
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	sent := 0
	for _, m := range g.members {
		if !slices.Contains(except, m.session) && m.session.Send(o) == nil {
			sent++
		}
	}
	return sent, nil
}
