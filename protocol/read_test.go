package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"duplex/wire"
)

// serveEcho is the program of the package's documentation: an echo server on a
// byte stream.
func serveEcho(socket io.ReadWriter) error {
	m := New(Options{})
	var out []byte
	for {
		n, err := socket.Read(m.Space())
		m.Advance(n)
		for {
			ev, ok, _ := m.Next()
			if !ok {
				break
			}
			if ev.Kind == MessageEvent {
				out, _ = m.Message(out, ev.Op, ev.Data)
			}
		}
		out = m.Output(out)
		socket.Write(out)
		out = out[:0]
		if err == io.EOF {
			m.EOF()
		}
		if m.CloseExpected() {
			_, _, err := m.Next()
			return err
		}
	}
}

type script struct {
	io.Reader
	bytes.Buffer
}

func (s *script) Read(p []byte) (int, error) { return s.Reader.Read(p) }

func TestReadLoop(t *testing.T) {
	s := &script{Reader: strings.NewReader(frames(Server, 0x81, "Hello", 0x89, "?", 0x88, "\x03\xe9bye"))}
	err := serveEcho(s)
	equalLog(t, tell(nil, Server, s.Bytes()), []string{"> text Hello", "> pong ?", "> close 1001 "})
	if err.Error() != `connection closed by peer with 1001 (going away): "bye"` {
		t.Error(err)
	}
	s = &script{Reader: strings.NewReader(frames(Server, 0x01, "Hello"))}
	if err := serveEcho(s); !errors.Is(err, ErrCut) || s.Len() != 0 {
		t.Error(err, s.Bytes())
	}
}

// TestSpaceReadAhead: who reads on without asking for events loses nothing,
// and still finds space.
func TestSpaceReadAhead(t *testing.T) {
	for _, role := range both {
		text := strings.Repeat("Hello, ", 3000)
		in := frames(role, 0x81, "first", 0x81, text, 0x01, "a", 0x89, "ping", 0x80, text, 0x88, "\x03\xe8")
		want := append(echoes("text", "first", text), append(pongs("ping"), echoes("text", "a"+text)...)...)
		want = append(want, "< close 1000 ", "> close 1000 ")
		for _, chop := range []int{1, 100, 1000, 5000} {
			for _, every := range []int{2, 7, 1 << 30} {
				l := &ledger{}
				e := newEcho(Options{Role: role, Buffers: l, ReadBuffer: 256})
				var n int
				for rest := in; len(rest) > 0; n++ {
					space := e.m.Space()
					if len(space) == 0 {
						t.Fatal("Space is empty")
					}
					k := copy(space[:min(len(space), chop)], rest)
					rest = rest[k:]
					e.m.Advance(k)
					if n%every == every-1 {
						e.drain()
					}
				}
				e.drain()
				equalLog(t, e.log, want)
				if e.m.Free(); l.now != 0 {
					t.Fatalf("%d bytes are still on loan", l.now)
				}
			}
		}
	}
}

// TestAdvanceZero: an idle connection holds no memory, one in the middle of a
// frame what it needs.
func TestAdvanceZero(t *testing.T) {
	l := &ledger{}
	e := newEcho(Options{Buffers: l})
	in := frames(Server, 0x81, "Hello")
	e.feed(in, 0)
	if e.m.Advance(0); l.now != 0 {
		t.Errorf("idle: %d bytes on loan", l.now)
	}
	e.feed(in[:9], 0)
	if e.m.Advance(0); l.now == 0 || e.m.Buffered() != 3 {
		t.Errorf("in a frame: %d bytes on loan, %d buffered", l.now, e.m.Buffered())
	}
	e.feed(in[9:], 0)
	e.m.Space()
	if e.m.Advance(0); l.now != 0 {
		t.Errorf("idle again: %d bytes on loan", l.now)
	}
	// Space and back in the middle of a body that is read in place.
	long := frames(Server, 0x82, strings.Repeat("x", 20000))
	e.log = nil
	for _, s := range []string{long[:5000], long[5000:5001], long[5001:]} {
		e.feed(s, 0)
		e.m.Space()
		e.m.Advance(0)
	}
	equalLog(t, e.log, echoes("binary", strings.Repeat("x", 20000)))
	if l.now != 0 {
		t.Errorf("at the end: %d bytes on loan", l.now)
	}
}

