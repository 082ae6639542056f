package server

import (
	"context"
	"errors"
	"iter"
	"log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"duplex/ws"
)

// Defaults of Options.
const (
	DefaultMaxHeader     = 64 << 10
	DefaultHeaderTimeout = 10 * time.Second
	DefaultIdleTimeout   = time.Minute
	DefaultPlainTimeout  = 5 * time.Minute
	DefaultBudget        = 256 << 20
	DefaultWorkers       = 4
	DefaultQueueSize     = 1024
)

// Options of a Server. The zero value is safe and good.
type Options struct {
	// WebSocket is what holds on every route that has no Options of its own.
	// Its Handler and OnPanic are ignored.
	WebSocket ws.Options
	// MaxSessions bounds the WebSocket connections; default 0, no limit. One
	// more is refused with 503 and Retry-After. A place is free again once the
	// connection is closed and its handler has returned.
	MaxSessions int
	// Budget bounds the memory, in bytes, of all unfinished messages of more
	// than a read buffer together; default 256 MiB, negative for no bound. The
	// connection that would exceed it ends with 1013.
	Budget int64
	// MaxHeader bounds a request's header in bytes; default 64 KiB. More (net/http
	// lets some 4 KiB pass) is answered with 431.
	MaxHeader int
	// HeaderTimeout bounds the time from accepting a connection to the end of
	// its request header, default 10 s; then it is closed.
	HeaderTimeout time.Duration
	// IdleTimeout bounds the wait for another request on a plain HTTP
	// connection; default 1 min.
	IdleTimeout time.Duration
	// PlainTimeout bounds how long a plain HTTP request's body may take to come,
	// and twice of it until its response is written; default 5 min. A Handler that needs longer
	// moves the deadlines with http.ResponseController. WebSockets have limits of
	// their own.
	PlainTimeout time.Duration
	// Workers is how many queued functions run at once; default 4, at least 2.
	Workers int
	// QueueSize is how many functions can wait in Queue; default 1024, at least
	// 1.
	QueueSize int
	// Log gets the server's own troubles; default slog.Default(). What clients
	// do wrong is at level Debug.
	Log *slog.Logger
	// OnPanic is told of a panic in a Handler or a route's Func, whose session
	// ends with 1011, no other; and, with s nil, of one in queued work, Check or
	// a plain HTTP handler. Default: an error in Log with the stack.
	OnPanic func(s *Session, value any, stack []byte)
}

// Server holds sessions. Make one with New.
type Server struct {
	o      Options
	budget *ws.Budget
	http   http.Server
	routes routes
	work   work

	silent silent
	lastID atomic.Uint64

	mu       sync.Mutex
	sessions map[uint64]*Session
	places   int           // taken by handshakes that will succeed, and by sessions until all of them has gone
	draining bool          // Shutdown or Close has begun
	closed   bool          // Close has begun
	empty    chan struct{} // closed when no place is taken; nil while nobody asks
}

// Errors of a Server's methods.
var (
	// ErrClosed: the server is shutting down.
	ErrClosed = errors.New("server: shutting down")
	// ErrQueueFull: too much work waits in Queue.
	ErrQueueFull = errors.New("server: the work queue is full")
	// ErrNoSession: no open session has this ID.
	ErrNoSession = errors.New("server: no such session: it has ended or never was")
)

// New returns a Server without routes.
func New(o Options) *Server {
	def(&o.Budget, DefaultBudget)
	def(&o.MaxHeader, DefaultMaxHeader)
	def(&o.HeaderTimeout, DefaultHeaderTimeout)
	def(&o.IdleTimeout, DefaultIdleTimeout)
	def(&o.PlainTimeout, DefaultPlainTimeout)
	def(&o.Workers, DefaultWorkers)
	def(&o.QueueSize, DefaultQueueSize)
	o.Workers = max(o.Workers, 2)
	o.QueueSize = max(o.QueueSize, 1)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Server{o: o, sessions: make(map[uint64]*Session)}
	if o.Budget > 0 {
		s.budget = ws.NewBudget(o.Budget)
	}
	s.work.s = s
	s.http = http.Server{
		Handler:           s,
		ReadHeaderTimeout: o.HeaderTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    o.MaxHeader,
		ConnState:         s.silent.note,
		ErrorLog:          log.New(troubles{o.Log}, "", 0),
	}
	return s
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// ListenAndServe listens on the TCP address and serves it; see Serve.
func (s *Server) ListenAndServe(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return s.Serve(l)
}

// Serve serves the connections of l, which it closes in the end, until Shutdown
// or Close begins; then it returns ErrClosed, while Shutdown goes on: a program
// waits for that. It may be called for several listeners. For TLS give it a
// tls.NewListener.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(l)
	if errors.Is(err, http.ErrServerClosed) {
		return ErrClosed
	}
	return err
}

