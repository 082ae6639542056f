package server_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"duplex/server"
	"duplex/ws"
)

// members connects n clients whose sessions join g.
func members(t *testing.T, s running, g *server.Group, path string, n int) ([]*ws.Conn, []*server.Session) {
	t.Helper()
	conns := make([]*ws.Conn, n)
	sessions := make([]*server.Session, n)
	for i := range n {
		conns[i] = s.dial(t, path)
		eventually(t, "the session", func() bool {
			for session := range s.Sessions() {
				if session.RemoteAddr().String() == conns[i].LocalAddr().String() {
					sessions[i] = session
				}
			}
			return sessions[i] != nil
		})
		if err := g.Join(sessions[i], nil); err != nil {
			t.Fatalf("join: %v", err)
		}
	}
	return conns, sessions
}

func say(t testing.TB, g *server.Group, text string, except ...*server.Session) int {
	t.Helper()
	n, err := g.Broadcast(ws.Outgoing{Type: ws.Text, Data: []byte(text)}, except...)
	if err != nil {
		t.Fatalf("broadcast: %v", err)
	}
	return n
}

func TestGroup(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	var g server.Group
	if n := say(t, &g, "to nobody"); n != 0 {
		t.Errorf("broadcast to nobody reached %d", n)
	}
	conns, sessions := members(t, s, &g, "/ws", 4)
	if err := g.Join(sessions[0], func() { t.Error("replay for a member") }); err != nil || g.Len() != 4 {
		t.Errorf("joining twice: %v, %d members", err, g.Len())
	}
	n := 0
	for m := range g.Members() {
		if m == sessions[n] {
			n++
		}
	}
	if n != 4 {
		t.Errorf("%d of the members listed", n)
	}
	if n := say(t, &g, "all"); n != 4 {
		t.Errorf("reached %d of 4", n)
	}
	if n := say(t, &g, "not you two", sessions[1], sessions[2]); n != 2 {
		t.Errorf("reached %d of 2", n)
	}
	if !g.Leave(sessions[0]) || g.Leave(sessions[0]) {
		t.Error("Leave does not say whether it was a member")
	}
	if n := say(t, &g, "the rest"); n != 3 {
		t.Errorf("reached %d of 3", n)
	}
	for i, want := range []string{"all,not you two,end", "all,the rest,end", "all,the rest,end", "all,not you two,the rest,end"} {
		write(t, conns[i], "end")
		for _, m := range strings.Split(want, ",") {
			if got := read(t, conns[i]); got != m {
				t.Errorf("client %d got %q, want %q", i, got, m)
			}
		}
	}
	if _, err := g.Broadcast(ws.Outgoing{Type: ws.Text, Data: []byte("\xff")}); err == nil {
		t.Error("text that is not UTF-8 goes out")
	}
}

// TestGroupIsLeftAtTheEnd: in every way that a session can end.
func TestGroupIsLeftAtTheEnd(t *testing.T) {
	s := start(t, quiet())
	var closed sync.Map
	var groups [3]server.Group
	s.Route("/ws", server.Route{Handler: hooks{close: func(c *server.Session, _ error) {
		closed.Store(c, groups[0].Leave(c))
		if err := groups[0].Join(c, nil); !errors.Is(err, server.ErrEnded) {
			t.Errorf("join in Close: %v", err)
		}
	}}})
	conns, sessions := members(t, s, &groups[0], "/ws", 6)
	for i := range sessions {
		for g := 1; g < len(groups); g++ {
			if err := groups[g].Join(sessions[i], nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	groups[2].Leave(sessions[5])
	conns[0].Close(ws.CloseNormal, "")
	conns[1].CloseNow()
	sessions[2].CloseNow()
	_ = s.CloseSession(sessions[3].ID(), ws.CloseGoingAway, "")
	conns[3].Close(ws.CloseNormal, "")
	eventually(t, "four have left", func() bool {
		return groups[0].Len() == 2 && groups[1].Len() == 2 && groups[2].Len() == 1
	})
	for i := range 4 {
		eventually(t, "Close was called", func() bool { _, ok := closed.Load(sessions[i]); return ok })
		if left, _ := closed.Load(sessions[i]); left != false {
			t.Error("a session is still a member in its Close")
		}
	}
	if n := say(t, &groups[1], "to those that are left"); n != 2 {
		t.Errorf("reached %d", n)
	}
}

// channel is a group with a history. One lock over recording and sending, and
// over joining, is what keeps a message from being both replayed and sent.
type channel struct {
	server.Group
	mu      sync.Mutex
	history []uint64
}

func number(n uint64) ws.Outgoing {
	return ws.Outgoing{Type: ws.Binary, Data: binary.BigEndian.AppendUint64(nil, n)}
}

func (c *channel) publish(n uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, n)
	_, err := c.Broadcast(number(n))
	return err
}

func (c *channel) join(s *server.Session) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Join(s, func() {
		for _, n := range c.history {
			_ = s.Send(number(n))
		}
	})
}

// TestGroupReplay: whoever joins at any time, while others broadcast, gets every
// message once, and each member in the same order.
func TestGroupReplay(t *testing.T) {
	const senders, each1, joiners = 4, 150, 12
	s := start(t, quiet())
	var ch channel
	s.Route("/ws", server.Route{
		Options: &ws.Options{QueueLimit: 64 << 20},
		Handler: hooks{open: func(c *server.Session) {
			if err := ch.join(c); err != nil {
				t.Errorf("join: %v", err)
			}
		}},
	})
	got := make([][]uint64, joiners)
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for k := range each1 {
				if err := ch.publish(uint64(i)<<32 | uint64(k)); err != nil {
					t.Errorf("publish: %v", err)
				}
				if k%8 == i {
					time.Sleep(time.Millisecond) // joiners come in between
				}
			}
		})
	}
	for i := range joiners {
		all.Go(func() {
			time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
			c := s.dial(t, "/ws")
			for range senders * each1 {
				_, p, err := c.Read(within(t))
				if err != nil {
					t.Errorf("joiner %d after %d messages: %v", i, len(got[i]), err)
					return
				}
				got[i] = append(got[i], binary.BigEndian.Uint64(p))
			}
		})
	}
	all.Wait()
	for i := range got {
		if !slices.Equal(got[i], ch.history) {
			t.Errorf("joiner %d did not get the history once and in order", i)
		}
	}
	if n, _ := ch.Broadcast(number(0)); n != joiners {
		t.Errorf("reached %d of %d", n, joiners)
	}
}