// TestAdvanceZeroAfterEnd: once the connection is over nothing is held, also
// when bytes came behind the last frame.
func TestAdvanceZeroAfterEnd(t *testing.T) {
	for name, in := range map[string]string{
		"fault": frames(Server, 0x01, strings.Repeat("half", 3000), 0x83, "", 0x81, "never seen"),
		"close": frames(Server, 0x01, strings.Repeat("half", 3000), 0x88, "\x03\xe8", 0x81, "never seen"),
	} {
		l := &ledger{}
		e := newEcho(Options{Buffers: l})
		e.feed(in, 0)
		e.m.Advance(0)
		if l.now != 0 || e.m.Buffered() != 0 {
			t.Errorf("%s: %d bytes on loan, %d buffered", name, l.now, e.m.Buffered())
		}
		// §7.1.7: what still comes is discarded, and memory for it bounded.
		e.feed(strings.Repeat("noise", 10000), 0)
		if e.m.Advance(0); l.now != 0 || e.m.Buffered() != 0 {
			t.Errorf("%s, noise: %d bytes on loan, %d buffered", name, l.now, e.m.Buffered())
		}
	}
}

func TestFeed(t *testing.T) {
	for _, role := range both {
		e := newEcho(Options{Role: role, ReadBuffer: 256})
		in := frames(role, 0x81, strings.Repeat("Hello", 1000), 0x82, "x", 0x01, "op")
		if err := e.m.Feed([]byte(in), e.event); err != nil {
			t.Fatal(err)
		}
		equalLog(t, e.log, append(echoes("text", strings.Repeat("Hello", 1000)), echoes("binary", "x")...))
		e.log = nil
		err := e.m.Feed([]byte(frames(role, 0x80, "en", 0x83, "", 0x81, "lost")), e.event)
		if !errors.Is(err, ErrReservedOpcode) || err != e.end() {
			t.Error(err)
		}
		equalLog(t, e.log, echoes("text", "open"))
	}
}

// longForm is a masked frame with its length in 64 bits, whatever it is.
func longForm(b0 byte, n uint64) string {
	f := []byte{b0, 0xFF}
	for shift := 56; shift >= 0; shift -= 8 {
		f = append(f, byte(n>>shift))
	}
	return string(append(f, 0, 0, 0, 0)) // with this key masked is plain
}

// TestLengthForm is RFC 6455 §5.2: other than the shortest form is counted, and
// refused when asked to.
func TestLengthForm(t *testing.T) {
	mid := "\x82\xfe\x00\x05\x00\x00\x00\x00hello"
	e := newEcho(Options{})
	e.feed(longForm(0x81, 5)+"Hello"+mid+frames(Server, 0x81, "fine"), 1)
	equalLog(t, e.log, append(append(echoes("text", "Hello"), echoes("binary", "hello")...), echoes("text", "fine")...))
	if n := e.m.NonMinimal(); n != 2 {
		t.Errorf("counted %d", n)
	}
	for _, in := range []string{longForm(0x81, 5), mid, longForm(0x82, 65535), longForm(0x89, 1)} {
		for _, chop := range chops {
			e := newEcho(Options{Strict: true})
			e.feed(in, chop)
			e.endsIn(t, 1002, false, ErrLengthForm)
			if e.m.NonMinimal() != 0 {
				t.Error("counted what was refused")
			}
		}
	}
	e = newEcho(Options{Strict: true})
	e.feed(longForm(0x82, 65536), 0)
	if e.end() != nil {
		t.Error("65536 in 64 bits is the shortest form")
	}
}

