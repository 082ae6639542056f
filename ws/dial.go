package ws

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"duplex/protocol"
)

// Defaults of DialOptions.
const (
	DefaultHandshakeTimeout = 15 * time.Second
	DefaultMaxRedirects     = 10
	DefaultMaxHeader        = 64 << 10
)

// DialOptions say how Dial connects, and what the connection is like. The zero
// value, and a nil *DialOptions, is safe and good. They are copied and never
// written, so one value may serve many calls at once.
type DialOptions struct {
	// Options of the connection. Subprotocols are offered in their order, the
	// preferred first; a server that chooses none is no error.
	Options

	// Header holds more header fields for the request; nil for none. Those that
	// the handshake writes itself (Upgrade, Connection, Sec-WebSocket-*) and
	// those of a body are refused. Host replaces the host of the URL in the
	// request, not the address connected to. A User-Agent is sent only if it
	// stands here: small servers take little more than 1 KiB of header fields.
	//
	// Authorization, Cookie and Host go to no other host: a redirect that leads
	// to one loses them. Other fields follow every redirect.
	Header http.Header
	// Jar gives the cookies of each request and takes those of each response,
	// the 101 and redirects included; nil for none. It sees http and https URLs.
	Jar http.CookieJar

	// TLS for wss, and for https proxies; nil for the system's defaults. It is
	// cloned. ServerName is the URL's host where it is empty, and always the
	// proxy's host towards a proxy. NextProtos is always http/1.1, the only one
	// that has the handshake of RFC 6455.
	TLS *tls.Config
	// Proxy returns the proxy for a URL, whose scheme is ws or wss and which
	// holds no user information, or nil for a direct connection. Proxies are
	// http, https (both by CONNECT, RFC 9110 §9.3.6), socks5 and socks5h URLs;
	// both SOCKS forms let the proxy look up names. User information of a
	// proxy's URL is its login. Unix sockets have no proxy.
	//
	// Default: the environment's HTTP_PROXY for ws, HTTPS_PROXY for wss, or else
	// ALL_PROXY, in upper or lower case, except for what NO_PROXY lists and for
	// localhost, with the meaning that net/http gives them. NoProxy switches it
	// off.
	Proxy func(*url.URL) (*url.URL, error)
	// NetDial connects to the server, or to the proxy; network is "tcp", or
	// "unix" with a path as addr. The end of ctx must end it. Default: a
	// net.Dialer, which tries IPv6 and IPv4 side by side (RFC 8305).
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// MaxRedirects bounds the redirects that are followed: 301, 302, 303, 307
	// and 308 to http, https, ws or wss, but never from wss to ws. Default 10,
	// as net/http; negative for none.
	MaxRedirects int
	// HandshakeTimeout bounds each attempt, so each hop of a chain of redirects:
	// from the connect over proxy and TLS to the response. Default 15 s, because
	// another client can hold up an ESP32 for 10 s; negative for none. The ctx
	// of Dial bounds all hops together.
	HandshakeTimeout time.Duration
	// MaxHeader is the longest head of a response that is taken, in bytes;
	// default 64 KiB.
	MaxHeader int
}

// Dial connects to a server and opens a WebSocket (RFC 6455 §4.1). The URL is
// one of
//
//	ws://host:port/path?query    port 80 by default
//	wss://host:port/path?query   over TLS, port 443 by default
//	ws+unix:///socket:/path      over a Unix socket; a colon in its path is %3A
//	wss+unix:///socket:/path     the same over TLS
//
// with http and https as other names of ws and wss. User information is sent as
// Basic authentication (RFC 7617) unless Header has an Authorization. An IPv6
// address may have a zone, [fe80::1%25eth0]. A host name outside ASCII is put
// into lower case and the xn-- form, and not mapped otherwise. A fragment is an
// error (RFC 6455 §3). The Host of a Unix socket is localhost.
//
// The end of ctx ends Dial at once; it means nothing to the connection returned,
// whose Context has the values of ctx and not its end. o may be nil.
//
// A handshake that fails is a *HandshakeError, which has the response if one
// came and wraps what the network, TLS or ctx said; when HandshakeTimeout has
// run out that is context.DeadlineExceeded. A URL or options that cannot work
// are another error, before anything is sent. No error text has a password or
// the query of a URL. On every error all sockets are closed.
func Dial(ctx context.Context, rawURL string, o *DialOptions) (*Conn, error) {
	var d DialOptions
	if o != nil {
		d = *o
	}
	or(&d.MaxRedirects, DefaultMaxRedirects)
	or(&d.HandshakeTimeout, DefaultHandshakeTimeout)
	if d.MaxHeader <= 0 {
		d.MaxHeader = DefaultMaxHeader
	}
	if d.Proxy == nil {
		d.Proxy = proxyFromEnvironment
	}
	if d.NetDial == nil {
		d.NetDial = new(net.Dialer).DialContext
	}
	to, err := parseHop(rawURL, d.Header)
	if err != nil {
		return nil, fmt.Errorf("ws: %w", err)
	}
	for redirects := 0; ; redirects++ {
		c, location, err := d.attempt(ctx, to)
		if location == nil {
			return c, err
		}
		if redirects == d.MaxRedirects {
			location.Err = fmt.Errorf("%s redirects once more after %d redirects, the most that MaxRedirects allows", to, redirects)
			return nil, location
		}
		if to, err = to.follow(location.Header.Get("Location")); err != nil {
			location.Err = err
			return nil, location
		}
	}
}