// ServeHTTP implements http.Handler by the routes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// Without these, net/http waits for ever for a body announced and not sent,
	// also for one that nobody wants, and for a reader of its response.
	rc, now := http.NewResponseController(w), time.Now()
	_ = rc.SetWriteDeadline(now.Add(2 * s.o.PlainTimeout))
	if r.ContentLength != 0 {
		_ = rc.SetReadDeadline(now.Add(s.o.PlainTimeout))
	}
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		if v != http.ErrAbortHandler {
			s.panicked(nil, v, debug.Stack())
		}
		panic(http.ErrAbortHandler) // net/http cuts the connection: nobody knows what has been written
	}()
	s.routes.mux().ServeHTTP(w, r)
}

// Len returns the number of open sessions.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Session returns the open session with this ID.
func (s *Server) Session(id uint64) (*Session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	session, ok := s.sessions[id]
	return session, ok
}

// Sessions returns the sessions that are open when it is called, in no order.
func (s *Server) Sessions() iter.Seq[*Session] {
	s.mu.Lock()
	all := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		all = append(all, session)
	}
	s.mu.Unlock()
	return func(yield func(*Session) bool) {
		for _, session := range all {
			if !yield(session) {
				return
			}
		}
	}
}

// Send queues a message to the session with this ID and returns at once; see
// ws.Conn.Send. ErrNoSession says that it has gone; o.Done is then not called.
func (s *Server) Send(id uint64, o ws.Outgoing) error {
	session, ok := s.Session(id)
	if !ok {
		return ErrNoSession
	}
	return session.Send(o)
}

// CloseSession begins the closing handshake with the session of this ID and
// returns at once; ErrNoSession says that it has gone.
func (s *Server) CloseSession(id uint64, code ws.CloseCode, reason string) error {
	session, ok := s.Session(id)
	if !ok {
		return ErrNoSession
	}
	return session.StartClose(code, reason)
}

// noRoom says why there is no place for another session, "" when there is one.
func (s *Server) noRoom() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full()
}

// full needs mu.
func (s *Server) full() string {
	switch {
	case s.draining:
		return goingAway
	case s.o.MaxSessions > 0 && s.places >= s.o.MaxSessions:
		return "too many connections: try again later"
	}
	return ""
}

// reserve takes a place for a session, or says why there is none.
func (s *Server) reserve() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	why := s.full()
	if why == "" {
		s.places++
	}
	return why
}

// release gives a place back.
func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places--
	if s.places == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// add registers a session; one that comes when the end has begun is told so.
func (s *Server) add(session *Session) {
	s.mu.Lock()
	s.sessions[session.id] = session
	draining, closed := s.draining, s.closed
	s.mu.Unlock()
	switch {
	case closed:
		session.CloseNow()
	case draining:
		_ = session.StartClose(ws.CloseGoingAway, goingAway)
	}
}

// remove forgets a session; again it does nothing.
func (s *Server) remove(session *Session) {
	s.mu.Lock()
	delete(s.sessions, session.id)
	s.mu.Unlock()
	session.leaveAll()
}

func (s *Server) panicked(session *Session, value any, stack []byte) {
	defer func() { _ = recover() }() // a panicking reporter has nobody left to tell
	if s.o.OnPanic != nil {
		s.o.OnPanic(session, value, stack)
		return
	}
	attrs := []any{"panic", value, "stack", string(stack)}
	if session != nil {
		attrs = append(attrs, "conn", session.id, "remote", session.RemoteAddr())
	}
	s.o.Log.Error("panic in a handler", attrs...)
}

const goingAway = "server shutting down"

// Shutdown ends the server with grace: it accepts nothing new, lets the work run
// that is queued, closes every session with 1001 (behind what is queued to it),
// and waits until all sockets are closed, all handlers have returned, Close
// included, and what they queued has run. When ctx ends first, the rest is cut
// and the context's error returned; a client that neither reads nor answers
// takes ws.Options.WriteTimeout and CloseTimeout otherwise. Called from a
// handler or queued work it would wait for itself.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	s.silent.cut()
	httpDone := make(chan error, 1)
	go func() { httpDone <- s.http.Shutdown(ctx) }()
	err := s.work.drain(ctx)
	for session := range s.Sessions() {
		_ = session.StartClose(ws.CloseGoingAway, goingAway)
	}
	err = firstOf(err, s.awaitEmpty(ctx))
	err = firstOf(err, <-httpDone)
	s.work.close() // nobody is left who has a right to more
	err = firstOf(err, s.work.drain(ctx))
	if err != nil {
		_ = s.Close()
	}
	return err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// awaitEmpty waits until no place is taken.
func (s *Server) awaitEmpty(ctx context.Context) error {
	s.mu.Lock()
	if s.places == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	empty := s.empty
	s.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the server and cuts every connection at once. It does not wait for
// handlers.
func (s *Server) Close() error {
	s.mu.Lock()
	s.draining, s.closed = true, true
	s.mu.Unlock()
	s.work.drop()
	err := s.http.Close()
	var all sync.WaitGroup
	for session := range s.Sessions() {
		all.Go(session.CloseNow)
	}
	all.Wait()
	return err
}
