//go:build unix

package foreign

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

func TestKillReachesTheWholeGroup(t *testing.T) {
	// Both processes hold the pipe's write end, so its end is seen when neither lives any more. (To ask the
	// system for the group would also find a zombie that nobody has collected yet.)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := play("parent")
	cmd.ExtraFiles = []*os.File{w}
	p := Start(t, cmd, `child is (\d+)`)
	w.Close()
	p.Line(`listening`) // the child's own line: it runs
	p.Kill()
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after Kill the child %s still holds its pipe: %v", p.Ready[1], err)
	}
}
