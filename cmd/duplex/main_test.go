package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"duplex/ws"
)

// TestMain makes this very binary the program duplex, on PATH, for scripts and tests.
func TestMain(m *testing.M) {
	if os.Getenv(raceOptions) == "" {
		os.Setenv(raceOptions, "atexit_sleep_ms=0") // else each program built with -race takes a second to end
	}
	testscript.Main(m, map[string]func(){"duplex": main})
}

const raceOptions = "GORACE"

// patience bounds every wait; it is for something that hangs only.
const patience = 30 * time.Second

// TestScripts runs testdata/script. Besides testscript's own commands there are:
//
//	serve ARGS...   runs duplex serve on a free port; sets $WS and $HTTP, and $PORT
//	quit            ends it with SIGTERM, wants exit status 0, and leaves its log in serve.log
//	peer            runs a server of these tests; sets $PEER, $TLSPEER with ca.pem, $PROXY, $FREE (a port that nobody has)
//	exits N CMD...  runs a command and wants this exit status
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv(raceOptions, os.Getenv(raceOptions))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": cmdServe, "quit": cmdQuit, "peer": cmdPeer, "exits": cmdExits,
		},
	})
}

func cmdExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// serving are the programs that serve has started, by script.
var serving sync.Map

func cmdServe(ts *testscript.TestScript, _ bool, args []string) {
	p, err := startServe(args, []string{"DUPLEX_QUIET=" + ts.Getenv("DUPLEX_QUIET"), "DUPLEX_API_KEY=" + ts.Getenv("DUPLEX_API_KEY")}, ts.MkAbs("."))
	ts.Check(err)
	ts.Defer(p.kill)
	serving.Store(ts.Name(), p)
	u, err := url.Parse(p.open)
	ts.Check(err)
	ts.Setenv("HTTP", u.Scheme+"://"+u.Host)
	ts.Setenv("WS", strings.Replace(u.Scheme, "http", "ws", 1)+"://"+u.Host)
	ts.Setenv("PORT", u.Port())
}

func cmdQuit(ts *testscript.TestScript, _ bool, _ []string) {
	found, ok := serving.LoadAndDelete(ts.Name())
	if !ok {
		ts.Fatalf("nothing was started with serve")
	}
	p := found.(*program)
	ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	if err := p.wait(); err != nil {
		ts.Fatalf("duplex serve: %v\n%s", err, p.log())
	}
	ts.Check(os.WriteFile(ts.MkAbs("serve.log"), []byte(p.log()), 0o600))
}

// program is a duplex serve under test.
type program struct {
	cmd   *exec.Cmd
	open  string // the page's address, of its first log line
	ended chan struct{}
	err   error // after ended

	mu   sync.Mutex
	text bytes.Buffer
	line chan string // the first line
}

// address is where to go, in a log line of either format.
var address = regexp.MustCompile(`"?open"?[:=]"?(https?://[^" ]+)`)

// startServe runs duplex serve on a free port and waits until it serves.
func startServe(args, env []string, dir string) (*program, error) {
	p := &program{ended: make(chan struct{}), line: make(chan string, 1)}
	p.cmd = exec.Command("duplex", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = append(os.Environ(), env...), dir, p
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	select {
	case line := <-p.line:
		m := address.FindStringSubmatch(line)
		if m == nil {
			p.kill()
			return nil, fmt.Errorf("duplex serve begins with %s", line)
		}
		p.open = m[1]
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("duplex serve: %v\n%s", p.err, p.log())
	case <-time.After(patience):
		p.kill()
		return nil, errors.New("duplex serve says nothing")
	}
}

// Write takes standard error.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := !bytes.Contains(p.text.Bytes(), []byte("\n"))
	p.text.Write(b)
	if line, _, ok := strings.Cut(p.text.String(), "\n"); ok && first {
		p.line <- line
	}
	return len(b), nil
}

