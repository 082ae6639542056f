package wstest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"

	"duplex/ws"
	"duplex/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ExamplePipe() {
	client, server := wstest.Pipe(nil, nil)
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()
	_ = client.Write(ctx, ws.Text, []byte("hello"))
	typ, msg, err := server.Read(ctx)
	fmt.Println(typ, string(msg), err)
	// Output: text hello <nil>
}

// The stream keeps to all that the standard library asks of a net.Conn.
func TestNetPipe(t *testing.T) {
	for _, size := range []int{1, 100, wstest.DefaultBuffer} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			if size == 1 && testing.Short() {
				t.Skip("slow")
			}
			nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
				x, y := wstest.NetPipe(max(size, 64))
				return x, y, func() { x.Close(); y.Close() }, nil
			})
		})
	}
}

func TestNetPipeEnds(t *testing.T) {
	a, b := wstest.NetPipe(10)
	if n, err := a.Write([]byte("12345")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := b.Write([]byte("back")); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(b); string(got) != "12345" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	p := make([]byte, 10)
	if n, err := a.Read(p); string(p[:n]) != "back" || err != nil {
		t.Error(n, err)
	}
	a.Close()
	if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	if _, err := a.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if a.LocalAddr() == nil || a.RemoteAddr() == nil {
		t.Error("no address")
	}
	b.Close()
}

// What was written before Close can still be read, as on a socket.
func TestNetPipeKeepsWhatWasWritten(t *testing.T) {
	a, b := wstest.NetPipe(10)
	defer b.Close()
	a.Write([]byte("last"))
	a.Close()
	if got, err := io.ReadAll(b); string(got) != "last" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

// A full buffer makes Write wait, until the deadline, and says how far it got.
func TestNetPipeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.NetPipe(10)
		defer a.Close()
		defer b.Close()
		a.SetWriteDeadline(time.Now().Add(time.Second))
		start := time.Now()
		n, err := a.Write(make([]byte, 25))
		if n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Error(n, err, time.Since(start))
		}
		a.SetWriteDeadline(time.Time{})
		go io.CopyN(io.Discard, b, 25)
		if n, err := a.Write(make([]byte, 15)); n != 15 || err != nil {
			t.Error(n, err)
		}
	})
}

func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := wstest.Pipe(nil, nil)
		ctx := context.Background()
		if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		typ, p, err := s.Read(ctx)
		if err != nil || typ != ws.Text || string(p) != "hello" {
			t.Fatal(typ, p, err)
		}
		go func() { s.Read(ctx) }()
		if rtt, err := c.Ping(ctx); err != nil {
			t.Fatal(rtt, err)
		}
		tctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, _, err := c.Read(tctx); err == nil {
			t.Fatal("no timeout")
		}
		if err := s.Write(ctx, ws.Binary, make([]byte, 300000)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(ctx); err != nil || len(p) != 300000 {
			t.Fatal(len(p), err)
		}
		if err := c.Close(ws.CloseNormal, "bye"); err != nil {
			t.Fatal(err)
		}
		<-s.Done()
		if e := s.Err(); ws.CloseStatus(e) != 1000 {
			t.Fatal(e)
		}
	})
}
