package protocol

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"duplex/wire"
)

// TestGrowth: memory follows the bytes that came, never the length announced,
// and a message is whole whatever way its bytes took.
func TestGrowth(t *testing.T) {
	for _, role := range both {
		for _, n := range []int{4000, 4096, 5000, 20000, 1 << 20} {
			for _, b0 := range []int{0x82, 0x02} { // one frame, and a first fragment
				l := &ledger{}
				e := newEcho(Options{Role: role, Buffers: l})
				whole := strings.Repeat("0123456789abcde", n/15+1)[:n]
				frame := frames(role, b0, whole)
				for at := 0; at < len(frame); {
					k := min(1+at/3, len(frame)-at)
					e.feed(frame[at:at+k], 0)
					at += k
					// While a body moves the old one is on loan as well.
					if limit := 5*at + minBody + DefaultReadBuffer; l.most > limit {
						t.Fatalf("%d of %d bytes came: %d on loan, over %d", at, n, l.most, limit)
					}
				}
				if b0 == 0x02 {
					e.feed(frames(role, 0x80, "."), 0)
					whole += "."
				}
				equalLog(t, e.log, echoes("binary", whole))
				if e.m.Advance(0); l.now != 0 {
					t.Errorf("%d bytes stay on loan", l.now)
				}
			}
		}
	}
}

// TestInPlace: what lies whole in the buffer is not copied.
func TestInPlace(t *testing.T) {
	m := New(Options{ReadBuffer: 4096})
	for _, n := range []int{0, 5, 125, 126, 4096} {
		in := frames(Server, 0x82, strings.Repeat("x", n))
		for _, cut := range []int{len(in), len(in) - 1, 7, 1} {
			var ev Event
			var ok bool
			for rest := in; len(rest) > 0; {
				k := copy(m.Space(), rest[:min(len(rest), cut)])
				rest = rest[k:]
				m.Advance(k)
				ev, ok, _ = m.Next()
			}
			if !ok || len(ev.Data) != n || m.body != nil {
				t.Fatalf("%d bytes, cut at %d: %v, %d bytes", n, cut, ok, len(ev.Data))
			}
			if n > 0 && &ev.Data[0] != &m.buf[m.r-n] {
				t.Errorf("%d bytes, cut at %d: copied", n, cut)
			}
			m.Next()
		}
	}
}

// TestBudget: a message that gets no memory ends its connection with 1013, the
// read buffer is had all the same and never given back to who did not lend it.
func TestBudget(t *testing.T) {
	for _, role := range both {
		for name, in := range map[string]string{
			"one frame": frames(role, 0x82, strings.Repeat("x", 60000)),
			"fragments": frames(role, 0x02, "x", 0x00, strings.Repeat("x", 30000), 0x80, ""),
		} {
			for _, chop := range []int{0, 1, 997} {
				l := &ledger{budget: 20000}
				e := newEcho(Options{Role: role, Buffers: l, ReadBuffer: 4000})
				e.feed(frames(role, 0x81, "fits")+in, chop)
				equalLog(t, e.log, append(echoes("text", "fits"), "> close 1013 "+ErrOverBudget.Text))
				e.endsIn(t, 1013, false, ErrOverBudget)
				if e.m.Free(); l.now != 0 {
					t.Errorf("%s: %d bytes are still on loan", name, l.now)
				}
			}
		}
		// The same when what was joined is about to leave as a part.
		l := &ledger{budget: 4000 + minBody}
		e := newEcho(Options{Role: role, Buffers: l, ReadBuffer: 4000})
		e.feed(frames(role, 0x02, strings.Repeat("x", 200)), 0)
		e.m.SetParts(true)
		e.feed(frames(role, 0x00, strings.Repeat("x", 2000)), 0)
		e.endsIn(t, 1013, false, ErrOverBudget)

		l = &ledger{budget: 1}
		e = newEcho(Options{Role: role, Buffers: l})
		small := frames(role, 0x81, "Hello")
		e.use = func(Event) { e.m.Detach() }
		e.feed(small+small+small[:4], 0)
		e.feed(small[4:]+small, 3)
		equalLog(t, e.log, echoes("text", "Hello", "Hello", "Hello", "Hello"))
		e.m.Advance(0)
	}
}

// TestParts: pieces as they come, with their place in the message.
func TestParts(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role})
		e.m.SetParts(true)
		e.feed(frames(role, 0x81, "Hello", 0x81, ""), 0)
		long := frames(role, 0x82, "0123456789")
		e.feed(long[:len(long)-7], 0)
		e.feed(long[len(long)-7:len(long)-4], 0)
		e.feed(long[len(long)-4:], 0)
		e.feed(frames(role, 0x01, "Hel", 0x89, "", 0x00, "", 0x00, "lo", 0x80, ""), 0)
		equalLog(t, e.log, []string{
			"< part text 0+5/5 fin=true Hello",
			"< part text 0+0/0 fin=true ",
			"< part binary 0+3/10 fin=false 012",
			"< part binary 3+3/10 fin=false 345",
			"< part binary 6+4/10 fin=true 6789",
			"< part text 0+3/-1 fin=false Hel",
			"< ping ", "> pong ",
			"< part text 3+2/-1 fin=false lo",
			"< part text 5+0/5 fin=true ",
		})
	}
}

