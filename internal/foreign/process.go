package foreign

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for a foreign program. It is for a hung one only: on a loaded machine a
// browser takes many seconds to start.
const patience = 60 * time.Second

// Process is a program that runs until it ends or the test does. Its methods may be called from any
// goroutine; those that can fail the test (Line, Wait) only from the test's own.
type Process struct {
	// Ready is the line that Start waited for: the whole match, then its groups.
	Ready []string

	t     testing.TB
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has ended and its output is complete
	err   error         // how it ended; read after ended

	mu    sync.Mutex
	text  strings.Builder
	wrote chan struct{} // closed and replaced whenever text grows
}

// Start runs cmd in a process group of its own, waits until a line of its output (standard output and
// standard error together) matches the regular expression ready, and returns. With ready == "" it does
// not wait. It fails the test when the program cannot start, ends before that line, or is silent for a
// minute. When the test ends the whole group is killed; if the test failed, the output is logged.
func Start(t testing.TB, cmd *exec.Cmd, ready string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: cmd, ended: make(chan struct{}), wrote: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = (*sink)(p), (*sink)(p)
	// A grandchild that outlives the program keeps the pipes open; Wait must not hang on it.
	cmd.WaitDelay = 2 * time.Second
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", p.name(), err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", p.name(), p.Output())
		}
	})
	if ready != "" {
		p.Ready = p.Line(ready)
	}
	return p
}

// Line waits until a line of the output, from its very beginning, matches the regular expression pattern
// and returns the first match and its groups. It fails the test when the program ends without such a
// line, or after a minute.
func (p *Process) Line(pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		ended := isClosed(p.ended) // before the output is read: what was printed last counts too
		text, wrote := p.output()
		if !ended {
			// A match inside a line still being written could be cut short: "port 80" of "port 8080".
			text = text[:strings.LastIndexByte(text, '\n')+1]
		}
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
		if ended {
			p.t.Fatalf("%s ended (%s) without printing a line like %q; it printed:\n%s", p.name(), p.outcome(), pattern, text)
		}
		select {
		case <-wrote:
		case <-p.ended:
		case <-timeout.C:
			p.t.Fatalf("%s did not print a line like %q within %v; it printed:\n%s", p.name(), pattern, patience, text)
		}
	}
}

// Output returns what the program has printed so far, standard output and standard error in the order of arrival.
func (p *Process) Output() string {
	text, _ := p.output()
	return text
}

// Wait waits until the program ends by itself and returns how, nil for exit status 0. It fails the test
// when that takes longer than a minute.
func (p *Process) Wait() error {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("%s still runs after %v; it printed:\n%s", p.name(), patience, p.Output())
	}
	return p.err
}

// Signal sends sig to the program alone, not to its group.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Kill ends the program and every process of its group at once and waits until it is gone.
func (p *Process) Kill() {
	killGroup(p.cmd)
	<-p.ended
}

func (p *Process) output() (string, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String(), p.wrote
}

func (p *Process) outcome() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

func (p *Process) name() string {
	args := p.cmd.Args
	if len(args) > 4 {
		return fmt.Sprintf("%q and %d more arguments", args[:4], len(args)-4)
	}
	return fmt.Sprintf("%q", args)
}

// sink takes the output; a type of its own so that Process is no io.Writer to its users.
type sink Process

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	close(s.wrote)
	s.wrote = make(chan struct{})
	return len(b), nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
