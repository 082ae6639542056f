package ws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// hop is where one attempt of Dial goes, and which header fields it takes along.
type hop struct {
	url    *url.URL    // ws or wss, with an ASCII host, no user information and no fragment
	socket string      // path of the Unix socket; empty for TCP
	host   string      // instead of the URL's host in the request; empty for none
	header http.Header // without Host
}

// String is the hop in errors: neither credentials nor a query, which may be one.
func (h *hop) String() string {
	if h.socket != "" {
		return h.url.Scheme + "+unix://" + h.socket + ":" + h.url.EscapedPath()
	}
	return h.url.Scheme + "://" + h.url.Host + h.url.EscapedPath()
}

// parseHop reads the URL that Dial was given.
func parseHop(rawURL string, header http.Header) (*hop, error) {
	if strings.Contains(rawURL, "#") {
		return nil, errors.New("the URL has a fragment, which a WebSocket URL must not have (RFC 6455 §3); take it out, or write # as %23")
	}
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	h := &hop{url: u, header: make(http.Header, len(header)+1)}
	if err := h.take(header); err != nil {
		return nil, err
	}
	scheme, unix := strings.CutSuffix(u.Scheme, "+unix")
	if u.Scheme, err = webSocketScheme(scheme); err != nil {
		return nil, err
	}
	if unix {
		err = h.splitSocket()
	}
	if err == nil {
		err = h.finish()
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// parseURL is url.Parse without the URL in the error: it may have a password.
func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err == nil {
		return u, nil
	}
	var reason *url.Error
	if !errors.As(err, &reason) || strings.Contains(rawURL, "@") {
		return nil, errors.New("the URL is not well-formed; it is not shown because it may hold a password, in which : / ? # @ % have to be escaped")
	}
	if !strings.Contains(rawURL, "://") {
		return nil, errNoScheme // 127.0.0.1:8080/ws, say
	}
	return nil, fmt.Errorf("the URL is not well-formed: %w", reason.Err)
}

var errNoScheme = errors.New("the URL has no scheme; begin it with ws:// or wss://")

func webSocketScheme(scheme string) (string, error) {
	switch scheme {
	case "ws", "http":
		return "ws", nil
	case "wss", "https":
		return "wss", nil
	case "":
		return "", errNoScheme
	}
	return "", fmt.Errorf("the URL's scheme %q is not known; use ws, wss, http, https, ws+unix or wss+unix", scheme)
}

// splitSocket takes the path of ws+unix:///socket:/path apart.
func (h *hop) splitSocket() error {
	if h.url.Host != "" {
		return fmt.Errorf("the URL of a Unix socket has the host %q; write %s+unix:///path/of/socket:/path with three slashes", h.url.Host, h.url.Scheme)
	}
	socket, path, _ := strings.Cut(h.url.EscapedPath(), ":") // no escape holds a colon
	socket, _ = url.PathUnescape(socket)
	if socket == "" {
		return fmt.Errorf("the URL has no path of a Unix socket; write %s+unix:///path/of/socket:/path", h.url.Scheme)
	}
	u := &url.URL{Scheme: h.url.Scheme, User: h.url.User, Host: "localhost", RawPath: path, RawQuery: h.url.RawQuery}
	u.Path, _ = url.PathUnescape(path)
	if path != "" && path[0] != '/' {
		return fmt.Errorf("the path %q behind the Unix socket does not begin with a slash", path)
	}
	h.socket, h.url = socket, u
	return nil
}

// finish checks the host and puts the user information where it is sent from:
// what is not in the URL cannot get into an error.
func (h *hop) finish() error {
	u := h.url
	if u.Hostname() == "" {
		return fmt.Errorf("the URL has no host; write %s://host/path", u.Scheme)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return fmt.Errorf("the URL's port %s is not one of 1 to 65535", port)
		}
	}
	var err error
	if u.Host, err = asciiHost(u.Host); err != nil {
		return fmt.Errorf("the URL's host %q has no ASCII form: %w", u.Host, err)
	}
	if u.User != nil {
		if h.header.Get("Authorization") == "" {
			h.header.Set("Authorization", basic(u.User))
		}
		u.User = nil
	}
	if u.Path == "" {
		u.Path = "/" // RFC 6455 §3
	}
	return nil
}