// TestGroupReplayIsUnderTheLock: nothing goes to the group while it runs.
func TestGroupReplayIsUnderTheLock(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	var g server.Group
	conns, sessions := members(t, s, &g, "/ws", 2)
	g.Leave(sessions[1])
	sent := make(chan int)
	err := g.Join(sessions[1], func() {
		go func() {
			n, _ := g.Broadcast(ws.Outgoing{Type: ws.Text, Data: []byte("live")})
			sent <- n
		}()
		time.Sleep(20 * time.Millisecond) // time for a broadcast that does not wait
		select {
		case n := <-sent:
			t.Errorf("a broadcast reached %d while replay ran", n)
		default:
		}
		_ = sessions[1].Send(ws.Outgoing{Type: ws.Text, Data: []byte("old")})
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := receive(t, "the broadcast", sent); n != 2 {
		t.Errorf("reached %d", n)
	}
	if a, b := read(t, conns[1]), read(t, conns[1]); a != "old" || b != "live" {
		t.Errorf("got %q, %q", a, b)
	}
}

// TestGroupReplayOfOneThatEnds: it does not become a member.
func TestGroupReplayOfOneThatEnds(t *testing.T) {
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	var g, other server.Group
	conns, sessions := members(t, s, &other, "/ws", 1)
	err := g.Join(sessions[0], func() {
		conns[0].CloseNow()
		eventually(t, "the session has left", func() bool { return other.Len() == 0 })
	})
	if !errors.Is(err, server.ErrEnded) || g.Len() != 0 {
		t.Errorf("%v, %d members", err, g.Len())
	}
	func() {
		defer func() { _ = recover() }()
		_, sessions := members(t, s, &other, "/ws", 1)
		_ = g.Join(sessions[0], func() { panic("in replay") })
	}()
	if g.Len() != 0 { // and the lock is free
		t.Errorf("%d members after a panic in replay", g.Len())
	}
}

// TestGroupOrder: messages of several broadcasters come in the same order to
// every member.
func TestGroupOrder(t *testing.T) {
	const senders, each1 = 4, 200
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}, Options: &ws.Options{QueueLimit: 64 << 20}})
	var g server.Group
	conns, _ := members(t, s, &g, "/ws", 5)
	got := make([]string, len(conns))
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for k := range each1 {
				say(t, &g, fmt.Sprintf("%d-%d ", i, k))
			}
		})
	}
	for i, c := range conns {
		all.Go(func() {
			var b strings.Builder
			for range senders * each1 {
				_, p, err := c.Read(within(t))
				if err != nil {
					t.Errorf("member %d: %v", i, err)
					return
				}
				b.Write(p)
			}
			got[i] = b.String()
		})
	}
	all.Wait()
	for i := range got {
		if got[i] != got[0] || got[i] == "" {
			t.Errorf("member %d saw another order than member 0", i)
		}
	}
}

