package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"duplex/server"
	"duplex/ws"
)

// get does a plain request.
func (s running) get(t *testing.T, method, path string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t), method, "http://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	r, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(body)
}

func hello(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello "+r.PathValue("name")) }

func TestRoutePathValues(t *testing.T) {
	s := start(t, quiet())
	s.Route("/room/{room}/{rest...}", server.Route{Handler: hooks{open: func(c *server.Session) {
		r := c.Request()
		_ = c.Send(ws.Outgoing{Type: ws.Text, Data: []byte(r.PathValue("room") + "|" + r.PathValue("rest") + "|" + r.URL.RawQuery)})
	}}})
	s.Route("GET /func/{name}", server.Route{Func: func(_ context.Context, c *server.Session) {
		_ = c.Write(c.Context(), ws.Text, []byte("func "+c.Request().PathValue("name")))
	}})
	s.Handle("/hello/{name}", http.HandlerFunc(hello))
	if got := read(t, s.dial(t, "/room/blue/a/b?x=1&y=2")); got != "blue|a/b|x=1&y=2" {
		t.Errorf("path values and query: %q", got)
	}
	c := s.dial(t, "/func/ann")
	if got := read(t, c); got != "func ann" {
		t.Errorf("path value in a Func: %q", got)
	}
	wantEnd(t, c, ws.CloseNormal) // the session ends with its Func
	if r, body := s.get(t, "GET", "/hello/bob"); r.StatusCode != 200 || body != "hello bob" {
		t.Errorf("plain handler: %s %q", r.Status, body)
	}
}

func TestRouteRefusals(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	s.Route("GET /get", server.Route{Handler: echo{}})
	s.Handle("/page", http.HandlerFunc(hello))
	for _, c := range []struct {
		method, path string
		status       int
		field, value string
	}{
		{"GET", "/ws", 426, "Upgrade", "websocket"},
		{"GET", "/ws", 426, "Sec-Websocket-Version", "13"},
		{"POST", "/ws", 405, "Allow", "GET"},
		{"POST", "/get", 405, "Allow", "GET, HEAD"},
		{"GET", "/nowhere", 404, "", ""},
		{"GET", "/page", 200, "", ""},
	} {
		r, body := s.get(t, c.method, c.path)
		if r.StatusCode != c.status || c.field != "" && r.Header.Get(c.field) != c.value {
			t.Errorf("%s %s: %s, %s %q; want %d, %q", c.method, c.path, r.Status, c.field, r.Header.Get(c.field), c.status, c.value)
		}
		if body == "" {
			t.Errorf("%s %s: a %d without a word", c.method, c.path, r.StatusCode)
		}
	}
	wantEcho(t, s.dial(t, "/ws"), "after the refusals")
}

// TestRouteMalformed: every malformed request gets an HTTP answer, never just the
// end of the stream.
func TestRouteMalformed(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"version 8":   {strings.Replace(request("/ws"), "Version: 13", "Version: 8", 1), 426},
		"no key":      {strings.Replace(request("/ws"), "Sec-WebSocket-Key", "X", 1), 400},
		"short key":   {strings.Replace(request("/ws"), "dGhlIHNhbXBsZSBub25jZQ==", "eno=", 1), 400},
		"h2c":         {strings.Replace(request("/ws"), "Upgrade: websocket", "Upgrade: h2c", 1), 426},
		"connection":  {strings.Replace(request("/ws"), "Connection: Upgrade", "Connection: close", 1), 400},
		"HTTP/1.0":    {strings.Replace(request("/ws"), "HTTP/1.1", "HTTP/1.0", 1), 400},
		"no host":     {strings.Replace(request("/ws"), "Host", "X-Host", 1), 400},
		"other page":  {request("/ws", "Origin: https://evil.example"), 403},
		"body":        {request("/ws", "Content-Length: 2") + "\x81\x80", 400},
		"not HTTP":    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
		"HTTP/2":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		"bad header":  {"GET /ws HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400},
		"two lengths": {"GET /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			c, want := c.request, c.status
			conn := dialRaw(t, s.addr)
			conn.send(t, c)
			if r, body := conn.response(t); r.StatusCode != want {
				t.Errorf("%s %q, want %d", r.Status, body, want)
			}
		})
	}
}

