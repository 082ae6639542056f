package ws_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
	"duplex/ws/wstest"
)

// A NetConn keeps to all that the standard library asks of a net.Conn.
func TestNetConn(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		// Ends that do not answer a Close are part of the suite.
		o := &ws.Options{CloseTimeout: time.Second, WriteTimeout: 2 * time.Second}
		c, s := wstest.Pipe(o, o)
		stop = func() { c.CloseNow(); s.CloseNow() }
		return ws.NetConn(c, ws.Binary), ws.NetConn(s, ws.Binary), stop, nil
	})
}

func TestNetConnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := pipe(t, nil, nil)
		a, b := ws.NetConn(c, ws.Text), ws.NetConn(s, ws.Text)
		if a.LocalAddr() == nil || b.RemoteAddr() == nil {
			t.Error("no address")
		}
		io.WriteString(a, "")
		io.WriteString(a, "one ")
		io.WriteString(a, "two")
		closed := make(chan error, 1)
		go func() { closed <- a.Close() }()
		if got, err := io.ReadAll(b); err != nil || string(got) != "one two" {
			t.Errorf("%q %v", got, err)
		}
		must(t, <-closed)
		if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Error(n, err)
		}
		for _, nc := range []net.Conn{a, b} {
			if n, err := nc.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
				t.Error(n, err)
			}
		}
		if n, err := a.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
			t.Error(n, err)
		}
		must(t, b.Close())
	})
}

// An end that is no normal closure is not hidden behind io.EOF.
func TestNetConnFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for code, end := range map[ws.CloseCode]func(*raw){
			ws.CloseAbnormal:        func(p *raw) { p.Close() },
			ws.ClosePolicyViolation: func(p *raw) { p.sendClose(ws.ClosePolicyViolation, "") },
			ws.CloseProtocolError:   func(p *raw) { p.send(3, "") },
			ws.CloseUnsupportedData: func(p *raw) { p.send(wire.Text, "not binary"); p.sendClose(ws.CloseUnsupportedData, "") },
		} {
			c, peer := rawPipe(t, protocol.Server, nil)
			nc := ws.NetConn(c, ws.Binary)
			peer.send(wire.Binary, "data")
			end(peer)
			got, err := io.ReadAll(nc)
			if string(got) != "data" || ws.CloseStatus(err) != code {
				t.Errorf("%d: %q %v", code, got, err)
			}
		}
		c, _ := rawPipe(t, protocol.Server, nil)
		c.CloseNow()
		if _, err := ws.NetConn(c, ws.Binary).Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
}

// A deadline ends a call, not the connection, nor does it lose a byte.
func TestNetConnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		nc := ws.NetConn(c, ws.Binary)
		peer.send(wire.Binary, "there")
		nc.SetReadDeadline(time.Now())
		b := make([]byte, 10)
		if n, err := nc.Read(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(n, err)
		}
		nc.SetReadDeadline(time.Now().Add(time.Second))
		if n, err := nc.Read(b); string(b[:n]) != "there" || err != nil {
			t.Error(n, err)
		}
		go func() {
			time.Sleep(500 * time.Millisecond)
			nc.SetReadDeadline(time.Now().Add(time.Minute)) // of a call under way
			time.Sleep(30 * time.Second)
			peer.Write(peer.frame(wire.Binary, true, []byte("late")))
		}()
		if n, err := nc.Read(b); string(b[:n]) != "late" || err != nil {
			t.Error(n, err)
		}
		nc.SetWriteDeadline(time.Now().Add(-time.Second))
		if n, err := nc.Write(b); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(n, err)
		}
		nc.SetDeadline(time.Time{})
		if n, err := nc.Write(bytes.Repeat(b, 10)); n != 100 || err != nil {
			t.Error(n, err)
		}
	})
}

// A Write longer than the peer's limit goes out as several messages; text is cut
// between characters.
func TestNetConnLongWrite(t *testing.T) {
	for _, typ := range []ws.MessageType{ws.Binary, ws.Text} {
		client, server := wstest.Pipe(nil, &ws.Options{MaxMessage: 1 << 20})
		text := strings.Repeat("x", 1<<20-1) + strings.Repeat("µ", 1<<20)
		sent := make(chan error, 1)
		go func() {
			nc := ws.NetConn(client, typ)
			n, err := io.Copy(nc, strings.NewReader(text)) // one Write, by its WriterTo
			if err == nil && n != int64(len(text)) {
				err = io.ErrShortWrite
			}
			sent <- err
			nc.Close()
		}()
		got, err := io.ReadAll(ws.NetConn(server, typ))
		if err != nil || string(got) != text {
			t.Errorf("%v: %d of %d bytes came, %v", typ, len(got), len(text), err)
		}
		if err := <-sent; err != nil {
			t.Errorf("%v: %v", typ, err)
		}
		server.CloseNow()
	}
}
