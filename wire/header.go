package wire

import "encoding/binary"

// Sizes fixed by RFC 6455 §5.2 and §5.5.
const (
	// MaxHeader is the longest frame header: 2 bytes, a 64-bit length, a mask key.
	MaxHeader = 14
	// MaxControl is the longest payload of a control frame (§5.5).
	MaxControl = 125
)

// The reserved bits as they stand in Header.RSV.
const (
	RSV1 byte = 4
	RSV2 byte = 2
	RSV3 byte = 1
)

// Header is the header of one frame (RFC 6455 §5.2), a comparable value.
type Header struct {
	// Length of the payload in bytes, as announced. The peer may announce
	// anything up to 2^64-1: check it before any conversion to int.
	Length uint64
	// Key is the masking key; meaningful only when Masked.
	Key    [4]byte
	Opcode Opcode
	Fin    bool
	Masked bool
	// RSV holds the three reserved bits: RSV1 = 4, RSV2 = 2, RSV3 = 1.
	RSV byte
}

// Size returns the bytes of the shortest header that says h, 2 to 14. A parsed
// header that took more was not in the shortest form (§5.2).
func (h Header) Size() int {
	n := 2
	switch {
	case h.Length > 0xFFFF:
		n += 8
	case h.Length > MaxControl:
		n += 2
	}
	if h.Masked {
		n += 4
	}
	return n
}

// ParseHeader reads the frame header at the start of p and the number of bytes
// that it takes; ok is false when p does not hold all of it yet. Every bit
// pattern parses: nothing is judged here, neither reserved bits and opcodes nor
// lengths that are not in the shortest form or have the top bit set.
func ParseHeader(p []byte) (h Header, n int, ok bool) {
	if len(p) < 2 {
		return h, 0, false
	}
	h.Fin = p[0]&0x80 != 0
	h.RSV = p[0] >> 4 & 7
	h.Opcode = Opcode(p[0] & 0xF)
	h.Masked = p[1]&0x80 != 0
	n = 2
	switch short := p[1] & 0x7F; short {
	case 126:
		if len(p) < 4 {
			return Header{}, 0, false
		}
		h.Length = uint64(binary.BigEndian.Uint16(p[2:]))
		n = 4
	case 127:
		if len(p) < 10 {
			return Header{}, 0, false
		}
		h.Length = binary.BigEndian.Uint64(p[2:])
		n = 10
	default:
		h.Length = uint64(short)
	}
	if h.Masked {
		if len(p) < n+4 {
			return Header{}, 0, false
		}
		h.Key = [4]byte(p[n:])
		n += 4
	}
	return h, n, true
}

// AppendHeader appends h to dst, the length in its shortest form (§5.2).
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode)&0xF | h.RSV&7<<4
	if h.Fin {
		b0 |= 0x80
	}
	var b1 byte
	if h.Masked {
		b1 = 0x80
	}
	switch {
	case h.Length > 0xFFFF:
		dst = append(dst, b0, b1|127)
		dst = binary.BigEndian.AppendUint64(dst, h.Length)
	case h.Length > MaxControl:
		dst = append(dst, b0, b1|126, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b0, b1|byte(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Key[:]...)
	}
	return dst
}
