package server_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duplex/server"
	"duplex/ws"
)

func queue(t testing.TB, s *server.Server, f func()) {
	t.Helper()
	if err := s.Queue(f); err != nil {
		t.Errorf("Queue: %v", err)
	}
}

// TestQueueAsync is the tutorial's: a message asks for an answer from queued
// work, which comes although the handler that queued it has not returned.
func TestQueueAsync(t *testing.T) {
	s := start(t, quiet())
	answered := make(chan struct{})
	s.Route("/ws", server.Route{Handler: hooks{message: func(c *server.Session, m string) {
		if m != "Trigger async" {
			return
		}
		queue(t, s.Server, func() {
			if err := s.Send(c.ID(), ws.Outgoing{Type: ws.Text, Data: []byte("Async data")}); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
		receive(t, "the answer, while the handler runs", answered)
	}}})
	c := s.dial(t, "/ws")
	write(t, c, "Trigger async")
	if got := read(t, c); got != "Async data" {
		t.Errorf("got %q", got)
	}
	close(answered)
}

// TestQueueWorkers: Workers functions run at once and no more, at least 2.
func TestQueueWorkers(t *testing.T) {
	for _, c := range []struct{ set, want int }{{0, server.DefaultWorkers}, {1, 2}, {-1, 2}, {7, 7}} {
		o := quiet()
		o.Workers = c.set
		s := server.New(o)
		begun, end := make(chan struct{}, 100), make(chan struct{})
		for range 3 * c.want {
			queue(t, s, func() { begun <- struct{}{}; <-end })
		}
		for range c.want {
			receive(t, "the workers are busy", begun)
		}
		time.Sleep(10 * time.Millisecond) // time for one too many
		if n := len(begun); n != 0 {
			t.Errorf("Workers %d: %d more than %d at once", c.set, n, c.want)
		}
		close(end)
		if err := s.Shutdown(within(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if n := len(begun); n != 2*c.want {
			t.Errorf("Workers %d: %d of %d ran", c.set, n+c.want, 3*c.want)
		}
	}
}

// TestQueueOrder: functions start in the order of the calls.
func TestQueueOrder(t *testing.T) {
	const n = 500
	s := server.New(quiet())
	defer s.Close()
	gate := make(chan struct{})
	for range server.DefaultWorkers { // while these stand, one runs at a time
		queue(t, s, func() { <-gate })
	}
	started := make(chan int, n)
	for i := range n {
		queue(t, s, func() { started <- i })
	}
	gate <- struct{}{}
	for i := range n {
		if got := receive(t, "work", started); got != i {
			t.Fatalf("number %d started as number %d", got, i)
		}
	}
	close(gate)
}

func TestQueueFull(t *testing.T) {
	for _, size := range []int{1, 5, -3} {
		o := quiet()
		o.QueueSize = size
		s := server.New(o)
		gate := make(chan struct{})
		var ran atomic.Int32
		busy := make(chan struct{}, server.DefaultWorkers)
		for range server.DefaultWorkers {
			for s.Queue(func() { busy <- struct{}{}; <-gate }) != nil {
				runtime.Gosched() // the one before has not been taken yet
			}
		}
		for range server.DefaultWorkers {
			receive(t, "the workers are busy", busy)
		}
		for range max(size, 1) {
			queue(t, s, func() { ran.Add(1) })
		}
		for range 3 {
			if err := s.Queue(func() { t.Error("refused work ran") }); !errors.Is(err, server.ErrQueueFull) {
				t.Errorf("size %d: one too many: %v", size, err)
			}
		}
		close(gate)
		if err := s.Shutdown(within(t)); err != nil || int(ran.Load()) != max(size, 1) {
			t.Errorf("size %d: %d ran, Shutdown: %v", size, ran.Load(), err)
		}
		if err := s.Queue(func() { t.Error("work after Shutdown") }); !errors.Is(err, server.ErrClosed) {
			t.Errorf("after Shutdown: %v", err)
		}
	}
}

// TestQueueSurvivesItsWork: neither a panic nor runtime.Goexit costs a worker.
func TestQueueSurvivesItsWork(t *testing.T) {
	o := quiet()
	var panics atomic.Int32
	o.OnPanic = func(s *server.Session, v any, _ []byte) {
		if s != nil || v != "spilt" {
			t.Errorf("reported %v of %v", v, s)
		}
		panics.Add(1)
	}
	s := server.New(o)
	const n = 20
	var ran atomic.Int32
	for range n {
		queue(t, s, func() { panic("spilt") })
		queue(t, s, runtime.Goexit)
		queue(t, s, func() { ran.Add(1) })
	}
	if err := s.Shutdown(within(t)); err != nil {
		t.Fatal(err)
	}
	if panics.Load() != n || ran.Load() != n {
		t.Errorf("%d panics reported, %d others ran, want %d", panics.Load(), ran.Load(), n)
	}
}

// TestQueueLeavesNoGoroutine: workers live only while there is work.
func TestQueueLeavesNoGoroutine(t *testing.T) {
	s := server.New(quiet())
	defer s.Close()
	before := runtime.NumGoroutine()
	for range 3 {
		var all sync.WaitGroup
		for range 100 {
			all.Add(1)
			queue(t, s, all.Done)
		}
		all.Wait()
		eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
	}
}

// TestQueueDrainsWhileWorkComes: work that goes on for ever does not keep
// Shutdown from the sessions.
func TestQueueDrainsWhileWorkComes(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	c := s.dial(t, "/ws")
	wantEcho(t, c, "hi")
	var again func()
	var refused atomic.Bool
	again = func() {
		time.Sleep(time.Millisecond)
		if err := s.Queue(again); err != nil {
			refused.Store(true)
		}
	}
	for range 8 {
		queue(t, s.Server, again)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(within(t)) }()
	wantEnd(t, c, ws.CloseGoingAway)
	if err := receive(t, "Shutdown", ended); err != nil || !refused.Load() {
		t.Errorf("Shutdown: %v; work was refused in the end: %v", err, refused.Load())
	}
}

// TestQueueKeepsWhatCloseHandlersSay: what they queue during Shutdown runs.
func TestQueueKeepsWhatCloseHandlersSay(t *testing.T) {
	const n = 10
	s := start(t, quiet())
	var ran atomic.Int32
	s.Route("/ws", server.Route{Handler: hooks{close: func(*server.Session, error) {
		time.Sleep(5 * time.Millisecond)
		queue(t, s.Server, func() { time.Sleep(5 * time.Millisecond); ran.Add(1) })
	}}})
	for range n {
		c := s.dial(t, "/ws")
		go func() { _, _, _ = c.Read(context.Background()) }()
	}
	eventually(t, "all are open", func() bool { return s.Len() == n })
	if err := s.Shutdown(within(t)); err != nil || ran.Load() != n {
		t.Errorf("Shutdown: %v, %d of %d ran before it returned", err, ran.Load(), n)
	}
}

// TestQueueShutdownInTime: work that does not end does not hold Shutdown past
// its context, and clients are told all the same.
func TestQueueShutdownInTime(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	c := s.open(t, "/ws")
	end := make(chan struct{})
	defer close(end)
	queue(t, s.Server, func() { <-end })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	c.wantClose(t, ws.CloseGoingAway)
}
