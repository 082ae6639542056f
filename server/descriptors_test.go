//go:build unix

package server_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"duplex/server"
)

func init() { children["descriptors"] = serveWithFewDescriptors }

// serveWithFewDescriptors is the child: it says where it serves, logs to stdout,
// and ends with its stdin.
func serveWithFewDescriptors() {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	limit.Cur = 40
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	s := server.New(server.Options{Log: slog.New(slog.NewTextHandler(os.Stdout, nil))})
	s.Route("/ws", server.Route{Handler: echo{}})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.Close()
	}()
	fmt.Println("serving", l.Addr())
	fmt.Println("ended:", s.Serve(l))
}

// TestOutOfDescriptors: accept errors are survived and logged; once descriptors
// are free, clients are served again, and those that were connected never noticed.
func TestOutOfDescriptors(t *testing.T) {
	child := exec.CommandContext(within(t), os.Args[0])
	child.Env = append(os.Environ(), childVar+"=descriptors")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer stdin.Close()
	lines := make(chan string, 1000)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			lines <- in.Text()
		}
	}()
	first := receive(t, "the child's first line", lines)
	addr, ok := strings.CutPrefix(first, "serving ")
	if !ok {
		t.Fatalf("the child says %q", first)
	}
	s := running{nil, addr}
	old := s.dial(t, "/ws")
	wantEcho(t, old, "before")
	var idle []*raw
	for range 80 {
		idle = append(idle, dialRaw(t, addr))
	}
	for line := ""; !strings.Contains(line, "too many open files"); {
		line = receive(t, "an accept error in the log", lines)
		if strings.HasPrefix(line, "ended:") {
			t.Fatal(line)
		}
	}
	wantEcho(t, old, "meanwhile")
	for _, c := range idle {
		c.Close()
	}
	begin := time.Now()
	c := s.open(t, "/ws")
	c.send(t, string(text("after")))
	c.wantText(t, "after")
	t.Logf("served again after %v", time.Since(begin).Round(time.Millisecond))
	wantEcho(t, old, "after")
	stdin.Close()
	for line := ""; !strings.HasPrefix(line, "ended:"); {
		line = receive(t, "the child ends", lines)
	}
}
