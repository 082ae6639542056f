package ws

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"duplex/protocol"
)

// Close begins the closing handshake (RFC 6455 §7.1.2) behind the messages that
// are queued (those that an open MessageWriter holds back are lost), waits for the peer's answer and the end of the stream, and frees
// everything. It takes at most WriteTimeout + CloseTimeout + 1 s and may be
// called more than once and from a Handler. code must be one that may be sent
// (1000-1003, 1007-1014, 3000-4999), or CloseNoStatus for none; reason is UTF-8
// of at most 123 bytes. Messages that come after it are dropped, unless a Read
// that waits gets them.
//
// It returns nil when the closing handshake went well, whoever began it, or the
// peer just ended the stream after our Close; else how the connection ended.
func (c *Conn) Close(code CloseCode, reason string) error {
	if err := protocol.CheckClose(code, reason); err != nil {
		return c.refused(err)
	}
	c.beginClose(CloseError{Code: code, Reason: reason}, false)
	err := c.awaitEnd()
	<-c.done
	var ce *CloseError
	if c.m.CloseReceived() || errors.As(err, &ce) && ce.Err == nil {
		return nil
	}
	return err
}

// StartClose begins the closing handshake and returns at once. What is queued
// goes first, as with Close. The connection then ends by itself, within the bounds of Close;
// messages that come meanwhile are dropped, unless a Read or a Handler that waits
// gets them.
func (c *Conn) StartClose(code CloseCode, reason string) error {
	if err := protocol.CheckClose(code, reason); err != nil {
		return c.refused(err)
	}
	c.beginClose(CloseError{Code: code, Reason: reason}, false)
	c.ensureReader()
	return nil
}

// CloseNow ends the connection at once, without a closing handshake, and frees
// everything. After Close it does nothing.
func (c *Conn) CloseNow() {
	c.abort(ErrClosed)
	<-c.done
}

// CloseFrame returns what the peer's Close frame said, its answer to ours
// included; nil as long as none has come.
func (c *Conn) CloseFrame() *CloseError {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.r.theirs
}

// shut closes from inside the library: at once, what is queued is left out.
func (c *Conn) shut(e CloseError) {
	c.beginClose(e, true)
	c.ensureReader()
}

// beginClose queues our Close frame; only the first call counts.
func (c *Conn) beginClose(e CloseError, drop bool) {
	w := &c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closing || w.err != nil || c.m.Closing() {
		return
	}
	c.local.Store(&e)
	w.closing = true
	if drop {
		err := e.Err
		if err == nil {
			err = ErrClosed
		}
		c.dropQueue(err)
	}
	w.queue = append(w.queue, item{kind: closing, code: e.Code, reason: e.Reason})
	w.waiting += itemCost
	w.changed()
	c.hurry(c.o.WriteTimeout + c.o.CloseTimeout + linger)
	c.flush(false)
}

// ensureReader sees to it that somebody reads the peer's answer. The push loop
// does, if its handler lets it.
func (c *Conn) ensureReader() {
	if c.o.Handler == nil {
		go func() { _ = c.awaitEnd() }()
		return
	}
	c.r.mu.Lock()
	c.watch()
	c.r.mu.Unlock()
}

// abort ends the stream at once; cause is what the application is told.
func (c *Conn) abort(cause error) {
	c.blame(cause)
	_ = c.t.Close()
	c.w.mu.Lock()
	c.stopWriting(&CloseError{Code: CloseAbnormal, Err: cause})
	c.w.mu.Unlock()
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	c.r.aborted = true
	if c.r.err == nil && c.takeRole() { // else the reader sees it
		c.r.mu.Unlock()
		_, _, _ = c.drive(context.Background(), wants{discard: true})
		c.r.mu.Lock()
		c.freeRole()
	}
}

