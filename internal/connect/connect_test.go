package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"duplex/protocol"
	"duplex/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo serves an echo that closes with 4001 at the text "close".
func echo(t *testing.T) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(c.Context())
			if err != nil {
				return
			}
			if string(p) == "close" {
				_ = c.Close(4001, "as you wish")
				return
			}
			_ = c.Write(c.Context(), typ, p)
		}
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// The scripts of cmd/duplex show every flag; these tests hold what needs no program, and that nothing is left behind.

func TestRun(t *testing.T) {
	url := echo(t)
	for _, c := range []struct {
		name        string
		config      Config
		out, status string
		exit        int
		text        string
	}{
		{"lines", Config{In: strings.NewReader("a\r\nb\n\nlast")}, "a\nb\n\nlast\n", "", 0, ""},
		{"match", Config{Send: []string{"a", "b", "c"}, Expect: regexp.MustCompile("b")}, "a\nb\n", "", 0, ""},
		{"no match", Config{Send: []string{"a"}, Expect: regexp.MustCompile("b"), Timeout: 50 * time.Millisecond}, "a\n", "", 1, `no message matched "b" within 50ms`},
		{"a time", Config{Timeout: 50 * time.Millisecond}, "", "", 0, ""},
		{"closed", Config{Send: []string{"close"}, Stay: true}, "", "", 4, "closed by the server: 4001 (private to the application): as you wish"},
		{"marks", Config{Send: []string{"a\x1b"}, Marks: true}, "< a␛\n", "> a␛\n", 0, ""},
		{"not UTF-8", Config{In: strings.NewReader("a\n\xff\n")}, "", "", 2, "line 2: this is not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, status bytes.Buffer
			c.config.URL, c.config.Out, c.config.Status = url, &out, &status
			err := Run(t.Context(), c.config)
			if got := ExitStatus(err); got != c.exit || c.text != "" && (err == nil || !strings.HasPrefix(err.Error(), c.text)) {
				t.Errorf("exit status %d, want %d: %v", got, c.exit, err)
			}
			// A failure may come before the echo of what was sent before it.
			if got := out.String(); !strings.HasPrefix(got, c.out) || c.exit == 0 && c.config.Expect == nil && got != c.out {
				t.Errorf("printed %q, want %q", got, c.out)
			}
			if said := status.String(); !strings.HasPrefix(said, "* connected to "+url+"/\n"+c.status) {
				t.Errorf("said %q", said)
			}
		})
	}
}

// TestRunIsCancelled: for the reason that the context gives, and with a Close.
func TestRunIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	out := writerFunc(func([]byte) { cancel(&Error{Status: StatusInterrupt}) })
	if got := ExitStatus(Run(ctx, Config{URL: echo(t), Send: []string{"x"}, Stay: true, Out: out})); got != StatusInterrupt {
		t.Errorf("exit status %d", got)
	}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestRunCannotWrite(t *testing.T) {
	full, err := os.Open(os.DevNull) // for reading
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	err = Run(t.Context(), Config{URL: echo(t), Send: []string{"x"}, Out: full})
	if ExitStatus(err) != StatusFailure || !strings.HasPrefix(err.Error(), "cannot write the message: ") {
		t.Errorf("%v", err)
	}
}

func TestParse(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a:b")
	if err := os.WriteFile(name, []byte("file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		typ  ws.MessageType
		want string
	}{
		{"hello", ws.Text, "hello"}, {"", ws.Text, ""}, {"HEX:00", ws.Text, "HEX:00"}, {" hex:00", ws.Text, " hex:00"},
		{"text:hex:00", ws.Text, "hex:00"}, {"text:", ws.Text, ""}, {"hex", ws.Text, "hex"}, {"text", ws.Text, "text"}, {"file", ws.Text, "file"},
		{"hex:", ws.Binary, ""}, {"hex:00 fF\t01", ws.Binary, "\x00\xff\x01"}, {"b64:AP8=", ws.Binary, "\x00\xff"},
		{"file:" + name, ws.Binary, "file\n"},
	} {
		s := session{Config: Config{Prefixed: true}}
		if m, err := s.parse(c.line); err != nil || m.typ != c.typ || string(m.data) != c.want {
			t.Errorf("parse(%q) = %v %q, %v; want %v %q", c.line, m.typ, m.data, err, c.typ, c.want)
		}
		s.Prefixed = false
		if m, err := s.parse(c.line); err != nil || m.typ != ws.Text || string(m.data) != c.line {
			t.Errorf("plain parse(%q) = %v %q, %v", c.line, m.typ, m.data, err)
		}
	}
	for _, line := range []string{"hex:0", "hex:xx", "b64:AP8", "file:", "file:" + name + "x", "\xff", "text:\xff"} {
		s := session{Config: Config{Prefixed: true}}
		if m, err := s.parse(line); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("parse(%q) = %q, %v", line, m.data, err)
		}
	}
}

func TestExitStatus(t *testing.T) {
	for err, want := range map[error]int{nil: 0, errors.New("x"): 1, &Error{Status: 5}: 5} {
		if got := ExitStatus(err); got != want {
			t.Errorf("ExitStatus(%v) = %d, want %d", err, got, want)
		}
	}
}

// A server that stops answering after the handshake holds nobody past Timeout.
func TestTimeoutIsABound(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", protocol.AcceptKey(r.Header.Get("Sec-WebSocket-Key")))
		io.Copy(io.Discard, nc) // deaf
	}))
	defer s.Close()
	begin := time.Now()
	err := Run(t.Context(), Config{
		URL: "ws" + strings.TrimPrefix(s.URL, "http"), Out: io.Discard,
		Send: []string{"x"}, Count: 1, Timeout: 100 * time.Millisecond,
	})
	if ExitStatus(err) != StatusFailure || !strings.HasPrefix(err.Error(), "0 of 1 messages came within 100ms") {
		t.Error(err)
	}
	if d := time.Since(begin); d > 4*time.Second { // closing alone would take 5
		t.Errorf("it took %v", d)
	}
}
