package protocol

import (
	"bytes"
	"fmt"
	"testing"

	"duplex/wire"
)

// benchSizes are those of the usual comparisons.
var benchSizes = []int{5, 16, 125, 1 << 10, 16 << 10, 1 << 20}

// maskedFrame is one frame as a client sends it.
func maskedFrame(op wire.Opcode, n int) []byte {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	h := wire.Header{Fin: true, Opcode: op, Masked: true, Key: key, Length: uint64(n)}
	return wire.AppendMasked(wire.AppendHeader(nil, h), bytes.Repeat([]byte{'a'}, n), key)
}

// BenchmarkRead is Space, Advance and Next for one whole message, and the Next
// that finds nothing more.
func BenchmarkRead(b *testing.B) {
	for _, op := range []wire.Opcode{wire.Text, wire.Binary} {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%v/%d", op, n), func(b *testing.B) {
				m := New(Options{Buffers: &recycler{}})
				in := maskedFrame(op, n)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for range b.N {
					for rest := in; len(rest) > 0; {
						k := copy(m.Space(), rest)
						rest = rest[k:]
						m.Advance(k)
						ev, ok, err := m.Next()
						if err != nil || ok != (len(rest) == 0) || ok && len(ev.Data) != n {
							b.Fatal(ev, ok, err)
						}
					}
					if _, ok, _ := m.Next(); ok {
						b.Fatal("a second event")
					}
				}
			})
		}
	}
}

// BenchmarkReadBatch reads messages of 16 bytes, 64 in a buffer; per message.
func BenchmarkReadBatch(b *testing.B) {
	m := New(Options{})
	in := bytes.Repeat(maskedFrame(wire.Text, 16), 64)
	b.ReportAllocs()
	for i := 0; i < b.N; {
		m.Advance(copy(m.Space(), in))
		for {
			_, ok, err := m.Next()
			if err != nil {
				b.Fatal(err)
			}
			if !ok {
				break
			}
			i++
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	for _, role := range []Role{Server, Client} {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%v/%d", role, n), func(b *testing.B) {
				m := New(Options{Role: role, Key: fixedKey})
				p := bytes.Repeat([]byte{'a'}, n)
				dst := make([]byte, 0, n+wire.MaxHeader)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for range b.N {
					if _, err := m.Message(dst, wire.Text, p); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPingPong(b *testing.B) {
	m := New(Options{})
	in := maskedFrame(wire.Ping, 8)
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for range b.N {
		m.Advance(copy(m.Space(), in))
		if _, ok, err := m.Next(); !ok {
			b.Fatal(err)
		}
		if len(m.Output(dst)) != 10 {
			b.Fatal("no pong")
		}
	}
}
