package server

import (
	"context"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"duplex/ws"
)

// Handler takes what happens on the sessions of a route. For one session its
// methods are called one at a time and in order.
type Handler interface {
	// Open is called once, after the 101 and before any message.
	Open(s *Session)
	// Message is called for each message; p is lent until it returns and may
	// be changed. It may block: other sessions do not wait for it, and pings
	// of this one are answered meanwhile.
	Message(s *Session, typ ws.MessageType, p []byte)
	// Close is called once, after everything else, with what ended the session:
	// usually a *ws.CloseError. The session has left its groups and cannot be
	// found any more.
	Close(s *Session, err error)
}

// PingHandler is a Handler that also sees pings, which are answered without it;
// rules as ws.PingHandler's.
type PingHandler interface {
	Ping(s *Session, p []byte)
}

// PongHandler is a Handler that also sees pongs; rules as ws.PongHandler's.
type PongHandler interface {
	Pong(s *Session, p []byte)
}

// Base is a Handler that does nothing, to be embedded.
type Base struct{}

// Open does nothing.
func (Base) Open(*Session) {}

// Message does nothing.
func (Base) Message(*Session, ws.MessageType, []byte) {}

// Close does nothing.
func (Base) Close(*Session, error) {}

// Route says what becomes of WebSocket connections to a pattern. Exactly one of
// Handler and Func is set.
type Route struct {
	// Handler gets the messages pushed.
	Handler Handler
	// Func has the session for itself, on a goroutine of its own, and reads it.
	// ctx ends with the session, which has then left its groups and cannot be
	// found any more; and the session ends with Func, with 1000 if it is still
	// open then. Its place among MaxSessions is free once Func has returned.
	Func func(ctx context.Context, s *Session)
	// Check is called before the handshake is answered, for an authorisation,
	// say. It may set header fields for the response on w, and returns the
	// request to go on with: r, or r.WithContext with values that the session
	// finds in its Context and Request. To refuse it answers on w, with any
	// status and body, and returns nil; 403 if it answered nothing. A panic in
	// it is a 500 and goes to OnPanic.
	Check func(w http.ResponseWriter, r *http.Request) *http.Request
	// Options for this route: subprotocols, limits, origins, policy; nil for
	// the server's. Handler and OnPanic in it are ignored. Without a Budget of
	// its own the route shares the server's.
	Options *ws.Options
}

// Route makes WebSocket connections to the pattern, in the syntax of
// http.ServeMux, sessions of r. Another request to it is answered with 426. It
// panics for a pattern that is taken or wrong, as http.ServeMux does, and for a
// Route without exactly one of Handler and Func.
func (s *Server) Route(pattern string, r Route) {
	if (r.Handler == nil) == (r.Func == nil) {
		panic("server: Route needs exactly one of Handler and Func: " + pattern)
	}
	s.routes.add(pattern, s.newRoute(r))
}

// Handle answers plain HTTP requests to the pattern with h; else as Route.
func (s *Server) Handle(pattern string, h http.Handler) { s.routes.add(pattern, h) }

// Remove takes a pattern away again and reports whether it was there. Sessions
// that are open stay so, with the Handler they have.
func (s *Server) Remove(pattern string) bool { return s.routes.remove(pattern) }

// routes is a table of patterns that may change at run time.
type routes struct {
	mu      sync.Mutex
	table   map[string]http.Handler
	current atomic.Pointer[http.ServeMux]
}

func (t *routes) mux() *http.ServeMux {
	if m := t.current.Load(); m != nil {
		return m
	}
	return http.NewServeMux()
}

func (t *routes) add(pattern string, h http.Handler) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.build()
	m.Handle(pattern, h) // panics for a bad or taken pattern; nothing has changed yet
	if t.table == nil {
		t.table = make(map[string]http.Handler)
	}
	t.table[pattern] = h
	t.current.Store(m)
}

func (t *routes) remove(pattern string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.table[pattern]
	delete(t.table, pattern)
	t.current.Store(t.build())
	return ok
}

func (t *routes) build() *http.ServeMux {
	m := http.NewServeMux()
	for pattern, h := range t.table {
		m.Handle(pattern, h)
	}
	return m
}

// route is a Route at work: the http.Handler that accepts, and the ws.Handler
// of all its sessions.
type route struct {
	Route
	s    *Server
	opts *ws.Options
}

