package server

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"sync"
)

// silent are the connections on which no request has come yet. http.Server waits
// up to 5 s for them when it shuts down; browsers like to open one in advance.
type silent struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
	over  bool
}

// note is a http.Server's ConnState.
func (s *silent) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(s.conns, c)
	case s.over:
		_ = c.Close()
	default:
		if s.conns == nil {
			s.conns = make(map[net.Conn]struct{})
		}
		s.conns[c] = struct{}{}
	}
}

// cut closes them, and those to come.
func (s *silent) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for c := range s.conns {
		_ = c.Close()
	}
}

// troubles is the log of the HTTP server: what clients do to it is no trouble of
// the server's own, being out of descriptors is.
type troubles struct{ log *slog.Logger }

func (t troubles) Write(p []byte) (int, error) {
	text := string(bytes.TrimSpace(p))
	if bytes.HasPrefix(p, []byte("http: TLS handshake error")) || bytes.HasPrefix(p, []byte("http2: ")) {
		t.log.Debug(text)
	} else {
		t.log.Warn(text)
	}
	return len(p), nil
}
