package ws_test

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

// Every frame and every byte is seen once, both ways, and the end.
func TestTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		var in, out bytes.Buffer
		trace := &ws.Trace{
			FrameIn: func(f ws.Frame) {
				r.add("in %v fin=%v %d+%d", f.Header.Opcode, f.Header.Fin, f.HeaderSize, f.Header.Length)
			},
			FrameOut: func(f ws.Frame) {
				r.add("out %v fin=%v %d+%d", f.Header.Opcode, f.Header.Fin, f.HeaderSize, f.Header.Length)
			},
			BytesIn:  func(p []byte) { in.Write(p) },
			BytesOut: func(p []byte) { out.Write(p) },
			Close:    func(err error) { r.add("close %d", ws.CloseStatus(err)) },
		}
		c, peer := rawPipe(t, protocol.Server, &ws.Options{Trace: trace})
		var sent []byte
		for _, f := range [][]byte{
			peer.frame(wire.Text, false, []byte("frag")),
			peer.frame(wire.Ping, true, []byte("p")),
			peer.frame(wire.Continuation, true, []byte("ment")),
		} {
			sent = append(sent, f...)
			peer.write(f)
		}
		wantRead(t, c, wire.Text, "fragment")
		go func() {
			must(t, c.Write(background, ws.Binary, make([]byte, 100_000)))
			must(t, c.Write(background, ws.Text, []byte("hi")))
			must(t, c.StartClose(ws.CloseNormal, ""))
		}()
		var got []byte
		for {
			h, p, err := peer.read()
			must(t, err)
			got = append(append(got, wire.AppendHeader(nil, h)...), p...)
			if h.Opcode == wire.Close {
				break
			}
		}
		answer := peer.frame(wire.Close, true, []byte{3, 232})
		sent = append(sent, answer...)
		peer.write(answer)
		<-c.Context().Done()
		peer.Close()
		<-c.Done()
		want := "[in text fin=false 6+4 in ping fin=true 6+1 out pong fin=true 2+1 in continuation fin=true 6+4" +
			" out binary fin=true 10+100000 out text fin=true 2+2 out close fin=true 2+2 in close fin=true 6+2 close 1000]"
		if events := fmt.Sprint(r.got()); events != want {
			t.Errorf("got  %s\nwant %s", events, want)
		}
		if !bytes.Equal(in.Bytes(), sent) || !bytes.Equal(out.Bytes(), got) {
			t.Errorf("%d of %d bytes seen in, %d of %d out", in.Len(), len(sent), out.Len(), len(got))
		}
	})
}

// A frame that breaks a rule is seen as it came.
func TestTraceFaultyFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		c, peer := rawPipe(t, protocol.Server, &ws.Options{Trace: &ws.Trace{
			FrameIn: func(f ws.Frame) { r.add("%d rsv=%d %d", f.Header.Opcode, f.Header.RSV, f.HeaderSize) },
			Close:   func(err error) { r.add("%d", ws.CloseStatus(err)) },
		}})
		peer.write([]byte{0xF3, 0x80 | 126, 0, 5, 1, 2, 3, 4}) // reserved bits and opcode, a length not in its shortest form
		_, _, _ = c.Read(background)
		if got := fmt.Sprint(r.got()); got != "[3 rsv=7 8 1002]" {
			t.Error(got)
		}
	})
}
