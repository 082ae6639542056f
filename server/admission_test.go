package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duplex/server"
	"duplex/ws"
)

// syncBuffer is a log that is written and read at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestCheckRefusesAndAdds(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}, Check: func(w http.ResponseWriter, r *http.Request) *http.Request {
		w.Header().Set("X-Checked", r.URL.Query().Get("as"))
		switch r.URL.Query().Get("as") {
		case "nobody":
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"error":"who are you?"}`)
			return nil
		case "moved":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			return nil
		case "silent":
			return nil
		case "early":
			w.WriteHeader(http.StatusEarlyHints) // an informational response is no answer
			return r
		case "both":
			http.Error(w, "answered, and true all the same", http.StatusTeapot)
			return r
		}
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Split", "one\r\nX-Injected: two")
		return r
	}})
	for as, want := range map[string]struct {
		status int
		body   string
	}{
		"nobody": {401, `{"error":"who are you?"}`},
		"moved":  {307, ""},
		"silent": {403, "Forbidden\n"},
		"both":   {418, "answered, and true all the same\n"},
	} {
		c := dialRaw(t, s.addr)
		c.send(t, request("/ws?as="+as))
		r, body := c.response(t)
		if r.StatusCode != want.status || body != want.body && want.body != "" || r.Header.Get("X-Checked") != as {
			t.Errorf("as %s: %s %q %v", as, r.Status, body, r.Header)
		}
	}
	c, err := s.try(t, "/ws?as=ann", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	h := c.Response().Header
	if h.Get("X-Checked") != "ann" || len(h.Values("Set-Cookie")) != 2 || h.Get("X-Injected") != "" {
		t.Errorf("header of the 101: %v", h)
	}
	wantEcho(t, c, "checked")
	s.only(t)
	early := dialRaw(t, s.addr)
	early.send(t, request("/ws?as=early"))
	if r, _ := early.response(t); r.StatusCode != 103 {
		t.Errorf("early hints: %s", r.Status)
	}
	if r, _ := early.response(t); r.StatusCode != 101 {
		t.Errorf("behind the early hints: %s", r.Status)
	}
}

// TestMaxSessions: one more than fits gets an honest 503, and the place is given
// back whatever became of it.
func TestMaxSessions(t *testing.T) {
	o := quiet()
	o.MaxSessions = 2
	s := start(t, o)
	s.Route("/ws", server.Route{Handler: hooks{open: func(c *server.Session) {
		if c.Request().URL.RawQuery == "panic" {
			panic("in Open")
		}
	}}})
	s.Route("/func", server.Route{Func: func(ctx context.Context, c *server.Session) {
		if c.Request().URL.RawQuery == "panic" {
			panic("in Func")
		}
		for err := error(nil); err == nil && c.Request().URL.RawQuery != "return"; {
			_, _, err = c.Read(ctx)
		}
	}})
	s.Route("/refused", server.Route{Handler: echo{}, Check: func(w http.ResponseWriter, r *http.Request) *http.Request {
		if r.URL.RawQuery == "panic" {
			panic("in Check")
		}
		return nil
	}})
	wantPlaces := func(after string) {
		t.Helper()
		var a, b *ws.Conn
		eventually(t, "two places are free after "+after, func() (ok bool) {
			var err error
			if a == nil {
				a, _ = s.try(t, "/ws", nil)
			}
			if a != nil {
				b, err = s.try(t, "/func", nil)
			}
			return a != nil && err == nil
		})
		r, body := s.get(t, "GET", "/ws")
		if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" || !r.Close || !strings.Contains(body, "too many connections") {
			t.Errorf("after %s: one too many: %s %v %q", after, r.Status, r.Header, body)
		}
		eventually(t, "both are open", func() bool { return s.Len() == 2 })
		a.CloseNow()
		b.Close(ws.CloseNormal, "")
		eventually(t, "both have gone", func() bool { return s.Len() == 0 })
	}
	wantPlaces("nothing")
	for _, path := range []string{"/ws?panic", "/func?panic", "/func?return", "/refused", "/refused?panic"} {
		for range 5 {
			eventually(t, "a place for "+path, func() bool {
				c, err := s.try(t, path, nil)
				if err == nil {
					for err == nil {
						_, _, err = c.Read(within(t))
					}
					return true
				}
				var he *ws.HandshakeError
				return errors.As(err, &he) && he.Status != 503
			})
		}
		wantPlaces(path)
	}
	for _, bad := range []string{"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n", strings.Replace(request("/ws"), "13", "12", 1)} {
		c := dialRaw(t, s.addr)
		c.send(t, bad)
		if r, _ := c.response(t); r.StatusCode != 426 {
			t.Errorf("%q: %s", bad, r.Status)
		}
	}
	wantPlaces("refused handshakes")
}

// TestMaxSessionsIsExact lets many connect at once.
func TestMaxSessionsIsExact(t *testing.T) {
	const most = 10
	o := quiet()
	o.MaxSessions = most
	s := start(t, o)
	var now, peak atomic.Int32
	s.Route("/ws", server.Route{Handler: hooks{
		open: func(*server.Session) {
			n := now.Add(1)
			for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
			}
		},
		close: func(*server.Session, error) { now.Add(-1) },
	}})
	var opened atomic.Int32
	each(16, func(int) {
		for range 10 {
			if c, err := s.try(t, "/ws", nil); err == nil {
				opened.Add(1)
				c.CloseNow()
			}
		}
	})
	if p := peak.Load(); p > most {
		t.Errorf("%d sessions at once, the limit is %d", p, most)
	}
	eventually(t, "all have gone", func() bool { return now.Load() == 0 })
	t.Logf("%d of 160 opened, %d at once", opened.Load(), peak.Load())
	for i := range most { // not one place has been lost
		eventually(t, fmt.Sprintf("place %d", i), func() bool { return dialTry(t, s) })
	}
}

func dialTry(t *testing.T, s running) bool {
	c, err := s.try(t, "/ws", nil)
	if err == nil {
		t.Cleanup(c.CloseNow)
	}
	return err == nil
}

// TestPanics: each is reported, ends its own session with 1011 or its request
// with 500, and nobody else notices.
func TestPanics(t *testing.T) {
	o := quiet()
	type report struct {
		id    uint64
		value any
		stack string
	}
	reports := make(chan report, 10)
	o.OnPanic = func(s *server.Session, value any, stack []byte) {
		r := report{value: value, stack: string(stack)}
		if s != nil {
			r.id = s.ID()
		}
		reports <- r
		panic("the reporter panics too")
	}
	s := start(t, o)
	boom := func(what string) { panic(what) }
	s.Route("/open", server.Route{Handler: hooks{open: func(*server.Session) { boom("open") }}})
	s.Route("/message", server.Route{Handler: hooks{message: func(*server.Session, string) { boom("message") }}})
	s.Route("/func", server.Route{Func: func(context.Context, *server.Session) { boom("func") }})
	s.Route("/close", server.Route{Handler: hooks{close: func(*server.Session, error) { boom("close") }}})
	s.Route("/check", server.Route{Handler: echo{}, Check: func(_ http.ResponseWriter, r *http.Request) *http.Request { boom("check"); return r }})
	s.Handle("/plain", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { boom("plain") }))
	s.Route("/echo", server.Route{Handler: echo{}})
	other := s.dial(t, "/echo")
	want := func(what string, session bool) {
		t.Helper()
		r := receive(t, "the report of "+what, reports)
		if r.value != what || session != (r.id != 0) || !strings.Contains(r.stack, "admission_test.go") {
			t.Errorf("panic in %s: reported %v of session %d with stack %.200s", what, r.value, r.id, r.stack)
		}
		wantEcho(t, other, "after "+what)
	}
	for _, what := range []string{"open", "message", "func"} {
		c := s.dial(t, "/"+what)
		_ = c.Write(within(t), ws.Text, []byte("x"))
		wantEnd(t, c, ws.CloseInternalError)
		want(what, true)
	}
	c := s.dial(t, "/close")
	if err := c.Close(ws.CloseNormal, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	want("close", true)
	rc := dialRaw(t, s.addr)
	rc.send(t, request("/check"))
	if r, _ := rc.response(t); r.StatusCode != 500 {
		t.Errorf("panic in Check: %s", r.Status)
	}
	want("check", false)
	pc := dialRaw(t, s.addr)
	pc.send(t, "GET /plain HTTP/1.1\r\nHost: x\r\n\r\n")
	pc.wantEOF(t)
	want("plain", false)
	if err := s.Queue(func() { boom("work") }); err != nil {
		t.Fatal(err)
	}
	want("work", false)
	eventually(t, "only the other session is left", func() bool { return s.Len() == 1 })
}

func TestPanicsAreLoggedByDefault(t *testing.T) {
	var out syncBuffer
	s := start(t, server.Options{Log: slog.New(slog.NewTextHandler(&out, nil))})
	if err := s.Queue(func() { panic("spilt milk") }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the panic is in the log, with a stack", func() bool {
		text := out.String()
		return strings.Contains(text, "level=ERROR") && strings.Contains(text, "spilt milk") && strings.Contains(text, "goroutine ")
	})
}

type userKey struct{}

// TestCheckHandsValuesOn: what Check found out is in the session's context.
func TestCheckHandsValuesOn(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{
		Check: func(_ http.ResponseWriter, r *http.Request) *http.Request {
			return r.WithContext(context.WithValue(r.Context(), userKey{}, r.URL.Query().Get("user")))
		},
		Handler: hooks{open: func(c *server.Session) {
			inContext, _ := c.Context().Value(userKey{}).(string)
			inRequest, _ := c.Request().Context().Value(userKey{}).(string)
			_ = c.Send(ws.Outgoing{Type: ws.Text, Data: []byte(inContext + " " + inRequest)})
		}},
	})
	s.open(t, "/ws?user=ann").wantText(t, "ann ann")
}

// TestPlainRequestsEnd: a body that is announced and does not come, and a
// response that nobody reads, hold nothing for ever.
func TestPlainRequestsEnd(t *testing.T) {
	o := quiet()
	o.PlainTimeout = 300 * time.Millisecond
	s := start(t, o)
	written := make(chan error, 1)
	s.Handle("/long", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := w.Write(make([]byte, 64<<20))
		written <- err
	}))
	c := dialRaw(t, s.addr)
	c.send(t, "GET /none HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
	if got := c.wantEOF(t); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Errorf("%.100q", got)
	}
	deaf := dialRaw(t, s.addr)
	deaf.send(t, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := receive(t, "the handler gives up", written); err == nil {
		t.Error("64 MiB were taken by nobody")
	}
	// WebSockets are not bound by it.
	s.Route("/ws", server.Route{Handler: echo{}})
	talker := s.dial(t, "/ws")
	time.Sleep(2 * o.PlainTimeout)
	wantEcho(t, talker, "still here")
}

// TestBodyThatDoesNotCome: a request that announces a body and sends none gets
// its refusal and does not hold the connection.
func TestBodyThatDoesNotCome(t *testing.T) {
	o := quiet()
	o.HeaderTimeout = 300 * time.Millisecond
	s := start(t, o)
	s.Route("/ws", server.Route{Handler: echo{}})
	for _, body := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		c := dialRaw(t, s.addr)
		c.send(t, "GET /ws HTTP/1.1\r\nHost: x\r\n"+body+"\r\n\r\n")
		if got := c.wantEOF(t); !strings.HasPrefix(got, "HTTP/1.1 426 ") {
			t.Errorf("%s: %.100q", body, got)
		}
	}
}
