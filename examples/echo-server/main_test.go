package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/internal/foreign"
	"duplex/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs the program and returns its URL, its log so far, and what stops it.
func start(t *testing.T) (url string, logged func() string, stop func()) {
	t.Helper()
	var out log
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, &out, "127.0.0.1:0") }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	port := regexp.MustCompile(`on port: '(\d+)'`)
	for range 500 {
		if m := port.FindStringSubmatch(out.String()); m != nil {
			return "ws://127.0.0.1:" + m[1] + "/ws", out.String, stop
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the server did not start")
	return "", nil, nil
}

// log is a bytes.Buffer for several goroutines.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// The tutorial's console, except that a message in fragments is one message.
const console = `I main: Registering URI handlers
I main: Handshake done, the new connection was opened
I main: frame len is 5
I main: Got packet with message: hello
I main: Packet type: 1
I main: frame len is 13
I main: Got packet with message: Trigger async
I main: Packet type: 1
I main: frame len is 64
I main: Got packet with message: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
I main: Packet type: 1
`

func TestConsole(t *testing.T) {
	url, logged, stop := start(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := ws.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	expect := func(want string) {
		t.Helper()
		if typ, p, err := c.Read(ctx); err != nil || typ != ws.Text || string(p) != want {
			t.Fatalf("got %v %q %v, want text %q", typ, p, err, want)
		}
	}
	send := func(text string) {
		t.Helper()
		if err := c.Write(ctx, ws.Text, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	send("hello")
	expect("hello")
	send("Trigger async")
	expect("Async data")
	w, err := c.Writer(ctx, ws.Text)
	if err != nil {
		t.Fatal(err)
	}
	for _, letter := range []string{"a", "b"} {
		io.WriteString(w, strings.Repeat(letter, 32))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	expect(strings.Repeat("a", 32) + strings.Repeat("b", 32))
	if _, after, _ := strings.Cut(logged(), "\n"); after != console {
		t.Errorf("logged:\n%s\nwant:\n%s", after, console)
	}
	send("\x1b[2J\r\n") // must not play with the terminal
	expect("\x1b[2J\r\n")
	if strings.ContainsAny(logged(), "\x1b\r") {
		t.Errorf("control characters in the log: %q", logged())
	}
	stop()
	if _, _, err := c.Read(ctx); ws.CloseStatus(err) != ws.CloseGoingAway {
		t.Errorf("at the server's end: %v, want close code 1001", err)
	}
}

func TestPortTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var out log
	if err := run(t.Context(), &out, l.Addr().String()); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v, want one that says the port is taken", err)
	}
	if out.String() != "I main: Error starting server!\n" {
		t.Errorf("logged %q", out.String())
	}
}

// drive runs a foreign client against the server and returns the facts it says.
func drive(t *testing.T, url string, cmd *exec.Cmd) map[string]any {
	t.Helper()
	cmd.Args = append(cmd.Args, url)
	p := foreign.Start(t, cmd, "")
	if err := p.Wait(); err != nil {
		t.Fatalf("client: %v\n%s", err, p.Output())
	}
	facts := map[string]any{}
	for line := range strings.Lines(p.Output()) {
		var f map[string]any
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("client said %q", line)
		}
		maps.Copy(facts, f)
	}
	return facts
}

func TestForeignClients(t *testing.T) {
	common := map[string]any{
		"echo": "hello", "async": "Async data", "binary": "00ff80", "empty": 0.0, "big": true,
		"fragmented": strings.Repeat("a", 32) + strings.Repeat("b", 32),
		"close":      4001.0, "reason": "",
	}
	check := func(t *testing.T, got, more map[string]any) {
		t.Helper()
		want := maps.Clone(common)
		maps.Copy(want, more)
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s = %v, want %v", k, got[k], v)
			}
		}
	}
	t.Run("node ws", func(t *testing.T) {
		node := foreign.Node(t)
		url, _, _ := start(t)
		check(t, drive(t, url, node.Command("testdata/client.js")),
			map[string]any{"extensions": "", "protocol": "", "isBinary": true, "pong": "are you there"})
	})
	t.Run("python websockets", func(t *testing.T) {
		python := foreign.Python(t, "websockets")
		url, _, _ := start(t)
		// It reports the reason that it sent itself.
		check(t, drive(t, url, python.Command("testdata/client.py")),
			map[string]any{"pong": true, "reason": ""})
	})
}