func (p *program) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *program) wait() error {
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		return errors.New("it does not end")
	}
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// cmdPeer starts a server that does what ours does not.
func cmdPeer(ts *testscript.TestScript, _ bool, _ []string) {
	plain := httptest.NewServer(peer())
	secure := httptest.NewUnstartedServer(peer())
	secure.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	secure.Config.ErrorLog = discard
	secure.StartTLS()
	proxy := httptest.NewServer(connectTo(plain.Listener.Addr().String()))
	for _, s := range []*httptest.Server{plain, secure, proxy} {
		ts.Defer(s.Close)
	}
	ts.Setenv("PEER", "ws"+strings.TrimPrefix(plain.URL, "http"))
	ts.Setenv("TLSPEER", "wss"+strings.TrimPrefix(secure.URL, "https"))
	ts.Setenv("PROXY", proxy.URL)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), ca, 0o600))
	key, err := x509Key(secure)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("key.pem"), key, 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("FREE", l.Addr().String())
	ts.Check(l.Close())
}

func peer() http.Handler {
	mux := http.NewServeMux()
	accept := func(pattern string, f func(c *ws.Conn)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, &ws.Options{Subprotocols: []string{"chat"}, Origins: []string{"*"}})
			if err != nil {
				return
			}
			defer c.CloseNow()
			f(c)
		})
	}
	accept("/close/{code}", func(c *ws.Conn) {
		code, _ := strconv.Atoi(c.Request().PathValue("code"))
		_ = c.Close(ws.CloseCode(code), c.Request().URL.Query().Get("reason"))
	})
	accept("/lost", func(*ws.Conn) {})
	accept("/broken", func(c *ws.Conn) { // a frame with a reserved opcode
		_ = c.Transport().Write([]byte{0x83, 0x00}, time.Second)
		_, _, _ = c.Read(c.Context())
	})
	accept("/say", func(c *ws.Conn) {
		for _, text := range []string{"one", "red\x1b[31m", "two\nlines"} {
			_ = c.Write(c.Context(), ws.Text, []byte(text))
		}
		_ = c.Write(c.Context(), ws.Binary, []byte{0, 0xff, '\n'})
		_, _, _ = c.Read(c.Context())
	})
	accept("/late", func(c *ws.Conn) { // an answer that takes longer than the client lingers
		time.Sleep(700 * time.Millisecond)
		if typ, p, err := c.Read(c.Context()); err == nil {
			_ = c.Write(c.Context(), typ, append([]byte("late "), p...))
			_, _, _ = c.Read(c.Context())
		}
	})
	accept("/request", func(c *ws.Conn) {
		r := c.Request()
		text := fmt.Sprintf("query=%s origin=%s x=%q auth=%s protocols=%q", r.URL.RawQuery, r.Header.Get("Origin"), r.Header["X-Token"],
			r.Header.Get("Authorization"), r.Header["Sec-Websocket-Protocol"])
		if r.TLS != nil {
			text += fmt.Sprintf(" certificates=%d", len(r.TLS.PeerCertificates))
		}
		_ = c.Write(c.Context(), ws.Text, []byte(text))
		_ = c.Close(ws.CloseNormal, "")
	})
	mux.HandleFunc("/401", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "who\x1b[31m\nare you?", http.StatusUnauthorized)
	})
	mux.HandleFunc("/200", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "a page") })
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.Repeat("x", 5000), http.StatusInternalServerError)
	})
	mux.HandleFunc("/silent", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

// connectTo is a proxy that takes everybody to one address.
func connectTo(addr string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		to, err := net.Dial("tcp", addr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer to.Close()
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer from.Close()
		_, _ = io.WriteString(from, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { _, _ = io.Copy(to, from) }()
		_, _ = io.Copy(from, to)
	})
}

var discard = log.New(io.Discard, "", 0)

// x509Key is the private key of the server's certificate, as PEM.
func x509Key(s *httptest.Server) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}
