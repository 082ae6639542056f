package connect

import (
	"bytes"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/term"
)

// Editor is a terminal with line editing and history, on which messages may come while a line is typed.
type Editor struct {
	t           *term.Terminal
	out         *os.File
	interrupted atomic.Bool
	restore     func() error
	unwatch     func()
}

const ctrlC = 3

// NewEditor puts the terminal into raw mode until Close.
func NewEditor(in, out *os.File) (*Editor, error) {
	state, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	e := &Editor{out: out, restore: func() error { return term.Restore(int(in.Fd()), state) }}
	e.t = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&keys{in, e}, out}, "> ")
	resize := func() {
		if width, height, err := term.GetSize(int(out.Fd())); err == nil && width > 0 {
			_ = e.t.SetSize(width, height) // what cannot be redrawn stays as it is
		}
	}
	resize()
	e.unwatch = watchSize(resize)
	return e, nil
}

// Close takes the prompt away and gives the terminal back.
func (e *Editor) Close() error {
	e.unwatch()
	_, _ = io.WriteString(e.out, "\r\x1b[K")
	return e.restore()
}

// Write shows whole lines above the prompt.
func (e *Editor) Write(p []byte) (int, error) { return e.t.Write(p) }

func (e *Editor) print(line string) error {
	_, err := e.t.Write([]byte(line + "\n"))
	return err
}

// line returns the next line typed; io.EOF for Ctrl-D, and an *Error for Ctrl-C, which in raw mode is no signal.
func (e *Editor) line() (string, error) {
	line, err := e.t.ReadLine()
	if err == io.EOF && e.interrupted.Load() {
		return "", &Error{Status: StatusInterrupt}
	}
	return line, err
}

// keys sees Ctrl-C go by: for the line editor it is the end of input.
type keys struct {
	in *os.File
	e  *Editor
}

func (k *keys) Read(p []byte) (int, error) {
	n, err := k.in.Read(p)
	if bytes.IndexByte(p[:n], ctrlC) >= 0 {
		k.e.interrupted.Store(true)
	}
	return n, err
}
