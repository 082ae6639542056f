package ws_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// serving is an HTTP server of one handler on a real socket, with the errors
// of Accept, nil when it went well.
func serving(t *testing.T, o *ws.Options, use func(c *ws.Conn)) (addr string, errs <-chan error) {
	t.Helper()
	return servingHandler(t, func(w http.ResponseWriter, r *http.Request) (*ws.Conn, error) { return ws.Accept(w, r, o) }, use)
}

func servingHandler(t *testing.T, accept func(http.ResponseWriter, *http.Request) (*ws.Conn, error), use func(c *ws.Conn)) (string, <-chan error) {
	t.Helper()
	results := make(chan error, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := accept(w, r)
		results <- err
		if err != nil {
			return
		}
		defer c.CloseNow()
		if use != nil {
			use(c)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), results
}

// upgrade is a good request, with changes: "Name: value" replaces that field,
// "-Name" takes it out, "+Name: value" adds one.
func upgrade(changes ...string) string {
	fields := []string{"Host: example.com", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	for _, change := range changes {
		name, _, _ := strings.Cut(strings.TrimLeft(change, "-+"), ":")
		if change[0] == '+' {
			fields = append(fields, change[1:])
			continue
		}
		kept := fields[:0:0]
		for _, f := range fields {
			if !strings.HasPrefix(f, name+":") {
				kept = append(kept, f)
			}
		}
		if fields = kept; change[0] != '-' {
			fields = append(fields, change)
		}
	}
	return "GET /chat?x=1 HTTP/1.1\r\n" + strings.Join(fields, "\r\n") + "\r\n\r\n"
}

// request sends bytes and reads the response.
func request(t *testing.T, addr, text string) (*http.Response, string, *raw) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	peer := rawAt(t, nc, protocol.Server)
	peer.write([]byte(text))
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(peer.in, &http.Request{Method: method})
	must(t, err)
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, "", peer
	}
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp, string(body), peer
}

func echoing(c *ws.Conn) {
	for {
		typ, p, err := c.Read(background)
		if err != nil || c.Write(background, typ, p) != nil {
			return
		}
	}
}

