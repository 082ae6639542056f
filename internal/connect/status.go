package connect

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"duplex/internal/printable"
	"duplex/ws"
)

// The exit statuses of `duplex connect`.
const (
	StatusFailure   = 1 // no connection, nothing that matched in time, and whatever has no number of its own
	StatusUsage     = 2 // a wrong flag, URL or input
	StatusRefused   = 3 // the server answered the handshake with something else than 101
	StatusClosed    = 4 // closed with another code than 1000, 1001 and 1005
	StatusLost      = 5 // ended without a Close frame, 1006
	StatusInterrupt = 130
	StatusTerminate = 143
)

// Error is an end that is not good.
type Error struct {
	// Status is the exit status.
	Status int
	// Err says why in one line; nil when nothing is to be said.
	Err error
}

// Error returns Err's text.
func (e *Error) Error() string {
	if e.Err == nil {
		return "exit status " + strconv.Itoa(e.Status)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ExitStatus returns the status of the Error in err's chain, 0 for nil and 1 for another error.
func ExitStatus(err error) int {
	var e *Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.Status
	}
	return StatusFailure
}

// verdict turns how the connection ended into how we do.
func (s *session) verdict(e *ws.CloseError) error {
	text := fmt.Sprintf("closed by the server: %d (%v)", int(e.Code), e.Code)
	if e.Reason != "" && e.Remote {
		text += ": " + printable.Line(e.Reason)
	}
	switch {
	case e.Code == ws.CloseAbnormal:
		return &Error{StatusLost, fmt.Errorf("connection lost: %s", printable.Line(cause(e)))}
	case !e.Remote:
		return &Error{StatusClosed, fmt.Errorf("connection failed: %d (%v): %s", int(e.Code), e.Code, printable.Line(cause(e)))}
	case e.Code != ws.CloseNormal && e.Code != ws.CloseGoingAway && e.Code != ws.CloseNoStatus:
		return &Error{StatusClosed, errors.New(text)}
	case s.Count > 0:
		return &Error{StatusFailure, fmt.Errorf("%s before the connection was %s", s.missing(), text)}
	}
	s.note(text)
	return nil
}

func cause(e *ws.CloseError) string {
	switch {
	case errors.Is(e.Err, syscall.ECONNRESET):
		return "the server reset it without a Close frame"
	case e.Err != nil:
		return e.Err.Error()
	case e.Reason != "":
		return e.Reason
	}
	return "no reason is known"
}

// dialError says in one line why there is no connection.
func (s *session) dialError(ctx context.Context, err error) error {
	var stopped *Error
	var refused *ws.HandshakeError
	switch why := context.Cause(ctx); {
	case errors.As(why, &stopped):
		return stopped
	case why == errTimeout:
		return &Error{StatusFailure, fmt.Errorf("no connection within %v", s.Timeout)}
	case !errors.As(err, &refused):
		return &Error{StatusUsage, errors.New(printable.Line(strings.TrimPrefix(err.Error(), "ws: ")))}
	case refused.Status != 0:
		return &Error{StatusRefused, errors.New(answer(refused))}
	}
	return &Error{StatusFailure, fmt.Errorf("cannot connect: %s", printable.Line(networkText(refused.Err)))}
}

// answer describes a response that is no 101, or one that is and breaks a rule.
func answer(e *ws.HandshakeError) string {
	text := strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status))
	if e.Status == http.StatusSwitchingProtocols || e.Status < 300 {
		return printable.Line(fmt.Sprintf("the server did not agree to a WebSocket: %s: %v", text, e.Err))
	}
	text = "the server refused with " + text
	const most = 200
	body, left := printable.Cut(strings.TrimSpace(string(e.Body)), most)
	if body != "" {
		text += ": " + body
		if left > 0 {
			text += "…"
		}
	}
	switch e.Status {
	case http.StatusUnauthorized:
		text += " (give user:password@ in the URL, or --header \"Authorization: …\")"
	case http.StatusProxyAuthRequired:
		text += " (give user:password@ in the URL of --proxy)"
	}
	return printable.Line(text)
}

// networkText puts what to do behind the errors that people meet.
func networkText(err error) string {
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("there is no host named %q", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%v (nothing listens there)", err)
	case errors.As(err, &unknown):
		return "the server's certificate is not from an authority known here: give its CA with --ca FILE, or accept any with --insecure"
	case errors.As(err, &name):
		return fmt.Sprintf("%v: connect by a name that it is for, or accept any with --insecure", name)
	case errors.As(err, &invalid):
		return fmt.Sprintf("the server's certificate: %v (--insecure accepts any)", invalid)
	}
	return err.Error()
}
