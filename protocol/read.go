package protocol

import (
	"sync/atomic"
	"time"

	"duplex/wire"
)

// read is the read half: bytes come in, events go out.
type read struct {
	buf  []byte // the lent buffer; nil while nothing is pending
	r, w int    // buf[r:w] is not yet consumed

	frame wire.Header // the frame whose payload is being read
	left  uint64      // bytes of the payload not yet consumed
	done  int         // bytes of the payload at buf[r:] already unmasked and checked

	body      []byte // the open message joined so far
	tail      int    // bytes of body that came last and are neither unmasked nor checked
	fragments int    // frames of the open message
	sent      int64  // bytes of the open message delivered as parts
	text      wire.UTF8
	op        wire.Opcode // of the open message; 0 for none

	compressed bool // the open message has RSV1
	parts      bool // deliver parts
	wantParts  bool // from the next message on
	inside     bool // inside a frame's payload
	inBody     bool // the last Space lent body's tail
	lentBody   bool // the last event's data is body
	lentBuf    bool // the last event's data is in buf
	ownBuf     bool // buf did not come from Buffers
	ownBody    bool // body did not come from Buffers

	frameSize  uint8 // bytes of the last FrameEvent's header on the wire
	err        error
	nonMinimal atomic.Uint64
	pongID     uint64
	pongRTT    time.Duration
}

// NonMinimal counts the frames whose length was not in its shortest form. Any
// goroutine.
func (m *Machine) NonMinimal() uint64 { return m.nonMinimal.Load() }

// LastHeader returns the header that the last FrameEvent is about, legal or
// not, and the bytes it took on the wire. Owner of the read half only.
func (m *Machine) LastHeader() (h wire.Header, size int) { return m.frame, int(m.frameSize) }

// LastPong returns the ID of the newest ping of ours that the last PongEvent
// answers, and the time between the two; 0 if it answers none. Owner of the
// read half only.
func (m *Machine) LastPong() (id uint64, rtt time.Duration) { return m.pongID, m.pongRTT }

// Joined returns the bytes of the open message that have been put together and
// not delivered. Owner of the read half only.
func (m *Machine) Joined() int { return len(m.body) }

// Buffered returns the bytes received and not yet consumed by Next, without
// those already joined to an open message; 0 once the connection is over.
// Owner of the read half only.
func (m *Machine) Buffered() int { return m.w - m.r }

// SetParts makes Next deliver messages in parts (PartEvent) as their bytes
// come, or whole, beginning with the next message; or with the open one when
// nothing of it has been delivered. Compressed messages come as a single part.
// A message that is cut short by a fault or the stream's end has no last part.
// Owner of the read half only.
func (m *Machine) SetParts(on bool) {
	m.wantParts = on
	if m.sent == 0 {
		m.parts = on
	}
}

// Space returns where the next bytes from the peer go: never empty, good until
// the next call of the read half.
func (m *Machine) Space() []byte {
	m.reclaim()
	// A long body is read straight into the message, unless so little is left
	// that a full buffer's read brings it and what follows.
	m.inBody = m.inside && len(m.body) > 0 && m.r == m.w &&
		m.left >= uint64(m.o.ReadBuffer) && m.grow(1)
	if m.inBody {
		n := uint64(len(m.body))
		return m.body[n:min(uint64(cap(m.body)), n+m.left)]
	}
	switch free := len(m.buf) - m.w; {
	case m.buf == nil:
		m.openBuf(m.o.ReadBuffer)
	case m.r == m.w:
		m.r, m.w = 0, 0
	case m.r > 0 && free < len(m.buf)/4:
		m.w = copy(m.buf, m.buf[m.r:m.w])
		m.r = 0
	case free == 0: // read again and again without Next in between
		m.moveBuf(2*len(m.buf), true)
	}
	return m.buf[m.w:]
}

