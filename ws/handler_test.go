package ws_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// A PingHandler sees pings and a PongHandler pongs, in turn with the messages.
func TestHandlerSeesControlFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []string
		h := controls{
			handler{message: func(_ *ws.Conn, _ ws.MessageType, p []byte) { seen = append(seen, "message "+string(p)) }},
			func(_ *ws.Conn, p []byte) { seen = append(seen, "ping "+string(p)) },
			func(_ *ws.Conn, p []byte) { seen = append(seen, "pong "+string(p)) },
		}
		_, peer := rawPipe(t, protocol.Server, &ws.Options{Handler: h})
		peer.send(wire.Ping, "1")
		peer.send(wire.Text, "2")
		peer.send(wire.Pong, "3")
		peer.send(wire.Text, "4")
		peer.want(wire.Pong, "1")
		synctest.Wait()
		want := []string{"ping 1", "message 2", "pong 3", "message 4"}
		if !slices.Equal(seen, want) {
			t.Fatalf("%q", seen)
		}
	})
}

// They wait for their turn, with lent bytes that stay, and may close.
func TestHandlerOfControlFramesHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var busy bool
		var seen []string
		over := make(chan error, 1)
		h := controls{
			handler{
				message: func(*ws.Conn, ws.MessageType, []byte) {
					busy = true
					time.Sleep(10 * time.Second)
					busy = false
				},
				close: func(_ *ws.Conn, err error) { over <- err },
			},
			func(c *ws.Conn, p []byte) {
				if busy {
					t.Error("called in the middle of Message")
				}
				if seen = append(seen, string(p)); len(seen) == 3 {
					if err := c.Close(ws.CloseNormal, "enough"); err != nil {
						t.Error(err)
					}
				}
			},
			func(*ws.Conn, []byte) {},
		}
		_, peer := rawPipe(t, protocol.Server, &ws.Options{Handler: h, PingInterval: -1})
		peer.send(wire.Text, "sleep")
		for _, p := range []string{"one", "two", "three"} {
			peer.send(wire.Ping, p)
			peer.want(wire.Pong, p) // at once all the same
		}
		peer.want(wire.Close, "\x03\xe8enough")
		peer.send(wire.Close, "\x03\xe8")
		if err := <-over; ws.CloseStatus(err) != ws.CloseNormal {
			t.Error(err)
		}
		if !slices.Equal(seen, []string{"one", "two", "three"}) {
			t.Errorf("%q", seen)
		}
	})
}

// Pings are answered while any method of the handler sleeps, Open included.
func TestHandlerSleepsAndPingsAreAnswered(t *testing.T) {
	for _, method := range []string{"open", "message"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sleep := func() { time.Sleep(time.Minute) }
				h := handler{open: func(*ws.Conn) { sleep() }}
				if method == "message" {
					h = handler{message: func(*ws.Conn, ws.MessageType, []byte) { sleep() }}
				}
				_, peer := rawPipe(t, protocol.Server, &ws.Options{Handler: h, PingInterval: -1})
				start := time.Now()
				peer.send(wire.Text, "sleep")
				synctest.Wait()
				for range 3 {
					peer.send(wire.Ping, "awake?")
					peer.want(wire.Pong, "awake?")
				}
				if d := time.Since(start); d > time.Second {
					t.Fatalf("the answers took %v", d)
				}
				time.Sleep(2 * time.Minute) // the handler ends before the bubble
			})
		})
	}
}

// recorder collects what a handler is called with.
type recorder struct {
	mu     sync.Mutex
	events []string
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, fmt.Sprintf(format, args...))
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Open, every Message in order, Close, one at a time.
func TestHandlerOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		var inside atomic.Int32
		alone := func() func() {
			if inside.Add(1) != 1 {
				t.Error("two methods at once")
			}
			time.Sleep(300 * time.Millisecond)
			return func() { inside.Add(-1) }
		}
		h := handler{
			func(*ws.Conn) { defer alone()(); r.add("open") },
			func(_ *ws.Conn, typ ws.MessageType, p []byte) { defer alone()(); r.add("%v %s", typ, p) },
			func(_ *ws.Conn, err error) { defer alone()(); r.add("close %d", ws.CloseStatus(err)) },
		}
		c, s := pipe(t, nil, &ws.Options{Handler: h})
		want := []string{"open"}
		for i := range 50 {
			want = append(want, fmt.Sprintf("%v %d", ws.Text, i))
			must(t, c.Write(background, ws.Text, fmt.Append(nil, i)))
			if i%10 == 0 {
				if _, err := s.Ping(background); err != nil { // drives beside the handler
					t.Error(err)
				}
			}
		}
		must(t, c.Close(ws.CloseNormal, ""))
		time.Sleep(time.Minute)
		if got := r.got(); !slices.Equal(got, append(want, "close 1000")) {
			t.Errorf("%q", got)
		}
	})
}

