package foreign

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary play the foreign program: the tests below need no other.
func TestMain(m *testing.M) {
	switch os.Getenv("FOREIGN_TEST_PLAY") {
	case "":
		os.Exit(m.Run())
	case "serve":
		fmt.Fprintln(os.Stderr, "warming up")
		fmt.Println("listening on port 8080")
		time.Sleep(time.Hour)
	case "fail":
		fmt.Println("no such device")
		os.Exit(3)
	case "parent":
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), "FOREIGN_TEST_PLAY=serve")
		child.Stdout = os.Stdout
		child.ExtraFiles = []*os.File{os.NewFile(3, "pipe")}
		if err := child.Start(); err != nil {
			panic(err)
		}
		fmt.Println("child is", child.Process.Pid)
		time.Sleep(time.Hour)
	case "piecemeal":
		for _, part := range []string{"port 8", "08", "0\nthe end"} {
			fmt.Print(part)
			time.Sleep(20 * time.Millisecond)
		}
	}
}

func play(part string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FOREIGN_TEST_PLAY="+part)
	return cmd
}

func TestStartReturnsTheReadyLine(t *testing.T) {
	p := Start(t, play("serve"), `port (\d+)$`)
	if p.Ready[1] != "8080" {
		t.Errorf("Ready = %q, want port 8080", p.Ready)
	}
	if got := p.Line(`^warming`); got[0] != "warming" {
		t.Errorf("Line for an earlier line = %q", got)
	}
	p.Kill()
	if err := p.Wait(); err == nil {
		t.Error("Wait after Kill says exit status 0")
	}
}

func TestLineIsMatchedWhole(t *testing.T) {
	p := Start(t, play("piecemeal"), `port (\d+)`)
	if p.Ready[1] != "8080" {
		t.Errorf("Ready = %q, want the whole line", p.Ready)
	}
	if got := p.Line(`the end`); got[0] != "the end" {
		t.Errorf("last line without a line feed: %q", got)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// fatal is a test whose Fatalf is recorded; the rest it leaves to the real one.
type fatal struct {
	testing.TB
	said string
}

func (f *fatal) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	panic(f)
}

func TestProgramThatEndsTooEarlyIsNamedWithItsOutput(t *testing.T) {
	f := &fatal{TB: t}
	func() {
		defer func() { _ = recover() }()
		Start(f, play("fail"), `listening`)
	}()
	for _, want := range []string{"exit status 3", "no such device", "listening"} {
		if !strings.Contains(f.said, want) {
			t.Errorf("message %q does not say %q", f.said, want)
		}
	}
}

func TestProgramThatDoesNotExist(t *testing.T) {
	f := &fatal{TB: t}
	func() {
		defer func() { _ = recover() }()
		Start(f, exec.Command("no-such-program-here"), "")
	}()
	if !strings.Contains(f.said, "no-such-program-here") {
		t.Errorf("message %q does not name the program", f.said)
	}
}