// TestHugeLength: a length alone neither costs memory nor overflows.
func TestHugeLength(t *testing.T) {
	for _, c := range []struct {
		n     uint64
		limit int64
		parts bool
		want  error
	}{
		{1 << 40, 0, false, ErrMessageTooBig},
		{1<<63 - 1, 0, false, ErrMessageTooBig},
		{1 << 63, 0, false, ErrLengthTopBit},
		{1<<64 - 1, -1, false, ErrLengthTopBit},
		{1<<63 - 1, 1<<63 - 1, true, nil},
		{1<<63 - 1, -1, true, nil},
		{uint64(maxInt), -1, false, nil},
		{1 << 63, -1, true, ErrLengthTopBit},
		{16 << 20, 0, false, nil},
		{16<<20 + 1, 0, false, ErrMessageTooBig},
	} {
		l := &ledger{}
		e := newEcho(Options{Buffers: l, MaxMessage: c.limit})
		e.m.SetParts(c.parts)
		e.feed(longForm(0x82, c.n), 0)
		if err := e.end(); (err == nil) != (c.want == nil) || !errors.Is(err, c.want) {
			t.Errorf("%d announced, limit %d: %v", c.n, c.limit, err)
		}
		e.feed(strings.Repeat("x", 10000), 0)
		if got := 10000; l.most > 4*got+minBody+DefaultReadBuffer {
			t.Errorf("%d announced, %d received: %d bytes taken", c.n, got, l.most)
		}
		if c.want == nil {
			// A second frame must not wrap the sum of lengths.
			e = newEcho(Options{MaxMessage: c.limit})
			e.m.SetParts(true)
			e.feed(frames(Server, 0x02, "xx")+longForm(0x80, 1<<63-1), 0)
			e.endsIn(t, 1009, false, ErrMessageTooBig)
		}
	}
	if uint64(maxInt) < 1<<40 { // 32 bits: what does not fit a slice is too big
		e := newEcho(Options{MaxMessage: -1})
		e.feed(longForm(0x82, uint64(maxInt)+1), 0)
		e.endsIn(t, 1009, false, ErrMessageTooBig)
	}
}

// TestMaxMessage: the limit holds for the message, over all its frames, in one
// piece and in parts, and can be changed.
func TestMaxMessage(t *testing.T) {
	for _, role := range both {
		for _, parts := range []bool{false, true} {
			for _, chop := range chops {
				e := newEcho(Options{Role: role, MaxMessage: 10})
				e.m.SetParts(parts)
				e.feed(frames(role, 0x81, "0123456789", 0x01, "01234", 0x00, "", 0x80, "56789"), chop)
				if e.end() != nil {
					t.Errorf("10 of 10 bytes: %v", e.end())
				}
				e.feed(frames(role, 0x01, "01234", 0x00, "56789", 0x80, "A"), chop)
				e.endsIn(t, 1009, false, ErrMessageTooBig)

				e = newEcho(Options{Role: role, MaxMessage: 10})
				e.m.SetParts(parts)
				e.feed(frames(role, 0x81, "0123456789A"), chop)
				e.endsIn(t, 1009, false, ErrMessageTooBig)

				e = newEcho(Options{Role: role, MaxMessage: 10})
				e.m.SetParts(parts)
				e.m.SetMaxMessage(0)
				e.feed(frames(role, 0x81, ""), chop)
				e.m.SetMaxMessage(-1)
				e.feed(frames(role, 0x81, strings.Repeat("a", 30000)), chop)
				if e.end() != nil {
					t.Errorf("no limit: %v", e.end())
				}
				e.m.SetMaxMessage(3)
				e.feed(frames(role, 0x81, "abcd"), chop)
				e.endsIn(t, 1009, false, ErrMessageTooBig)
			}
		}
	}
}