// finish is the end of the connection: err is the machine's last word. Owner of
// the role, once.
func (c *Conn) finish(err error) {
	c.flushOwed()
	var ce *CloseError
	failed := errors.As(err, &ce) && !ce.Remote && ce.Code != CloseAbnormal
	err = c.verdict(err)
	c.unarm()
	c.w.mu.Lock()
	c.w.closing, c.w.end = true, err // first: who sees the end must not find room
	c.w.mu.Unlock()
	r := &c.r
	r.mu.Lock()
	r.err = err
	if r.cancel != nil {
		r.cancel(err)
	}
	r.rouse()
	r.mu.Unlock()
	if c.o.Trace != nil && c.o.Trace.Close != nil {
		c.o.Trace.Close(err)
	}
	c.w.mu.Lock()
	c.dropQueue(err)
	idle := !c.w.flushing
	c.w.mu.Unlock()
	if idle && c.r.eof {
		c.free(err)
		return
	}
	c.hurry(c.o.WriteTimeout + 2*linger)
	go c.hangUp(err, failed)
}

// verdict is what the application is told: our own close if we began, else what
// the machine says, with a better reason than the end of the stream if there
// is one.
func (c *Conn) verdict(err error) error {
	var ce *CloseError
	if !errors.As(err, &ce) {
		return err
	}
	cause := ce.Err
	if p := c.cause.Load(); p != nil && ce.Code == CloseAbnormal {
		cause = *p
	}
	local := c.local.Load()
	switch {
	case local == nil && ce.Code == CloseAbnormal:
		return &CloseError{Code: CloseAbnormal, Err: cause}
	case local == nil, ce.Code != CloseAbnormal && !c.left.Load():
		return ce // the peer was first
	case c.m.CloseReceived(), ce.Code != CloseAbnormal:
		return local
	case local.Err != nil:
		return &CloseError{Code: CloseAbnormal, Reason: local.Reason, Err: fmt.Errorf("%w (%w)", local.Err, cause)}
	case !c.left.Load(), errors.Is(cause, protocol.ErrNoAnswer), errors.Is(cause, ErrClosed), errors.Is(cause, errLate):
		return &CloseError{Code: CloseAbnormal, Reason: local.Reason, Err: cause}
	}
	return local // a device that just ends TCP after our Close has closed
}

var errLate = errors.New("the peer took too long to take what was sent before the end")

const (
	// linger bounds the wait for the peer to end the stream (§7.1.1).
	linger = time.Second
	// lingerBytes bounds what is read and dropped in this time.
	lingerBytes = 64 << 20
)

// hangUp ends the stream so that the peer gets our Close frame: a socket closed
// while bytes wait unread would send a reset, which may overtake it. The server
// ends TCP first, the client waits a while for that (§7.1.1). Owner of the role.
func (c *Conn) hangUp(err error, failed bool) {
	c.awaitFlushed()
	wait := !c.r.eof
	if c.m.Role() == protocol.Server || failed {
		// Where one direction cannot be ended alone, the whole is, unless the
		// peer may still be sending.
		wait = c.t.CloseWrite() == nil && wait || failed
	}
	if wait {
		c.discard(time.Now().Add(linger))
	}
	if c.m.Role() == protocol.Client && !failed && c.flushedAll() {
		_ = c.t.CloseWrite() // over TLS an end without it looks like a cut (RFC 8446 §6.1)
	}
	c.free(err)
}

// flushedAll reports whether the transport took all that it was given.
func (c *Conn) flushedAll() bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.w.err == nil && !c.w.flushing
}

// discard reads and drops what still comes. Owner of the role.
func (c *Conn) discard(until time.Time) {
	b := memory{}.Get(smallest)
	defer memory{}.Put(b, true)
	for n := 0; n < lingerBytes; {
		if c.t.SetReadDeadline(until) != nil {
			return
		}
		for n < lingerBytes {
			k, err := c.t.Read(b)
			n += k
			if errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(until) {
				break // of a context that has ended late
			}
			if err != nil {
				return
			}
		}
	}
}

// awaitFlushed waits until the Close frame has been taken; the flusher's write
// timeout bounds it.
func (c *Conn) awaitFlushed() {
	w := &c.w
	w.mu.Lock()
	for w.flushing && w.err == nil {
		_ = w.wait(context.Background())
	}
	w.mu.Unlock()
}

// free closes the transport and frees everything.
func (c *Conn) free(err error) {
	_ = c.t.Close()
	c.w.mu.Lock()
	c.stopWriting(err)
	c.w.mu.Unlock()
	c.clock.stop()
	c.m.Free()
	close(c.done)
}
