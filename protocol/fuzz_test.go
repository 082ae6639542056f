package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"duplex/wire"
)

// setup is how one run of FuzzMachine is configured; the fuzzer picks the bits.
type setup uint16

const (
	asClient setup = 1 << iota
	strict
	withFrames
	inParts
	withCodec
	tightLimits  // of message and fragments
	smallBuffer  // 256 bytes
	withEOF      // at the end
	closingFirst // we have sent Close already
	asScript     // the bytes describe frames instead of being them
	takes        // Take every message
	detaches     // Detach every event
)

func (s setup) options(l *ledger) Options {
	o := Options{Buffers: l, Strict: s&strict != 0, Frames: s&withFrames != 0, ReadBuffer: 4096}
	var key uint32
	o.Key = func() [4]byte {
		key += 0x01030507
		return [4]byte{byte(key >> 24), byte(key >> 16), byte(key >> 8), byte(key)}
	}
	if s&asClient != 0 {
		o.Role = Client
	}
	if s&withCodec != 0 {
		o.Codec = runs{}
	}
	if s&tightLimits != 0 {
		o.MaxMessage, o.MaxFragments = 300, 4
	}
	if s&smallBuffer != 0 {
		o.ReadBuffer = MinReadBuffer
	}
	return o
}

// input makes frames of a script: first byte, length, length, as many bytes.
// With an odd second length byte the header takes the longest form.
func (s setup) input(data []byte) string {
	if s&asScript == 0 {
		return string(data)
	}
	role := Server
	if s&asClient != 0 {
		role = Client
	}
	var in strings.Builder
	for len(data) > 3 && in.Len() < 30000 {
		n := int(data[1]) + int(data[2]>>1)<<8
		b0, long := data[0], data[2]&1 != 0
		data = data[3:]
		p := string(data[:min(n, len(data))])
		data = data[len(p):]
		p += strings.Repeat("a", n-len(p))
		if f := raw(role, b0, p); !long || role == Client && n > 65535 {
			in.WriteString(f)
		} else if role == Server {
			in.WriteString(longForm(b0, uint64(n)) + p)
		} else {
			h := longForm(b0, uint64(n))
			in.WriteString(h[:1] + "\x7f" + h[2:10] + p)
		}
	}
	return in.String()
}

// outcome is all that can be seen of a run.
type outcome struct {
	events  []string
	open    string // data of a message in parts that has not ended
	output  []byte
	err     error
	counted uint64
	most    int // bytes on loan at the peak
}

// runner plays an input into a machine.
type runner struct {
	outcome
	s     setup
	m     *Machine
	parts []byte // of the message that comes in parts, since the last other event
	at    int64
	kept  [][2][]byte // what was taken, and a copy
}

func (s setup) run(t *testing.T, in string, cuts []byte) outcome {
	l := &ledger{}
	r := &runner{s: s, m: New(s.options(l))}
	r.m.SetParts(s&inParts != 0)
	if s&closingFirst != 0 {
		r.output, _ = r.m.StartClose(r.output, wire.CloseGoingAway, "")
	}
	for len(in) > 0 {
		space := r.m.Space()
		if len(space) == 0 {
			t.Fatal("Space is empty")
		}
		look := true
		if len(cuts) > 0 {
			// Seven bits of length; with the eighth nobody asks for events.
			space = space[:min(len(space), 1+int(cuts[0]&0x7F))]
			look = cuts[0]&0x80 == 0
			cuts = cuts[1:]
		}
		n := copy(space, in)
		in = in[n:]
		if r.m.Advance(n); look {
			r.drain(t)
		}
	}
	r.drain(t)
	if s&withEOF != 0 {
		r.m.EOF()
		r.drain(t)
	}
	_, _, r.err = r.m.Next()
	r.counted = r.m.NonMinimal()
	r.open = string(r.parts)
	for _, k := range r.kept {
		if !bytes.Equal(k[0], k[1]) {
			t.Fatal("what was taken or detached was overwritten")
		}
	}
	r.most = l.most
	if r.m.Free(); l.now != 0 {
		t.Fatalf("%d bytes are still on loan", l.now)
	}
	return r.outcome
}

