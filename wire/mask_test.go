package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// slowMask is §5.3 as it stands there.
func slowMask(p []byte, key [4]byte, pos int) []byte {
	out := make([]byte, len(p))
	for i := range p {
		out[i] = p[i] ^ key[(pos+i)%4]
	}
	return out
}

func noise(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// TestMask: every length up to three rounds of the fast loop, at every
// alignment and every offset in the payload; what is around stays.
func TestMask(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for n := range 200 {
		for align := range 9 {
			for pos := range 8 {
				buf := noise(align + n + 9)
				before := bytes.Clone(buf)
				Mask(buf[align:align+n], key, pos)
				want := append(bytes.Clone(before[:align]), slowMask(before[align:align+n], key, pos)...)
				want = append(want, before[align+n:]...)
				if !bytes.Equal(buf, want) {
					t.Fatalf("length %d, alignment %d, offset %d", n, align, pos)
				}
			}
		}
	}
}

// TestMaskASCII: one byte over 127, wherever it stands, is noticed.
func TestMaskASCII(t *testing.T) {
	key := [4]byte{0x37, 0xfa, 0x21, 0xbd}
	for n := range 150 {
		text := bytes.Repeat([]byte{0x7F}, n)
		p := slowMask(text, key, 3)
		if !MaskASCII(p, key, 3) || !bytes.Equal(p, text) {
			t.Fatalf("length %d: not ASCII", n)
		}
		for i := range n {
			text[i] = 0x80
			if MaskASCII(slowMask(text, key, 1), key, 1) {
				t.Fatalf("length %d: 0x80 at %d passes for ASCII", n, i)
			}
			text[i] = 0x7F
		}
	}
}

// TestAppendMasked: with room and without, and the source is left alone.
func TestAppendMasked(t *testing.T) {
	key := [4]byte{1, 2, 3, 0x84}
	for n := range 200 {
		src := noise(n)
		for _, room := range []int{0, n / 2, n, n + 50} {
			dst := append(make([]byte, 0, 2+room), "hi"...)
			got := AppendMasked(dst, src, key)
			if want := append([]byte("hi"), slowMask(src, key, 0)...); !bytes.Equal(got, want) {
				t.Fatalf("length %d, room %d: % x", n, room, got)
			}
			if !bytes.Equal(src, noise(n)) {
				t.Fatalf("length %d: the source was changed", n)
			}
		}
	}
}

// FuzzMask: masked in two pieces, cut anywhere, it is the RFC's loop.
func FuzzMask(f *testing.F) {
	f.Add([]byte("Hello"), uint32(0x37fa213d), uint(2))
	f.Add(noise(200), uint32(0xffffffff), uint(63))
	f.Add(noise(131), uint32(0x80000000), uint(128))
	f.Add([]byte{}, uint32(1), uint(0))
	f.Fuzz(func(t *testing.T, p []byte, k uint32, cut uint) {
		key := [4]byte{byte(k >> 24), byte(k >> 16), byte(k >> 8), byte(k)}
		at := int(cut % uint(len(p)+1))
		got := bytes.Clone(p)
		Mask(got[at:], key, at)
		ascii := MaskASCII(got[:at], key, 0)
		if !bytes.Equal(got, slowMask(p, key, 0)) {
			t.Fatalf("cut at %d", at)
		}
		for _, c := range got[:at] {
			if c >= 0x80 && ascii {
				t.Fatal("not ASCII")
			}
		}
		if app := AppendMasked(nil, p, key); !bytes.Equal(app, got) {
			t.Fatal("AppendMasked")
		}
		Mask(got, key, 0)
		if !bytes.Equal(got, p) {
			t.Fatal("twice is not the identity")
		}
	})
}

func BenchmarkMask(b *testing.B) {
	for _, n := range []int{5, 16, 125, 1 << 10, 16 << 10, 1 << 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for range b.N {
				Mask(p, [4]byte{1, 2, 3, 4}, 0)
			}
		})
	}
}