// What a handler was lent stays as it is while the method runs, whatever is
// read meanwhile, and may be changed.
func TestHandlerLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan string, 10)
		h := handler{message: func(c *ws.Conn, _ ws.MessageType, p []byte) {
			before := string(p)
			if _, err := c.Ping(background); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
			if string(p) != before {
				t.Errorf("%.20q became %.20q", before, p)
			}
			clear(p)
			ends <- before
		}}
		c, _ := pipe(t, nil, &ws.Options{Handler: h})
		for _, n := range []int{1, 1000, 5000, 20_000} {
			must(t, c.Write(background, ws.Text, []byte(strings.Repeat("x", n))))
			must(t, c.Write(background, ws.Text, []byte(strings.Repeat("y", n))))
		}
		for _, n := range []int{1, 1000, 5000, 20_000} {
			if <-ends != strings.Repeat("x", n) || <-ends != strings.Repeat("y", n) {
				t.Error("not what was sent")
			}
		}
	})
}

// A panic ends its connection with 1011, is reported with the stack, and harms
// nobody else, whichever method it is in.
func TestHandlerPanics(t *testing.T) {
	for _, method := range []string{"open", "message", "close", "ping"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recorder
				may := func(now string) {
					r.add("%s", now)
					if now == method {
						panic("oh " + now)
					}
				}
				o := &ws.Options{
					Handler: controls{handler{
						func(*ws.Conn) { may("open") },
						func(*ws.Conn, ws.MessageType, []byte) { may("message") },
						func(_ *ws.Conn, err error) { may("close") },
					}, func(*ws.Conn, []byte) { may("ping") }, nil},
					OnPanic: func(c *ws.Conn, v any, stack []byte) {
						if c == nil || v != "oh "+method || !strings.Contains(string(stack), "handler_test.go") {
							t.Errorf("%v %s", v, stack)
						}
						r.add("reported")
						panic("once more")
					},
				}
				c, s := pipe(t, nil, o)
				other, _ := pipe(t, nil, &ws.Options{Handler: handler{message: func(c *ws.Conn, typ ws.MessageType, p []byte) { _ = c.Write(background, typ, p) }}})
				if method == "ping" {
					go c.Ping(background)
					synctest.Wait()
				}
				_ = c.Write(background, ws.Text, []byte("x"))
				code := ws.CloseInternalError
				if method == "close" {
					synctest.Wait()
					must(t, c.StartClose(ws.CloseNormal, ""))
					code = ws.CloseNormal
				}
				if _, _, err := c.Read(background); ws.CloseStatus(err) != code {
					t.Error(err)
				}
				<-s.Done()
				synctest.Wait()
				if ws.CloseStatus(s.Err()) != code {
					t.Error(s.Err())
				}
				if got := r.got(); !slices.Contains(got, "reported") || got[0] != "open" || method != "close" && got[len(got)-1] != "close" {
					t.Error(got)
				}
				must(t, other.Write(background, ws.Text, []byte("unharmed")))
				wantRead(t, other, ws.Text, "unharmed")
			})
		})
	}
}

// Without OnPanic it is logged.
func TestHandlerPanicIsLogged(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	synctest.Test(t, func(t *testing.T) {
		_, s := pipe(t, nil, &ws.Options{Handler: handler{open: func(*ws.Conn) { panic("oops") }}})
		<-s.Done()
		synctest.Wait()
	})
	if text := log.String(); !strings.Contains(text, "oops") || !strings.Contains(text, "handler_test.go") {
		t.Error(text)
	}
}

// A handler whose goroutine ends (testing.T.FailNow does that) takes its
// connection along.
func TestHandlerExitsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan error, 1)
		c, s := pipe(t, nil, &ws.Options{Handler: handler{
			message: func(*ws.Conn, ws.MessageType, []byte) { runtime.Goexit() },
			close:   func(_ *ws.Conn, err error) { closed <- err },
		}})
		must(t, c.Write(background, ws.Text, nil))
		if err := <-closed; err == nil { // told all the same
			t.Error("Close without an error")
		}
		<-s.Done()
	})
}
