package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"duplex/wire"
)

// What the tests of this package share: frames as literal bytes, made and read
// without package wire, an echoing endpoint around a Machine, and Buffers that
// notice every misuse.

var both = []Role{Server, Client}

func fixedKey() [4]byte { return [4]byte{0x37, 0xfa, 0x21, 0x3d} }

// raw is one frame with first byte b0 as the peer of a machine in role to sends
// it, with the length in its shortest form.
func raw(to Role, b0 byte, payload string) string {
	n := len(payload)
	f := []byte{b0}
	switch {
	case n < 126:
		f = append(f, byte(n))
	case n < 65536:
		f = append(f, 126, byte(n>>8), byte(n))
	default:
		f = append(f, 127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	if to == Client {
		return string(f) + payload
	}
	f[1] |= 0x80
	key := []byte{0xA5, 0x01, 0xFF, byte(n)}
	f = append(f, key...)
	for i := range n {
		f = append(f, payload[i]^key[i&3])
	}
	return string(f)
}

// frames are raw frames in a row: first byte, payload, first byte, payload …
func frames(to Role, parts ...any) string {
	var s strings.Builder
	for i := 0; i < len(parts); i += 2 {
		s.WriteString(raw(to, byte(parts[i].(int)), parts[i+1].(string)))
	}
	return s.String()
}

// brief is a payload in a transcript.
func brief[T string | []byte](p T) string {
	if len(p) <= 40 {
		return string(p)
	}
	return fmt.Sprintf("[%d bytes, %08x]", len(p), crc32.ChecksumIEEE([]byte(p)))
}

// tell appends what stands in out, frames that a machine in role from sent.
func tell(log []string, from Role, out []byte) []string {
	for len(out) > 0 {
		b0, n, at := out[0], int(out[1]&0x7F), 2
		switch n {
		case 126:
			n, at = int(out[2])<<8|int(out[3]), 4
		case 127:
			n, at = int(out[6])<<24|int(out[7])<<16|int(out[8])<<8|int(out[9]), 10
		}
		p := bytes.Clone(out[at:])
		if masked := out[1]&0x80 != 0; masked != (from == Client) {
			return append(log, "> WRONG MASK BIT")
		} else if masked {
			p = p[4:]
			for i := range n {
				p[i] ^= out[at+i&3]
			}
			at += 4
		}
		p, out = p[:n], out[at+n:]
		name := wire.Opcode(b0 & 15).String()
		if name == "close" && n >= 2 {
			log = append(log, fmt.Sprintf("> close %d %s", int(p[0])<<8|int(p[1]), p[2:]))
			continue
		}
		if b0&0xF0 != 0x80 {
			name = fmt.Sprintf("%s(%02x)", name, b0)
		}
		log = append(log, "> "+name+" "+brief(p))
	}
	return log
}

// echo is an endpoint that sends every message back and writes down what comes
// and goes.
type echo struct {
	m   *Machine
	log []string
	// use, if not nil, gets every event before its data is overwritten.
	use func(Event)
}

func newEcho(o Options) *echo {
	if o.Key == nil {
		o.Key = fixedKey
	}
	return &echo{m: New(o)}
}

// drain takes all events, with all output after each.
func (e *echo) drain() {
	for {
		ev, ok, _ := e.m.Next()
		if !ok {
			e.log = tell(e.log, e.m.Role(), e.m.Output(nil))
			return
		}
		e.event(ev)
	}
}

func (e *echo) event(ev Event) {
	switch ev.Kind {
	case MessageEvent:
		e.log = append(e.log, "< "+ev.Op.String()+" "+brief(ev.Data))
	case PartEvent:
		e.log = append(e.log, fmt.Sprintf("< part %v %d+%d/%d fin=%v %s", ev.Op, ev.Offset, len(ev.Data), ev.Total, ev.Fin, brief(ev.Data)))
	case PingEvent, PongEvent:
		e.log = append(e.log, "< "+ev.Op.String()+" "+brief(ev.Data))
	case CloseEvent:
		e.log = append(e.log, fmt.Sprintf("< close %d %s", ev.Code, ev.Data))
	case FrameEvent:
		h, n := e.m.LastHeader()
		e.log = append(e.log, fmt.Sprintf("< frame %v fin=%v rsv=%d %d+%d", ev.Op, ev.Fin, h.RSV, n, h.Length))
	}
	e.log = tell(e.log, e.m.Role(), e.m.Output(nil))
	if ev.Kind == MessageEvent {
		if out, err := e.m.Message(nil, ev.Op, ev.Data); err == nil {
			e.log = tell(e.log, e.m.Role(), out)
		}
	}
	if e.use != nil {
		e.use(ev)
	}
	fill(ev.Data, 0xEE) // lent until the next call, and may be changed
}

// fill overwrites p with c.
func fill(p []byte, c byte) {
	if len(p) > 0 {
		p[0] = c
	}
	for n := 1; n < len(p); n *= 2 {
		copy(p[n:], p[:n])
	}
}

// feed puts s into the machine, at most chop bytes at a time (0: as they fit).
func (e *echo) feed(s string, chop int) {
	for len(s) > 0 {
		space := e.m.Space()
		if len(space) == 0 {
			panic("Space is empty")
		}
		if chop > 0 && len(space) > chop {
			space = space[:chop]
		}
		n := copy(space, s)
		s = s[n:]
		e.m.Advance(n)
		e.drain()
	}
}

// end is the error that Next repeats.
func (e *echo) end() error {
	_, ok, err := e.m.Next()
	_, again, same := e.m.Next()
	if ok || again || err != same {
		panic("Next goes on after its end")
	}
	return err
}

// endsIn checks how the connection ended.
func (e *echo) endsIn(t *testing.T, code wire.CloseCode, remote bool, cause error) {
	t.Helper()
	var ce *CloseError
	err := e.end()
	if !errors.As(err, &ce) || ce.Code != code || ce.Remote != remote || !errors.Is(err, cause) && cause != ce.Err {
		t.Fatalf("ended in %v, want %d remote=%v %v; %q", err, code, remote, cause, e.log)
	}
}

func equalLog(t *testing.T, got, want []string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

// recycler is a Buffers that gives the same memory out again.
type recycler struct{ free [][]byte }

func (r *recycler) Get(n int) []byte {
	for i, b := range r.free {
		if cap(b) >= n {
			last := len(r.free) - 1
			r.free[i] = r.free[last]
			r.free = r.free[:last]
			return b[:n]
		}
	}
	return make([]byte, n)
}

func (r *recycler) Put(b []byte, reuse bool) {
	if reuse {
		r.free = append(r.free, b)
	}
}

// ledger is a Buffers that keeps account, poisons what comes back, and panics
// when something comes back that is not on loan.
type ledger struct {
	live      map[*byte]int
	now, most int // bytes on loan
	budget    int // 0 for none
	kept      int // loans that ended with reuse false
}

func (l *ledger) Get(n int) []byte {
	if l.budget > 0 && l.now+n > l.budget {
		return nil
	}
	if l.live == nil {
		l.live = map[*byte]int{}
	}
	b := make([]byte, n+1)[: n : n+1] // a little more than asked for
	l.live[&b[:1][0]] = n
	l.now += n
	l.most = max(l.most, l.now)
	return b
}

func (l *ledger) Put(b []byte, reuse bool) {
	at := &b[:1][0]
	n, ok := l.live[at]
	if !ok || len(b) != n+1 || cap(b) != n+1 {
		panic(fmt.Sprintf("Put of %d bytes that are not on loan", len(b)))
	}
	delete(l.live, at)
	l.now -= n
	if !reuse {
		l.kept++
		return
	}
	fill(b, 0xDB)
}
