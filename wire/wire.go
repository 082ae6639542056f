// Package wire is the WebSocket frame as bytes (RFC 6455 §5.2): header, mask,
// close payload and UTF-8, as pure functions on slices; only the check of a text
// that comes in pieces has a state, UTF8. It knows no connection and allocates
// nothing; what is legal when is package protocol's business.
//
//	h, n, ok := wire.ParseHeader(buf)     // ok is false: more bytes are wanted
//	payload := buf[n : n+int(h.Length)]   // after h.Length was checked against a limit
//	if h.Masked {
//		wire.Mask(payload, h.Key, 0)
//	}
package wire

// Opcode says what a frame carries (RFC 6455 §5.2, §11.8).
type Opcode byte

// The opcodes of RFC 6455. 3–7 and 11–15 are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether o is a control opcode: 8 to 15 (RFC 6455 §5.5).
func (o Opcode) Control() bool { return o&0x8 != 0 }

// Reserved reports whether o has no meaning yet: 3 to 7 and 11 to 15.
func (o Opcode) Reserved() bool { return o&0x7 > 2 }

// String returns the lower-case name of o, "reserved 0x3" for one without.
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "reserved 0x" + string("0123456789abcdef"[o&0xF])
}
