package protocol

import (
	"unicode/utf8"

	"duplex/wire"
)

// quick delivers a message that is one frame and lies whole in the buffer,
// which is nearly every message there is. It is a short cut through header and
// data that decides nothing differently: what it is not sure of it leaves to
// them untouched.
func (m *Machine) quick(ev *Event) bool {
	p := m.buf[m.r:m.w]
	if len(p) < 2 || m.op != 0 || m.inside || m.wantParts || m.o.Frames {
		return false
	}
	op := wire.Opcode(p[0] & 0xF)
	if p[0] != 0x80|byte(wire.Text) && p[0] != 0x80|byte(wire.Binary) {
		return false // not whole, compressed, control or illegal
	}
	at, n := 2, int(p[1]&0x7F)
	if n > wire.MaxControl { // a length in a longer form
		if n != 126 || len(p) < 4 {
			return false
		}
		at, n = 4, int(p[2])<<8|int(p[3])
		if n <= wire.MaxControl {
			return false // not its shortest form
		}
	}
	masked := p[1]&0x80 != 0
	if masked {
		at += 4
	}
	if masked != (m.o.Role == Server) || len(p)-at < n {
		return false
	}
	if limit := m.maxMessage.Load(); limit >= 0 && int64(n) > limit {
		return false
	}
	data := p[at : at+n : at+n]
	ascii := masked && wire.MaskASCII(data, [4]byte(p[at-4:]), 0)
	if op == wire.Text && !ascii && !utf8.Valid(data) {
		m.fail(ErrInvalidUTF8)
		return false
	}
	m.r += at + n
	m.lentBuf = true
	// Field by field: a literal would be put together elsewhere and copied, in
	// wider pieces than it was written, for which the processor has to wait.
	ev.Kind, ev.Op, ev.Fin, ev.Data, ev.Total = MessageEvent, op, true, data, int64(n)
	return true
}