func (r *runner) drain(t *testing.T) {
	for {
		ev, ok, _ := r.m.Next()
		if !ok {
			r.output = r.m.Output(r.output)
			return
		}
		r.event(t, ev)
	}
}

// event writes ev down, parts in a row as one.
func (r *runner) event(t *testing.T, ev Event) {
	r.output = r.m.Output(r.output)
	if ev.Kind == PartEvent {
		if ev.Offset != r.at {
			t.Fatalf("a part at %d, expected at %d", ev.Offset, r.at)
		}
		r.at += int64(len(ev.Data))
		r.parts = append(r.parts, ev.Data...)
		if ev.Total >= 0 && ev.Fin != (ev.Total == r.at) && len(ev.Data) > 0 {
			t.Fatalf("a total of %d at %d, fin=%v", ev.Total, r.at, ev.Fin)
		}
		if ev.Fin {
			r.events = append(r.events, fmt.Sprintf("part %v to %d of %d: %q", ev.Op, r.at, ev.Total, r.parts))
			r.parts, r.at = nil, 0
		}
	} else {
		if len(r.parts) > 0 {
			r.events = append(r.events, fmt.Sprintf("parts to %d: %q", r.at, r.parts))
			r.parts = nil
		}
		h, n := r.m.LastHeader()
		if ev.Kind != FrameEvent {
			h, n = wire.Header{}, 0
		}
		r.events = append(r.events, fmt.Sprintf("%d %v %v %d %d/%d %q %v %d", ev.Kind, ev.Op, ev.Fin, ev.Code, ev.Offset, ev.Total, ev.Data, h, n))
	}
	keep := ev.Data
	switch {
	case r.s&takes != 0:
		keep = r.m.Take(ev)
	case r.s&detaches != 0:
		r.m.Detach()
	default:
		fill(ev.Data, 0xEE) // it may be changed
		return
	}
	r.kept = append(r.kept, [2][]byte{keep, bytes.Clone(keep)})
}

// withoutFrames is the events that are no FrameEvent.
func withoutFrames(events []string) (rest []string) {
	for _, s := range events {
		if !strings.HasPrefix(s, fmt.Sprint(int(FrameEvent), " ")) {
			rest = append(rest, s)
		}
	}
	return rest
}

// same compares two runs. Of a message in parts that a fault ends one of them
// may have seen more than the other, as bytes that come together with the bad
// one are not delivered.
func same(t *testing.T, what string, a, b outcome) {
	t.Helper()
	var f *Fault
	cut := errors.As(a.err, &f) && (strings.HasPrefix(a.open, b.open) || strings.HasPrefix(b.open, a.open))
	if fmt.Sprint(a.err) != fmt.Sprint(b.err) {
		t.Errorf("%s: error\n%v\n%v", what, a.err, b.err)
	}
	if !bytes.Equal(a.output, b.output) {
		t.Errorf("%s: output\n% x\n% x", what, a.output, b.output)
	}
	if fmt.Sprintf("%q", a.events) != fmt.Sprintf("%q", b.events) || a.open != b.open && !cut {
		t.Errorf("%s: events\n%q %q\n%q %q", what, a.events, a.open, b.events, b.open)
	}
	if a.counted != b.counted {
		t.Errorf("%s: lengths not in their shortest form: %d, %d", what, a.counted, b.counted)
	}
}

// property: cutting the input anywhere changes neither events, nor output, nor
// error; watching the frames and the short cut for whole ones neither; and
// memory follows the bytes that came.
func property(t *testing.T, config uint16, cuts, data []byte) {
	s := setup(config)
	in := s.input(data)
	whole := s.run(t, in, nil)
	cut := s.run(t, in, cuts)
	same(t, "cut", whole, cut)
	single := s.run(t, in, make([]byte, len(in)))
	same(t, "byte by byte", whole, single)
	if s&withFrames == 0 && s&inParts == 0 {
		framed := (s | withFrames).run(t, in, cuts)
		framed.events = withoutFrames(framed.events)
		same(t, "with frames", whole, framed)
	}
	limit := 6*len(in) + 4*DefaultReadBuffer
	if s&withCodec != 0 {
		limit += 4 * len(in)
	}
	if most := max(whole.most, cut.most, single.most); most > limit {
		t.Errorf("%d bytes came, %d were on loan", len(in), most)
	}
}

