package wire

import (
	"bytes"
	"math"
	"testing"
)

// The examples of RFC 6455 §5.7 and every form of the length of §5.2.
var headers = []struct {
	name  string
	bytes string
	h     Header
}{
	{"§5.7 unmasked text", "\x81\x05", Header{Fin: true, Opcode: Text, Length: 5}},
	{"§5.7 masked text", "\x81\x85\x37\xfa\x21\x3d", Header{Fin: true, Opcode: Text, Masked: true, Key: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Length: 5}},
	{"§5.7 first fragment", "\x01\x03", Header{Opcode: Text, Length: 3}},
	{"§5.7 last fragment", "\x80\x02", Header{Fin: true, Opcode: Continuation, Length: 2}},
	{"§5.7 ping", "\x89\x05", Header{Fin: true, Opcode: Ping, Length: 5}},
	{"§5.7 masked pong", "\x8a\x85\x37\xfa\x21\x3d", Header{Fin: true, Opcode: Pong, Masked: true, Key: [4]byte{0x37, 0xfa, 0x21, 0x3d}, Length: 5}},
	{"§5.7 256 bytes", "\x82\x7e\x01\x00", Header{Fin: true, Opcode: Binary, Length: 256}},
	{"§5.7 64 KiB", "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", Header{Fin: true, Opcode: Binary, Length: 65536}},
	{"empty", "\x82\x00", Header{Fin: true, Opcode: Binary}},
	{"125, the longest 7-bit length", "\x82\x7d", Header{Fin: true, Opcode: Binary, Length: 125}},
	{"126, the shortest 16-bit length", "\x82\x7e\x00\x7e", Header{Fin: true, Opcode: Binary, Length: 126}},
	{"65535, the longest 16-bit length", "\x82\x7e\xff\xff", Header{Fin: true, Opcode: Binary, Length: 65535}},
	{"masked 16-bit length", "\x82\xfe\x01\x02\x01\x02\x03\x04", Header{Fin: true, Opcode: Binary, Masked: true, Key: [4]byte{1, 2, 3, 4}, Length: 258}},
	{"2^62", "\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x00", Header{Fin: true, Opcode: Binary, Length: 1 << 62}},
	{"top bit set", "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", Header{Fin: true, Opcode: Binary, Length: 1 << 63}},
	{"all bits, masked", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x09\x08\x07\x06", Header{Fin: true, RSV: 7, Opcode: 15, Masked: true, Key: [4]byte{9, 8, 7, 6}, Length: math.MaxUint64}},
	{"RSV1", "\xc1\x00", Header{Fin: true, RSV: RSV1, Opcode: Text}},
	{"RSV2", "\xa1\x00", Header{Fin: true, RSV: RSV2, Opcode: Text}},
	{"RSV3", "\x91\x00", Header{Fin: true, RSV: RSV3, Opcode: Text}},
	{"reserved opcode", "\x03\x00", Header{Opcode: 3}},
}

func TestHeader(t *testing.T) {
	for _, c := range headers {
		h, n, ok := ParseHeader([]byte(c.bytes + "payload"))
		if !ok || n != len(c.bytes) || h != c.h {
			t.Errorf("%s: ParseHeader = %+v, %d, %v", c.name, h, n, ok)
		}
		if got := AppendHeader([]byte("before"), c.h); string(got) != "before"+c.bytes {
			t.Errorf("%s: AppendHeader = % x", c.name, got)
		}
		if c.h.Size() != len(c.bytes) {
			t.Errorf("%s: Size = %d", c.name, c.h.Size())
		}
		for cut := range len(c.bytes) {
			if h, n, ok := ParseHeader([]byte(c.bytes[:cut])); ok || n != 0 || h != (Header{}) {
				t.Errorf("%s: cut at %d: %+v, %d, %v", c.name, cut, h, n, ok)
			}
		}
	}
}

// TestHeaderLongForm: lengths not in their shortest form (§5.2) parse, and Size
// tells them from those that are.
func TestHeaderLongForm(t *testing.T) {
	for _, c := range []struct {
		bytes  string
		length uint64
	}{
		{"\x81\x7e\x00\x00", 0},
		{"\x81\x7e\x00\x7d", 125},
		{"\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05", 5},
		{"\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 65535},
		{"\x81\xfe\x00\x05\x01\x02\x03\x04", 5},
	} {
		h, n, ok := ParseHeader([]byte(c.bytes))
		if !ok || n != len(c.bytes) || h.Length != c.length {
			t.Errorf("% x: %+v, %d, %v", c.bytes, h, n, ok)
		}
		if h.Size() >= n {
			t.Errorf("% x: Size = %d, not below %d", c.bytes, h.Size(), n)
		}
	}
}

// TestHeaderBits: only the bits that exist are written.
func TestHeaderBits(t *testing.T) {
	got := AppendHeader(nil, Header{Opcode: 0xF1, RSV: 0xF8})
	if !bytes.Equal(got, []byte{0x01, 0x00}) {
		t.Errorf("% x", got)
	}
}

func TestOpcode(t *testing.T) {
	for op := Opcode(0); op < 16; op++ {
		if got, want := op.Control(), op >= 8; got != want {
			t.Errorf("%d.Control() = %v", op, got)
		}
		known := op <= 2 || op >= 8 && op <= 10
		if op.Reserved() == known {
			t.Errorf("%d.Reserved() = %v", op, !known)
		}
	}
	for op, want := range map[Opcode]string{
		Continuation: "continuation", Text: "text", Binary: "binary",
		Close: "close", Ping: "ping", Pong: "pong", 3: "reserved 0x3", 0xF: "reserved 0xf",
	} {
		if op.String() != want {
			t.Errorf("%d.String() = %q", op, op.String())
		}
	}
}

// FuzzHeader: what parses is written again as it was, in the shortest form.
func FuzzHeader(f *testing.F) {
	for _, c := range headers {
		f.Add([]byte(c.bytes))
	}
	f.Add([]byte("\x81\x7f\x00\x00\x00\x00\x00\x00\x00\x05"))
	f.Add([]byte("\x81\xfe\x00\x05\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, p []byte) {
		h, n, ok := ParseHeader(p)
		if !ok {
			if h != (Header{}) || n != 0 || len(p) >= MaxHeader {
				t.Fatalf("%+v, %d", h, n)
			}
			return
		}
		if n < h.Size() || n > len(p) || n > MaxHeader {
			t.Fatalf("%+v takes %d bytes, at least %d", h, n, h.Size())
		}
		out := AppendHeader(nil, h)
		if n == h.Size() && !bytes.Equal(out, p[:n]) {
			t.Fatalf("% x became % x", p[:n], out)
		}
		if again, n, ok := ParseHeader(out); !ok || again != h || n != len(out) || n != h.Size() {
			t.Fatalf("%+v became %+v", h, again)
		}
	})
}

func BenchmarkHeader(b *testing.B) {
	p := []byte("\x81\xfe\x01\x02\x01\x02\x03\x04")
	for range b.N {
		if _, _, ok := ParseHeader(p); !ok {
			b.Fatal()
		}
	}
}
