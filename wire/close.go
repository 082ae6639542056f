package wire

import "unicode/utf8"

// CloseCode is the status code of a Close frame (RFC 6455 §7.4).
type CloseCode uint16

// The registered status codes: RFC 6455 §7.4.1 and the IANA WebSocket Close
// Code Number Registry.
const (
	CloseNormal             CloseCode = 1000 // the purpose is fulfilled
	CloseGoingAway          CloseCode = 1001 // server going down, page left
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003 // a kind of data it cannot accept
	CloseNoStatus           CloseCode = 1005 // never sent: the Close frame had no code
	CloseAbnormal           CloseCode = 1006 // never sent: there was no Close frame
	CloseInvalidPayload     CloseCode = 1007 // data not of its type: text not UTF-8
	ClosePolicyViolation    CloseCode = 1008
	CloseMessageTooBig      CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010 // a client missed an extension
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
	CloseTLSHandshake       CloseCode = 1015 // never sent: TLS failed
)

// MaxReason is the longest close reason in bytes: a control frame's 125 less
// the code's two (RFC 6455 §5.5, §5.5.1).
const MaxReason = MaxControl - 2

// Sendable reports whether c may stand in a Close frame (RFC 6455 §7.4): 1000
// to 1003, 1007 to 1014, and 3000 to 4999 for libraries and applications.
func (c CloseCode) Sendable() bool {
	switch {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014:
		return true
	}
	return c >= 3000 && c <= 4999
}

// String returns the code's registered meaning in a few words.
func (c CloseCode) String() string {
	switch c {
	case CloseNormal:
		return "normal closure"
	case CloseGoingAway:
		return "going away"
	case CloseProtocolError:
		return "protocol error"
	case CloseUnsupportedData:
		return "unsupported data"
	case CloseNoStatus:
		return "no status code"
	case CloseAbnormal:
		return "no Close frame"
	case CloseInvalidPayload:
		return "invalid payload"
	case ClosePolicyViolation:
		return "policy violation"
	case CloseMessageTooBig:
		return "message too big"
	case CloseMandatoryExtension:
		return "mandatory extension missing"
	case CloseInternalError:
		return "internal error"
	case CloseServiceRestart:
		return "service restart"
	case CloseTryAgainLater:
		return "try again later"
	case CloseBadGateway:
		return "bad gateway"
	case CloseTLSHandshake:
		return "TLS handshake failed"
	}
	switch {
	case c >= 3000 && c <= 3999:
		return "registered by a library"
	case c >= 4000 && c <= 4999:
		return "private to the application"
	}
	return "unassigned"
}

// ParseClose splits the payload of a Close frame. An empty payload is
// CloseNoStatus; with a single byte ok is false (§5.5.1). The code is not
// judged (CloseCode.Sendable) and the reason, a part of p, not checked for
// UTF-8.
func ParseClose(p []byte) (code CloseCode, reason []byte, ok bool) {
	switch len(p) {
	case 0:
		return CloseNoStatus, nil, true
	case 1:
		return 0, nil, false
	}
	return CloseCode(p[0])<<8 | CloseCode(p[1]), p[2:], true
}

// AppendClose appends a Close frame's payload: nothing for CloseNoStatus, else
// the code and the reason, which is cut to MaxReason bytes at a character's
// border.
func AppendClose(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = append(dst, byte(code>>8), byte(code))
	return append(dst, TrimReason(reason)...)
}

// TrimReason returns as much of reason as a Close frame can carry: at most
// MaxReason bytes, cut between characters.
func TrimReason(reason string) string {
	if len(reason) <= MaxReason {
		return reason
	}
	n := MaxReason
	for n > MaxReason-utf8.UTFMax && !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}
