package wire

import "unicode/utf8"

// UTF8 checks a text that comes in pieces (RFC 6455 §8.1). The zero value is
// ready; a piece may end inside a character, and the first byte that cannot
// be continued to valid UTF-8 is reported with the piece it is in.
type UTF8 struct {
	open [utf8.UTFMax - 1]byte // the start of a character not yet whole
	n    uint8
}

// Write takes the next piece and reports whether the text can still be valid.
// After false the state has no meaning: Reset before another text.
func (u *UTF8) Write(p []byte) bool {
	if u.n > 0 {
		var ok bool
		if p, ok = u.finish(p); !ok {
			return false
		}
	}
	tail := openTail(p)
	if !utf8.Valid(p[:len(p)-tail]) {
		return false
	}
	if tail > 0 {
		u.n = uint8(copy(u.open[:], p[len(p)-tail:]))
	}
	return true
}

// finish completes the open character with bytes of p and returns the rest.
func (u *UTF8) finish(p []byte) (rest []byte, ok bool) {
	var b [utf8.UTFMax]byte
	n := copy(b[:], u.open[:u.n])
	for i, c := range p {
		b[n] = c
		n++
		// FullRune is also true for what can no longer become a character:
		// this is what finds f4 90 at its second byte (U+110000 and above).
		if !utf8.FullRune(b[:n]) {
			continue
		}
		if r, size := utf8.DecodeRune(b[:n]); r == utf8.RuneError && size == 1 {
			return nil, false
		}
		u.n = 0
		return p[i+1:], true
	}
	u.n = uint8(copy(u.open[:], b[:n]))
	return nil, true
}

// openTail returns how many bytes at the end of p start a character that p
// does not finish: 0 to 3.
func openTail(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if c := p[len(p)-n]; utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRune(p[len(p)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// Whole reports whether what was written ends between characters.
func (u *UTF8) Whole() bool { return u.n == 0 }

// Reset makes u ready for another text.
func (u *UTF8) Reset() { u.n = 0 }