// seeds are inputs worth beginning with: configuration, cuts, bytes.
func seeds(f func(config uint16, cuts, data []byte)) {
	const client = uint16(asClient)
	for i, parts := range [][]any{
		{0x81, "Hello", 0x89, "?", 0x88, "\x03\xe8bye"},
		{0x01, "caf\xc3", 0x89, "between", 0x80, "\xa9"},
		{0x01, "", 0x00, "", 0x80, "", 0x82, ""},
		{0x81, "\xce\xba\xf4\x90\x80\x80edited"},
		{0x82, strings.Repeat("x", 130), 0x81, strings.Repeat("y", 5000)},
		{0x02, strings.Repeat("x", 300), 0x8a, "unasked", 0x80, strings.Repeat("y", 700)},
		{0xc1, "\x0fa\x02b", 0x41, "\x0f", 0x80, "a", 0xc2, "\x00"},
		{0x81, "a", 0x83, ""},
		{0x88, "\x03", 0x81, "lost"},
		{0x88, "\x03\xed", 0x81, "lost"},
		{0x89, strings.Repeat("p", 125), 0x89, strings.Repeat("p", 126)},
		{0x01, "a", 0x00, "b", 0x00, "c", 0x00, "d", 0x80, "e"},
	} {
		for _, config := range []uint16{0, uint16(inParts | withEOF), uint16(withFrames | smallBuffer | takes), uint16(withCodec | tightLimits | detaches)} {
			f(config, []byte{0, 1, 6, 0x85, 0, 0x90}, []byte(frames(Server, parts...)))
			f(config|client, []byte{byte(i), 0x80, 0x81, 127}, []byte(frames(Client, parts...)))
		}
	}
	long := longForm(0x82, 5)
	f(uint16(strict), nil, []byte(long))
	f(0, []byte{1, 8, 3}, []byte(long+"Hello"))
	f(0, []byte{0}, []byte(longForm(0x82, 1<<63)))
	f(uint16(inParts), []byte{0}, []byte(longForm(0x82, 1<<40)+"xyz"))
	// Scripts: a long message read into its own memory, then small frames.
	script := []byte{0x02, 0, 20 << 1, 0x89, 2, 0, 'h', 'i', 0x80, 9, 1, 0x81, 0xff, 1, 0x88, 0, 0}
	for _, config := range []setup{0, asClient, inParts, smallBuffer, smallBuffer | asClient | withEOF, detaches | smallBuffer, closingFirst} {
		f(uint16(config|asScript), bytes.Repeat([]byte{127, 0xff, 0}, 20), script)
	}
}

func FuzzMachine(f *testing.F) {
	seeds(func(config uint16, cuts, data []byte) { f.Add(config, cuts, data) })
	f.Fuzz(property)
}

// TestCutAnywhere cuts each seed in two at every place, in every setup that
// changes how its bytes are read.
func TestCutAnywhere(t *testing.T) {
	seeds(func(config uint16, _, data []byte) {
		s := setup(config)
		in := s.input(data)
		if len(in) > 600 {
			in = in[:600]
		}
		for _, more := range []setup{0, withEOF, closingFirst, smallBuffer | detaches} {
			s := s&^asScript | more
			whole := s.run(t, in, nil)
			for at := range min(len(in), 127) {
				same(t, fmt.Sprintf("%q cut at %d", in, at+1), whole, s.run(t, in, []byte{byte(at)}))
			}
		}
	})
}

// TestRandomInput is a little of what FuzzMachine does, each time.
func TestRandomInput(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	n := 1000
	if testing.Short() {
		n = 200
	}
	ops := []byte{0x01, 0x02, 0x81, 0x82, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc1, 0x41, 0x83}
	for range n {
		var script []byte
		for range 1 + rnd.Intn(8) {
			op := ops[rnd.Intn(len(ops)-1)]
			if rnd.Intn(20) == 0 {
				op = byte(rnd.Intn(256))
			}
			size := []int{0, 1, 5, 125, 126, 300, 5000, 20000}[rnd.Intn(8)]
			if op >= 0x88 && op < 0x90 {
				size = min(size, 125)
			}
			script = append(script, op, byte(size), byte(size>>8)<<1|byte(rnd.Intn(30)/29))
			p := make([]byte, min(size, 20))
			for i := range p {
				p[i] = "aé€𤭢x\x02\x03"[rnd.Intn(13)]
			}
			if rnd.Intn(2) == 0 {
				copy(p, "\x03\xe8aaaaaaaaaaaaaaaaaaaa")
			}
			script = append(script, p...)
		}
		cuts := make([]byte, rnd.Intn(60))
		rnd.Read(cuts)
		property(t, uint16(setup(rnd.Intn(1<<12))|asScript), cuts, script)
		if t.Failed() {
			t.Fatalf("script %q", script)
		}
	}
}

