package protocol

import (
	"testing"

	"duplex/wire"
)

// TestLegal has one row for every framing rule, each tried in both roles; the
// mask bit is right unless the row is about it.
func TestLegal(t *testing.T) {
	type l = legality
	const big = 1 << 63
	for _, c := range []struct {
		rule string
		l    l
		h    wire.Header
		want *Fault
	}{
		{"§5.1 the mask", l{}, wire.Header{Opcode: wire.Text, Fin: true}, nil},
		{"§5.2 RSV1", l{}, wire.Header{Opcode: wire.Text, Fin: true, RSV: 4}, ErrReservedBits},
		{"§5.2 RSV2", l{}, wire.Header{Opcode: wire.Text, Fin: true, RSV: 2}, ErrReservedBits},
		{"§5.2 RSV3", l{}, wire.Header{Opcode: wire.Binary, Fin: true, RSV: 1}, ErrReservedBits},
		{"§5.2 RSV on Close", l{}, wire.Header{Opcode: wire.Close, Fin: true, RSV: 7}, ErrReservedBits},
		{"RFC 7692 §6 RSV1 on text", l{codec: true}, wire.Header{Opcode: wire.Text, RSV: 4}, nil},
		{"RFC 7692 §6 RSV1 on binary", l{codec: true}, wire.Header{Opcode: wire.Binary, Fin: true, RSV: 4}, nil},
		{"RFC 7692 §6 no RSV1 on continuation", l{codec: true, inMessage: true}, wire.Header{Opcode: wire.Continuation, RSV: 4}, ErrReservedBits},
		{"RFC 7692 §6 no RSV1 on ping", l{codec: true}, wire.Header{Opcode: wire.Ping, Fin: true, RSV: 4}, ErrReservedBits},
		{"RFC 7692 §6 no RSV1 on Close", l{codec: true}, wire.Header{Opcode: wire.Close, Fin: true, RSV: 4}, ErrReservedBits},
		{"RFC 7692 §6 RSV2 stays reserved", l{codec: true}, wire.Header{Opcode: wire.Text, Fin: true, RSV: 6}, ErrReservedBits},
		{"§5.2 opcode 3", l{}, wire.Header{Opcode: 3, Fin: true}, ErrReservedOpcode},
		{"§5.2 opcode 7 inside a message", l{inMessage: true}, wire.Header{Opcode: 7, Fin: true}, ErrReservedOpcode},
		{"§5.2 opcode 11", l{}, wire.Header{Opcode: 11, Fin: true}, ErrReservedOpcode},
		{"§5.2 opcode 15", l{}, wire.Header{Opcode: 15, Fin: true, Length: 200}, ErrReservedOpcode},
		{"§5.5 fragmented ping", l{}, wire.Header{Opcode: wire.Ping}, ErrFragmentedControl},
		{"§5.5 fragmented Close", l{}, wire.Header{Opcode: wire.Close}, ErrFragmentedControl},
		{"§5.5 125 bytes", l{}, wire.Header{Opcode: wire.Pong, Fin: true, Length: 125}, nil},
		{"§5.5 126 bytes", l{}, wire.Header{Opcode: wire.Pong, Fin: true, Length: 126}, ErrLongControl},
		{"§5.5 before §5.2: long control with the top bit", l{}, wire.Header{Opcode: wire.Ping, Fin: true, Length: big}, ErrLongControl},
		{"§5.2 top bit", l{}, wire.Header{Opcode: wire.Binary, Fin: true, Length: big}, ErrLengthTopBit},
		{"§5.2 2^63-1", l{}, wire.Header{Opcode: wire.Binary, Fin: true, Length: big - 1}, nil},
		{"§5.2 long form, taken", l{size: 14}, wire.Header{Opcode: wire.Binary, Fin: true, Length: 5}, nil},
		{"§5.2 long form, strict", l{size: 14, strict: true}, wire.Header{Opcode: wire.Binary, Fin: true, Length: 5}, ErrLengthForm},
		{"§5.4 continuation of nothing", l{}, wire.Header{Opcode: wire.Continuation, Fin: true}, ErrOrphanContinuation},
		{"§5.4 continuation", l{inMessage: true}, wire.Header{Opcode: wire.Continuation}, nil},
		{"§5.4 text inside a message", l{inMessage: true}, wire.Header{Opcode: wire.Text, Fin: true}, ErrInterruptedMessage},
		{"§5.4 binary inside a message", l{inMessage: true}, wire.Header{Opcode: wire.Binary}, ErrInterruptedMessage},
		{"§5.4 ping inside a message", l{inMessage: true}, wire.Header{Opcode: wire.Ping, Fin: true}, nil},
	} {
		for _, role := range both {
			c.l.role, c.h.Masked = role, role == Server
			if c.l.size == 0 {
				c.l.size = c.h.Size()
			}
			if got := c.l.check(c.h); got != c.want {
				t.Errorf("%s, %v: %v", c.rule, role, got)
			}
		}
	}
}

// TestLegalMask: §5.1 comes before every other rule.
func TestLegalMask(t *testing.T) {
	for op := wire.Opcode(0); op < 16; op++ {
		for _, fin := range []bool{false, true} {
			h := wire.Header{Opcode: op, Fin: fin, RSV: byte(op) & 7, Length: 1 << 63}
			if got := (legality{role: Server}).check(h); got != ErrUnmasked {
				t.Errorf("unmasked %v to a server: %v", op, got)
			}
			h.Masked = true
			if got := (legality{role: Client}).check(h); got != ErrMasked {
				t.Errorf("masked %v to a client: %v", op, got)
			}
		}
	}
}

// TestLegalStrict: in strict mode a length has one form only.
func TestLegalStrict(t *testing.T) {
	for _, n := range []uint64{0, 125, 126, 65535, 65536} {
		h := wire.Header{Opcode: wire.Binary, Fin: true, Masked: true, Length: n}
		for size := 6; size <= 14; size += 2 {
			got := legality{strict: true, size: size}.check(h)
			if want := size == h.Size(); (got == nil) != want {
				t.Errorf("%d bytes in a header of %d: %v", n, size, got)
			}
		}
	}
}

func TestRoleString(t *testing.T) {
	if s := Server.String() + " " + Client.String(); s != "server client" {
		t.Error(s)
	}
}