// TestGroupChurn joins, leaves, ends and broadcasts at once: nothing hangs, and
// in the end nobody is left.
func TestGroupChurn(t *testing.T) {
	s := start(t, quiet())
	var groups [3]server.Group
	s.Route("/ws", server.Route{Handler: hooks{message: func(c *server.Session, m string) {
		for i := range groups {
			switch rand.IntN(3) {
			case 0:
				_ = groups[i].Join(c, nil)
			case 1:
				groups[i].Leave(c)
			case 2:
				_, _ = groups[i].Broadcast(ws.Outgoing{Type: ws.Text, Data: []byte(m)}, c)
			}
		}
	}}})
	each(6, func(int) {
		for range 10 {
			c := s.open(t, "/ws")
			for range 20 {
				_, _ = c.Write(text("x"))
			}
			c.Close()
		}
	})
	eventually(t, "nobody is left", func() bool {
		return s.Len() == 0 && groups[0].Len()+groups[1].Len()+groups[2].Len() == 0
	})
}

// TestGroupSlowMember: one that reads nothing delays nobody and costs no more
// than its queue; Drop leaves it out, CloseSlow ends it with 1008.
func TestGroupSlowMember(t *testing.T) {
	for name, policy := range map[string]ws.Policy{"drop": ws.Drop, "close": ws.CloseSlow} {
		t.Run(name, func(t *testing.T) {
			const limit, rounds, size = 256 << 10, 300, 128 << 10
			s := start(t, quiet())
			s.Route("/ws", server.Route{Handler: echo{}, Options: &ws.Options{QueueLimit: limit}})
			var g server.Group
			slow := s.open(t, "/ws")
			eventually(t, "the slow session", func() bool { return s.Len() == 1 })
			var slowID uint64
			for session := range s.Sessions() {
				slowID = session.ID()
				if err := g.Join(session, nil); err != nil {
					t.Fatal(err)
				}
			}
			conns, _ := members(t, s, &g, "/ws", 2)
			before := heap()
			payload := bytes.Repeat([]byte("x"), size)
			var missed int
			var worst time.Duration
			for range rounds {
				begin := time.Now()
				n, err := g.Broadcast(ws.Outgoing{Type: ws.Binary, Data: payload, Policy: policy})
				if err != nil {
					t.Fatal(err)
				}
				if n < 3 {
					missed++
				}
				for _, c := range conns {
					if _, p, err := c.Read(within(t)); err != nil || len(p) != size {
						t.Fatalf("a quick member: %d bytes, %v", len(p), err)
					}
				}
				worst = max(worst, time.Since(begin))
			}
			if missed == 0 {
				t.Fatal("the slow member's queue was never full: the test shows nothing")
			}
			grown := heap() - before
			t.Logf("%s sent to each, %d of %d left out, heap grew by %s, slowest round %v",
				mib(rounds*size), missed, rounds, mib(grown), worst)
			// Its queue, messages under way, and buffers kept for the next ones.
			if grown > 16*limit {
				t.Errorf("the heap grew by %s", mib(grown))
			}
			if worst > 2*time.Second {
				t.Errorf("a round took %v", worst)
			}
			if policy == ws.Drop {
				if _, open := s.Session(slowID); !open {
					t.Error("the slow member is gone")
				}
				return
			}
			slow.wantClose(t, ws.ClosePolicyViolation)
			eventually(t, "the slow member has left", func() bool { return g.Len() == 2 })
		})
	}
}

// TestGroupIsSmall: channels are many, and mostly empty.
func TestGroupIsSmall(t *testing.T) {
	const most, n = 100, 10_000
	if size := unsafe.Sizeof(server.Group{}); size > most {
		t.Errorf("an empty Group has %d bytes, want at most %d", size, most)
	}
	s := start(t, quiet())
	s.Route("/ws", server.Route{Handler: echo{}})
	var first server.Group
	_, sessions := members(t, s, &first, "/ws", 1)
	groups := make([]*server.Group, n)
	before := heap()
	for i := range groups {
		groups[i] = new(server.Group)
	}
	fresh := heap() - before
	for _, g := range groups { // used and left again, they are as small
		if err := g.Join(sessions[0], nil); err != nil {
			t.Fatal(err)
		}
		if !g.Leave(sessions[0]) {
			t.Fatal("was no member")
		}
	}
	used := heap() - before
	runtime.KeepAlive(groups)
	t.Logf("%d empty groups: %d bytes each, %d after use", n, fresh/n, used/n)
	if fresh > n*most || used > n*most {
		t.Errorf("an empty group costs %d bytes, after use %d, want at most %d", fresh/n, used/n, most)
	}
}
