package ws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"golang.org/x/net/proxy"
)

// viaProxy connects to addr, a host and port, through a proxy.
func (a *attempt) viaProxy(ctx context.Context, via *url.URL, addr string) (net.Conn, error) {
	shown := via.Scheme + "://" + via.Host // without its login
	a.stage = "connecting to the proxy " + shown
	switch via.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("the proxy's scheme %q is not known; use http, https, socks5 or socks5h", via.Scheme)
	}
	if via.Hostname() == "" {
		return nil, fmt.Errorf("the proxy's URL has no host; write %s://host:port", via.Scheme)
	}
	if via.Scheme == "socks5" || via.Scheme == "socks5h" {
		a.stage = "connecting to " + addr + " through the proxy " + shown
		return a.viaSOCKS(ctx, via, addr)
	}
	nc, err := a.dial(ctx, "tcp", hostPort(via))
	if err != nil {
		return nil, err
	}
	if via.Scheme == "https" {
		a.stage = "TLS handshake with the proxy " + shown
		if nc, err = a.secure(ctx, nc, hostName(via), true); err != nil {
			return nil, err
		}
	}
	a.stage = "asking the proxy " + shown + " for a tunnel to " + addr
	return a.connectTunnel(nc, via, addr)
}

// connectTunnel asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6).
func (a *attempt) connectTunnel(nc net.Conn, via *url.URL, addr string) (net.Conn, error) {
	head := "CONNECT " + addr + " HTTP/1.1\r\nHost: " + addr + "\r\n"
	if via.User != nil {
		head += "Proxy-Authorization: " + basic(via.User) + "\r\n"
	}
	reply, rest, err := a.exchange(nc, []byte(head+"\r\n"),
		"this may be no HTTP proxy, or it wants TLS: try https:// or socks5:// for it")
	if err != nil {
		return nil, err
	}
	if reply.Status/100 != 2 {
		return nil, &HandshakeError{
			Status: reply.Status, Header: headerOf(&reply), Body: excerpt(nc, &reply, rest),
			Err: fmt.Errorf("%s: the proxy refused", a.stage),
		}
	}
	if len(rest) == 0 && (nc == a.raw || a.to.url.Scheme == "ws") {
		return nc, nil // a Transport knows what to do with a socket, and with TLS
	}
	return &tunnel{Conn: nc, early: bytes.Clone(rest), raw: a.raw}, nil
}

// tunnel is a stream through an HTTP proxy that has bytes before it, or TLS
// below another TLS.
type tunnel struct {
	net.Conn          // to the proxy
	early    []byte   // came behind the proxy's response
	raw      net.Conn // the socket below
}

func (t *tunnel) Read(p []byte) (int, error) {
	if len(t.early) > 0 && len(p) > 0 {
		n := copy(p, t.early)
		t.early = t.early[n:]
		return n, nil
	}
	return t.Conn.Read(p)
}

// Close does not wait for an https proxy to take a TLS alert.
func (t *tunnel) Close() error { return t.raw.Close() }

func (t *tunnel) CloseWrite() error {
	if c, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return errors.ErrUnsupported
}

// viaSOCKS connects through a SOCKS 5 proxy (RFC 1928, RFC 1929).
func (a *attempt) viaSOCKS(ctx context.Context, via *url.URL, addr string) (net.Conn, error) {
	d, err := proxy.FromURL(via, forward(a.dial))
	if err != nil {
		return nil, err
	}
	if _, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", addr); err != nil {
		return nil, err
	}
	// The answer of a SOCKS proxy has a length, so nothing was read behind it,
	// and the socket can go on without the wrapper that d has returned.
	return a.raw, nil
}

// forward reaches the SOCKS proxy. The package proxy asks for a Dial and calls
// DialContext.
type forward func(ctx context.Context, network, addr string) (net.Conn, error)

func (f forward) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

func (f forward) Dial(network, addr string) (net.Conn, error) {
	return f(context.Background(), network, addr)
}
