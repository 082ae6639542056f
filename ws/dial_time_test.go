package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"duplex/ws"
	"duplex/ws/wstest"
)

// pipeDial is a NetDial to a server in memory, which serves each connection
// with f.
func pipeDial(f func(c *wstest.End)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := wstest.NetPipe(wstest.DefaultBuffer)
		go func() {
			defer server.Close()
			f(server)
		}()
		return client, nil
	}
}

// silent waits for the client to go.
func silent(c *wstest.End) { io.Copy(io.Discard, c) }

// dripping answers with one byte a second.
func dripping(answer func(head string) string) func(c *wstest.End) {
	return func(c *wstest.End) {
		for _, b := range []byte(answer(readHead(c))) {
			time.Sleep(time.Second)
			if _, err := c.Write([]byte{b}); err != nil {
				return
			}
		}
		silent(c)
	}
}

func TestDialTimeout(t *testing.T) {
	agree := func(head string) string { return switching(head, "") }
	for _, test := range []struct {
		name  string
		url   string
		serve func(c *wstest.End)
		limit time.Duration
		stage string // empty for success
		after time.Duration
	}{
		{"silent server", "ws://h/", silent, 0, "waiting for the response of ws://h/", 15 * time.Second},
		{"slow drip", "ws://h/", dripping(agree), 0, "waiting for the response", 15 * time.Second},
		{"slow drip, more time", "ws://h/", dripping(agree), time.Hour, "", time.Duration(len(switching("", ""))) * time.Second},
		{"no limit", "ws://h/", dripping(agree), -1, "", time.Duration(len(switching("", ""))) * time.Second},
		{"silent TLS server", "wss://h/", silent, time.Minute, "TLS handshake with h", time.Minute},
		{"stalled 10 s by another client", "ws://h/", func(c *wstest.End) {
			head := readHead(c)
			time.Sleep(10 * time.Second)
			io.WriteString(c, agree(head))
		}, 0, "", 10 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				c, err := ws.Dial(context.Background(), test.url, &ws.DialOptions{
					NetDial: pipeDial(test.serve), Proxy: ws.NoProxy, HandshakeTimeout: test.limit})
				if took := time.Since(start); took != test.after {
					t.Errorf("took %v, want %v", took, test.after)
				}
				defer time.Sleep(2 * time.Second) // for the server to see the end
				if test.stage == "" {
					if err != nil {
						t.Fatal(err)
					}
					c.CloseNow()
					return
				}
				wantError(t, err, test.stage, "not done within "+test.after.String())
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error(err)
				}
			})
		})
	}
}

// A timeout of the socket, which a dialer sets to the end of ctx, is told as
// that.
func TestDialTimeoutOfSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context, _, _ string) (net.Conn, error) {
			at, _ := ctx.Deadline()
			client, server := wstest.NetPipe(1)
			defer client.Close()
			defer server.Close()
			client.SetReadDeadline(at)
			_, err := client.Read(make([]byte, 1))
			return nil, &net.OpError{Op: "dial", Err: err}
		}
		_, err := ws.Dial(context.Background(), "ws://h/", &ws.DialOptions{NetDial: slow, Proxy: ws.NoProxy})
		wantError(t, err, "connecting to ws://h/", "not done within 15s")
	})
}

// The time is for each hop.
func TestDialTimeoutPerHop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hops := 0
		serve := func(c *wstest.End) {
			head := readHead(c)
			time.Sleep(10 * time.Second)
			if hops++; hops < 4 {
				io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n")
				return
			}
			io.WriteString(c, switching(head, ""))
		}
		start := time.Now()
		c, err := ws.Dial(context.Background(), "ws://h/", &ws.DialOptions{NetDial: pipeDial(serve), Proxy: ws.NoProxy})
		if err != nil || time.Since(start) != 40*time.Second {
			t.Fatal(time.Since(start), err)
		}
		c.CloseNow()
		hops = -10
		ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
		defer cancel()
		_, err = ws.Dial(ctx, "ws://h/", &ws.DialOptions{NetDial: pipeDial(serve), Proxy: ws.NoProxy})
		wantError(t, err, "waiting for the response of ws://h/x: context deadline exceeded")
		time.Sleep(time.Minute) // for the server to see the end
	})
}

