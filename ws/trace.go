package ws

import "duplex/wire"

// Trace is a set of hooks, in the manner of net/http/httptrace. Each may be
// nil. They run where the thing happens, with locks held: they must be quick
// and must not call the Conn. Bytes are lent for the call only.
type Trace struct {
	// FrameIn is called for each frame header that came, legal or not.
	FrameIn func(f Frame)
	// FrameOut is called for each frame as it is encoded for sending.
	FrameOut func(f Frame)
	// BytesIn and BytesOut see the bytes behind the opening handshake as they
	// are read and written.
	BytesIn, BytesOut func(p []byte)
	// Queue is called with the bytes that wait to be sent when they change
	// because the peer did not take them at once.
	Queue func(bytes int)
	// Close is called once, when the connection is over, with what Read returns.
	Close func(err error)
}

// Frame is what Trace tells of a frame.
type Frame struct {
	// Header as on the wire (RFC 6455 §5.2).
	Header wire.Header
	// HeaderSize in bytes; more than Header.Size() for a length that is not in
	// its shortest form.
	HeaderSize int
}

// traceOut tells of the frames in p, which holds whole frames, the last one's
// payload possibly left out.
func (c *Conn) traceOut(p []byte) {
	if c.o.Trace == nil || c.o.Trace.FrameOut == nil {
		return
	}
	for len(p) > 0 {
		h, n, ok := wire.ParseHeader(p)
		if !ok {
			return
		}
		c.o.Trace.FrameOut(Frame{h, n})
		p = p[min(uint64(len(p)), uint64(n)+h.Length):]
	}
}
