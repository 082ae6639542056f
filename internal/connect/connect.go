// Package connect is what `duplex connect` does: it opens a WebSocket, sends lines, prints messages, and turns how it
// ended into an exit status.
//
//	err := connect.Run(ctx, connect.Config{URL: "ws://127.0.0.1:8080/ws", In: os.Stdin, Out: os.Stdout})
//	os.Exit(connect.ExitStatus(err))
package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"sync/atomic"
	"time"

	"duplex/internal/printable"
	"duplex/ws"
)

// DefaultLinger is how long it must be quiet behind the last input before Run closes.
const DefaultLinger = 300 * time.Millisecond

// Config of a Run. URL and Out are needed.
type Config struct {
	// URL to connect to; see ws.Dial.
	URL string
	// Dial says how; nil for the defaults.
	Dial *ws.DialOptions

	// Send are messages sent before anything is read from In.
	Send []string
	// In gives the lines to send; nil for none.
	In io.Reader
	// Prefixed reads "hex:", "b64:", "file:" and "text:" in front of a line or of a Send; see Parse.
	Prefixed bool

	// Out gets the messages: to a pipe or file one a line and verbatim, binary as hex.
	Out io.Writer
	// Raw writes binary messages to a pipe or file as they are, with nothing around them.
	Raw bool
	// Status gets what happens besides messages; nil for nothing.
	Status io.Writer
	// Marks says that Out is a terminal: messages get a mark in front and lose their control characters.
	Marks bool
	// Typed says that a person types In: its end closes at once.
	Typed bool
	// Edit, if set, is In and Out in one, with line editing, and has marks of its own.
	Edit *Editor

	// Expect ends Run well at the first message that matches; nil for any message.
	Expect *regexp.Regexp
	// Count ends Run well after so many messages that match; 0 for never, or for 1 with Expect.
	Count int
	// Timeout bounds everything; 0 for no bound. Without Expect and Count its end is a good one.
	Timeout time.Duration
	// Linger is how long it must be quiet behind the last input; 0 for DefaultLinger, negative for not at all.
	Linger time.Duration
	// Stay stays after the last input until the peer closes.
	Stay bool
}

// session is a Run under way.
type session struct {
	Config
	conn    *ws.Conn
	matched atomic.Int64
	last    atomic.Int64 // when the last message came, Unix nanoseconds
	ended   chan error   // of the goroutines; what comes first counts
}

var (
	errTimeout = errors.New("timeout")
	errDone    = errors.New("done") // all that was wanted is there
	errInput   = errors.New("the input has ended")
)

// Run connects and returns when the connection is over: nil for a good end, else an *Error. The end of ctx closes the
// connection with 1001; an *Error as its cause is returned then.
func Run(ctx context.Context, c Config) error {
	s := &session{Config: c, ended: make(chan error, 3)} // room for receive, send and quiet
	if s.Expect != nil && s.Count == 0 {
		s.Count = 1
	}
	if s.Linger == 0 {
		s.Linger = DefaultLinger
	}
	first, err := s.parseSends()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.Timeout > 0 {
		t := time.AfterFunc(s.Timeout, func() { cancel(errTimeout) })
		defer t.Stop()
	}
	s.conn, err = ws.Dial(ctx, s.URL, s.Dial)
	if err != nil {
		return s.dialError(ctx, err)
	}
	defer s.conn.CloseNow()
	s.greet()
	go s.receive()
	go s.send(first)
	return s.wait(ctx)
}

// greet says that the connection is open.
func (s *session) greet() {
	text := "connected to " + where(s.conn.Request().URL)
	if p := s.conn.Subprotocol(); p != "" {
		text += ", subprotocol " + p
	}
	if s.Typed {
		text += "; Ctrl-D closes"
	}
	s.note(text)
}

