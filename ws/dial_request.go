package ws

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"duplex/protocol"
)

// opening is the request of one attempt, in its three forms.
type opening struct {
	protocol protocol.Request // what the response is checked against
	bytes    []byte           // what is sent
	http     *http.Request    // what Conn.Request returns
}

// request makes the request of an attempt, with a key of its own (RFC 6455
// §4.1).
func (d *DialOptions) request(ctx context.Context, to *hop) (*opening, error) {
	header := to.header.Clone()
	if d.Jar != nil {
		addCookies(header, d.Jar.Cookies(cookieURL(to)))
	}
	host := to.host
	if host == "" {
		host = hostField(to.url)
	}
	var random [16]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	key := protocol.NewKey(random)
	req := &opening{protocol: protocol.Request{
		Target: to.url.RequestURI(), Host: host,
		Key: []string{key}, Subprotocols: d.Subprotocols,
	}}
	var fields []protocol.Field
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if text := refusedField(name); text != "" {
			return nil, fmt.Errorf("DialOptions.Header has %s, %s", name, text)
		}
		for _, value := range header[name] {
			fields = append(fields, protocol.Field{Name: name, Value: value})
		}
	}
	var err error
	if req.bytes, err = req.protocol.Append(nil, fields); err != nil {
		return nil, err
	}
	header.Set("Upgrade", "websocket")
	header.Set("Connection", "Upgrade")
	header.Set("Sec-WebSocket-Key", key)
	header.Set("Sec-WebSocket-Version", "13")
	if len(d.Subprotocols) > 0 {
		header.Set("Sec-WebSocket-Protocol", strings.Join(d.Subprotocols, ", "))
	}
	u := *to.url
	req.http = (&http.Request{
		Method: http.MethodGet, URL: &u, Host: host, Header: header, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(context.WithoutCancel(ctx))
	return req, nil
}

// refusedField says why a header field cannot be given, "" if it can.
func refusedField(name string) string {
	switch name := http.CanonicalHeaderKey(name); {
	case name == "Sec-Websocket-Protocol":
		return "which Dial writes itself; list subprotocols in Options.Subprotocols"
	case name == "Upgrade", name == "Connection", strings.HasPrefix(name, "Sec-Websocket-"):
		return "which Dial writes itself; take it out"
	case name == "Content-Length", name == "Transfer-Encoding", name == "Trailer", name == "Expect":
		return "but the request has no body (RFC 9110 §9.3.1); take it out"
	}
	return ""
}

// addCookies puts cookies behind those that the caller gave, in the one Cookie
// field that a request has (RFC 6265 §5.4).
func addCookies(header http.Header, cookies []*http.Cookie) {
	if len(cookies) == 0 {
		return
	}
	if own := header["Cookie"]; len(own) > 1 {
		header.Set("Cookie", strings.Join(own, "; "))
	}
	r := http.Request{Header: header}
	for _, c := range cookies {
		r.AddCookie(c)
	}
}
