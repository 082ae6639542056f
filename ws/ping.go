package ws

import (
	"context"
	"errors"
	"time"

	"duplex/protocol"
)

// maxUrgent bounds the pings that wait for a peer that takes nothing, in bytes.
const maxUrgent = 1 << 10

var errIdle = errors.New("no message came within IdleTimeout")

// Ping sends a ping and waits for its pong (RFC 6455 §5.5.2); it returns the
// round-trip time. It needs no concurrent Read: messages that come meanwhile
// are kept for one, up to 64 KiB, beyond which it waits for a Read to take
// them. The end of ctx leaves the connection alive. It may be called from a
// Handler's methods, but as nothing takes messages meanwhile, more than those 64
// KiB make it last until ctx ends. ErrSlow: some 70 pings wait already for a peer
// that takes nothing.
func (c *Conn) Ping(ctx context.Context) (rtt time.Duration, err error) {
	w := &c.w
	w.mu.Lock()
	var id uint64
	start := time.Now()
	if err = c.unsendable(); err == nil && len(w.urgent) > maxUrgent {
		err = ErrSlow
	}
	if err == nil {
		// Not into out, which a flusher may be busy with.
		w.urgent, id, err = c.m.Ping(w.urgent)
		c.flush(false)
	}
	w.mu.Unlock()
	if err == protocol.ErrClosing {
		err = ErrClosed
	}
	if err != nil {
		return 0, err
	}
	if _, _, err := c.next(ctx, wants{pong: id}); err != nil {
		return 0, err
	}
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	if c.r.pong == id {
		return c.r.rtt, nil
	}
	return time.Since(start), nil // a later ping's pong answered this one too
}

// RTT returns the round-trip time of the newest ping that was answered, the
// keep-alive's included; 0 before the first.
func (c *Conn) RTT() time.Duration {
	c.r.mu.Lock()
	defer c.r.mu.Unlock()
	return c.r.rtt
}
