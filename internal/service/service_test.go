package service

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait; it is for something that hangs only.
const patience = 20 * time.Second

// running is a Service under test.
type running struct {
	*Service
	t    *testing.T
	stop context.CancelFunc
	done chan error
	log  *journal
}

// start runs a Service on a free port of the loopback interface until the test ends.
func start(t *testing.T, c Config) *running {
	t.Helper()
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	log := new(journal)
	c.Log = NewLogger(log, JSON, slog.LevelDebug)
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Service: s, t: t, stop: stop, done: make(chan error, 1), log: log}
	go func() { r.done <- s.Run(ctx) }()
	r.log.await(t, "serving")
	t.Cleanup(func() {
		stop()
		select {
		case <-r.done:
		case <-time.After(patience):
			t.Error("Run did not return")
		}
		if t.Failed() {
			t.Logf("log:\n%s", r.log.text())
		}
	})
	return r
}

// end stops the service and returns what Run returned.
func (r *running) end() error {
	r.stop()
	err := <-r.done
	r.done <- err // for the cleanup
	return err
}

func (r *running) url(path string) string { return "ws://" + r.Addr().String() + path }

// dial opens a connection that is cut when the test ends.
func (r *running) dial(path string, o *ws.DialOptions) *ws.Conn {
	r.t.Helper()
	c, err := ws.Dial(within(r.t), r.url(path), o)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.CloseNow)
	return c
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func write(t *testing.T, c *ws.Conn, typ ws.MessageType, p string) {
	t.Helper()
	if err := c.Write(within(t), typ, []byte(p)); err != nil {
		t.Fatal(err)
	}
}

// want reads the next message and compares it.
func want(t *testing.T, c *ws.Conn, typ ws.MessageType, text string) {
	t.Helper()
	got, p, err := c.Read(within(t))
	if err != nil || got != typ || string(p) != text {
		t.Fatalf("read %v %q, %v; want %v %q", got, p, err, typ, text)
	}
}

// wantClose reads up to the end of the connection.
func wantClose(t *testing.T, c *ws.Conn, code ws.CloseCode) *ws.CloseError {
	t.Helper()
	var e *ws.CloseError
	if _, p, err := c.Read(within(t)); !errors.As(err, &e) || e.Code != code || !e.Remote {
		t.Fatalf("read %q, %v; want a Close from the server with %d", p, err, code)
	}
	return e
}

// journal keeps log lines. It is written by many goroutines.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// lines returns what was logged with this message.
func (j *journal) lines(msg string) (found []map[string]any) {
	for line := range strings.Lines(j.text()) {
		var attrs map[string]any
		if json.Unmarshal([]byte(line), &attrs) == nil && attrs["msg"] == msg {
			found = append(found, attrs)
		}
	}
	return found
}

// await returns the first line with this message, once it is there.
func (j *journal) await(t *testing.T, msg string) map[string]any {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if all := j.lines(msg); len(all) > 0 {
			return all[0]
		}
	}
	t.Fatalf("no log line %q in:\n%s", msg, j.text())
	return nil
}

