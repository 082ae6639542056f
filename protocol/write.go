package protocol

import (
	"errors"
	"unicode/utf8"

	"duplex/wire"
)

// Errors of the write half, for what we may not send.
var (
	// ErrClosing: the closing handshake has begun, or the connection failed.
	ErrClosing = errors.New("the connection is closing")
	// ErrNotUTF8: the text to send is not UTF-8 (RFC 6455 §5.6).
	ErrNotUTF8 = errors.New("text to send must be UTF-8; send other bytes as binary")
	// ErrSendOrder: a continuation without a message, or a message inside a
	// fragmented one (RFC 6455 §5.4).
	ErrSendOrder = errors.New("frame out of order: finish the fragmented message first, and begin it with text or binary")
	// ErrSendCode: a close code that must not be sent (RFC 6455 §7.4).
	ErrSendCode = errors.New("close code must be 1000-1003, 1007-1014 or 3000-4999")
	// ErrSendReason: a close reason over 123 bytes or not UTF-8 (§5.5.1).
	ErrSendReason = errors.New("close reason must be UTF-8 of at most 123 bytes")
)

// write is the write half: what we send is framed and masked.
type write struct {
	sending  wire.Opcode // the message begun by Frame; 0 for none
	sendText wire.UTF8
}

// frameTo appends a whole unfragmented frame.
func (m *Machine) frameTo(dst []byte, op wire.Opcode, p []byte) []byte {
	return m.payloadTo(dst, op, p, true)
}

func (m *Machine) payloadTo(dst []byte, op wire.Opcode, p []byte, fin bool) []byte {
	h := wire.Header{Fin: fin, Opcode: op, Length: uint64(len(p))}
	if m.o.Role == Client { // §5.1, §5.3: every frame, each with a fresh key
		h.Masked, h.Key = true, m.o.Key()
		return wire.AppendMasked(wire.AppendHeader(dst, h), p, h.Key)
	}
	return append(wire.AppendHeader(dst, h), p...)
}

// Message appends a whole message (wire.Text or wire.Binary), compressed if a
// Codec wants to. p is only read. Write half.
//
// Errors: ErrClosing, ErrNotUTF8, ErrSendOrder; dst comes back as it was.
func (m *Machine) Message(dst []byte, op wire.Opcode, p []byte) ([]byte, error) {
	if err := m.maySend(op); err != nil {
		return dst, err
	}
	if op == wire.Text && !utf8.Valid(p) {
		return dst, ErrNotUTF8
	}
	if m.o.Codec != nil {
		if out, ok := m.deflateTo(dst, op, p); ok {
			return out, nil
		}
	}
	return m.frameTo(dst, op, p), nil
}

// deflateTo appends p as one compressed frame (RFC 7692 §7.2.1), if the codec
// wants to. Its output goes behind room for the longest header, which is then
// written where it belongs and the payload moved up to it: the machine holds no
// memory for messages on their way out.
func (m *Machine) deflateTo(dst []byte, op wire.Opcode, p []byte) ([]byte, bool) {
	var room [wire.MaxHeader]byte
	start := len(dst)
	out, ok := m.o.Codec.Deflate(append(dst, room[:]...), p)
	if !ok {
		return dst, false
	}
	z := out[start+len(room):]
	h := wire.Header{Fin: true, RSV: wire.RSV1, Opcode: op, Length: uint64(len(z))}
	if m.o.Role == Client {
		h.Masked, h.Key = true, m.o.Key()
		wire.Mask(z, h.Key, 0)
	}
	return append(wire.AppendHeader(out[:start], h), z...), true
}

// maySend says whether a message may begin now.
func (m *Machine) maySend(op wire.Opcode) error {
	switch {
	case m.Closing():
		return ErrClosing
	case m.sending != 0, op != wire.Text && op != wire.Binary:
		return ErrSendOrder
	}
	return nil
}

// Begin appends only the header of a whole, uncompressed message of n payload
// bytes, which the caller sends right behind it, masked with the key returned
// if masked is true. It is for payloads too large to copy. Write half; errors
// as Message, but the caller answers for UTF-8.
func (m *Machine) Begin(dst []byte, op wire.Opcode, n int) (out []byte, key [4]byte, masked bool, err error) {
	if err := m.maySend(op); err != nil {
		return dst, key, false, err
	}
	h := wire.Header{Fin: true, Opcode: op, Length: uint64(n)}
	if m.o.Role == Client {
		h.Masked, h.Key = true, m.o.Key()
	}
	return wire.AppendHeader(dst, h), h.Key, h.Masked, nil
}

// Frame appends one data frame of a fragmented message (RFC 6455 §5.4): the
// first has opcode wire.Text or wire.Binary, the others wire.Continuation, the
// last fin. Text is checked across frames. Write half; errors as Message.
func (m *Machine) Frame(dst []byte, op wire.Opcode, p []byte, fin bool) ([]byte, error) {
	switch {
	case m.Closing():
		return dst, ErrClosing
	case op == wire.Continuation && m.sending == 0, op > wire.Binary,
		op != wire.Continuation && m.sending != 0:
		return dst, ErrSendOrder
	}
	kind, text := m.sending, m.sendText
	if op != wire.Continuation {
		kind, text = op, wire.UTF8{}
	}
	if kind == wire.Text && (!text.Write(p) || fin && !text.Whole()) {
		return dst, ErrNotUTF8
	}
	m.sending, m.sendText = kind, text
	if fin {
		m.sending = 0
	}
	return m.payloadTo(dst, op, p, fin), nil
}

// CheckClose says whether code and reason may stand in a Close frame that we
// send: nil, ErrSendCode or ErrSendReason. wire.CloseNoStatus with an empty
// reason stands for an empty frame.
func CheckClose(code wire.CloseCode, reason string) error {
	switch {
	case code == wire.CloseNoStatus && reason == "":
		return nil
	case !code.Sendable():
		return ErrSendCode
	case len(reason) > wire.MaxReason || !utf8.ValidString(reason):
		return ErrSendReason
	}
	return nil
}