func TestRouteMustHaveOneOfHandlerAndFunc(t *testing.T) {
	s := server.New(quiet())
	for name, f := range map[string]func(){
		"neither": func() { s.Route("/a", server.Route{}) },
		"both":    func() { s.Route("/b", server.Route{Handler: echo{}, Func: func(context.Context, *server.Session) {}}) },
		"syntax":  func() { s.Route("/{", server.Route{Handler: echo{}}) },
		"taken": func() {
			s.Handle("/c", http.HandlerFunc(hello))
			s.Route("/c", server.Route{Handler: echo{}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
	w := httptest.NewRecorder() // a pattern refused leaves the others as they were
	s.ServeHTTP(w, httptest.NewRequest("GET", "/c", nil))
	if w.Code != 200 {
		t.Errorf("after the panics /c gives %d", w.Code)
	}
}

// TestRoutesChangeAtRunTime: open sessions keep the Handler they have.
func TestRoutesChangeAtRunTime(t *testing.T) {
	s := start(t, quiet())
	answer := func(text string) server.Route {
		return server.Route{Handler: hooks{message: func(c *server.Session, _ string) {
			_ = c.Write(c.Context(), ws.Text, []byte(text))
		}}}
	}
	s.Route("/ws", answer("old"))
	old := s.dial(t, "/ws")
	if !s.Remove("/ws") || s.Remove("/ws") {
		t.Fatal("Remove does not say what was there")
	}
	if r, _ := s.get(t, "GET", "/ws"); r.StatusCode != 404 {
		t.Fatalf("after Remove: %s", r.Status)
	}
	s.Route("/ws", answer("new"))
	fresh := s.dial(t, "/ws")
	for range 3 {
		write(t, old, "?")
		write(t, fresh, "?")
		if a, b := read(t, old), read(t, fresh); a != "old" || b != "new" {
			t.Fatalf("the session from before the change got %q, the other %q", a, b)
		}
	}
}

// TestRoutesChangeUnderLoad adds and removes while clients connect: each gets a
// 101 or a 404, nothing else.
func TestRoutesChangeUnderLoad(t *testing.T) {
	s := start(t, quiet())
	s.Route("/still", server.Route{Handler: echo{}})
	stop := make(chan struct{})
	changed := make(chan int, 1)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				changed <- n
				return
			default:
				s.Route("/moving/{x}", server.Route{Handler: echo{}})
				s.Remove("/moving/{x}")
			}
		}
	}()
	var opened, missed atomic.Int32
	each(8, func(int) {
		for range 25 {
			c, err := s.try(t, "/moving/1", nil)
			var he *ws.HandshakeError
			switch {
			case err == nil:
				wantEcho(t, c, "x")
				c.CloseNow()
				opened.Add(1)
			case errors.As(err, &he) && he.Status == 404:
				missed.Add(1)
			default:
				t.Errorf("dial: %v", err)
				return
			}
		}
	})
	close(stop)
	if n := receive(t, "the changer ends", changed); n == 0 {
		t.Error("nothing was changed meanwhile")
	}
	t.Logf("%d opened, %d found nothing", opened.Load(), missed.Load())
	wantEcho(t, s.dial(t, "/still"), "still here")
}

func TestRouteOptions(t *testing.T) {
	o := quiet()
	o.WebSocket = ws.Options{MaxMessage: 1000, Subprotocols: []string{"general"}}
	s := start(t, o)
	s.Route("/general", server.Route{Handler: echo{}})
	s.Route("/own", server.Route{Handler: echo{}, Options: &ws.Options{
		MaxMessage: 10, Subprotocols: []string{"mqtt", "soap"}, Origins: []string{"*.example.com"},
	}})
	for _, c := range []struct {
		path, offer, chosen string
		longest             int
	}{
		{"/general", "mqtt general", "general", 1000},
		{"/general", "mqtt", "", 1000},
		{"/own", "general soap mqtt", "soap", 10},
	} {
		conn, err := s.try(t, c.path, &ws.DialOptions{Options: ws.Options{Subprotocols: strings.Fields(c.offer)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.CloseNow)
		if got := conn.Subprotocol(); got != c.chosen {
			t.Errorf("%s of %q: subprotocol %q, want %q", c.path, c.offer, got, c.chosen)
		}
		wantEcho(t, conn, strings.Repeat("x", c.longest))
		write(t, conn, strings.Repeat("x", c.longest+1))
		wantEnd(t, conn, ws.CloseMessageTooBig)
	}
	page := http.Header{"Origin": {"https://page.example.com"}}
	if _, err := s.try(t, "/general", &ws.DialOptions{Header: page}); err == nil {
		t.Error("a foreign page may connect to /general")
	}
	c, err := s.try(t, "/own", &ws.DialOptions{Header: page})
	if err != nil {
		t.Fatalf("the page of the pattern may not connect: %v", err)
	}
	c.CloseNow()
}

// TestRouteOptionsThatWereFilled: the server's budget holds for them too.
func TestRouteOptionsThatWereFilled(t *testing.T) {
	o := quiet()
	o.Budget = 32 << 10
	s := start(t, o)
	s.Route("/ws", server.Route{Handler: echo{}, Options: ws.Options{}.Fill()})
	c := s.dial(t, "/ws")
	write(t, c, strings.Repeat("x", 200<<10))
	wantEnd(t, c, ws.CloseTryAgainLater)
}

// embedding is what logging middlewares do to a ResponseWriter.
type embedding struct {
	http.ResponseWriter
	status int
}

func (e *embedding) WriteHeader(status int)      { e.status = status; e.ResponseWriter.WriteHeader(status) }
func (e *embedding) Unwrap() http.ResponseWriter { return e.ResponseWriter }

func logging(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(&embedding{w, 0}, r) })
}

// TestServerInsideAnotherRouter mounts it below a prefix, twice wrapped.
func TestServerInsideAnotherRouter(t *testing.T) {
	s := server.New(quiet())
	s.Route("/ws/{id}", server.Route{
		Check: func(w http.ResponseWriter, r *http.Request) *http.Request {
			w.Header().Set("X-Path", r.URL.Path)
			return r
		},
		Handler: hooks{open: func(c *server.Session) {
			_ = c.Send(ws.Outgoing{Type: ws.Text, Data: []byte(c.Request().PathValue("id"))})
		}},
	})
	s.Handle("/hello/{name}", http.HandlerFunc(hello))
	outer := http.NewServeMux()
	outer.Handle("/api/", http.StripPrefix("/api", logging(logging(s))))
	hs := httptest.NewServer(outer)
	defer hs.Close()
	mounted := running{s, strings.TrimPrefix(hs.URL, "http://")}

	c, err := mounted.try(t, "/api/ws/7", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if got := c.Response().Header.Get("X-Path"); got != "/ws/7" {
		t.Errorf("Check saw the path %q", got)
	}
	if got := read(t, c); got != "7" {
		t.Errorf("path value %q", got)
	}
	if r, body := mounted.get(t, "GET", "/api/hello/eve"); r.StatusCode != 200 || body != "hello eve" {
		t.Errorf("plain: %s %q", r.Status, body)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(within(t)) }()
	wantEnd(t, c, ws.CloseGoingAway)
	if err := receive(t, "Shutdown", ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if r, _ := mounted.get(t, "GET", "/api/ws/7"); r.StatusCode != 503 {
		t.Errorf("after Shutdown: %s, want 503", r.Status)
	}
}

func TestTLSListener(t *testing.T) {
	hs := httptest.NewUnstartedServer(nil)
	hs.StartTLS() // for its certificate
	defer hs.Close()
	s := server.New(quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	s.Handle("/hello/{name}", http.HandlerFunc(hello))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, s, tls.NewListener(l, &tls.Config{Certificates: hs.TLS.Certificates}))
	client := hs.Client().Transport.(*http.Transport).TLSClientConfig
	c, err := ws.Dial(within(t), "wss://"+l.Addr().String()+"/ws", &ws.DialOptions{TLS: client})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	wantEcho(t, c, strings.Repeat("over TLS ", 100_000))
	for session := range s.Sessions() {
		if session.Request().TLS == nil {
			t.Error("the request does not say that it came by TLS")
		}
	}
	// The other way round: TLS to the plain port, plain to the TLS port.
	plain := start(t, quiet())
	if _, err := tls.Dial("tcp", plain.addr, client); err == nil {
		t.Error("TLS to the plain port succeeds")
	}
	conn := dialRaw(t, l.Addr().String())
	conn.send(t, request("/ws"))
	if r, body := conn.response(t); r.StatusCode != 400 {
		t.Errorf("plain HTTP to the TLS port: %s %q", r.Status, body)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(within(t)) }()
	wantEnd(t, c, ws.CloseGoingAway)
	if err := receive(t, "Shutdown", ended); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestListenersOfSeveralKinds(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("no unix sockets here: %v", err)
	}
	serveOn(t, s.Server, l)
	wantEcho(t, s.dial(t, "/ws"), "by TCP")
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := io.WriteString(nc, request("/ws")+string(text("by unix socket"))); err != nil {
		t.Fatal(err)
	}
	c := &raw{nc, bufio.NewReader(nc)}
	c.response(t)
	c.wantText(t, "by unix socket")
	if err := server.New(quiet()).ListenAndServe(s.addr); err == nil {
		t.Error("a port that is taken is no error")
	}
}
