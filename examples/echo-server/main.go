// Echo-server is the server half of the ESP32 WebSocket tutorial, on a host: it
// echoes every message, and answers the text "Trigger async" with "Async data"
// sent from queued work. It logs what the tutorial's program logs, in the same
// order, and a message in fragments is echoed as the one message it is.
//
//	go run ./examples/echo-server -listen 127.0.0.1:8080
//	go run ./cmd/duplex connect ws://127.0.0.1:8080/ws
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"duplex/server"
	"duplex/ws"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "echo-server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, out io.Writer, listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		logf(out, "I", "Error starting server!")
		return err // says why: port in use, permission
	}
	logf(out, "I", "Starting server on port: '%d'", l.Addr().(*net.TCPAddr).Port)
	logf(out, "I", "Registering URI handlers")
	srv := server.New(server.Options{})
	srv.Route("/ws", server.Route{Handler: echo{out: out}})

	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return srv.Shutdown(bounded) // Close 1001 to every client
}

// echo is the handler of /ws.
type echo struct {
	server.Base
	out io.Writer
}

func (e echo) Open(*server.Session) {
	logf(e.out, "I", "Handshake done, the new connection was opened")
}

func (e echo) Message(s *server.Session, typ ws.MessageType, p []byte) {
	logf(e.out, "I", "frame len is %d", len(p))
	if len(p) > 0 {
		logf(e.out, "I", "Got packet with message: %s", printable(p))
	}
	logf(e.out, "I", "Packet type: %d", typ)
	if typ == ws.Text && string(p) == "Trigger async" {
		triggerAsync(s)
		return
	}
	if err := s.Write(s.Context(), typ, p); err != nil {
		logf(e.out, "E", "echo failed: %v", err)
	}
}

// triggerAsync sends from outside the handler. The session is named by its ID,
// which is never used again: when it has gone, nobody else gets its data.
func triggerAsync(s *server.Session) {
	srv, id := s.Server(), s.ID()
	err := srv.Queue(func() {
		_ = srv.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte("Async data")})
	})
	if err != nil {
		_ = s.StartClose(ws.CloseTryAgainLater, "work queue full")
	}
}

// logf writes a line as ESP-IDF does: level, tag, text.
func logf(out io.Writer, level, format string, args ...any) {
	fmt.Fprintf(out, "%s main: %s\n", level, fmt.Sprintf(format, args...))
}

// printable keeps a payload from playing with the terminal.
func printable(p []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, string(p))
}
