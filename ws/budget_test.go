package ws_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// Unfinished messages of many connections share a budget; the one that would
// exceed it ends with 1013, the others do not notice, and all is given back.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := ws.NewBudget(300_000)
		o := &ws.Options{Budget: budget, PingInterval: -1}
		const half = 60_000
		var conns []*ws.Conn
		var peers []*raw
		for i := range 10 {
			c, peer := rawPipe(t, protocol.Server, o)
			conns, peers = append(conns, c), append(peers, peer)
			peer.fragment(wire.Text, strings.Repeat("x", half))
			go c.Read(background)
			synctest.Wait()
			if used := budget.Used(); used > 300_000 {
				t.Fatalf("%d bytes used after %d connections", used, i+1)
			}
		}
		over := 0
		for i, c := range conns {
			switch err := c.Err(); {
			case err == nil:
			case errors.Is(err, protocol.ErrOverBudget) && ws.CloseStatus(err) == ws.CloseTryAgainLater:
				peers[i].wantClose(ws.CloseTryAgainLater)
				over++
			default:
				t.Error(err)
			}
		}
		if over == 0 || over == len(conns) {
			t.Errorf("%d of %d were refused", over, len(conns))
		}
		for _, c := range conns {
			c.CloseNow()
		}
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes are never given back", used)
		}
	})
}

// What was delivered is given back, whoever has it: the application's own, and
// lent until the handler returns.
func TestBudgetIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := ws.NewBudget(1 << 20)
		c, s := pipe(t, nil, &ws.Options{Budget: budget, ReadBuffer: 8192})
		for _, n := range []int{10, 5_000, 50_000, 200_000} {
			go c.Write(background, ws.Binary, make([]byte, n))
			wantRead(t, s, ws.Binary, string(make([]byte, n)))
		}
		c.CloseNow()
		<-s.Context().Done()
		<-s.Done()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes used", used)
		}
		inside := make(chan int64, 1)
		h := handler{message: func(c *ws.Conn, _ ws.MessageType, p []byte) {
			time.Sleep(5 * time.Second) // detached meanwhile
			inside <- budget.Used()
		}}
		c, s = pipe(t, nil, &ws.Options{Budget: budget, Handler: h})
		must(t, c.Write(background, ws.Binary, make([]byte, 50_000)))
		if used := <-inside; used < 50_000 {
			t.Errorf("%d bytes used while a handler has 50,000", used)
		}
		must(t, c.Close(ws.CloseNormal, ""))
		<-s.Done()
		synctest.Wait() // the handler's return
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes used", used)
		}
	})
}

// An announced length costs nothing until the bytes come.
func TestBudgetIsForBytesThatCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := ws.NewBudget(1 << 20)
		c, peer := rawPipe(t, protocol.Server, &ws.Options{Budget: budget, MaxMessage: -1})
		go c.Read(background)
		peer.write(wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Length: 1 << 40}))
		peer.write([]byte("a few"))
		synctest.Wait()
		if used := budget.Used(); used > 16<<10 {
			t.Errorf("%d bytes for 5", used)
		}
	})
}

// A connection that nobody reads keeps the beginning of a long message and lets
// the peer wait with the rest; the Read that comes at last gets it whole.
func TestUnreadMessageIsNotPutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := ws.NewBudget(64 << 20)
		c, s := pipe(t, nil, &ws.Options{Budget: budget})
		const size = 8 << 20
		must(t, c.Send(ws.Outgoing{Type: ws.Binary, Data: make([]byte, size)}))
		time.Sleep(5 * time.Second)
		if used := budget.Used(); used == 0 || used > 512<<10 {
			t.Errorf("%d bytes kept for a Read that has not come", used)
		}
		if _, p, err := s.Read(background); err != nil || len(p) != size {
			t.Errorf("%d bytes, %v", len(p), err)
		}
	})
}

// A body takes at most four times the bytes that came.
func TestBodyFollowsWhatCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := ws.NewBudget(1 << 30)
		c, peer := rawPipe(t, protocol.Server, &ws.Options{Budget: budget, MaxMessage: -1})
		go c.Read(background)
		peer.write(wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Length: 64 << 20}))
		for came := 0; came < 3<<20; came += 1000 {
			peer.write(make([]byte, 1000))
			synctest.Wait()
			if used := budget.Used(); used > 4*int64(came+1000)+8<<10 {
				t.Fatalf("%d bytes for %d", used, came+1000)
			}
		}
	})
}

// A read buffer is no message, however long it is.
func TestBudgetIsNotForReadBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := ws.NewBudget(1 << 20)
		c, _ := rawPipe(t, protocol.Server, &ws.Options{Budget: budget, ReadBuffer: 60_000})
		go c.Read(background)
		synctest.Wait()
		if used := budget.Used(); used != 0 {
			t.Errorf("%d bytes used by an idle connection", used)
		}
	})
}
