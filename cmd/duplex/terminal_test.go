//go:build unix

package main

import (
	"bytes"
	"io"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// onTerminal is a program whose standard input, output and error are a terminal.
type onTerminal struct {
	t    *testing.T
	keys io.Writer

	mu   sync.Mutex
	text bytes.Buffer
}

// terminal runs a shell command on a terminal of its own, made by util-linux's script.
func terminal(t *testing.T, command string) *onTerminal {
	t.Helper()
	if out, err := exec.Command("script", "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), "util-linux") {
		t.Skip("there is no script command of util-linux here, which makes a terminal for this test: install bsdutils")
	}
	o := &onTerminal{t: t}
	cmd := exec.Command("script", "-q", "-e", "-c", command, "/dev/null")
	cmd.Env = append(cmd.Environ(), "TERM=xterm", "SHELL=/bin/sh")
	cmd.Stdout, cmd.Stderr = o, o
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.keys = keys
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("on the terminal: %q", o.screen())
		}
	})
	return o
}

func (o *onTerminal) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *onTerminal) screen() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// sees waits until the text has been shown.
func (o *onTerminal) sees(text string) {
	o.t.Helper()
	for began := time.Now(); time.Since(began) < patience; time.Sleep(5 * time.Millisecond) {
		if strings.Contains(o.screen(), text) {
			return
		}
	}
	o.t.Fatalf("%q is not shown", text)
}

func (o *onTerminal) types(keys string) {
	o.t.Helper()
	if _, err := io.WriteString(o.keys, keys); err != nil {
		o.t.Fatal(err)
	}
}

func TestTerminalTalks(t *testing.T) {
	p := serve(t, "--subprotocol", "chat")
	o := terminal(t, "duplex connect ws://"+p.host()+"/ws --subprotocol chat; echo status $?")
	o.sees("* connected to ws://" + p.host() + "/ws, subprotocol chat; Ctrl-D closes\r\n")
	o.sees("> ")
	o.types("hello\r")
	o.sees("< hello\r\n")
	o.types("half a li") // a message comes while a line is typed, and the line stays
	o.sees("half a li")
	o.types("\x15Trigger async\r")
	o.sees("< Async data\r\n")
	o.types("\x1b[A\x1b[A\r") // the line before the last, out of the history
	o.sees("> hello")
	o.types("\x04")
	o.sees("* closed: 1000 (normal closure)\r\n")
	o.sees("status 0\r\n")
}

func TestTerminalInterrupt(t *testing.T) {
	p := serve(t)
	o := terminal(t, "duplex connect ws://"+p.host()+"/ws; echo status $?; stty -a")
	o.sees("> ")
	o.types("half")
	o.types("\x03")
	o.sees("status 130\r\n")
	p.await(t, `"code":1001,"meaning":"going away","by":"peer"`)
	o.sees(" icanon ") // and the terminal is what it was
}

// TestTerminalIsSafe: what the server says is shown, and not obeyed.
func TestTerminalIsSafe(t *testing.T) {
	s := httptest.NewServer(peer())
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")
	for _, shell := range []string{"", "TERM=dumb "} { // with line editing and without
		o := terminal(t, shell+"duplex connect "+url+"/say; echo status $?")
		for _, line := range []string{"< one\r\n", "< red␛[31m\r\n", "< two\r\n  lines\r\n", "< hex:00ff0a\r\n"} {
			o.sees(line)
		}
		o.types("x\r")
		o.sees("status ")
		if strings.Contains(o.screen(), "\x1b[31m") {
			t.Error("an escape sequence of the server's reached the terminal")
		}
	}
	o := terminal(t, "duplex connect "+url+"/close/4001; echo status $?")
	o.sees("duplex: closed by the server: 4001 (private to the application)\r\n")
	o.sees("status 4\r\n")
	o = terminal(t, "duplex connect --quiet "+url+"/close/1000; echo status $?")
	o.sees("status 0\r\n")
	if strings.Contains(o.screen(), "*") {
		t.Error("quiet, and yet something is said")
	}
}

// TestTerminalLog: on a terminal the log is text with the time of day, and Ctrl-C drains.
func TestTerminalLog(t *testing.T) {
	o := terminal(t, "exec duplex serve --listen 127.0.0.1:0")
	o.sees("level=INFO msg=serving open=http://127.0.0.1:")
	if !regexp.MustCompile(`^time=\d\d:\d\d:\d\d\.\d{3} level=INFO`).MatchString(o.screen()) {
		t.Errorf("the line begins in another way")
	}
	o.types("\x03")
	o.sees("msg=stopped\r\n")
}