// TestMaxFragments: a message of endless empty frames ends.
func TestMaxFragments(t *testing.T) {
	empty := strings.Repeat(frames(Server, 0x00, ""), 1000)
	l := &ledger{}
	e := newEcho(Options{Buffers: l})
	e.feed(frames(Server, 0x01, ""), 0)
	var n int
	for ; n < 1000 && e.end() == nil; n++ {
		e.feed(empty, 0)
	}
	e.endsIn(t, 1009, false, ErrTooManyFragments)
	if n != 132 || l.most > 2*DefaultReadBuffer {
		t.Errorf("after %d thousand fragments, %d bytes", n, l.most)
	}

	e = newEcho(Options{MaxFragments: -1})
	e.feed(frames(Server, 0x01, ""), 0)
	for range 1000 {
		e.feed(empty, 0)
	}
	e.feed(frames(Server, 0x80, ""), 0)
	equalLog(t, e.log, echoes("text", ""))

	// Each message has its own count; control frames do not count.
	e = newEcho(Options{MaxFragments: 2})
	for range 3 {
		e.feed(frames(Server, 0x01, "a", 0x89, "", 0x89, "", 0x80, "b", 0x81, "c"), 0)
	}
	if e.end() != nil {
		t.Error(e.end())
	}
	e.feed(frames(Server, 0x01, "a", 0x00, "b", 0x80, "c"), 0)
	e.endsIn(t, 1009, false, ErrTooManyFragments)
}

// TestFrameEvents: each header is told, the illegal one too, before what it
// leads to.
func TestFrameEvents(t *testing.T) {
	for _, chop := range chops {
		e := newEcho(Options{Frames: true})
		e.feed(frames(Server, 0x01, "Hel", 0x89, "?", 0x80, "lo", 0x81, strings.Repeat("x", 200))+longForm(0x81, 2)+"ok"+
			frames(Server, 0xb1, "bad", 0x81, "lost"), chop)
		equalLog(t, e.log, []string{
			"< frame text fin=false rsv=0 6+3",
			"< frame ping fin=true rsv=0 6+1", "< ping ?", "> pong ?",
			"< frame continuation fin=true rsv=0 6+2", "< text Hello", "> text Hello",
			"< frame text fin=true rsv=0 8+200", "< text " + brief(strings.Repeat("x", 200)), "> text " + brief(strings.Repeat("x", 200)),
			"< frame text fin=true rsv=0 14+2", "< text ok", "> text ok",
			// The refusal is owed as soon as the header is judged.
			"< frame text fin=true rsv=3 6+3", "> close 1002 " + ErrReservedBits.Text,
		})
		e.endsIn(t, 1002, false, ErrReservedBits)
		if h, n := e.m.LastHeader(); h.RSV != 3 || h.Length != 3 || n != 6 {
			t.Errorf("the last header: %+v, %d", h, n)
		}
	}
}

// TestBuffered counts what waits in the buffer.
func TestBuffered(t *testing.T) {
	m := New(Options{})
	in := frames(Server, 0x81, "Hello", 0x81, "World")
	m.Advance(copy(m.Space(), in))
	for _, want := range []int{len(in), len(in) / 2, 0} {
		if got := m.Buffered(); got != want {
			t.Errorf("%d buffered, want %d", got, want)
		}
		m.Next()
	}
}

func ExampleMachine() {
	m := New(Options{Role: Server})
	// What a client sends, RFC 6455 §5.7: a masked text, then a ping.
	in := "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" + "\x89\x80\x01\x02\x03\x04"
	m.Advance(copy(m.Space(), in))
	for {
		ev, ok, err := m.Next()
		if !ok {
			fmt.Println("wants more:", err == nil)
			break
		}
		fmt.Printf("%v %q\n", ev.Op, ev.Data)
	}
	out, _ := m.Message(nil, wire.Text, []byte("Hello"))
	fmt.Printf("% x\n% x\n", out, m.Output(nil))
	// Output:
	// text "Hello"
	// ping ""
	// wants more: true
	// 81 05 48 65 6c 6c 6f
	// 8a 00
}
