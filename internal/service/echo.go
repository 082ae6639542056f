package service

import (
	"errors"
	"log/slog"

	"duplex/server"
	"duplex/ws"
)

// The tutorial's question and its answer, which comes from queued work.
const (
	triggerAsync = "Trigger async"
	asyncData    = "Async data"
)

// echo sends every message back, whole and with its type, but for triggerAsync.
type echo struct {
	server.Base
	log *slog.Logger
}

// Message implements server.Handler. Write waits while the peer does not read,
// which holds up this session only: that is the back-pressure of an echo.
func (h echo) Message(s *server.Session, typ ws.MessageType, p []byte) {
	if typ == ws.Text && string(p) == triggerAsync {
		h.later(s.Server(), s.ID())
		return
	}
	if err := s.Write(s.Context(), typ, p); err != nil {
		h.log.Debug("echo not sent", "conn", s.ID(), "err", err)
	}
}

// later answers from the work queue. It takes the ID and not the session: the
// connection may be gone when the work runs, and nobody else ever gets its ID.
func (h echo) later(srv *server.Server, id uint64) {
	err := srv.Queue(func() {
		err := srv.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte(asyncData)})
		switch {
		case errors.Is(err, server.ErrNoSession):
			h.log.Debug("async data dropped: the connection is gone", "conn", id)
		case err != nil:
			h.log.Warn("async data not sent", "conn", id, "err", err)
		}
	})
	if err != nil {
		h.log.Warn("async work refused", "conn", id, "err", err)
	}
}