// TestPartsUTF8: text in parts is checked like text that comes whole.
func TestPartsUTF8(t *testing.T) {
	for _, role := range both {
		for _, chop := range chops {
			e := newEcho(Options{Role: role})
			e.m.SetParts(true)
			e.feed(frames(role, 0x01, "caf\xc3", 0x80, "\xa9", 0x81, "caf\xc3"), chop)
			e.endsIn(t, 1007, false, ErrInvalidUTF8)
			e = newEcho(Options{Role: role})
			e.m.SetParts(true)
			e.feed(frames(role, 0x01, "caf\xc3", 0x80, "e"), chop)
			e.endsIn(t, 1007, false, ErrInvalidUTF8)
		}
	}
}

// TestSetPartsInTheMiddle: it holds for the open message only while nothing of
// it has been delivered; no byte is lost or comes twice.
func TestSetPartsInTheMiddle(t *testing.T) {
	for _, role := range both {
		whole := strings.Repeat("0123456789", 3000) // longer than the buffer and its first body
		in := frames(role, 0x01, whole[:20000], 0x00, whole[20000:20010], 0x80, whole[20010:], 0x81, "next", 0x81, strings.Repeat("z", 300))
		for _, at := range []int{0, 1, 8, 100, 4096, 5000, 19000, 20000, 20008, 20020, 20030, 29000} {
			for _, toParts := range []bool{true, false} {
				for _, chop := range []int{0, 23, 997} {
					e := newEcho(Options{Role: role})
					var got []string
					var joined strings.Builder
					e.use = func(ev Event) {
						if ev.Kind == PartEvent && ev.Offset != int64(joined.Len()) {
							t.Fatalf("a part at %d, expected at %d", ev.Offset, joined.Len())
						}
						joined.Write(ev.Data)
						if ev.Fin {
							got = append(got, fmt.Sprint(ev.Kind, " ", ev.Total, " ", brief(joined.String())))
							joined.Reset()
						}
					}
					e.m.SetParts(!toParts)
					e.feed(in[:at], chop)
					delivered := e.m.sent > 0
					e.m.SetParts(toParts)
					e.feed(in[at:], chop)
					after := MessageEvent
					if toParts {
						after = PartEvent
					}
					first := after
					if delivered {
						first = PartEvent
					}
					equalLog(t, got, []string{
						fmt.Sprint(first, " 30000 ", brief(whole)),
						fmt.Sprint(after, " 4 next"),
						fmt.Sprint(after, " 300 ", brief(strings.Repeat("z", 300))),
					})
				}
			}
		}
	}
}

// runs is a toy Codec: pairs of a count and a byte. A count of 0 is corrupt.
type runs struct{ fault error }

func (r runs) Inflate(dst, src []byte, most int64) ([]byte, error) {
	if r.fault != nil {
		return dst, r.fault
	}
	if len(src)%2 != 0 {
		return dst, errors.New("half a pair")
	}
	for ; len(src) > 0; src = src[2:] {
		if src[0] == 0 {
			return dst, errors.New("an empty run")
		}
		for range src[0] {
			dst = append(dst, src[1])
		}
		if most >= 0 && int64(len(dst)) > most {
			return dst, ErrMessageTooBig
		}
	}
	return dst, nil
}

func (runs) Deflate(dst, src []byte) ([]byte, bool) {
	start := len(dst)
	for len(src) > 0 {
		n := 1
		for n < len(src) && n < 255 && src[n] == src[0] {
			n++
		}
		dst = append(dst, byte(n), src[0])
		src = src[n:]
	}
	return dst, len(dst)-start < 100 // says no to what is long
}