// TestConversation plays random legal conversations between two machines, cut
// anywhere: each side hears what the other said, in order.
func TestConversation(t *testing.T) {
	n := 100
	if testing.Short() {
		n = 30
	}
	for seed := range n {
		for _, role := range both {
			rnd := rand.New(rand.NewSource(int64(seed)))
			o := Options{Role: role, Key: fixedKey, Buffers: &ledger{}}
			if seed%2 == 1 {
				o.Codec = runs{}
			}
			from := New(o)
			o.Role, o.Buffers = 1-role, &ledger{}
			o.Frames = seed%3 == 0
			if seed%5 == 0 {
				o.ReadBuffer = MinReadBuffer
			}
			to := New(o)
			out, said := talk(t, rnd, from)

			var heard []string
			for len(out) > 0 {
				space := to.Space()
				if rnd.Intn(2) == 0 {
					space = space[:min(len(space), 1+rnd.Intn(40))]
				}
				k := copy(space, out)
				out = out[k:]
				to.Advance(k)
				for {
					ev, ok, _ := to.Next()
					if !ok {
						break
					}
					if ev.Kind != FrameEvent {
						heard = append(heard, fmt.Sprintf("%v %d %s", ev.Op, ev.Code, brief(ev.Data)))
					}
				}
				// What is owed goes back at once.
				back := to.Output(nil)
				for len(back) > 0 {
					k := copy(from.Space(), back)
					back = back[k:]
					from.Advance(k)
					for ok := true; ok; {
						_, ok, _ = from.Next()
					}
				}
			}
			equalLog(t, heard, said)
			if !from.CloseExpected() || !to.CloseExpected() || len(from.pings) != 0 {
				t.Errorf("seed %d: the closing handshake is not over, or pings are unanswered", seed)
			}
		}
	}
}

// talk makes a random legal conversation and the events it should give.
func talk(t *testing.T, rnd *rand.Rand, m *Machine) (out []byte, said []string) {
	say := func(op wire.Opcode, p []byte) { said = append(said, fmt.Sprintf("%v 0 %s", op, brief(p))) }
	text := func() []byte {
		return []byte(strings.Repeat([]string{"a", "aé€𤭢 Hello"}[rnd.Intn(2)], []int{0, 1, 7, 130, 900, 6000}[rnd.Intn(6)]))
	}
	check := func(b []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = b
	}
	control := func() {
		b, id, err := m.Ping(out)
		check(b, err)
		say(wire.Ping, fmt.Appendf(nil, "%08x", id))
	}
	for range rnd.Intn(20) {
		op := wire.Text + wire.Opcode(rnd.Intn(2))
		p := text()
		switch rnd.Intn(4) {
		case 0:
			check(m.Message(out, op, p))
			say(op, p)
		case 1:
			kind := op
			for rest := p; ; kind = wire.Continuation {
				k := rnd.Intn(len(rest) + 1)
				last := rnd.Intn(4) == 0
				if last {
					k = len(rest)
				}
				check(m.Frame(out, kind, rest[:k], last))
				rest = rest[k:]
				if last {
					break
				}
				if rnd.Intn(3) == 0 {
					control()
				}
			}
			say(op, p)
		case 2:
			control()
			check(m.Pong(out, p[:min(len(p), 100)]))
			say(wire.Pong, p[:min(len(p), 100)])
		case 3:
			b, key, masked, err := m.Begin(out, op, len(p))
			check(b, err)
			if masked {
				out = wire.AppendMasked(out, p, key)
			} else {
				out = append(out, p...)
			}
			say(op, p)
		}
	}
	check(m.StartClose(out, 1001, "that's all"))
	return out, append(said, "close 1001 that's all")
}
