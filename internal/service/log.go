package service

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"duplex/internal/printable"
	"duplex/server"
	"duplex/ws"
)

// Format is how a log is written.
type Format int

// The formats.
const (
	// JSON is one object a line, for programs.
	JSON Format = iota
	// Text is key=value, for files that people read.
	Text
	// Terminal is Text with the time of day alone.
	Terminal
)

// NewLogger returns a logger whose values hold nothing that could steer a
// terminal or fake a line, wherever they came from; see package printable.
func NewLogger(w io.Writer, f Format, level slog.Leveler) *slog.Logger {
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch v := a.Value.Any().(type) {
		case time.Time:
			if f == Terminal && len(groups) == 0 && a.Key == slog.TimeKey {
				a.Value = slog.StringValue(v.Format("15:04:05.000"))
			}
		case string:
			if a.Key != "stack" { // ours, and of many lines
				a.Value = slog.StringValue(printable.Line(v))
			}
		case time.Duration:
			a.Value = slog.StringValue(v.String()) // JSON would count nanoseconds
		case error:
			a.Value = slog.StringValue(printable.Line(v.Error()))
		}
		return a
	}}
	if f == JSON {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// payloadShown is how much of a payload the log shows, in bytes.
const payloadShown = 200

// logged tells the log what happens on the sessions of a Handler.
type logged struct {
	server.Handler
	log   *slog.Logger
	quiet bool // no line for each packet
}

// tally is what is counted of a session; only its handler uses it.
type tally struct {
	opened   time.Time
	messages int
	bytes    int64
}

type tallyKey struct{}

// Open implements server.Handler.
func (h logged) Open(s *server.Session) {
	s.SetValue(tallyKey{}, &tally{opened: time.Now()})
	attrs := []any{"conn", s.ID(), "remote", s.RemoteAddr().String(), "path", s.Request().URL.Path}
	if p := s.Subprotocol(); p != "" {
		attrs = append(attrs, "subprotocol", p)
	}
	h.log.Info("connection opened", attrs...)
	h.Handler.Open(s)
}

// Message implements server.Handler.
func (h logged) Message(s *server.Session, typ ws.MessageType, p []byte) {
	t := s.Value(tallyKey{}).(*tally)
	t.messages++
	t.bytes += int64(len(p))
	if !h.quiet {
		h.log.Info("packet", packet(s.ID(), typ, p)...)
	}
	h.Handler.Message(s, typ, p)
}

// packet says of a message what the tutorial's server says: length, type and
// payload.
func packet(id uint64, typ ws.MessageType, p []byte) []any {
	var shown string
	var left int
	if typ == ws.Text {
		shown, left = printable.Cut(string(p[:min(len(p), payloadShown+1)]), payloadShown)
		left += max(len(p)-payloadShown-1, 0)
		shown = printable.Line(shown)
	} else {
		shown = "hex:" + hex.EncodeToString(p[:min(len(p), payloadShown)])
		left = max(len(p)-payloadShown, 0)
	}
	attrs := []any{"conn", id, "length", len(p), "type", int(typ), "name", typ.String(), "payload", shown}
	if left > 0 {
		attrs = append(attrs, "cut", fmt.Sprintf("%d bytes more", left))
	}
	return attrs
}

// Close implements server.Handler.
func (h logged) Close(s *server.Session, err error) {
	t := s.Value(tallyKey{}).(*tally)
	attrs := []any{"conn", s.ID()}
	var ce *ws.CloseError
	if errors.As(err, &ce) {
		attrs = append(attrs, "code", int(ce.Code), "meaning", ce.Code.String())
		if ce.Reason != "" {
			attrs = append(attrs, "reason", ce.Reason)
		}
		by := "us"
		if ce.Remote {
			by = "peer"
		}
		if ce.Code != ws.CloseAbnormal {
			attrs = append(attrs, "by", by)
		}
		if ce.Err != nil {
			attrs = append(attrs, "err", ce.Err)
		}
	} else {
		attrs = append(attrs, "err", err)
	}
	h.log.Info("connection closed", append(attrs,
		"duration", time.Since(t.opened).Round(time.Millisecond), "packets", t.messages, "bytes", t.bytes)...)
	h.Handler.Close(s, err)
}
