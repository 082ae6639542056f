package service

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path"
	"strings"
	"time"

	"duplex/ws"
)

// Defaults of Config.
const (
	DefaultListen         = "127.0.0.1:8080"
	DefaultMaxConnections = 10000
	DefaultDrainTimeout   = 10 * time.Second
)

// demoKey opens the channels when nobody outside this machine can reach them.
const demoKey = "demo"

// Config of a Service. The zero value is safe and good.
type Config struct {
	// Listen is the TCP address, host:port; default 127.0.0.1:8080. Without a
	// host it is every address of the machine, with port 0 any free port.
	Listen string
	// Keys are the API keys that open the channels. Without one it is "demo" on
	// a loopback address, and elsewhere the channels are closed.
	Keys []string
	// Page answers at / and below /console/; nil for none.
	Page http.Handler
	// TLSCert and TLSKey are PEM files, for https and wss; empty for neither.
	TLSCert, TLSKey string

	// MaxMessage is the longest message taken, in bytes; default 16 MiB,
	// negative for no limit.
	MaxMessage int64
	// MaxConnections bounds the WebSocket connections; default 10000, negative
	// for no limit. One more is refused with 503.
	MaxConnections int
	// QueueLimit bounds the bytes that wait for one slow reader; default 1 MiB.
	QueueLimit int
	// Origins are patterns of hosts whose pages may connect, besides our own;
	// see ws.Options.
	Origins []string
	// Subprotocols that both endpoints agree to; nil for none.
	Subprotocols []string
	// IdleTimeout closes a connection that sent no message for so long; default
	// 0, never.
	IdleTimeout time.Duration
	// PingInterval is the time between keep-alive pings; default 30 s, negative
	// for none.
	PingInterval time.Duration
	// DrainTimeout bounds the end: connections that have not answered the Close
	// by then are cut; default 10 s.
	DrainTimeout time.Duration

	// Log gets everything said; default slog.Default(). See NewLogger.
	Log *slog.Logger
	// Quiet leaves the line for each packet out.
	Quiet bool
}

// ConfigError is a Config that cannot work, whatever the machine.
type ConfigError struct{ Err error }

// Error says what is wrong and what to write instead.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *ConfigError) Unwrap() error { return e.Err }

func wrong(format string, args ...any) error {
	return &ConfigError{fmt.Errorf(format, args...)}
}

// filled returns a copy with every default in its place, or a *ConfigError.
func (c Config) filled() (Config, error) {
	def(&c.Listen, DefaultListen)
	def(&c.MaxConnections, DefaultMaxConnections)
	def(&c.DrainTimeout, DefaultDrainTimeout)
	c.MaxConnections = max(c.MaxConnections, 0) // the server's "no limit"
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return c, wrong("%q is no address to listen on: write host:port, as in --listen 127.0.0.1:8080, or :8080 for every address of this machine", c.Listen)
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return c, wrong("TLS needs both the certificate and its key: give --tls-cert and --tls-key")
	}
	for _, key := range c.Keys {
		if strings.TrimSpace(key) == "" {
			return c, wrong("an API key is empty: write --api-key KEY")
		}
	}
	for _, pattern := range c.Origins {
		if _, err := path.Match(pattern, ""); err != nil {
			return c, wrong("%q is no pattern of an origin: write a host such as example.com or *.example.com", pattern)
		}
	}
	return c, nil
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// options are what both endpoints have in common.
func (c *Config) options() *ws.Options {
	return &ws.Options{
		Subprotocols: c.Subprotocols,
		Origins:      c.Origins,
		MaxMessage:   c.MaxMessage,
		QueueLimit:   c.QueueLimit,
		PingInterval: c.PingInterval,
		IdleTimeout:  c.IdleTimeout,
	}
}

// tls loads the certificate; nil without one.
func (c *Config) tls() (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("cannot use the certificate %s with the key %s: %w", c.TLSCert, c.TLSKey, pemHint(err))
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"http/1.1"}, // the protocol that has the handshake of RFC 6455
	}, nil
}

// pemHint makes crypto/tls's complaint about a file that is not PEM say what to do.
func pemHint(err error) error {
	if strings.Contains(err.Error(), "failed to find any PEM data") {
		return errors.New("one of them is not PEM: it has no -----BEGIN line")
	}
	return err
}