// Advance says that n bytes were put where Space pointed. Advance(0) gives the
// buffer back when nothing is pending in it, so that an idle connection holds
// none.
func (m *Machine) Advance(n int) {
	if n == 0 {
		m.reclaim()
		if m.r == m.w {
			m.dropBuf(true)
		}
		return
	}
	m.hear()
	switch {
	case m.err != nil: // what comes after the end is discarded (§7.1.7)
	case m.inBody:
		m.body = m.body[:len(m.body)+n]
		m.tail += n
		m.left -= uint64(n)
	default:
		m.w += n
	}
}

// Feed takes bytes that came by another way, such as those behind the opening
// handshake in its segment; it copies them. All of them are consumed by the
// Next calls in between, whose events go to yield; it ends early with the
// machine's error.
func (m *Machine) Feed(p []byte, yield func(Event)) error {
	for {
		for {
			ev, ok, err := m.Next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			yield(ev)
		}
		if len(p) == 0 {
			return nil
		}
		n := copy(m.Space(), p)
		p = p[n:]
		m.Advance(n)
	}
}

// step is what reading a header or a payload came to.
type step uint8

const (
	again  step = iota // look at what is next, if the connection is not over
	yield              // there is an event
	starve             // more bytes are wanted
)

// Next returns the next event. ok is false when it wants more bytes, and when
// the connection is over: then err says how, now and on every later call.
func (m *Machine) Next() (ev Event, ok bool, err error) {
	m.reclaim()
	if m.quick(&ev) {
		return ev, true, nil
	}
	for m.err == nil {
		var s step
		switch {
		case !m.inside:
			s = m.header(&ev)
		case m.frame.Opcode.Control():
			s = m.control(&ev)
		default:
			s = m.data(&ev)
		}
		switch s {
		case yield:
			return ev, true, nil
		case starve:
			return Event{}, false, nil
		}
	}
	return Event{}, false, m.err
}

// header reads and judges the next frame header.
func (m *Machine) header(ev *Event) step {
	h, n, whole := wire.ParseHeader(m.buf[m.r:m.w])
	if !whole {
		return starve
	}
	m.r += n
	m.frame, m.left, m.done, m.inside = h, h.Length, 0, true
	l := legality{role: m.o.Role, inMessage: m.op != 0, codec: m.o.Codec != nil, strict: m.o.Strict, size: n}
	if f := l.check(h); f != nil {
		m.fail(f)
	} else {
		if n != h.Size() {
			m.nonMinimal.Add(1)
		}
		if !h.Opcode.Control() {
			m.begin(h)
		}
	}
	if m.o.Frames {
		m.frameSize = uint8(n)
		*ev = Event{Kind: FrameEvent, Op: h.Opcode, Fin: h.Fin}
		return yield
	}
	return again
}

// begin admits a data frame to its message, the open one or a new one.
func (m *Machine) begin(h wire.Header) {
	if h.Opcode != wire.Continuation {
		m.op, m.compressed, m.fragments, m.sent = h.Opcode, h.RSV != 0, 0, 0
		m.parts = m.wantParts
		m.text.Reset()
	}
	m.fragments++
	if limit := m.o.MaxFragments; limit >= 0 && m.fragments > limit {
		m.fail(ErrTooManyFragments)
		return
	}
	// Both are below 2^63, so the sum does not wrap.
	if uint64(m.sent)+uint64(len(m.body))+h.Length > m.limit() {
		m.fail(ErrMessageTooBig)
	}
}

// limit returns how many bytes of payload the open message may have on the wire.
func (m *Machine) limit() uint64 {
	most := uint64(maxInt) // it must fit a slice, also where int has 32 bits
	if m.parts && !m.compressed {
		most = 1<<63 - 1
	}
	limit := m.maxMessage.Load()
	if limit < 0 {
		return most
	}
	n := uint64(limit)
	if m.compressed {
		n += n/16 + 64 // deflate makes data that will not shrink a little longer
	}
	return min(n, most)
}

const maxInt = int(^uint(0) >> 1)
