package ws_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"duplex/ws"
	"duplex/ws/wstest"
)

// FuzzConn runs a script of operations, one a byte, on the two ends of a pipe.
// Whatever it is: no panic, nothing hangs, no goroutine is left, and what an end
// receives is a prefix of what the other sent, in order.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 8, 16, 24, 1, 9, 17, 25, 2, 10, 18, 26}, uint8(0))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 200, 201, 202, 203}, uint8(1))
	f.Add([]byte{64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 152}, uint8(2))
	f.Add([]byte("write, read, ping, close, and all that"), uint8(3))
	f.Fuzz(func(t *testing.T, script []byte, kind uint8) {
		if len(script) > 100 {
			script = script[:100]
		}
		synctest.Test(t, func(t *testing.T) { run(t, script, kind) })
	})
}

// fuzzed is one end and what is known of it.
type fuzzed struct {
	*ws.Conn
	sent     [][]byte
	received [][]byte // nil for one that was not read to its end
	stream   *ws.MessageWriter
	open     []byte // what the stream has
}

func run(t *testing.T, script []byte, kind uint8) {
	ends := [2]*fuzzed{{}, {}}
	client := &ws.Options{QueueLimit: 100_000, ReadBuffer: 256 << (kind & 3), Policy: ws.Policy(kind >> 2 % 3)}
	server := *client
	if kind&64 != 0 {
		server.Handler = handler{message: func(_ *ws.Conn, _ ws.MessageType, p []byte) {
			ends[1].received = append(ends[1].received, append([]byte{}, p...))
		}}
	}
	ends[0].Conn, ends[1].Conn = wstest.Pipe(client, &server)
	for i, op := range script {
		end := ends[op&1]
		end.step(op>>1, byte(i))
		if op&0x80 != 0 {
			synctest.Wait()
		}
	}
	for _, end := range ends {
		end.CloseNow()
	}
	time.Sleep(time.Minute)
	for i, end := range ends {
		sent := ends[1-i].sent
		for n := len(end.received); n > 0 && end.received[n-1] == nil; n-- {
			end.received = end.received[:n-1] // perhaps never sent whole
		}
		if len(end.received) > len(sent) {
			t.Fatalf("end %d received %d messages of %d", i, len(end.received), len(sent))
		}
		for k, p := range end.received {
			if p != nil && !bytes.Equal(p, sent[k]) {
				t.Fatalf("end %d: message %d is %d bytes, not the %d sent", i, k, len(p), len(sent[k]))
			}
		}
	}
}

// step does one operation, with bounds of virtual time where it could wait.
func (e *fuzzed) step(op, fill byte) {
	ctx, cancel := context.WithTimeout(background, time.Second)
	defer cancel()
	size := int(op>>4&3) * int(op>>4&3) * 9_000
	p := bytes.Repeat([]byte{fill}, size+int(op&7))
	switch op & 15 {
	case 0, 1:
		if e.stream == nil && e.Write(ctx, ws.Binary, p) == nil {
			e.sent = append(e.sent, p)
		}
	case 2:
		if e.stream == nil && e.Send(ws.Outgoing{Type: ws.Binary, Data: p}) == nil {
			e.sent = append(e.sent, p)
		}
	case 3, 4, 5:
		if _, p, err := e.Read(ctx); err == nil {
			e.received = append(e.received, p)
		}
	case 6:
		if _, p, err := e.ReadAppend(ctx, make([]byte, 3, 100)); err == nil {
			e.received = append(e.received, p[3:])
		}
	case 7:
		_, _ = e.Ping(ctx)
	case 8:
		time.Sleep(time.Duration(fill) * 50 * time.Millisecond)
	case 9:
		if e.stream == nil {
			e.stream, _ = e.Writer(ctx, ws.Binary)
			e.open = nil
		}
	case 10:
		if e.stream != nil {
			if n, _ := e.stream.Write(p); n > 0 {
				e.open = append(e.open, p[:n]...)
			}
			_ = e.stream.Flush()
		}
	case 11:
		if e.stream != nil && e.stream.Close() == nil {
			e.sent = append(e.sent, e.open)
			e.stream = nil
		}
	case 12:
		if _, r, err := e.Reader(ctx); err == nil {
			var all bytes.Buffer
			if _, err := all.ReadFrom(r); err == nil {
				e.received = append(e.received, append([]byte{}, all.Bytes()...))
			} else {
				e.received = append(e.received, nil) // given up, whatever it was
			}
		}
	case 13:
		if fill%8 == 0 {
			_ = e.Close(ws.CloseNormal, "")
		}
	case 14:
		if fill%8 == 0 {
			_ = e.StartClose(ws.CloseGoingAway, "")
		}
	case 15:
		if fill%16 == 0 {
			e.CloseNow()
		}
	}
}
