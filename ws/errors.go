package ws

import (
	"errors"
	"net/http"
	"strconv"

	"duplex/protocol"
	"duplex/wire"
)

// CloseError says how a connection ended: Read, Write, Ping and their kind return
// one, possibly wrapped, once it has. A peer that closed normally is a
// CloseError with code 1000.
type CloseError = protocol.CloseError

// Fault is a rule of the RFC that the peer broke, or a limit of ours; it is the
// Err of a CloseError.
type Fault = protocol.Fault

// CloseCode is the status code of a Close frame (RFC 6455 §7.4).
type CloseCode = wire.CloseCode

// The status codes (RFC 6455 §7.4.1 and the IANA registry).
const (
	CloseNormal             = wire.CloseNormal
	CloseGoingAway          = wire.CloseGoingAway
	CloseProtocolError      = wire.CloseProtocolError
	CloseUnsupportedData    = wire.CloseUnsupportedData
	CloseNoStatus           = wire.CloseNoStatus
	CloseAbnormal           = wire.CloseAbnormal
	CloseInvalidPayload     = wire.CloseInvalidPayload
	ClosePolicyViolation    = wire.ClosePolicyViolation
	CloseMessageTooBig      = wire.CloseMessageTooBig
	CloseMandatoryExtension = wire.CloseMandatoryExtension
	CloseInternalError      = wire.CloseInternalError
	CloseServiceRestart     = wire.CloseServiceRestart
	CloseTryAgainLater      = wire.CloseTryAgainLater
	CloseBadGateway         = wire.CloseBadGateway
)

// MessageType is wire.Text or wire.Binary.
type MessageType = wire.Opcode

// The two types of message (RFC 6455 §5.6).
const (
	Text   = wire.Text
	Binary = wire.Binary
)

var (
	// ErrClosed: the connection was closed on our side.
	ErrClosed = errors.New("ws: the connection is closed")
	// ErrSlow: the peer reads too slowly and the message was left out, see
	// Policy.
	ErrSlow = errors.New("ws: the peer reads too slowly: its queue is full")
	// ErrPush: Read and Reader are for connections without a Handler.
	ErrPush = errors.New("ws: this connection has a Handler: messages go to its Message method")
	// ErrReading: another Read or Reader is under way.
	ErrReading = errors.New("ws: another Read is under way: one goroutine reads at a time")
)

// CloseStatus returns the code of the CloseError in err's chain, and 0 when
// there is none.
func CloseStatus(err error) CloseCode {
	var ce *CloseError
	if errors.As(err, &ce) {
		return ce.Code
	}
	return 0
}

// HandshakeError is an opening handshake that failed, on either side.
type HandshakeError struct {
	// Status is the HTTP status: what Accept answered with, or what Dial got; 0
	// when no response came.
	Status int
	// Header of the response that Dial got.
	Header http.Header
	// Body is the beginning of that response's body, at most 1 KiB.
	Body []byte
	// Err says what was wrong.
	Err error
}

// Error names the status, the fault and the beginning of the body.
func (e *HandshakeError) Error() string {
	s := "ws: handshake failed"
	if e.Status != 0 {
		s += " with status " + strconv.Itoa(e.Status)
		if t := http.StatusText(e.Status); t != "" {
			s += " " + t
		}
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if len(e.Body) > 0 {
		const most = 200
		s += ": " + strconv.Quote(string(e.Body[:min(len(e.Body), most)]))
	}
	return s
}

// Unwrap returns Err.
func (e *HandshakeError) Unwrap() error { return e.Err }