// receive prints the messages until the connection is over or all that was wanted is there.
func (s *session) receive() {
	for {
		typ, p, err := s.conn.Read(context.Background())
		if err != nil {
			s.ended <- err
			return
		}
		s.last.Store(time.Now().UnixNano())
		if err := s.show(typ, p); err != nil {
			s.ended <- &Error{StatusFailure, fmt.Errorf("cannot write the message: %w", err)}
			return
		}
		if s.Count > 0 && (s.Expect == nil || s.Expect.Match(p)) {
			if s.matched.Add(1) == int64(s.Count) {
				s.ended <- errDone
				return
			}
		}
	}
}

// send sends what Send and In have.
func (s *session) send(first []message) {
	for _, m := range first {
		if s.Edit != nil || s.Marks {
			s.noteSent(m)
		}
		if !s.write(m) {
			return
		}
	}
	if err := s.sendLines(); err != nil {
		s.ended <- err
	}
}

// write reports whether it is worth going on.
func (s *session) write(m message) bool {
	return s.conn.Write(context.Background(), m.typ, m.data) == nil // else receive knows better
}

// wait waits for the end and closes.
func (s *session) wait(ctx context.Context) error {
	for {
		var err error
		select {
		case err = <-s.ended:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		switch {
		case err == errInput && (s.Stay || !s.Typed && (s.Count > 0 || s.Timeout > 0)):
			// somebody else ends it
		case err == errInput && !s.Typed && s.Linger > 0:
			go s.quiet(ctx)
		default:
			return s.end(err)
		}
	}
}

// quiet waits until the replies to what was sent have come: until a ping sent behind it is answered, as most servers
// answer in order, and then until no message has come for Linger.
func (s *session) quiet(ctx context.Context) {
	const patience = 5 * time.Second // for a server that answers no pings
	pinged, cancel := context.WithTimeout(ctx, patience)
	_, _ = s.conn.Ping(pinged)
	cancel()
	since := time.Now()
	for {
		at := since
		if last := time.Unix(0, s.last.Load()); last.After(at) {
			at = last
		}
		left := time.Until(at.Add(s.Linger))
		if left <= 0 {
			s.ended <- errDone
			return
		}
		select {
		case <-time.After(left):
		case <-ctx.Done():
			return
		}
	}
}

// end closes for the reason given and says what became of it.
func (s *session) end(reason error) error {
	var failed *Error
	var over *ws.CloseError
	code := ws.CloseNormal
	switch {
	case errors.As(reason, &over):
		return s.verdict(over)
	case errors.As(reason, &failed):
		code = ws.CloseGoingAway
	case reason == errTimeout && s.Count > 0:
		failed = &Error{StatusFailure, fmt.Errorf("%s within %v", s.missing(), s.Timeout)}
	case reason == errInput && s.Count > 0:
		failed = &Error{StatusFailure, fmt.Errorf("%s before the input ended", s.missing())}
	}
	if reason == errTimeout || reason == errDone {
		// What has been decided is not put off by a server that does not answer.
		defer time.AfterFunc(closeGrace, s.conn.CloseNow).Stop()
	}
	err := s.conn.Close(code, "")
	switch {
	case failed != nil:
		return failed
	case err != nil && !(reason == errDone && s.Count > 0):
		if errors.As(err, &over) {
			return s.verdict(over)
		}
		return &Error{StatusFailure, err}
	}
	s.note(fmt.Sprintf("closed: %d (%v)", int(code), code))
	return nil
}

// closeGrace bounds the wait for the server's answer to our Close when nothing
// depends on it any more; else it is ws.DefaultCloseTimeout.
const closeGrace = time.Second

// missing says what Expect and Count still wait for.
func (s *session) missing() string {
	switch {
	case s.Expect != nil && s.Count == 1:
		return fmt.Sprintf("no message matched %q", s.Expect)
	case s.Expect != nil:
		return fmt.Sprintf("%d of %d messages that match %q came", s.matched.Load(), s.Count, s.Expect)
	}
	return fmt.Sprintf("%d of %d messages came", s.matched.Load(), s.Count)
}

// where is a URL without what may be secret: user information and query.
func where(u *url.URL) string {
	return printable.Line(u.Scheme + "://" + u.Host + u.EscapedPath())
}
