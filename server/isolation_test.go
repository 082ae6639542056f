package server_test

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"duplex/server"
	"duplex/ws"
)

// TestIsolation: half frames, half handshakes, stalls, handlers that do not
// return and slow reading delay nobody else. The server that this one is to
// replace stands still 5 s for half a frame.
func TestIsolation(t *testing.T) {
	const each1 = 10 // of five kinds
	s := start(t, quiet())
	blocked := make(chan struct{})
	s.Route("/echo", server.Route{Handler: echo{}})
	s.Route("/stall", server.Route{Handler: hooks{message: func(*server.Session, string) { <-blocked }}})
	defer close(blocked)
	bystanders := []*ws.Conn{s.dial(t, "/echo"), s.dial(t, "/echo")}
	big := frameOf(0x82, bytes.Repeat([]byte("x"), 256<<10))
	var slow sync.WaitGroup
	var stalled atomic.Int32
	var slowConns []*raw
	for range each1 {
		s.open(t, "/echo").send(t, string(text("half a frame")[:9]))
		s.open(t, "/echo").send(t, string(frameOf(0x01, []byte("half a message"))))
		dialRaw(t, s.addr).send(t, request("/echo")[:60])
		s.open(t, "/stall").send(t, string(text("x"))+string(text("y")))
		c := s.open(t, "/echo") // sends much and reads nothing of the echoes
		_ = c.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
		slowConns = append(slowConns, c)
		slow.Go(func() {
			for range 64 {
				_ = c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
				if _, err := c.Write(big); err != nil {
					stalled.Add(1) // as it should be: the server does not read on
					return
				}
			}
		})
	}
	var worst time.Duration
	for end := time.Now().Add(700 * time.Millisecond); time.Now().Before(end); {
		for _, c := range bystanders {
			worst = max(worst, wantEcho(t, c, "how long?"))
		}
		begin := time.Now()
		late := s.open(t, "/echo")
		late.send(t, string(text("and the newcomer?")))
		late.wantText(t, "and the newcomer?")
		worst = max(worst, time.Since(begin))
		late.Close()
	}
	t.Logf("slowest echo or handshake beside %d stalled peers: %v", 5*each1, worst)
	if worst > 2*time.Second {
		t.Errorf("an echo took %v", worst)
	}
	slow.Wait()
	if stalled.Load() != each1 {
		t.Errorf("%d of %d slow readers were held back: the test shows less than it says", stalled.Load(), each1)
	}
	for _, c := range slowConns {
		c.Close()
	}
}