// RFC 6455 §1.3, §4.2.2: the sample handshake, with frames in its segment.
func TestAccept_4_2(t *testing.T) {
	addr, errs := serving(t, nil, echoing)
	frame := string(rawAt(t, nil, protocol.Server).frame(wire.Text, true, []byte("early")))
	long := string(rawAt(t, nil, protocol.Server).frame(wire.Text, true, []byte(strings.Repeat("long ", 1000))))
	resp, _, peer := request(t, addr, upgrade()+frame+long)
	must(t, await(t, errs, "Accept"))
	if resp.StatusCode != 101 || resp.Header.Get("Sec-Websocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" ||
		resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Connection") != "Upgrade" ||
		resp.Header["Sec-Websocket-Protocol"] != nil || resp.Header["Sec-Websocket-Extensions"] != nil {
		t.Error(resp.Status, resp.Header)
	}
	peer.want(wire.Text, "early")
	peer.want(wire.Text, strings.Repeat("long ", 1000))
	peer.sendClose(ws.CloseNormal, "")
	peer.wantClose(ws.CloseNormal)
	if _, _, err := peer.read(); err != io.EOF { // the server ends TCP first
		t.Error(err)
	}
}

func TestAcceptRefuses_4_2_1(t *testing.T) {
	addr, errs := serving(t, nil, nil)
	tests := []struct {
		name, request string
		status        int
		header        string // "Name: value" that the response has
		body          string // a part of it
	}{
		{"plain request", upgrade("-Upgrade", "-Connection"), 426, "Upgrade: websocket", "WebSocket"},
		{"plain request says the version", upgrade("-Upgrade"), 426, "Sec-Websocket-Version: 13", "Upgrade"},
		{"no Connection", upgrade("-Connection"), 400, "", "Connection"},
		{"old version", upgrade("Sec-WebSocket-Version: 8"), 426, "Sec-Websocket-Version: 13", "13"},
		{"no version", upgrade("-Sec-WebSocket-Version"), 400, "Sec-Websocket-Version: 13", "Version"},
		{"two versions", upgrade("+Sec-WebSocket-Version: 13"), 400, "", "once"},
		{"no key", upgrade("-Sec-WebSocket-Key"), 400, "", "Key"},
		{"short key", upgrade("Sec-WebSocket-Key: AAAA"), 400, "", "16 bytes"},
		{"two keys", upgrade("+Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), 400, "", "once"},
		{"POST", strings.Replace(upgrade(), "GET", "POST", 1), 405, "Allow: GET", "GET"},
		{"HTTP/1.0", strings.Replace(upgrade("+Connection: keep-alive"), "HTTP/1.1", "HTTP/1.0", 1), 400, "", "1.1"},
		{"foreign origin", upgrade("+Origin: http://evil.example"), 403, "", "Origin"},
		{"no origin at all", upgrade("+Origin: null"), 403, "", "Origin"},
		{"bad subprotocols", upgrade("+Sec-WebSocket-Protocol: a b"), 400, "", "Protocol"},
		{"bad extensions", upgrade("+Sec-WebSocket-Extensions: ;;"), 400, "", "Extensions"},
		{"a body", upgrade("+Content-Length: 5") + "hello", 400, "", "body"},
		{"a body in chunks", upgrade("+Transfer-Encoding: chunked") + "0\r\n\r\n", 400, "", "body"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			resp, body, _ := request(t, addr, test.request)
			name, value, _ := strings.Cut(test.header, ": ")
			if resp.StatusCode != test.status || resp.Header.Get(name) != value || !strings.Contains(body, test.body) || !resp.Close {
				t.Errorf("%s %v %q", resp.Status, resp.Header, body)
			}
			var he *ws.HandshakeError
			if err := await(t, errs, "Accept"); !errors.As(err, &he) || he.Status != test.status || !strings.Contains(err.Error(), test.body) {
				t.Error(err)
			}
		})
	}
	// Browsers send the lists in several ways.
	for _, good := range []string{
		upgrade("Connection: keep-alive, Upgrade"), upgrade("Connection: keep-alive", "+Connection: upgrade"),
		upgrade("Upgrade: WebSocket"), upgrade("+Origin: http://example.com"), upgrade("+Origin: https://EXAMPLE.com"),
		upgrade("+Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), upgrade("+Content-Length: 0"),
	} {
		if resp, body, _ := request(t, addr, good); resp.StatusCode != 101 || resp.Header["Sec-Websocket-Extensions"] != nil {
			t.Errorf("%q: %s %q", good, resp.Status, body)
		}
		must(t, await(t, errs, "Accept"))
	}
}

func TestAcceptOrigins_10_2(t *testing.T) {
	tests := []struct {
		patterns, origin string
		allowed          bool
	}{
		{"", "http://example.com", true},
		{"", "http://example.com:80", true},
		{"", "http://example.com:81", false},
		{"", "http://example.com.evil.net", false},
		{"", "http://sub.example.com", false},
		{"other.com", "https://other.com", true},
		{"other.com", "https://OTHER.com", true},
		{"OTHER.com", "https://other.com", true},
		{"other.com", "https://other.com:8443", false},
		{"other.com:*", "https://other.com:8443", true},
		{"*.other.com", "https://a.other.com", true},
		{"*.other.com", "https://other.com", false},
		{"*.other.com", "https://evil.net/.other.com", false},
		{"*.other.com", "https://evilother.com", false},
		{"https://other.com", "https://other.com", true},
		{"https://other.com", "http://other.com", false},
		{"*:8080", "http://localhost:8080", true},
		{"[::1]:8080", "http://[::1]:8080", true},
		{"*", "http://anybody", true},
		{"*", "null", true},
		{"null", "null", true},
		{"other.com", "null", false},
		{"a.com b.com", "http://b.com", true},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "http://example.com/", nil)
		r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Origin": {test.origin}}
		_, err := ws.Accept(httptest.NewRecorder(), r, &ws.Options{Origins: strings.Fields(test.patterns)})
		var he *ws.HandshakeError
		// A recorder cannot be hijacked, which shows that the origin was no obstacle.
		if !errors.As(err, &he) || (he.Status == http.StatusNotImplemented) != test.allowed {
			t.Errorf("%q for %q: %v", test.patterns, test.origin, err)
		}
	}
}

// Subprotocols: the client's order decides (§4.2.2).
func TestAcceptSubprotocol_4_2_2(t *testing.T) {
	addr, errs := serving(t, &ws.Options{Subprotocols: []string{"a", "b"}}, func(c *ws.Conn) {
		_ = c.Write(background, ws.Text, []byte(c.Subprotocol()))
	})
	for offer, want := range map[string]string{"b, a": "b", "x, a": "a", "x": "", "A": ""} {
		resp, _, peer := request(t, addr, upgrade("+Sec-WebSocket-Protocol: "+offer))
		must(t, await(t, errs, "Accept"))
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); got != want {
			t.Errorf("offered %q, got %q", offer, got)
		}
		peer.want(wire.Text, want)
	}
}

// Header fields of the handler's go out, but none that would break the response.
func TestAcceptHeaders(t *testing.T) {
	addr, errs := servingHandler(t, func(w http.ResponseWriter, r *http.Request) (*ws.Conn, error) {
		h := w.Header()
		h.Set("X-Good", "value")
		h.Add("Set-Cookie", "a=1")
		h.Add("Set-Cookie", "b=2")
		h.Set("X-Split", "x\r\nInjected: yes\r\n\r\nbody")
		h["X-Name\r\nInjected"] = []string{"yes"}
		h["sec-websocket-accept"] = []string{"wrong"}
		h.Set("Content-Length", "100")
		h.Set("Sec-WebSocket-Protocol", "never-offered")
		return ws.Accept(w, r, nil)
	}, echoing)
	resp, _, peer := request(t, addr, upgrade())
	must(t, await(t, errs, "Accept"))
	h := resp.Header
	if h.Get("X-Good") != "value" || len(h["Set-Cookie"]) != 2 || h.Get("Injected") != "" || len(h["Sec-Websocket-Accept"]) != 1 ||
		h.Get("Content-Length") != "" || h.Get("Sec-Websocket-Protocol") != "" || !strings.Contains(h.Get("X-Split"), "Injected: yes") {
		t.Error(h)
	}
	peer.send(wire.Text, "fine")
	peer.want(wire.Text, "fine")
}

// wrapped is a ResponseWriter of some middleware.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// opaque hides what it wraps.
type opaque struct{ http.ResponseWriter }

func TestAcceptWrappedResponseWriter(t *testing.T) {
	addr, errs := servingHandler(t, func(w http.ResponseWriter, r *http.Request) (*ws.Conn, error) {
		return ws.Accept(wrapped{wrapped{w}}, r, nil)
	}, echoing)
	_, _, peer := request(t, addr, upgrade())
	must(t, await(t, errs, "Accept"))
	peer.send(wire.Text, "through")
	peer.want(wire.Text, "through")

	addr, errs = servingHandler(t, func(w http.ResponseWriter, r *http.Request) (*ws.Conn, error) {
		return ws.Accept(opaque{w}, r, nil)
	}, nil)
	resp, body, _ := request(t, addr, upgrade())
	if resp.StatusCode != http.StatusNotImplemented || !strings.Contains(body, "cannot become a WebSocket") {
		t.Error(resp.Status, body)
	}
	if err := await(t, errs, "Accept"); !errors.Is(err, http.ErrNotSupported) {
		t.Error(err)
	}
}

// The request stays with the connection after the handler has returned; time
// limits of the HTTP server do not.
func TestAcceptOutlivesTheHandler(t *testing.T) {
	type key struct{}
	over := make(chan *ws.Conn, 1)
	o := &ws.Options{Handler: handler{
		message: func(c *ws.Conn, typ ws.MessageType, p []byte) {
			r := c.Request()
			text := fmt.Sprintf("%s %s %s %v %v", r.URL, r.PathValue("room"), r.Header.Get("Cookie"), r.Context().Err(), c.Context().Value(key{}))
			_ = c.Write(background, typ, []byte(text))
		},
		close: func(c *ws.Conn, _ error) { over <- c },
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("/{room}", func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), key{}, "kept"))
		if _, err := ws.Accept(w, r, o); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ReadTimeout = 200 * time.Millisecond
	server.Config.WriteTimeout = 200 * time.Millisecond
	server.Start()
	defer server.Close()
	_, _, peer := request(t, server.Listener.Addr().String(), upgrade("+Cookie: a=1"))
	time.Sleep(400 * time.Millisecond)
	peer.send(wire.Text, "?")
	peer.want(wire.Text, "/chat?x=1 chat a=1 <nil> kept")
	peer.Close()
	c := await(t, over, "the handler's Close")
	await(t, c.Done(), "the end")
}

// A client that goes before the response is no connection.
func TestAcceptClientGone(t *testing.T) {
	r := httptest.NewRequest("GET", "http://example.com/", nil)
	r.Header = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	a, b := tcpPair(t)
	a.Close()
	b.Close()
	_, err := ws.Accept(hijacked{httptest.NewRecorder(), b}, r, nil)
	var he *ws.HandshakeError
	if !errors.As(err, &he) || !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

type hijacked struct {
	*httptest.ResponseRecorder
	nc net.Conn
}

func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}

func TestHandshakeErrorText(t *testing.T) {
	err := &ws.HandshakeError{Status: 403, Err: errors.New("why"), Body: []byte("be\x1bgone")}
	if got := err.Error(); got != `ws: handshake failed with status 403 Forbidden: why: "be\x1bgone"` {
		t.Error(got)
	}
	if got := (&ws.HandshakeError{Status: 799}).Error(); got != "ws: handshake failed with status 799" {
		t.Error(got)
	}
}
