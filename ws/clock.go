package ws

import (
	"sync"
	"sync/atomic"
	"time"
)

// clock is one timer a connection, for all that has a time: the machine's
// deadlines, the look after an absent reader, the idle timeout.
type clock struct {
	lastMessage atomic.Int64 // Unix nanoseconds; only with an IdleTimeout

	mu      sync.Mutex
	timer   *time.Timer
	at      time.Time // when it fires; zero for never
	watch   time.Time // when to look for a reader
	end     time.Time // when a close has taken too long
	stopped bool
}

func (k *clock) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// schedule sets the timer to what is next.
func (c *Conn) schedule() {
	next := c.m.Deadline()
	if c.o.IdleTimeout > 0 && !c.m.Closing() && c.local.Load() == nil {
		next = sooner(next, time.Unix(0, c.clock.lastMessage.Load()).Add(c.o.IdleTimeout))
	}
	k := &c.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	next = sooner(sooner(next, k.watch), k.end)
	if k.stopped || next.IsZero() || !k.at.IsZero() && !next.Before(k.at) {
		return // an earlier firing schedules anew
	}
	k.at = next
	if d := max(time.Until(next), 0); k.timer == nil {
		k.timer = time.AfterFunc(d, c.tick)
	} else {
		k.timer.Reset(d)
	}
}

// hurry gives the connection d to end.
func (c *Conn) hurry(d time.Duration) {
	k := &c.clock
	k.mu.Lock()
	k.end = sooner(k.end, time.Now().Add(d))
	k.mu.Unlock()
	c.schedule()
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// tick does what is due.
func (c *Conn) tick() {
	now := time.Now()
	k := &c.clock
	k.mu.Lock()
	k.at = time.Time{}
	look := !k.watch.IsZero() && !now.Before(k.watch)
	late := !k.end.IsZero() && !now.Before(k.end)
	if look {
		k.watch = time.Time{}
	}
	k.mu.Unlock()

	c.r.mu.Lock()
	reading := c.r.driving
	if look {
		c.r.watched = false
	}
	over := c.r.err != nil
	if c.r.parkedBytes >= parkLimit || c.r.stuck { // the peer may have said more, unread
		c.clock.lastMessage.Store(now.UnixNano())
	}
	c.r.mu.Unlock()
	if late {
		c.abort(errLate)
		return
	}
	if look && !reading && !over {
		go c.background()
	}
	if err := c.m.Tick(now, reading); err != nil {
		c.abort(err)
		return
	}
	if c.m.Owes() {
		c.flushOwed()
	}
	if d := c.o.IdleTimeout; d > 0 && !over && c.local.Load() == nil && now.Sub(time.Unix(0, c.clock.lastMessage.Load())) >= d {
		c.shut(CloseError{Code: CloseGoingAway, Reason: "idle", Err: errIdle})
	}
	c.schedule()
}
