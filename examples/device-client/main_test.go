package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/internal/foreign"
	"duplex/protocol"
	"duplex/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs the program with seconds of the given length.
func play(t *testing.T, url string, second time.Duration) (string, error) {
	t.Helper()
	var out bytes.Buffer
	d := device{url: url, second: second, out: &out}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := d.run(ctx)
	return strings.ReplaceAll(out.String(), url, "URL"), err
}

func data(payload string) string {
	return "I main: WEBSOCKET_EVENT_DATA\nI main: Received opcode=1\nW main: Received=" + payload + "\n" +
		"W main: Total payload length=" + itoa(len(payload)) + ", data_len=" + itoa(len(payload)) + ", current payload offset=0\n"
}

func itoa(n int) string { return map[int]string{10: "10", 64: "64"}[n] }

// console is what the tutorial's program logs against an echo server, with this
// program's rule that pongs do not count: they come at second 10, the end at 12.
func console() string {
	s := "I main: Connecting to URL...\nI main: WEBSOCKET_EVENT_CONNECTED\n"
	for _, n := range "01234" {
		text := "hello 000" + string(n)
		s += "I main: Sending " + text + "\n" + data(text)
	}
	s += "I main: Sending fragmented message\n" + data(strings.Repeat("a", 32)+strings.Repeat("b", 32))
	s += "I main: WEBSOCKET_EVENT_DATA\nI main: Received opcode=10\nW main: Received=00000001\n"
	s += "W main: Total payload length=8, data_len=8, current payload offset=0\n"
	return s + "I main: No data received for 5 seconds, signaling shutdown\n"
}

const closed = `I main: WEBSOCKET_EVENT_DATA
I main: Received opcode=8
W main: Received closed message with code=1000
W main: Total payload length=2, data_len=2, current payload offset=0
I main: Websocket Stopped
`

func checkConsole(t *testing.T, got string) {
	t.Helper()
	if want := console() + closed; got != want {
		t.Errorf("logged:\n%s\nwant:\n%s", got, want)
	}
}

func TestAgainstEchoServer(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "echo-server")
	if out, err := exec.Command("go", "build", "-o", bin, "../echo-server").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	p := foreign.Start(t, exec.Command(bin, "-listen", "127.0.0.1:0"), `on port: '(\d+)'`)
	got, err := play(t, "ws://127.0.0.1:"+p.Ready[1]+"/ws", 150*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	checkConsole(t, got)
}

func TestAgainstFlaskSock(t *testing.T) {
	python := foreign.Python(t, "flask", "flask_sock")
	p := foreign.Start(t, python.Command("testdata/echo.py"), `listening on (\d+)`)
	url := "ws://127.0.0.1:" + p.Ready[1] // no path, as in the tutorial
	await(t, p.Ready[1])
	got, err := play(t, url, 150*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	// Now and then this server writes an HTTP response behind the WebSocket in
	// place of its Close frame, and hangs up.
	if got == console()+"I main: Websocket Stopped\n" {
		return
	}
	checkConsole(t, got)
}

func await(t *testing.T, port string) {
	t.Helper()
	for range 200 {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			c.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("nobody listens")
}

// A server that answers JSON, hostile text and a Close of its own.
func TestMessages(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		for _, m := range []string{
			`[{"id":"1","name":"user1"},{"id":"2","name":"user2"}]`,
			`[{"id":7},null,5,{"name":{"x":1}}]`, `{"id":"1"}`, "", "\x1b[2J",
		} {
			_ = c.Write(r.Context(), ws.Text, []byte(m))
		}
		_ = c.Close(4001, "go away")
	}))
	defer s.Close()
	got, err := play(t, "ws"+strings.TrimPrefix(s.URL, "http"), 100*time.Millisecond)
	if code := ws.CloseStatus(err); code != 4001 {
		t.Errorf("ended with %v, want close code 4001", err)
	}
	for _, want := range []string{
		"W main: Json={'id': '1', 'name': 'user1'}\nW main: Json={'id': '2', 'name': 'user2'}\nW main: Total payload length=53,",
		"W main: Json={'id': '7', 'name': ''}\nW main: Json={'id': '', 'name': ''}\nW main: Json={'id': '', 'name': '{\"x\":1}'}\n",
		"Received=\nW main: Total payload length=0,",
		"Received=\ufffd[2J\n",
		"W main: Received closed message with code=4001\nW main: Total payload length=9,",
		"I main: WEBSOCKET_EVENT_DISCONNECTED\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not logged: %q", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestRefused(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "who are you?", http.StatusUnauthorized)
	}))
	defer s.Close()
	got, err := play(t, "ws"+strings.TrimPrefix(s.URL, "http"), 200*time.Millisecond)
	if err == nil || !strings.HasSuffix(got, "I main: WEBSOCKET_EVENT_ERROR\nE main: Last error HTTP status code: 0x191\nI main: WEBSOCKET_EVENT_DISCONNECTED\n") {
		t.Errorf("logged %q, error %v", got, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "ws://" + l.Addr().String()
	l.Close()
	got, err = play(t, url, 200*time.Millisecond)
	if err == nil || !regexp.MustCompile(`socket errno: 0x[0-9a-f]+\nI main: WEBSOCKET_EVENT_DISCONNECTED\n$`).MatchString(got) {
		t.Errorf("logged %q, error %v", got, err)
	}
}

// A server that never answers our Close does not hang the program, as it hangs
// the device.
func TestCloseUnanswered(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", protocol.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
		io.Copy(io.Discard, nc)
	}))
	defer s.Close()
	start := time.Now()
	_, err := play(t, "ws"+strings.TrimPrefix(s.URL, "http"), 50*time.Millisecond)
	if !errors.Is(err, protocol.ErrNoAnswer) {
		t.Errorf("error %v, want one that says the Close was not answered", err)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("it took %v", d)
	}
}