func TestDialCanceled(t *testing.T) {
	noLeaks(t)
	reason := errors.New("changed my mind")
	for _, test := range []struct {
		name, url string
		dial      func(context.Context, string, string) (net.Conn, error)
		stage     string
	}{
		{"connect", "ws://h/", func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, "connecting to ws://h/"},
		{"TLS", "wss://h/", pipeDial(silent), "TLS handshake with h"},
		{"request", "ws://h/", func(context.Context, string, string) (net.Conn, error) {
			client, server := wstest.NetPipe(10) // takes only 10 bytes of it
			go func() {
				time.Sleep(time.Hour)
				server.Close()
			}()
			return client, nil
		}, "waiting for the response"},
		{"response", "ws://h/", pipeDial(silent), "waiting for the response"},
		{"head", "ws://h/", pipeDial(dripping(func(string) string { return "HTTP/1.1 101 Switching Protocols" })), "waiting for the response"},
		{"second hop", "ws://h/", func() func(context.Context, string, string) (net.Conn, error) {
			first := true
			return pipeDial(func(c *wstest.End) {
				if first {
					first = false
					readHead(c)
					io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: /second\r\n\r\n")
				}
				silent(c)
			})
		}(), "ws://h/second"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(context.Background())
				time.AfterFunc(5*time.Second, func() { cancel(reason) })
				start := time.Now()
				_, err := ws.Dial(ctx, test.url, &ws.DialOptions{NetDial: test.dial, Proxy: ws.NoProxy})
				if took := time.Since(start); took != 5*time.Second {
					t.Errorf("took %v", took)
				}
				defer time.Sleep(time.Hour) // for the server to see the end
				wantError(t, err, test.stage)
				if !errors.Is(err, reason) {
					t.Error(err)
				}
			})
		})
	}
	before, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := ws.Dial(before, "ws://127.0.0.1:1/", nil)
	if wantError(t, err); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// With the response in hand: the socket is closed already, or will be.
	last, cancel := context.WithCancel(context.Background())
	_, err = ws.Dial(last, "ws://h/", &ws.DialOptions{Proxy: ws.NoProxy, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := pipeDial(func(c *wstest.End) { io.WriteString(c, switching(readHead(c), "")) })(ctx, network, addr)
		return cancelingConn{c, cancel}, err
	}})
	if wantError(t, err); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// cancelingConn cancels with the first bytes that it reads.
type cancelingConn struct {
	net.Conn
	cancel func()
}

func (c cancelingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.cancel()
	return n, err
}

// A refusal is told although its body does not end.
func TestDialRefusalBodyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := ws.Dial(context.Background(), "ws://h/", &ws.DialOptions{Proxy: ws.NoProxy, NetDial: pipeDial(func(c *wstest.End) {
			readHead(c)
			io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\n\r\nfull")
			silent(c)
		})})
		he := wantError(t, err, "503", `"full"`)
		if took := time.Since(start); took != 2*time.Second || string(he.Body) != "full" {
			t.Error(took, string(he.Body))
		}
	})
}

// A head in single bytes, as long as the limit allows and behind it.
func TestDialHeadLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for limit, fits := range map[int]bool{1000: false, 2000: true} {
			c, err := ws.Dial(context.Background(), "ws://h/", &ws.DialOptions{Proxy: ws.NoProxy, MaxHeader: limit, NetDial: pipeDial(func(c *wstest.End) {
				for _, b := range []byte(switching(readHead(c), "X: "+strings.Repeat("y", 1500)+"\r\n")) {
					if _, err := c.Write([]byte{b}); err != nil {
						return
					}
					time.Sleep(time.Millisecond) // so that the client reads it alone
				}
				silent(c)
			})})
			defer time.Sleep(time.Second) // for the server to see the end
			if fits != (err == nil) {
				t.Errorf("limit %d: %v", limit, err)
			}
			if err == nil {
				c.CloseNow()
			} else {
				wantError(t, err, "longer than 1000 bytes")
			}
		}
	})
}