// attempt tries one hop. It returns the connection, or an error, or a redirect
// to follow, of which only Err is missing.
func (d *DialOptions) attempt(ctx context.Context, to *hop) (*Conn, *HandshakeError, error) {
	req, err := d.request(ctx, to)
	if err != nil {
		return nil, nil, fmt.Errorf("ws: %w", err)
	}
	timed := ctx
	if d.HandshakeTimeout > 0 {
		var cancel context.CancelFunc
		timed, cancel = context.WithTimeoutCause(ctx, d.HandshakeTimeout, errTimeout)
		defer cancel()
	}
	a := attempt{d: d, to: to, req: req}
	defer a.close()
	h, err := a.open(timed)
	switch {
	case a.redirect != nil:
		return nil, a.redirect, nil
	case err != nil:
		return nil, nil, a.failed(timed, err)
	case !a.release():
		return nil, nil, a.failed(timed, net.ErrClosed)
	}
	nc := a.nc
	a.nc, a.raw = nil, nil // the connection's from here on
	return Attach(NewTransport(nc), protocol.Client, h, &d.Options), nil, nil
}

// errTimeout is the cause of a context that HandshakeTimeout has ended.
var errTimeout = errors.New("HandshakeTimeout")

// attempt is one opening handshake on one socket.
type attempt struct {
	d        *DialOptions
	to       *hop
	req      *opening
	stage    string          // what is under way, for errors
	raw      net.Conn        // the socket
	nc       net.Conn        // the stream to the server: raw, or through a proxy and TLS
	release  func() bool     // ends the guard over raw
	redirect *HandshakeError // the server's, to be followed; a proxy's never is
}

// open connects and shakes hands.
func (a *attempt) open(ctx context.Context) (*Handshake, error) {
	if err := a.connect(ctx); err != nil {
		return nil, err
	}
	if a.to.url.Scheme == "wss" {
		a.stage = "TLS handshake with " + a.to.url.Host
		nc, err := a.secure(ctx, a.nc, hostName(a.to.url), false)
		if err != nil {
			return nil, err
		}
		a.nc = nc
	}
	a.stage = "waiting for the response of " + a.to.String()
	return a.shake()
}

// connect reaches the server, or the proxy and through it the server.
func (a *attempt) connect(ctx context.Context) (err error) {
	if a.to.socket != "" {
		a.stage = "connecting to the Unix socket " + a.to.socket
		a.nc, err = a.dial(ctx, "unix", a.to.socket)
		return err
	}
	u := *a.to.url
	proxy, err := a.d.Proxy(&u)
	if err != nil {
		a.stage = "choosing a proxy for " + a.to.String()
		return err
	}
	if proxy != nil {
		a.nc, err = a.viaProxy(ctx, proxy, remoteHostPort(a.to.url))
		return err
	}
	a.stage = "connecting to " + a.to.String()
	a.nc, err = a.dial(ctx, "tcp", hostPort(a.to.url))
	return err
}

// dial makes the socket, and from then on closes it when ctx ends.
func (a *attempt) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := a.d.NetDial(ctx, network, addr)
	switch {
	case err != nil:
		return nil, err
	case nc == nil:
		return nil, errors.New("NetDial returned neither a connection nor an error")
	}
	a.raw, a.release = nc, closeAtEnd(ctx, nc)
	return nc, nil
}

// closeAtEnd closes nc when ctx ends before release is called, once; release
// reports whether nc was left open. A deadline would do for most connections,
// but not every one that NetDial may return has them.
func closeAtEnd(ctx context.Context, nc net.Conn) (release func() bool) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		_ = nc.Close()
	})
	return func() bool {
		if stop() {
			return true
		}
		<-closed
		return false
	}
}

// close ends an attempt that has made no connection. It closes the socket below
// TLS: crypto/tls would wait up to 5 s to send an alert.
func (a *attempt) close() {
	if a.raw != nil {
		a.release()
		_ = a.raw.Close()
	}
}

// failed is the error of an attempt: err, unless the end of ctx was behind it.
func (a *attempt) failed(ctx context.Context, err error) error {
	var he *HandshakeError
	if errors.As(err, &he) {
		return he // a response came
	}
	var timeout net.Error
	if at, ok := ctx.Deadline(); ok && errors.As(err, &timeout) && timeout.Timeout() && !time.Now().Before(at) {
		<-ctx.Done() // the deadline of ctx, which a dialer has set on the socket, went off first
	}
	switch cause := context.Cause(ctx); cause {
	case nil:
	case errTimeout:
		err = fmt.Errorf("not done within %v: %w", a.d.HandshakeTimeout, context.DeadlineExceeded)
	default:
		err = cause
	}
	return &HandshakeError{Err: fmt.Errorf("%s: %w", a.stage, err)}
}