func TestEcho(t *testing.T) {
	r := start(t, Config{})
	c := r.dial("/ws", nil)
	long := strings.Repeat("ab", 100_000)
	for _, m := range []struct {
		typ  ws.MessageType
		text string
	}{
		{ws.Text, "hello"}, {ws.Text, ""}, {ws.Binary, "\x00\xff"}, {ws.Binary, ""}, {ws.Text, "好"}, {ws.Text, long},
		{ws.Binary, "Trigger async"}, {ws.Text, "Trigger async "}, {ws.Text, "trigger async"}, // none of them is the question
	} {
		write(t, c, m.typ, m.text)
		want(t, c, m.typ, m.text)
	}
	write(t, c, ws.Text, "Trigger async")
	want(t, c, ws.Text, "Async data")

	// A fragmented message comes back whole.
	w, err := c.Writer(within(t), ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{strings.Repeat("a", 32), strings.Repeat("b", 32)} {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, c, ws.Text, strings.Repeat("a", 32)+strings.Repeat("b", 32))
	if err := c.Close(ws.CloseNormal, ""); err != nil {
		t.Fatal(err)
	}
}

// TestAsyncDataToNobody asks and goes: the answer is dropped, and the next client does not get it.
func TestAsyncDataToNobody(t *testing.T) {
	r := start(t, Config{})
	for range 50 {
		c := r.dial("/ws", nil)
		write(t, c, ws.Text, "Trigger async")
		c.CloseNow()
	}
	c := r.dial("/ws", nil)
	write(t, c, ws.Text, "mine")
	want(t, c, ws.Text, "mine")
}

func TestHTTP(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page ", r.URL.Path) })
	r := start(t, Config{Page: page})
	for _, c := range []struct {
		path   string
		status int
		body   string
	}{
		{"/", 200, "page /"}, {"/console/app.js", 200, "page /console/app.js"}, {"/healthz", 200, "ok\n"},
		{"/nothing", 404, ""}, {"/ws/below", 404, ""}, {"/v3/", 404, ""}, {"/v3/a/b", 404, ""},
		{"/ws", 426, ""}, {"/v3/room", 426, ""},
	} {
		status, body := get(t, "http://"+r.Addr().String()+c.path)
		if status != c.status || c.body != "" && body != c.body {
			t.Errorf("GET %s: %d %q, want %d %q", c.path, status, body, c.status, c.body)
		}
	}
	bare := start(t, Config{})
	if status, _ := get(t, "http://"+bare.Addr().String()+"/"); status != 404 {
		t.Errorf("GET / without a page: %d, want 404", status)
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestLimits(t *testing.T) {
	r := start(t, Config{MaxConnections: 1, MaxMessage: 10, Subprotocols: []string{"b", "a"}})
	c := r.dial("/ws", &ws.DialOptions{Options: ws.Options{Subprotocols: []string{"x", "a", "b"}}})
	if c.Subprotocol() != "a" {
		t.Errorf("subprotocol %q, want the client's first that the server knows", c.Subprotocol())
	}
	wantStatus(t, r, "/ws", nil, 503)
	write(t, c, ws.Text, "0123456789")
	want(t, c, ws.Text, "0123456789")
	write(t, c, ws.Text, "0123456789a")
	wantClose(t, c, ws.CloseMessageTooBig)
}

func TestOrigin(t *testing.T) {
	r := start(t, Config{Origins: []string{"*.example.com"}})
	for _, path := range []string{"/ws", "/v3/room?api_key=demo"} {
		for _, origin := range []string{"https://app.example.com", "http://" + r.Addr().String()} {
			r.dial(path, &ws.DialOptions{Header: http.Header{"Origin": {origin}}})
		}
		wantStatus(t, r, path, http.Header{"Origin": {"https://example.org"}}, 403)
	}
}

func wantStatus(t *testing.T, r *running, path string, header http.Header, status int) {
	t.Helper()
	c, err := ws.Dial(within(t), r.url(path), &ws.DialOptions{Header: header})
	var refused *ws.HandshakeError
	if !errors.As(err, &refused) || refused.Status != status {
		if err == nil {
			c.CloseNow()
		}
		t.Errorf("dial %s: %v, want status %d", path, err, status)
	}
}

func TestIdleTimeout(t *testing.T) {
	r := start(t, Config{IdleTimeout: 50 * time.Millisecond})
	wantClose(t, r.dial("/ws", nil), ws.CloseGoingAway)
}

func TestTLS(t *testing.T) {
	cert, key, pool := certificate(t)
	r := start(t, Config{TLSCert: cert, TLSKey: key})
	url := "wss://" + r.Addr().String() + "/ws"
	c, err := ws.Dial(within(t), url, &ws.DialOptions{TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	write(t, c, ws.Text, "hello")
	want(t, c, ws.Text, "hello")
	if got := fmt.Sprint(r.log.await(t, "serving")["echo"]); got != url {
		t.Errorf("announced %q, want %q", got, url)
	}
	old, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11})
	if err == nil {
		old.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// TestDrain: every client is told 1001, and Run says that all went well.
func TestDrain(t *testing.T) {
	r := start(t, Config{})
	clients := []*ws.Conn{r.dial("/ws", nil), r.dial("/ws", nil), r.dial("/v3/room?api_key=demo", nil)}
	r.stop()
	for _, c := range clients {
		wantClose(t, c, ws.CloseGoingAway)
	}
	if err := r.end(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", r.Addr().String()); err == nil {
		t.Error("the port still answers")
	}
	if len(r.log.lines("connection closed")) != len(clients) || len(r.log.lines("stopped")) != 1 {
		t.Errorf("log:\n%s", r.log.text())
	}
}

// TestDrainIsBounded: a client that does not answer the Close cannot hold up the end.
func TestDrainIsBounded(t *testing.T) {
	r := start(t, Config{DrainTimeout: 50 * time.Millisecond})
	mute, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	fmt.Fprintf(mute, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(mute), nil); err != nil {
		t.Fatal(err)
	}
	r.log.await(t, "connection opened")
	began := time.Now()
	if err := r.end(); err == nil || !strings.Contains(err.Error(), "drain-timeout") {
		t.Errorf("Run returned %v", err)
	}
	if took := time.Since(began); took > 4*time.Second { // the Close alone would wait for 5 s
		t.Errorf("the end took %v", took)
	}
}

func TestConfigErrors(t *testing.T) {
	cert, key, _ := certificate(t)
	for _, c := range []struct {
		Config
		part string
		own  bool // a *ConfigError
	}{
		{Config{Listen: "8080"}, `"8080" is no address`, true},
		{Config{Listen: "127.0.0.1:99999"}, "write host:port", true},
		{Config{TLSCert: cert}, "--tls-key", true},
		{Config{TLSKey: key}, "--tls-cert", true},
		{Config{Keys: []string{"a", " "}}, "API key is empty", true},
		{Config{Origins: []string{"[a"}}, `"[a" is no pattern`, true},
		{Config{TLSCert: cert + "x", TLSKey: key}, "no such file", false},
		{Config{TLSCert: "service_test.go", TLSKey: key}, "not PEM", false},
		{Config{TLSCert: key, TLSKey: cert}, "cannot use the certificate", false},
	} {
		s, err := New(c.Config)
		if err == nil {
			err = s.Listen()
		}
		var own *ConfigError
		if err == nil || !strings.Contains(err.Error(), c.part) || errors.As(err, &own) != c.own || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want one line with %q", c.Config, err, c.part)
		}
	}
}

func TestPortInUse(t *testing.T) {
	r := start(t, Config{})
	s, err := New(Config{Listen: r.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(r.Addr().String())
	if err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "port "+port+" is in use") || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("Run on a port in use: %v", err)
	}
}
