package connect

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"duplex/internal/printable"
	"duplex/ws"
)

// message is something to send.
type message struct {
	typ  ws.MessageType
	data []byte
}

// parseSends reads Config.Send before there is a connection: a mistake in it is one of usage.
func (s *session) parseSends() ([]message, error) {
	var all []message
	for _, text := range s.Send {
		m, err := s.parse(text)
		if err != nil {
			return nil, &Error{StatusUsage, fmt.Errorf("--send: %w", err)}
		}
		all = append(all, m)
	}
	return all, nil
}

// parse makes a message of a line. Without Prefixed any text is itself; with it hex: and b64: are binary, file: is the
// content of a file as binary, and text: is for text that begins with one of these.
func (s *session) parse(line string) (message, error) {
	kind, rest, ok := strings.Cut(line, ":")
	if !s.Prefixed || !ok {
		kind = ""
	}
	var data []byte
	var err error
	switch kind {
	case "hex":
		data, err = hex.DecodeString(strings.Join(strings.Fields(rest), ""))
	case "b64":
		data, err = base64.StdEncoding.DecodeString(rest)
	case "file":
		data, err = os.ReadFile(rest)
	case "text":
		line = rest
		fallthrough
	default:
		if !utf8.ValidString(line) {
			return message{}, errors.New("this is not UTF-8, as a text message must be (RFC 6455 §5.6): with --input prefixed, hex:, b64: and file: send bytes")
		}
		return message{ws.Text, []byte(line)}, nil
	}
	if err != nil {
		return message{}, fmt.Errorf("bad %s: input: %w", kind, err)
	}
	return message{ws.Binary, data}, nil
}

// sendLines sends the lines of Edit or In and returns errInput at their end, nil when the connection ends before it.
func (s *session) sendLines() error {
	next := s.Edit.line
	if s.Edit == nil {
		if s.In == nil {
			return errInput
		}
		next = lines(s.In)
	}
	for n := 1; ; n++ {
		line, err := next()
		switch {
		case err == io.EOF:
			return errInput
		case err != nil:
			return err
		}
		m, err := s.parse(line)
		switch {
		case err != nil && s.Typed:
			s.note(err.Error() + " (not sent)")
		case err != nil:
			return &Error{StatusUsage, fmt.Errorf("line %d: %w", n, err)}
		case !s.write(m):
			return nil
		}
	}
}

// lines returns a function that gives line after line without its end, LF or CRLF. A last line without one counts.
func lines(r io.Reader) func() (string, error) {
	b := bufio.NewReader(r)
	return func() (string, error) {
		line, err := b.ReadString('\n')
		switch {
		case err == io.EOF && line == "":
			return "", io.EOF
		case err != nil && err != io.EOF:
			return "", &Error{StatusFailure, fmt.Errorf("cannot read the input: %w", err)}
		}
		line, ok := strings.CutSuffix(line, "\n")
		if ok {
			line = strings.TrimSuffix(line, "\r")
		}
		return line, nil
	}
}

// show prints a message.
func (s *session) show(typ ws.MessageType, p []byte) error {
	var out []byte
	switch {
	case s.Edit != nil:
		return s.Edit.print("< " + visible(typ, p))
	case s.Marks:
		out = []byte("< " + visible(typ, p) + "\n")
	case typ == ws.Text:
		out = append(p, '\n')
	case s.Raw:
		out = p
	default:
		out = append(hex.AppendEncode([]byte("hex:"), p), '\n')
	}
	_, err := s.Out.Write(out)
	return err
}

// visible is a message for a terminal.
func visible(typ ws.MessageType, p []byte) string {
	if typ == ws.Text {
		return printable.Block(string(p), "  ")
	}
	return "hex:" + hex.EncodeToString(p)
}

// noteSent shows on a terminal what nobody typed.
func (s *session) noteSent(m message) {
	line := "> " + visible(m.typ, m.data)
	if s.Edit != nil {
		_ = s.Edit.print(line) // the terminal's end is told by its input
		return
	}
	s.status(line)
}

// note says what happens besides messages.
func (s *session) note(text string) { s.status("* " + text) }

func (s *session) status(line string) {
	if s.Status != nil {
		_, _ = io.WriteString(s.Status, line+"\n") // nowhere to complain
	}
}
