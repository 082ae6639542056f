package protocol

import "duplex/wire"

// Role says which end of the connection the machine is.
type Role uint8

// The two ends. They differ in who masks (RFC 6455 §5.1) and in who ends TCP
// (§7.1.1), in nothing else.
const (
	Server Role = iota
	Client
)

// String returns "server" or "client".
func (r Role) String() string {
	if r == Client {
		return "client"
	}
	return "server"
}

// legality is all that decides, besides the header itself, whether a frame may
// come now.
type legality struct {
	role      Role
	inMessage bool // a fragmented message is open
	codec     bool // RSV1 has the meaning of RFC 7692 §6
	strict    bool
	size      int // bytes that the header took on the wire
}

// check is all of RFC 6455's framing rules about one header: nil, or the first
// rule it breaks. It looks at nothing but its arguments.
func (l legality) check(h wire.Header) *Fault {
	op := h.Opcode
	switch {
	// §5.1: a client masks every frame, a server none.
	case l.role == Server && !h.Masked:
		return ErrUnmasked
	case l.role == Client && h.Masked:
		return ErrMasked
	// §5.2: reserved bits are 0 unless an extension was agreed on. RFC 7692 §6
	// gives RSV1 a meaning on the first frame of a data message only.
	case h.RSV != 0 && !(l.codec && h.RSV == wire.RSV1 && (op == wire.Text || op == wire.Binary)):
		return ErrReservedBits
	case op.Reserved():
		return ErrReservedOpcode
	// §5.5: control frames are short and whole.
	case op.Control() && !h.Fin:
		return ErrFragmentedControl
	case op.Control() && h.Length > wire.MaxControl:
		return ErrLongControl
	// §5.2: "the most significant bit MUST be 0".
	case h.Length > 1<<63-1:
		return ErrLengthTopBit
	// §5.2: "the minimal number of bytes MUST be used". ESP-IDF's server sends
	// 65535 bytes in the 64-bit form, so this is refused on request only.
	case l.strict && l.size != h.Size():
		return ErrLengthForm
	// §5.4: a message's frames are not interleaved with another's.
	case op == wire.Continuation && !l.inMessage:
		return ErrOrphanContinuation
	case (op == wire.Text || op == wire.Binary) && l.inMessage:
		return ErrInterruptedMessage
	}
	return nil
}
