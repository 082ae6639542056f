package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"duplex/protocol"
	"duplex/ws"
)

func TestDial(t *testing.T) {
	noLeaks(t)
	server := httptest.NewServer(echo(&ws.Options{Subprotocols: []string{"b", "a"}}))
	defer server.Close()
	type key struct{}
	ctx, cancel := context.WithCancel(context.WithValue(within(t), key{}, 7))
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/room?token=1"
	o := &ws.DialOptions{Options: ws.Options{Subprotocols: []string{"a", "b"}}, Header: http.Header{"X-Id": {"7"}}}
	c, err := ws.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	cancel() // means nothing any more
	if c.Role() != protocol.Client || c.Subprotocol() != "a" || runtime.GOOS == "linux" && c.Transport().Kind() != ws.TCP {
		t.Error(c.Role(), c.Subprotocol(), c.Transport().Kind())
	}
	req, resp := c.Request(), c.Response()
	if req.URL.String() != url || req.Header.Get("X-Id") != "7" || req.Header.Get("Sec-WebSocket-Protocol") != "a, b" || req.Header.Get("Sec-WebSocket-Key") == "" {
		t.Errorf("Request: %s %v", req.URL, req.Header)
	}
	if resp.StatusCode != 101 || resp.Status != "101 Switching Protocols" || resp.Body != http.NoBody || resp.Request != req ||
		resp.Header.Get("Sec-WebSocket-Accept") != protocol.AcceptKey(req.Header.Get("Sec-WebSocket-Key")) {
		t.Errorf("Response: %+v", resp)
	}
	if c.Context().Value(key{}) != 7 || c.Context().Err() != nil {
		t.Error("Context has lost the values, or ended, with that of Dial")
	}
	checkEcho(t, c)
	if len(o.Header) != 1 {
		t.Error("the options were written:", o.Header)
	}
}

