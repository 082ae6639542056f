//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"duplex/ws"
)

func serve(t *testing.T, args ...string) *program {
	t.Helper()
	p, err := startServe(args, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of duplex serve:\n%s", p.log())
		}
	})
	return p
}

func (p *program) host() string {
	return strings.TrimSuffix(strings.TrimPrefix(p.open, "http://"), "/")
}

func (p *program) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// await waits for a log line with this text.
func (p *program) await(t *testing.T, text string) {
	t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if strings.Contains(p.log(), text) {
			return
		}
	}
	t.Fatalf("no %q in the log", text)
}

func TestServeDrains(t *testing.T) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(s.String(), func(t *testing.T) {
			p := serve(t)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c, err := ws.Dial(ctx, "ws://"+p.host()+"/ws", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			p.signal(t, s)
			var e *ws.CloseError
			if _, _, err := c.Read(ctx); !errors.As(err, &e) || !e.Remote || e.Code != ws.CloseGoingAway {
				t.Errorf("the client read %v, want a Close with 1001", err)
			}
			if err := p.wait(); err != nil {
				t.Errorf("duplex serve: %v", err)
			}
		})
	}
}

// mute opens a connection that never answers anything.
func mute(t *testing.T, p *program) {
	t.Helper()
	c, err := net.Dial("tcp", p.host())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	p.await(t, "connection opened")
}

func TestServeDrainIsBounded(t *testing.T) {
	p := serve(t, "--drain-timeout", "100ms")
	mute(t, p)
	p.signal(t, syscall.SIGTERM)
	var exit *exec.ExitError
	if err := p.wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("duplex serve: %v, want exit status 1", err)
	}
	if want := "\nduplex: some of 1 connections did not close within 100ms and were cut: see --drain-timeout\n"; !strings.HasSuffix(p.log(), want) {
		t.Errorf("it does not end with %q", want)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := serve(t, "--drain-timeout", "1h")
	mute(t, p)
	p.signal(t, syscall.SIGTERM)
	p.await(t, "draining")
	// The first signal's handler is taken away a moment behind its effect: more than one may be needed.
	for began := time.Now(); time.Since(began) < patience; time.Sleep(10 * time.Millisecond) {
		if p.cmd.Process.Signal(syscall.SIGTERM) != nil {
			break
		}
	}
	var exit *exec.ExitError
	if err := p.wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("duplex serve: %v, want the end by the signal", err)
	}
}

// TestConnectIsInterrupted: it says good-bye to the server and ends with the status of the signal.
func TestConnectIsInterrupted(t *testing.T) {
	for s, status := range map[os.Signal]int{os.Interrupt: 130, syscall.SIGTERM: 143} {
		t.Run(s.String(), func(t *testing.T) {
			p := serve(t)
			cmd := exec.Command("duplex", "connect", "ws://"+p.host()+"/ws")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			hung := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
			defer hung.Stop()
			// Lines are sent as they come, and not only at the end of the input.
			answers := bufio.NewReader(out)
			for _, line := range []string{"one\n", "two\n"} {
				if _, err := io.WriteString(in, line); err != nil {
					t.Fatal(err)
				}
				if got, err := answers.ReadString('\n'); got != line {
					t.Fatalf("printed %q, %v; want %q", got, err, line)
				}
			}
			if err := cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != status {
				t.Errorf("duplex connect: %v, want exit status %d", err, status)
			}
			p.await(t, `"code":1001,"meaning":"going away","by":"peer"`)
		})
	}
}
