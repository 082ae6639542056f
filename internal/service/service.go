// Package service is what `duplex serve` assembles: an echo at /ws, channels at
// /v3/{channel}, a page at / to try them, and the log that says what happens.
//
//	s, err := service.New(service.Config{Listen: ":8080", Keys: []string{"secret"}})
//	if err != nil {
//		return err
//	}
//	return s.Run(ctx) // until ctx ends and every connection has been closed
package service

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"duplex/server"
)

// Service is a server with its routes. Make one with New, and call Run once.
type Service struct {
	c        Config
	server   *server.Server
	channels *channels
	tls      *tls.Config
	listener net.Listener
}

// New checks the configuration, which is copied, and loads the certificate. It
// does not listen yet. Errors are a *ConfigError, or say what cannot be read.
func New(c Config) (*Service, error) {
	c, err := c.filled()
	if err != nil {
		return nil, err
	}
	s := &Service{c: c}
	if s.tls, err = c.tls(); err != nil {
		return nil, err
	}
	s.server = server.New(server.Options{
		WebSocket:   *c.options(),
		MaxSessions: c.MaxConnections,
		Log:         c.Log,
	})
	return s, nil
}

// Listen takes the address, so that Addr is known before Run.
func (s *Service) Listen() error {
	l, err := net.Listen("tcp", s.c.Listen)
	if err != nil {
		return listenError(s.c.Listen, err)
	}
	s.listener = l
	return nil
}

// Addr returns the address listened on, with its real port; nil before Listen.
func (s *Service) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Run listens, if Listen was not called, and serves until ctx ends. Then it
// drains: it accepts nothing new, lets queued work run, closes every connection
// with 1001 and waits for the answers. The error is nil if all went in time.
func (s *Service) Run(ctx context.Context) error {
	if s.listener == nil {
		if err := s.Listen(); err != nil {
			return err
		}
	}
	l := s.listener
	s.routes()
	s.announce()
	if s.tls != nil {
		l = tls.NewListener(l, s.tls)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(l) }()
	select {
	case err := <-served:
		_ = s.server.Close()
		return fmt.Errorf("cannot accept connections on %s any more: %w", s.Addr(), err)
	case <-ctx.Done():
	}
	err := s.drain(context.WithoutCancel(ctx))
	<-served
	return err
}

// drain ends the server, within DrainTimeout.
func (s *Service) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.c.DrainTimeout)
	defer cancel()
	open := s.server.Len()
	s.c.Log.Info("draining", "connections", open, "timeout", s.c.DrainTimeout)
	switch err := s.server.Shutdown(ctx); {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("some of %d connections did not close within %v and were cut: see --drain-timeout", open, s.c.DrainTimeout)
	case err != nil:
		return fmt.Errorf("cannot end cleanly: %w", err)
	}
	s.c.Log.Info("stopped")
	return nil
}

// routes mounts everything. It needs the address, which decides about the key.
func (s *Service) routes() {
	s.channels = newChannels(s.c.Log, s.keys())
	s.server.Route("/ws", server.Route{Handler: s.logged(echo{log: s.c.Log})})
	s.server.Route("/v3/{channel}", server.Route{Handler: s.logged(s.channels)})
	s.server.Handle("/healthz", http.HandlerFunc(healthz))
	if s.c.Page != nil {
		s.server.Handle("/{$}", s.c.Page)
		s.server.Handle("/console/", s.c.Page)
	}
}

func (s *Service) logged(h server.Handler) server.Handler {
	return logged{Handler: h, log: s.c.Log, quiet: s.c.Quiet}
}

// keys are the configured ones, or "demo" where only this machine can connect.
func (s *Service) keys() []string {
	if len(s.c.Keys) == 0 && s.loopback() {
		return []string{demoKey}
	}
	return s.c.Keys
}

func (s *Service) loopback() bool {
	a, ok := s.Addr().(*net.TCPAddr)
	return ok && a.IP.IsLoopback()
}

func healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, "ok\n")
}

// announce says where to go.
func (s *Service) announce() {
	web, sock := "http", "ws"
	if s.tls != nil {
		web, sock = "https", "wss"
	}
	hosts := s.hosts()
	key := "KEY"
	if len(s.c.Keys) == 0 {
		key = demoKey
	}
	var attrs []any
	if s.c.Page != nil {
		attrs = append(attrs, "open", web+"://"+hosts[0]+"/")
	}
	attrs = append(attrs, "echo", sock+"://"+hosts[0]+"/ws")
	if len(s.keys()) > 0 {
		attrs = append(attrs, "channels", sock+"://"+hosts[0]+"/v3/CHANNEL?api_key="+key)
	}
	if len(hosts) > 1 {
		attrs = append(attrs, "also", strings.Join(hosts[1:], " "))
	}
	s.c.Log.Info("serving", attrs...)
	if len(s.keys()) == 0 {
		s.c.Log.Warn("channels are closed: others can reach this address and there is no key; set one with --api-key KEY or DUPLEX_API_KEY")
	}
}

// hosts returns host:port as it may be typed into a browser: the address
// listened on or, for every address, this machine's names for itself.
func (s *Service) hosts() []string {
	a, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		return []string{s.Addr().String()}
	}
	if !a.IP.IsUnspecified() {
		return []string{a.String()}
	}
	port := fmt.Sprint(a.Port)
	hosts := []string{net.JoinHostPort("localhost", port)}
	all, _ := net.InterfaceAddrs() // without them localhost must do
	for _, each := range all {
		if n, ok := each.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			hosts = append(hosts, net.JoinHostPort(n.IP.String(), port))
		}
	}
	return hosts
}

// listenError says what to do about an address that cannot be had.
func listenError(addr string, err error) error {
	_, port, _ := net.SplitHostPort(addr)
	var dns *net.DNSError
	var bad *net.AddrError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s is in use: choose another with --listen, or end the program that has it", port)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("no permission to listen on %s: choose a port above 1023 with --listen, or ask the system for this one", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine does not have the address %s: choose another with --listen, or :%s for all it has", addr, port)
	case errors.As(err, &dns):
		return fmt.Errorf("cannot listen on %s: %w: write an address of this machine, as in --listen 127.0.0.1:8080", addr, dns)
	case errors.As(err, &bad):
		return wrong("cannot listen on %s: %v: write host:port, as in --listen 127.0.0.1:8080", addr, bad)
	}
	return fmt.Errorf("cannot listen on %s: %w", addr, err)
}
