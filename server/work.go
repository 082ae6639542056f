package server

import (
	"context"
	"runtime/debug"
	"slices"
	"sync"
)

// work is a bounded queue of functions and the goroutines that run them, which
// live only while there is work.
type work struct {
	s *Server

	mu      sync.Mutex
	queue   []func()
	total   uint64        // functions ever queued: each has its number from 1
	active  []uint64      // numbers of those that run
	running int           // goroutines
	closed  bool          // no more is taken
	wake    chan struct{} // closed when a function has run; nil while nobody waits
}

// Queue lets f run soon, outside every handler, on one of Options.Workers
// goroutines. Functions start in the order of the calls. ErrQueueFull says that
// QueueSize wait already, ErrClosed that the server has ended; f is then not
// called. Shutdown runs all that was queued before it returns nil; Close drops
// what has not begun.
func (s *Server) Queue(f func()) error {
	q := &s.work
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case len(q.queue) >= s.o.QueueSize:
		return ErrQueueFull
	}
	q.queue = append(q.queue, f)
	q.total++
	if q.running < s.o.Workers {
		q.running++
		go q.run()
	}
	return nil
}

func (q *work) run() {
	whole := false
	defer func() {
		if !whole {
			go q.run() // f has ended its goroutine (runtime.Goexit): another takes its place
		}
	}()
	for {
		f, n := q.take()
		if f == nil {
			break
		}
		q.call(f, n)
	}
	whole = true
}

// take returns the next function and its number, nil when the caller is not
// needed any more.
func (q *work) take() (f func(), n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.queue) == 0 {
		q.queue = nil
		q.running--
		return nil, 0
	}
	n = q.oldest()
	f, q.queue[0] = q.queue[0], nil
	q.queue = q.queue[1:]
	q.active = append(q.active, n)
	return f, n
}

// oldest is the number of the function that waits longest; needs mu.
func (q *work) oldest() uint64 { return q.total - uint64(len(q.queue)) + 1 }

func (q *work) call(f func(), n uint64) {
	defer func() {
		if v := recover(); v != nil {
			q.s.panicked(nil, v, debug.Stack())
		}
		q.done(n)
	}()
	f()
}

func (q *work) done(n uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.active, n)
	q.active = slices.Delete(q.active, i, i+1)
	q.rouse()
}

// rouse needs mu.
func (q *work) rouse() {
	if q.wake != nil {
		close(q.wake)
		q.wake = nil
	}
}

// drain waits until all that has been queued so far has run. It does not wait
// for what is queued meanwhile, or constant work would keep it for ever.
func (q *work) drain(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	last := q.total
	for {
		first := q.oldest()
		for _, n := range q.active {
			first = min(first, n)
		}
		if first > last {
			return nil
		}
		if q.wake == nil {
			q.wake = make(chan struct{})
		}
		wake := q.wake
		q.mu.Unlock()
		var err error
		select {
		case <-wake:
		case <-ctx.Done():
			err = ctx.Err()
		}
		q.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// close refuses new work.
func (q *work) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// drop also gives up what waits.
func (q *work) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.queue = nil
	q.rouse()
}