// TestCodec is RFC 7692 §6 with another compression: RSV1 on the first frame
// says that the message is compressed; what comes out is limited and checked.
func TestCodec(t *testing.T) {
	as, bomb := strings.Repeat("a", 15), strings.Repeat("\xffa", 200)
	many := strings.Repeat("a", 51000)
	for _, role := range both {
		for _, chop := range chops {
			for _, parts := range []bool{false, true} {
				event := func(op, p string) string {
					if parts {
						return fmt.Sprintf("< part %s 0+%d/%d fin=true %s", op, len(p), len(p), brief(p))
					}
					return fmt.Sprintf("< %s %s", op, brief(p))
				}
				play := func(o Options, in string, want ...string) {
					t.Helper()
					l := &ledger{}
					o.Role, o.Buffers, o.ReadBuffer = role, l, 256
					if o.Codec == nil {
						o.Codec = runs{}
					}
					e := newEcho(o)
					e.m.SetParts(parts)
					e.feed(in, chop)
					var got []string
					for _, s := range e.log {
						if !strings.HasPrefix(s, "> text") && !strings.HasPrefix(s, "> binary") {
							got = append(got, strings.ReplaceAll(s, "(c1)", ""))
						}
					}
					equalLog(t, got, want)
					if e.m.Free(); l.now != 0 {
						t.Errorf("%d bytes are still on loan", l.now)
					}
				}
				refused := func(f *Fault) string { return fmt.Sprintf("> close %d %s", f.Code, f.Text) }

				play(Options{}, frames(role, 0xc1, "\x0fa", 0x82, "p"), event("text", as), event("binary", "p"))
				play(Options{}, frames(role, 0x41, "\x0f", 0x89, "", 0x80, "a"), "< ping ", "> pong ", event("text", as))
				play(Options{}, frames(role, 0xc2, ""), event("binary", ""))
				play(Options{}, frames(role, 0xc1, bomb), event("text", many))
				play(Options{}, frames(role, 0xc1, "\x01\xc3\x01\xa9"), event("text", "é"))
				// UTF-8 is checked on what comes out (§8.1).
				play(Options{}, frames(role, 0xc1, "\x01\xc3"), refused(ErrInvalidUTF8))
				play(Options{}, frames(role, 0xc1, "\x01\xff\xffa"), refused(ErrInvalidUTF8))
				play(Options{}, frames(role, 0xc2, "\x01\xff"), event("binary", "\xff"))
				// The limit is on what is delivered; on the wire it may be a little more.
				play(Options{MaxMessage: 15}, frames(role, 0xc1, "\x0fa"), event("text", as))
				play(Options{MaxMessage: 14}, frames(role, 0xc1, "\x0fa"), refused(ErrMessageTooBig))
				play(Options{MaxMessage: 1000}, frames(role, 0xc1, bomb), refused(ErrMessageTooBig))
				play(Options{MaxMessage: 2}, frames(role, 0xc1, "\x01a\x01b"), event("text", "ab"))
				play(Options{MaxMessage: 2}, frames(role, 0xc1, strings.Repeat("\x01a", 34)), refused(ErrMessageTooBig))
				play(Options{MaxMessage: -1}, frames(role, 0xc1, bomb), event("text", many))
				// What cannot be decompressed.
				play(Options{}, frames(role, 0xc1, "\x0f"), refused(ErrCorrupt))
				play(Options{}, frames(role, 0xc2, "\x00a"), refused(ErrCorrupt))
				play(Options{Codec: runs{fault: fmt.Errorf("wrapped: %w", ErrOverBudget)}}, frames(role, 0xc2, "\x01a"), refused(ErrOverBudget))
				// RSV1 has its meaning on the first frame of a data message only.
				play(Options{}, frames(role, 0x41, "\x0f", 0xc0, "a"), refused(ErrReservedBits))
				play(Options{}, frames(role, 0xc9, ""), refused(ErrReservedBits))
				play(Options{}, frames(role, 0xd1, ""), refused(ErrReservedBits))
			}
		}
	}
}

// careless is a Codec that knows no limit.
type careless struct{ runs }

func (careless) Inflate(dst, src []byte, _ int64) ([]byte, error) {
	return runs{}.Inflate(dst, src, -1)
}

func TestCodecOverLimit(t *testing.T) {
	e := newEcho(Options{Codec: careless{}, MaxMessage: 3})
	e.feed(frames(Server, 0xc1, "\x04a"), 0)
	e.endsIn(t, 1009, false, ErrMessageTooBig)
}

// TestCodecBudget: what is inflated needs room as well.
func TestCodecBudget(t *testing.T) {
	l := &ledger{budget: 4096 + minBody - 1}
	e := newEcho(Options{Codec: runs{}, Buffers: l})
	e.feed(frames(Server, 0xc1, "\x04a"), 0)
	e.endsIn(t, 1013, false, ErrOverBudget)
	if e.m.Free(); l.now != 0 {
		t.Errorf("%d bytes are still on loan", l.now)
	}
}

// TestCodecSends: what goes out compressed carries RSV1, what the codec
// declines does not; fragments are never compressed.
func TestCodecSends(t *testing.T) {
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey, Codec: runs{}})
		long := strings.Repeat("ab", 100)
		out := []byte("before")
		out, err := m.Message(out, wire.Text, []byte("aaaaaaaaaaaaaaa"))
		if err != nil {
			t.Fatal(err)
		}
		out, _ = m.Message(out, wire.Binary, []byte(strings.Repeat("x", 30000)[:255*49]))
		out, _ = m.Message(out, wire.Binary, []byte(long))
		out, _ = m.Message(out, wire.Text, nil)
		out, _ = m.Frame(out, wire.Text, []byte("aaa"), true)
		equalLog(t, tell(nil, role, out[len("before"):]), []string{
			"> text(c1) \x0fa", "> binary(c2) " + brief(strings.Repeat("\xffx", 49)), "> binary " + brief(long), "> text(c1) ", "> text aaa",
		})
		if string(out[:6]) != "before" {
			t.Errorf("%q", out[:6])
		}
	}
}
