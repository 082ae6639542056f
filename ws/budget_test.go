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
			must(t, c.Write(background, ws.Binary, make([]byte, n)))
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
		<-inside
		must(t, c.Close(ws.CloseNormal, ""))
		<-s.Done()
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