// take copies the caller's header fields. Names stay as they are spelled, for
// servers that care, but for those that are looked up here.
func (h *hop) take(header http.Header) error {
	for name, values := range header {
		switch canonical := http.CanonicalHeaderKey(name); canonical {
		case "Host":
			if len(values) != 1 || values[0] == "" || h.host != "" {
				return errors.New("DialOptions.Header has no or more than one value of Host; give one")
			}
			h.host = values[0]
		case "Authorization", "Cookie":
			h.header[canonical] = append(h.header[canonical], values...)
		default:
			h.header[name] = slices.Clone(values)
		}
	}
	return nil
}

// follow returns the hop that a Location leads to (RFC 9110 §10.2.2).
func (h *hop) follow(location string) (*hop, error) {
	ref, err := parseURL(location)
	if err != nil {
		return nil, fmt.Errorf("%s redirects, and the Location is faulty: %w", h, err)
	}
	u := h.url.ResolveReference(ref)
	u.Fragment, u.RawFragment = "", "" // theirs may have one, and the request never does
	if u.Scheme, err = webSocketScheme(u.Scheme); err != nil {
		return nil, fmt.Errorf("%s redirects, and the Location is faulty: %w", h, err)
	}
	next := &hop{url: u, socket: h.socket, host: h.host, header: h.header.Clone()}
	if !sameHost(h.url, u) || h.socket != "" && h.url.Scheme != u.Scheme {
		next.socket, next.host = "", ""
		next.header.Del("Authorization")
		next.header.Del("Cookie")
	}
	if u.User != nil {
		next.header.Del("Authorization") // the server names other credentials
	}
	if err := next.finish(); err != nil {
		return nil, fmt.Errorf("%s redirects, and the Location is faulty: %w", h, err)
	}
	if h.url.Scheme == "wss" && u.Scheme == "ws" {
		return nil, fmt.Errorf("%s redirects to %s, which is without TLS; this is not followed", h, next)
	}
	return next, nil
}

// sameHost tells whether credentials for a may go to b: the same name and port,
// or the default ports of ws and wss.
func sameHost(a, b *url.URL) bool {
	pa, pb := portOf(a), portOf(b)
	return strings.EqualFold(a.Hostname(), b.Hostname()) &&
		(pa == pb || pa == defaultPort[a.Scheme] && pb == defaultPort[b.Scheme])
}

var defaultPort = map[string]string{
	"ws": "80", "wss": "443", "http": "80", "https": "443", "socks5": "1080", "socks5h": "1080",
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return defaultPort[u.Scheme]
}

// hostPort is the address to connect to.
func hostPort(u *url.URL) string { return net.JoinHostPort(u.Hostname(), portOf(u)) }

// remoteHostPort is hostPort for somebody else to connect to.
func remoteHostPort(u *url.URL) string { return net.JoinHostPort(hostName(u), portOf(u)) }

// hostName is the name that a certificate must have. The zone of an address
// means something on this machine only (RFC 6874 §4).
func hostName(u *url.URL) string {
	name, _, _ := strings.Cut(u.Hostname(), "%")
	return name
}

// hostField is the value of Host: without a zone, and without the default port
// (RFC 6455 §4.1).
func hostField(u *url.URL) string {
	host := hostName(u)
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := portOf(u); port != defaultPort[u.Scheme] {
		host += ":" + port
	}
	return host
}

// asciiHost returns a host with its labels in ASCII (RFC 5891), as DNS, TLS and
// HTTP need it. The standard library does this only on the way to a request's
// Host field, so it is taken from there.
func asciiHost(host string) (string, error) {
	if strings.IndexFunc(host, func(r rune) bool { return r >= 0x80 }) < 0 {
		return host, nil
	}
	if !utf8.ValidString(host) {
		return "", errors.New("it is not UTF-8")
	}
	var head strings.Builder
	r := http.Request{URL: &url.URL{Scheme: "http", Host: strings.ToLower(host), Path: "/"}}
	if err := r.Write(&head); err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(head.String(), "\r\nHost: ")
	ascii, _, _ := strings.Cut(rest, "\r\n")
	if ascii == "" {
		return "", errors.New("it is no domain name")
	}
	return ascii, nil
}

// basic is the Authorization of RFC 7617.
func basic(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}