func (s *Server) newRoute(r Route) *route {
	rt := &route{Route: r, s: s}
	o := s.o.WebSocket
	if r.Options != nil {
		o = *r.Options
	}
	if o.Budget == nil {
		o.Budget = s.budget
	}
	o.OnPanic = func(c *ws.Conn, value any, stack []byte) {
		session, _ := c.Data().(*Session)
		s.panicked(session, value, stack)
	}
	o.Handler = nil
	if r.Handler != nil {
		o.Handler = rt
		_, ping := r.Handler.(PingHandler)
		_, pong := r.Handler.(PongHandler)
		if ping || pong {
			o.Handler = controls{rt}
		}
	}
	rt.opts = o.Fill()
	return rt
}

func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := rt.s
	if r.ContentLength != 0 {
		// net/http reads the body that a refusal leaves, without a bound in time.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.o.HeaderTimeout))
	}
	// Before Check, so that a refusal for want of room is cheap.
	if why := s.noRoom(); why != "" {
		unavailable(w, why)
		return
	}
	if r = rt.admits(w, r); r == nil {
		return
	}
	if why := s.reserve(); why != "" {
		unavailable(w, why)
		return
	}
	opened := false
	defer func() {
		if !opened {
			s.release()
		}
	}()
	c, err := ws.Accept(w, r, rt.opts)
	if err != nil {
		s.o.Log.Debug("handshake refused", "remote", r.RemoteAddr, "path", r.URL.Path, "err", err)
		return
	}
	opened = true // from here on the session gives the place back
	if rt.Func != nil {
		go rt.run(rt.open(c))
	}
}

func unavailable(w http.ResponseWriter, why string) {
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Connection", "close")
	http.Error(w, why, http.StatusServiceUnavailable)
}

// admits asks Check, and answers for it when it refuses without a word.
func (rt *route) admits(w http.ResponseWriter, r *http.Request) (admitted *http.Request) {
	if rt.Check == nil {
		return r
	}
	a := &answer{ResponseWriter: w}
	defer func() {
		switch v := recover(); {
		case v == http.ErrAbortHandler:
			panic(v)
		case v != nil:
			rt.s.panicked(nil, v, debug.Stack())
			a.instead(http.StatusInternalServerError)
		case admitted == nil:
			a.instead(http.StatusForbidden)
		}
	}()
	if r = rt.Check(a, r); a.given {
		return nil
	}
	return r
}

// answer notes whether there has been one.
type answer struct {
	http.ResponseWriter
	given bool
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	a.given = a.given || status >= http.StatusOK
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.given = true
	return a.ResponseWriter.Write(p)
}

func (a *answer) instead(status int) {
	if !a.given {
		http.Error(a, http.StatusText(status), status)
	}
}

// open makes a session of a connection.
func (rt *route) open(c *ws.Conn) *Session {
	session := &Session{Conn: c, s: rt.s, id: rt.s.lastID.Add(1)}
	c.SetData(session)
	rt.s.add(session)
	return session
}

// run gives a session to the route's Func.
func (rt *route) run(session *Session) {
	ctx := session.Context()
	forget := context.AfterFunc(ctx, func() { rt.s.remove(session) })
	defer func() {
		if v := recover(); v != nil {
			stack := debug.Stack()
			_ = session.StartClose(ws.CloseInternalError, "internal error")
			rt.s.panicked(session, v, stack)
		}
		_ = session.Conn.Close(ws.CloseNormal, "")
		forget()
		rt.s.remove(session)
		rt.s.release()
	}()
	rt.Func(ctx, session)
}

// Open, Message and Close implement ws.Handler for all sessions of the route.

func (rt *route) Open(c *ws.Conn) { rt.Handler.Open(rt.open(c)) }

func (rt *route) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	rt.Handler.Message(c.Data().(*Session), typ, p)
}

// Close gives the place back last, when the socket has gone too: Shutdown waits
// for that, and MaxSessions then bounds the descriptors.
func (rt *route) Close(c *ws.Conn, err error) {
	session := c.Data().(*Session)
	defer func() {
		<-c.Done()
		rt.s.release()
	}()
	rt.s.remove(session)
	rt.Handler.Close(session, err)
}

// controls is a route whose Handler wants to see control frames.
type controls struct{ *route }

func (rt controls) Ping(c *ws.Conn, p []byte) {
	if h, ok := rt.Handler.(PingHandler); ok {
		h.Ping(c.Data().(*Session), p)
	}
}

func (rt controls) Pong(c *ws.Conn, p []byte) {
	if h, ok := rt.Handler.(PongHandler); ok {
		h.Pong(c.Data().(*Session), p)
	}
}
