package ws

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"duplex/protocol"
)

const (
	// excerptSize is how much of the body of a refusal is kept, in bytes.
	excerptSize = 1 << 10
	// excerptWait bounds the wait for it: not every body says where it ends.
	excerptWait = 2 * time.Second
)

// shake sends the request and judges the response. Nothing is sent behind the
// request before the 101 is in: an ESP32 would not see it until more comes.
func (a *attempt) shake() (*Handshake, error) {
	reply, rest, err := a.exchange(a.nc, a.req.bytes,
		"an ESP32 server refuses a handshake this way: check the path, the subprotocols and that the header fields take at most 1024 bytes")
	if err != nil {
		return nil, err
	}
	resp := a.response(&reply)
	if a.d.Jar != nil {
		if cookies := resp.Cookies(); len(cookies) > 0 {
			a.d.Jar.SetCookies(cookieURL(a.to), cookies)
		}
	}
	if a.d.MaxRedirects > 0 && redirects(resp) {
		a.redirect = &HandshakeError{Status: reply.Status, Header: resp.Header}
		return nil, a.redirect
	}
	agreed, err := reply.Check(&a.req.protocol)
	if err != nil {
		return nil, &HandshakeError{
			Status: reply.Status, Header: resp.Header, Body: excerpt(a.nc, &reply, rest),
			Err: fmt.Errorf("%s: %w", a.to, err),
		}
	}
	return &Handshake{
		Request: a.req.http, Response: resp,
		Subprotocol: agreed.Subprotocol, Early: bytes.Clone(rest),
	}, nil
}

// exchange sends a request and reads the head of its response; rest is what
// came behind it. hint says what it usually means that nothing comes.
func (a *attempt) exchange(nc net.Conn, request []byte, hint string) (reply protocol.Reply, rest []byte, err error) {
	_, sent := nc.Write(request)
	reply, rest, err = readHead(nc, a.d.MaxHeader) // a server may answer without reading all
	if err == nil {
		return reply, rest, nil
	}
	if sent != nil && len(rest) == 0 {
		err = sent
	}
	return reply, nil, noHead(err, rest, hint)
}

// redirects tells whether a response leads elsewhere with the same method.
func redirects(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// noHead says what it means that no head came.
func noHead(err error, got []byte, hint string) error {
	var fault *protocol.ReplyError
	var op *net.OpError
	switch {
	case errors.As(err, &fault) && fault.Name == "head-syntax":
		const most = 40
		return fmt.Errorf("%w; it begins with %q", err, got[:min(len(got), most)])
	case errors.As(err, &fault):
		return err
	case len(got) > 0:
		return fmt.Errorf("the connection ended inside the head of the response, after %d bytes: %w", len(got), err)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &op) && (op.Op == "read" || op.Op == "write"):
		return fmt.Errorf("closed before a response; %s: %w", hint, err)
	}
	return fmt.Errorf("closed before a response: %w", err)
}

// readHead reads the head of a response of at most limit bytes. rest is what
// came behind it; with an error, all that came. The end of the stream is
// io.ErrUnexpectedEOF.
func readHead(nc io.Reader, limit int) (reply protocol.Reply, rest []byte, err error) {
	const step = 4 << 10
	var buf []byte
	for {
		if cap(buf)-len(buf) < step/2 {
			buf = append(make([]byte, 0, 2*len(buf)+step), buf...)
		}
		n, err := nc.Read(buf[len(buf):cap(buf)])
		fresh := buf[len(buf) : len(buf)+n]
		buf = buf[:len(buf)+n]
		// The parser starts anew each time: it is asked when a line is whole, so
		// that a head in single bytes does not cost its length squared.
		if err != nil || len(buf) < 64 || len(buf) >= limit || bytes.IndexByte(fresh, '\n') >= 0 {
			reply, n, fault := protocol.ParseReply(buf, protocol.HeadLimits{Bytes: limit})
			if fault != nil {
				return reply, buf, fault
			}
			if n > 0 {
				return reply, buf[n:], nil
			}
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return protocol.Reply{}, buf, err
		}
	}
}

// response is what Conn.Response returns.
func (a *attempt) response(reply *protocol.Reply) *http.Response {
	resp := &http.Response{
		Status:     strings.TrimSpace(strconv.Itoa(reply.Status) + " " + http.StatusText(reply.Status)),
		StatusCode: reply.Status,
		Proto:      reply.Proto, ProtoMajor: int(reply.Proto[5] - '0'), ProtoMinor: int(reply.Proto[7] - '0'),
		Header: headerOf(reply), Body: http.NoBody, Request: a.req.http,
	}
	if c, ok := a.nc.(*tls.Conn); ok && a.to.url.Scheme == "wss" {
		state := c.ConnectionState()
		resp.TLS = &state
	}
	return resp
}

func headerOf(reply *protocol.Reply) http.Header {
	h := make(http.Header, len(reply.Fields))
	for _, f := range reply.Fields {
		h.Add(f.Name, f.Value)
	}
	return h
}

// excerpt reads the beginning of the body of a response that is an answer in
// itself; behind a 101 come frames.
func excerpt(nc net.Conn, reply *protocol.Reply, rest []byte) []byte {
	if reply.Status < 200 || reply.Status == http.StatusNoContent || reply.Status == http.StatusNotModified {
		return nil
	}
	_ = nc.SetReadDeadline(time.Now().Add(excerptWait)) // without one the attempt's own time is the bound
	body := io.MultiReader(bytes.NewReader(rest), nc)
	h := headerOf(reply)
	if strings.EqualFold(h.Get("Transfer-Encoding"), "chunked") {
		body = httputil.NewChunkedReader(body)
	} else if n, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64); err == nil {
		body = io.LimitReader(body, n)
	}
	p, _ := io.ReadAll(io.LimitReader(body, excerptSize)) // what came is enough
	return p
}

// cookieURL is the hop's URL as a cookie jar knows it.
func cookieURL(to *hop) *url.URL {
	u := *to.url
	u.Scheme = "http"
	if to.url.Scheme == "wss" {
		u.Scheme = "https"
	}
	return &u
}
