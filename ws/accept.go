package ws

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"duplex/protocol"
)

// Accept answers an opening handshake (RFC 6455 §4.2) that came as a request to
// a net/http handler, and returns the connection. Header fields that are set on
// w go into the response. It finds the connection below a wrapped
// ResponseWriter as http.ResponseController does. Bytes that the client sent
// right behind its request are not lost.
//
// A request that is refused has been answered when Accept returns: 426 for one
// that is no handshake or another version, 403 for a foreign Origin, 501 where
// the HTTP connection cannot be taken over, else 400 or 405; the error is a
// *HandshakeError. o may be nil.
//
// The handler may return while the connection lives. The request's context
// ends then: use Conn.Context.
func Accept(w http.ResponseWriter, r *http.Request, o *Options) (*Conn, error) {
	o = filled(o, protocol.Server)
	req := protocol.Request{
		Method: r.Method, Target: r.RequestURI, Proto: r.Proto, Host: r.Host,
		Protocol:     r.Header.Get(":protocol"),
		Upgrade:      r.Header["Upgrade"],
		Connection:   r.Header["Connection"],
		Version:      r.Header["Sec-Websocket-Version"],
		Key:          r.Header["Sec-Websocket-Key"],
		Subprotocols: r.Header["Sec-Websocket-Protocol"],
		Extensions:   r.Header["Sec-Websocket-Extensions"],
		Origin:       r.Header["Origin"],
	}
	resp, agreed, err := req.Accept(protocol.ServerOptions{
		Subprotocols: o.Subprotocols,
		Origin:       func(origin, host string) bool { return originAllowed(origin, host, o.Origins) },
	})
	if err == nil && r.ProtoMajor == 1 && r.ContentLength != 0 {
		// Its bytes would be taken for frames.
		refusal := &protocol.Refusal{Status: http.StatusBadRequest, Name: "body", Section: "RFC 6455 §4.1",
			Text: "the request has a body; open a WebSocket with a GET without one"}
		resp, err = refusal.Response(), refusal
	}
	if err != nil {
		return nil, refuse(w, resp, err)
	}
	nc, early, err := hijack(w)
	if err != nil {
		return nil, refuse(w, protocol.Response{Status: http.StatusNotImplemented, Body: err.Error() + "\n"}, err)
	}
	if err := respond(nc, &resp, w.Header(), o.WriteTimeout); err != nil {
		_ = nc.Close()
		return nil, &HandshakeError{Status: resp.Status, Err: err}
	}
	// What the Conn keeps of the request must not keep the HTTP server's
	// buffers, which its body and context do.
	kept := r.WithContext(context.WithoutCancel(r.Context()))
	kept.Body = http.NoBody
	h := &Handshake{Request: kept, Subprotocol: agreed.Subprotocol, Early: early}
	return Attach(NewTransport(nc), protocol.Server, h, o), nil
}

// refuse answers w with a refusal and returns it as an error.
func refuse(w http.ResponseWriter, resp protocol.Response, cause error) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	for _, f := range resp.Fields {
		h.Set(f.Name, f.Value)
	}
	h.Set("Connection", "close")
	if resp.Status == http.StatusUpgradeRequired {
		h.Set("Connection", "Upgrade, close") // RFC 9110 §7.8
	}
	h.Set("Content-Length", strconv.Itoa(len(resp.Body)))
	w.WriteHeader(resp.Status)
	_, _ = w.Write([]byte(resp.Body))
	return &HandshakeError{Status: resp.Status, Err: cause}
}

// hijack takes the connection out of the HTTP server, with what the client has
// sent behind its request.
func hijack(w http.ResponseWriter) (net.Conn, []byte, error) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("this HTTP connection cannot become a WebSocket: %w", err)
	}
	var early []byte
	if n := rw.Reader.Buffered(); n > 0 {
		p, _ := rw.Reader.Peek(n)
		early = append(early, p...)
	}
	return nc, early, nil
}

// respond writes the 101 by itself, in one write: clients of ESP-IDF before
// 1.6.1 lose a frame that shares its segment.
func respond(nc net.Conn, resp *protocol.Response, extra http.Header, timeout time.Duration) error {
	for name, values := range extra {
		if ours[http.CanonicalHeaderKey(name)] {
			continue
		}
		for _, v := range values {
			resp.Fields = append(resp.Fields, protocol.Field{Name: name, Value: oneLine.Replace(v)})
		}
	}
	if err := nc.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if _, err := nc.Write(resp.Append(nil)); err != nil {
		return err
	}
	return nc.SetDeadline(time.Time{})
}

// ours are the header fields of the response that a handler does not set.
var ours = map[string]bool{
	"Connection": true, "Upgrade": true, "Content-Length": true, "Transfer-Encoding": true,
	"Sec-Websocket-Accept": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Extensions": true,
}

// oneLine keeps a header value from ending its line, as net/http does.
var oneLine = strings.NewReplacer("\r", " ", "\n", " ")