// A push connection has everything that came, the 101's segment included.
func TestDialHandler(t *testing.T) {
	noLeaks(t)
	addr := listen(t, func(c net.Conn) {
		io.WriteString(c, switching(readHead(c), "")+"\x81\x02hi")
		io.Copy(io.Discard, c)
	})
	got := make(chan string, 1)
	c, err := ws.Dial(within(t), "ws://"+addr, &ws.DialOptions{Options: ws.Options{Handler: onMessage(func(p []byte) { got <- string(p) })}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if s := <-got; s != "hi" {
		t.Error(s)
	}
}

type onMessage func(p []byte)

func (onMessage) Open(*ws.Conn)                                    {}
func (f onMessage) Message(_ *ws.Conn, _ ws.MessageType, p []byte) { f(p) }
func (onMessage) Close(*ws.Conn, error)                            {}

// RFC 6455 §4.1: the request. It is small: an ESP32 takes 1024 bytes of header
// fields, and Upgrade must be one token.
func TestDialRequest_4_1(t *testing.T) {
	noLeaks(t)
	heads := make(chan string, 2)
	addr := listen(t, func(c net.Conn) {
		head := readHead(c)
		heads <- head
		io.WriteString(c, switching(head, ""))
	})
	var keys []string
	for range 2 {
		c, err := ws.Dial(within(t), "ws://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
		head := <-heads
		keys = append(keys, keyIn(head))
		want := "GET / HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Key: " + keyIn(head) + "\r\nSec-WebSocket-Version: 13\r\n\r\n"
		if head != want {
			t.Errorf("request %q\nwant    %q", head, want)
		}
	}
	if keys[0] == keys[1] {
		t.Error("the same key twice:", keys[0])
	}
}

// RFC 6455 §4.1: the response, and what the client of ESP-IDF lets through.
func TestDialResponse_4_1(t *testing.T) {
	const ok = "HTTP/1.1 101 Switching Protocols\r\n"
	const upgrade, connection, accept = "Upgrade: websocket\r\n", "Connection: Upgrade\r\n", "Sec-WebSocket-Accept: ACCEPT\r\n"
	for _, test := range []struct {
		name, answer string
		rule         string // name of the ReplyError, or part of the text
	}{
		{"right", ok + upgrade + connection + accept + "\r\n", ""},
		{"other case and no reason", "HTTP/1.1 101\r\nupgrade: WebSocket\r\nCONNECTION: keep-alive, upgrade\r\nsec-websocket-accept:ACCEPT\r\n\r\n", ""},
		{"behind an interim response", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + upgrade + connection + accept + "\r\n", ""},
		{"wrong accept", ok + upgrade + connection + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", "accept"},
		{"empty accept", ok + upgrade + connection + "Sec-WebSocket-Accept:\r\n\r\n", "accept"},
		{"prefix of accept", ok + upgrade + connection + "Sec-WebSocket-Accept: ACC\r\n\r\n", "accept"},
		{"no accept", ok + upgrade + connection + "\r\n", "accept"},
		{"status 200 with the right accept", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + upgrade + connection + accept + "\r\n", "status"},
		{"no Upgrade", ok + connection + accept + "\r\n", "upgrade"},
		{"other Upgrade", ok + "Upgrade: h2c\r\n" + connection + accept + "\r\n", "upgrade"},
		{"no Connection", ok + upgrade + accept + "\r\n", "connection"},
		{"subprotocol not asked for", ok + upgrade + connection + accept + "Sec-WebSocket-Protocol: chat\r\n\r\n", "subprotocol"},
		{"extension not asked for", ok + upgrade + connection + accept + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", "extensions"},
		{"HTTP/1.0", strings.Replace(ok, "1.1", "1.0", 1) + upgrade + connection + accept + "\r\n", "http-version"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.9\r\n", "head-syntax"},
		{"TLS alert", "\x15\x03\x01\x00\x02\x02\x46", "head-syntax"},
		{"line ends in LF", strings.ReplaceAll(ok+upgrade+connection+accept+"\r\n", "\r\n", "\n"), "head-syntax"},
		{"too many fields", ok + strings.Repeat("X: y\r\n", 10000) + "\r\n", "head-size"},
		{"too long a head", ok + "X: " + strings.Repeat("y", 70000) + "\r\n\r\n", "head-size"},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			if test.name == "prefix of accept" {
				test.answer = strings.Replace(test.answer, "ACC", "s3p", 1)
			}
			s := new(sockets)
			c, err := ws.Dial(within(t), "ws://"+answering(t, test.answer)+"/x", &ws.DialOptions{NetDial: s.dial})
			if test.rule == "" {
				if err != nil {
					t.Fatal(err)
				}
				c.CloseNow()
			} else {
				he := wantError(t, err)
				var fault *protocol.ReplyError
				if !errors.As(err, &fault) || fault.Name != test.rule || fault.Status != he.Status {
					t.Errorf("%v, not the rule %s", err, test.rule)
				}
			}
			s.check(t, 1)
		})
	}
}

// §4.1: a prefix of the right value is not the right value.
func TestDialAcceptPrefix_4_1(t *testing.T) {
	noLeaks(t)
	addr := listen(t, func(c net.Conn) {
		answer := switching(readHead(c), "")
		io.WriteString(c, strings.Replace(answer, "=\r\n\r\n", "\r\n\r\n", 1))
	})
	mustFail(t, "ws://"+addr, nil, "status 101", "Sec-WebSocket-Accept")
}

// §4.1: a server may leave the subprotocol out, and must not make one up.
func TestDialSubprotocol_4_1(t *testing.T) {
	noLeaks(t)
	o := &ws.DialOptions{Options: ws.Options{Subprotocols: []string{"v2", "v1"}}}
	for answer, want := range map[string]string{"": "", "Sec-WebSocket-Protocol: v1\r\n": "v1"} {
		addr := listen(t, func(c net.Conn) { io.WriteString(c, switching(readHead(c), answer)) })
		c, err := ws.Dial(within(t), "ws://"+addr, o)
		if err != nil || c.Subprotocol() != want {
			t.Fatal(c, err)
		}
		c.CloseNow()
	}
	addr := listen(t, func(c net.Conn) {
		io.WriteString(c, switching(readHead(c), "Sec-WebSocket-Protocol: V1\r\n"))
	})
	mustFail(t, "ws://"+addr, o, "Sec-WebSocket-Protocol")
}

// Bytes behind the head belong to the first frames, however they are cut.
func TestDialEarlyFrames(t *testing.T) {
	noLeaks(t)
	long := append([]byte{0x82, 126, 0x40, 0}, bytes.Repeat([]byte{7}, 0x4000)...)
	addr := listen(t, func(c net.Conn) {
		c.Write(append([]byte(switching(readHead(c), "")+"\x81\x05hello"), long...))
		io.Copy(io.Discard, c)
	})
	c, err := ws.Dial(within(t), "ws://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if typ, p, err := c.Read(within(t)); err != nil || typ != ws.Text || string(p) != "hello" {
		t.Fatal(typ, p, err)
	}
	if typ, p, err := c.Read(within(t)); err != nil || typ != ws.Binary || !bytes.Equal(p, long[4:]) {
		t.Fatal(typ, len(p), err)
	}
}

func TestDialRefusal(t *testing.T) {
	const head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n"
	long := strings.Repeat("x", 3000)
	for _, test := range []struct{ name, answer, body string }{
		{"length", head + "Content-Length: 8\r\n\r\nno token behind", "no token"},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nno \r\n5\r\ntoken\r\n0\r\n\r\n", "no token"},
		{"until the end", head + "\r\nno token", "no token"},
		{"long", head + "\r\n" + long, long[:1024]},
		{"cut off", head + "Content-Length: 800\r\n\r\nno tok", "no tok"},
		{"none", head + "Content-Length: 0\r\n\r\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			s := new(sockets)
			addr := answering(t, test.answer)
			he := mustFail(t, "ws://"+addr+"/room?token=hush", &ws.DialOptions{NetDial: s.dial}, "status 401 Unauthorized", "ws://"+addr+"/room")
			if he.Status != 401 || he.Header.Get("WWW-Authenticate") != "Basic" || string(he.Body) != test.body {
				t.Errorf("%d %v %q", he.Status, he.Header, he.Body)
			}
			if strings.Contains(he.Error(), "hush") {
				t.Error("the query, which may be a credential, is in the error:", he)
			}
			s.check(t, 1)
		})
	}
}

func TestDialClosedBeforeResponse(t *testing.T) {
	for name, end := range map[string]func(c *net.TCPConn){
		"FIN":        func(c *net.TCPConn) { readHead(c) },
		"RST":        func(c *net.TCPConn) { readHead(c); c.SetLinger(0) },
		"at once":    func(c *net.TCPConn) { c.Read(make([]byte, 1)); c.SetLinger(0) },
		"inside":     func(c *net.TCPConn) { readHead(c); io.WriteString(c, "HTTP/1.1 1") },
		"inside RST": func(c *net.TCPConn) { c.SetLinger(0); readHead(c); io.WriteString(c, "HTTP/1.1 1") },
	} {
		t.Run(name, func(t *testing.T) {
			noLeaks(t)
			addr := listen(t, func(c net.Conn) { end(c.(*net.TCPConn)) })
			if name == "inside RST" { // whether the reset overtakes the bytes is for the kernel
				mustFail(t, "ws://"+addr, nil, "response")
				return
			}
			want := []string{"closed before a response", "ESP32", addr}
			if name == "inside" {
				want = []string{"inside the head of the response, after 10 bytes"}
			}
			if he := mustFail(t, "ws://"+addr, nil, want...); he.Status != 0 {
				t.Error(he.Status)
			}
		})
	}
}

func TestDialNoServer(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	he := mustFail(t, "ws://"+addr+"/x", nil, "connecting to ws://"+addr+"/x", addr)
	if !errors.Is(he, syscall.ECONNREFUSED) {
		t.Error(he)
	}
	mustFail(t, "ws+unix://"+filepath.ToSlash(filepath.Join(t.TempDir(), "none.sock")), nil, "connecting to the Unix socket", "none.sock")
	mustFail(t, "ws://x/", &ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, nil }}, "NetDial")
}

func TestDialUnixSocket(t *testing.T) {
	noLeaks(t)
	path := filepath.Join(t.TempDir(), "a:b.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Skip("no Unix sockets here:", err)
	}
	targets := make(chan string, 1)
	serve(t, l, func(c net.Conn) {
		head := readHead(c)
		r := parseHead(t, head)
		targets <- r.Host + " " + r.RequestURI
		io.WriteString(c, switching(head, ""))
	})
	base := "ws+unix://" + strings.ReplaceAll(filepath.ToSlash(path), ":", "%3A")
	for url, want := range map[string]string{
		base:                      "localhost /",
		base + ":/":               "localhost /",
		base + ":/a%2Fb?c=d:e":    "localhost /a%2Fb?c=d:e",
		base + "?c=d":             "localhost /?c=d",
		"http" + base[2:] + ":/x": "localhost /x",
	} {
		c, err := ws.Dial(within(t), url, nil)
		if err != nil {
			t.Fatal(url, err)
		}
		if got := <-targets; got != want {
			t.Errorf("%s asks for %q, want %q", url, got, want)
		}
		c.CloseNow()
	}
}

// The name goes to DNS, Host and TLS in ASCII; the zone of an address stays here.
func TestDialHost(t *testing.T) {
	for url, want := range map[string][2]string{
		"ws://example.com":                 {"tcp example.com:80", "example.com"},
		"ws://example.com:80/":             {"tcp example.com:80", "example.com"},
		"ws://example.com:443/":            {"tcp example.com:443", "example.com:443"},
		"ws://example.com:/":               {"tcp example.com:80", "example.com"},
		"http://example.com":               {"tcp example.com:80", "example.com"},
		"WS://[::1]:8080/":                 {"tcp [::1]:8080", "[::1]:8080"},
		"ws://[fe80::1%25Ethernet%202]/":   {"tcp [fe80::1%Ethernet 2]:80", "[fe80::1]"},
		"ws://[fe80::1%25eth0]/":           {"tcp [fe80::1%eth0]:80", "[fe80::1]"},
		"ws://B\u00fccher.example:81/":     {"tcp xn--bcher-kva.example:81", "xn--bcher-kva.example:81"},
		"ws://\u4f8b\u3048.example/\u4f8b": {"tcp xn--r8jz45g.example:80", "xn--r8jz45g.example"},
		"ws://esp32-1_a.local./":           {"tcp esp32-1_a.local.:80", "esp32-1_a.local."},
	} {
		heads := make(chan string, 1)
		var addr string
		c, err := ws.Dial(within(t), url, &ws.DialOptions{Proxy: ws.NoProxy, NetDial: func(_ context.Context, network, a string) (net.Conn, error) {
			addr = network + " " + a
			client, server := net.Pipe()
			go func() {
				head := readHead(server)
				heads <- head
				io.WriteString(server, switching(head, ""))
				server.Close()
			}()
			return client, nil
		}})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if got := [2]string{addr, parseHead(t, <-heads).Host}; got != want {
			t.Errorf("%s: connected to %q with Host %q, want %q", url, got[0], got[1], want)
		}
		c.CloseNow()
	}
	for url, want := range map[string]string{"wss://example.com": "tcp example.com:443", "https://[::1]": "tcp [::1]:443"} {
		var addr string
		_, err := ws.Dial(within(t), url, &ws.DialOptions{Proxy: ws.NoProxy, NetDial: addrOnly(&addr)})
		if addr != want {
			t.Errorf("%s: connected to %q, want %q: %v", url, addr, want, err)
		}
	}
}

func TestDialURLRefused(t *testing.T) {
	for url, part := range map[string]string{
		"":                              "no scheme",
		"example.com/x":                 "no scheme",
		"ftp://example.com":             "use ws, wss, http, https, ws+unix or wss+unix",
		"localhost:8080/x":              `scheme "localhost"`,
		"ftp+unix:///s":                 `scheme "ftp"`,
		"ws://":                         "no host",
		"ws:///x":                       "no host",
		"ws:example.com":                "no host",
		"ws://:80/":                     "no host",
		"ws://h/#x":                     "fragment",
		"ws://h/#":                      "RFC 6455 §3",
		"ws://h:0/":                     "port",
		"ws://h:65536/":                 "1 to 65535",
		"ws://h:x/":                     "port",
		"ws://h/%zz":                    "not well-formed",
		"ws://h/?a b":                   "target",
		"ws://h/\r\n":                   "not well-formed",
		"ws://[fe80::1%25a%0d%0aX]/":    "not well-formed",
		"ws+unix://host/s:/x":           `host "host"`,
		"ws+unix://":                    "path of a Unix socket",
		"ws+unix:///s:x":                "slash",
		"ws://xn--\u00fc.x/":            "no ASCII form",
		"ws://\xff.x/":                  "not UTF-8",
		"ws://\u00fc<x/":                "no domain name",
		"ws://u<x/":                     "host",
		"ws://user:pa/ss#word@h/":       "fragment",
		"ws://user:pa/ssword@h/":        "escaped",
		"ws://user:secret@h/%zz":        "escaped",
		"ws://user:sec%zzret@h/":        "escaped",
		"ws://user:secret@:80/":         "no host",
		"ftp://user:secret@h/":          `scheme "ftp"`,
		"ws+unix://user:secret@h/s:/x":  `host "h"`,
		"ws://user:secret@h:99999/path": "port",
	} {
		c, err := ws.Dial(within(t), url, &ws.DialOptions{NetDial: addrOnly(new(string))})
		var he *ws.HandshakeError
		if err == nil || errors.As(err, &he) || !strings.HasPrefix(err.Error(), "ws: ") || !strings.Contains(err.Error(), part) {
			t.Errorf("%q: %v, %v; want %q", url, c, err, part)
			continue
		}
		for _, secret := range []string{"secret", "pa/", "/ssword", "ret@", "sec%"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q: the password is in %q", url, err)
			}
		}
	}
}

// Whatever the URL, no error shows its password.
func FuzzDialURL(f *testing.F) {
	f.Add("ws", "", "/path")
	f.Add("wss+unix", "x:y@", "?a#b")
	f.Add("ht tp", "[::1%25", "]:80:90/%zz")
	f.Add("http", "\u00fc", "\r\n")
	f.Fuzz(func(t *testing.T, scheme, before, after string) {
		const password = "correct-horse"
		for _, raw := range []string{
			scheme + "://" + before + "user:" + password + "@host" + after,
			scheme + "://" + before + "user:" + password + after + "@host/",
		} {
			c, err := ws.Dial(context.Background(), raw, &ws.DialOptions{Proxy: ws.NoProxy, NetDial: addrOnly(new(string))})
			if err == nil {
				c.CloseNow()
				t.Fatal("connected to", raw)
			}
			u, bad := url.Parse(raw)
			isPassword := bad != nil || u.User != nil && strings.Contains(u.User.String(), password) // else it is in the path
			if isPassword && strings.Contains(err.Error(), password) && !strings.Contains(before+after, password) {
				t.Errorf("%q: %v", raw, err)
			}
		}
	})
}
