package wire

import "encoding/binary"

// Mask applies the masking key to p in place (RFC 6455 §5.3); applied twice it
// gives p back. pos is the offset of p[0] in the frame's payload, so that a
// payload can be masked piece by piece.
func Mask(p []byte, key [4]byte, pos int) {
	maskTo(p, p, key, pos)
}

// MaskASCII is Mask and reports whether p is ASCII afterwards, which spares
// most texts another pass for their UTF-8. True for an empty p.
func MaskASCII(p []byte, key [4]byte, pos int) bool {
	return maskTo(p, p, key, pos)&highBits == 0
}

// AppendMasked appends src, masked with key from offset 0, to dst. src is left
// alone and must not overlap the bytes appended.
func AppendMasked(dst, src []byte, key [4]byte) []byte {
	n := len(dst)
	if cap(dst)-n < len(src) {
		dst = append(dst, src...) // for the growing
	}
	dst = dst[:n+len(src)]
	maskTo(dst[n:], src, key, 0)
	return dst
}

const highBits = 0x8080808080808080

// maskTo works in 64-bit words, eight at a time: the compiler turns these
// calls into plain loads and stores, and the bounds checks into one a round.
// It returns all bytes written, ORed into one word.
func maskTo(dst, src []byte, key [4]byte, pos int) (or uint64) {
	le := binary.LittleEndian
	k32 := le.Uint32(key[:])
	if r := uint(pos&3) * 8; r != 0 {
		k32 = k32>>r | k32<<(32-r)
	}
	k := uint64(k32)<<32 | uint64(k32)
	dst = dst[:len(src)]
	for len(src) >= 64 {
		d, s := dst[:64:64], src[:64:64]
		w0, w1, w2, w3 := le.Uint64(s[0:])^k, le.Uint64(s[8:])^k, le.Uint64(s[16:])^k, le.Uint64(s[24:])^k
		le.PutUint64(d[0:], w0)
		le.PutUint64(d[8:], w1)
		le.PutUint64(d[16:], w2)
		le.PutUint64(d[24:], w3)
		or |= w0 | w1 | w2 | w3
		w0, w1, w2, w3 = le.Uint64(s[32:])^k, le.Uint64(s[40:])^k, le.Uint64(s[48:])^k, le.Uint64(s[56:])^k
		le.PutUint64(d[32:], w0)
		le.PutUint64(d[40:], w1)
		le.PutUint64(d[48:], w2)
		le.PutUint64(d[56:], w3)
		or |= w0 | w1 | w2 | w3
		dst, src = dst[64:], src[64:]
	}
	for len(src) >= 8 {
		w := le.Uint64(src) ^ k
		le.PutUint64(dst, w)
		or |= w
		dst, src = dst[8:], src[8:]
	}
	if len(src) >= 4 {
		w := le.Uint32(src) ^ k32
		le.PutUint32(dst, w)
		or |= uint64(w)
		dst, src = dst[4:], src[4:]
	}
	for i, c := range src {
		c ^= byte(k32)
		dst[i] = c
		or |= uint64(c)
		k32 >>= 8
	}
	return or
}
