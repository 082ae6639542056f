package ws_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"duplex/ws"
	"duplex/ws/wstest"
)

// through is a DialOptions.Proxy with one answer.
func through(t *testing.T, proxy string) func(*url.URL) (*url.URL, error) {
	t.Helper()
	via, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	return func(u *url.URL) (*url.URL, error) {
		if u.Scheme != "ws" && u.Scheme != "wss" || u.User != nil {
			t.Errorf("Proxy was asked for %s", u)
		}
		return via, nil
	}
}

// relay joins two streams until both have ended.
func relay(a, b net.Conn) {
	var wg sync.WaitGroup
	pipe := func(dst, src net.Conn) {
		io.Copy(dst, src)
		if c, ok := dst.(interface{ CloseWrite() error }); ok {
			c.CloseWrite()
		}
	}
	wg.Go(func() { pipe(a, b) })
	wg.Go(func() { pipe(b, a) })
	wg.Wait()
	a.Close()
	b.Close()
}

// connectProxy serves CONNECT as an HTTP proxy that wants this
// Proxy-Authorization, and tells the heads it gets. Every name leads to target.
type connectProxy struct {
	auth   string
	target string
	heads  chan string
}

func (p *connectProxy) serve(c net.Conn) {
	head := readHead(c)
	p.heads <- head
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	switch {
	case err != nil || r.Method != "CONNECT":
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		return
	case r.Header.Get("Proxy-Authorization") != p.auth:
		io.WriteString(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 9\r\n\r\nno login\n")
		return
	}
	target, err := net.Dial("tcp", p.target)
	if err != nil {
		io.WriteString(c, "HTTP/1.1 502 Bad Gateway\r\n\r\n")
		return
	}
	io.WriteString(c, "HTTP/1.0 200 Connection established\r\nContent-Length: 7\r\n\r\n") // of a 2xx the length means nothing
	relay(c, target)
}

func TestProxyCONNECT(t *testing.T) {
	noLeaks(t)
	plain := httptest.NewServer(echo(nil))
	defer plain.Close()
	secure := quietTLS(t, echo(nil))
	for _, test := range []struct{ proxy, target string }{
		{"http", "ws"}, {"http", "wss"}, {"https", "ws"}, {"https", "wss"},
	} {
		t.Run(test.target+" through "+test.proxy, func(t *testing.T) {
			p := &connectProxy{auth: "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", heads: make(chan string, 1), target: plain.Listener.Addr().String()}
			if test.target == "wss" {
				p.target = secure.Listener.Addr().String()
			}
			var addr string
			config := trusting(secure)
			if test.proxy == "https" {
				front := quietTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { t.Error("no tunnel") }))
				config.RootCAs.AddCert(front.Certificate())
				addr = listen(t, func(c net.Conn) {
					tc := tlsServer(c, front)
					p.serve(tc)
					tc.Close()
				})
			} else {
				addr = listen(t, p.serve)
			}
			s := new(sockets)
			o := &ws.DialOptions{NetDial: s.dial, TLS: config, Proxy: through(t, test.proxy+"://Aladdin:open%20sesame@"+addr)}
			c, err := ws.Dial(within(t), test.target+"://user:pw@example.com/x", o)
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			want := "CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\nProxy-Authorization: " + p.auth + "\r\n\r\n"
			if test.target == "wss" {
				want = strings.ReplaceAll(want, ":80", ":443")
			}
			if head := <-p.heads; head != want {
				t.Errorf("request %q, want %q", head, want)
			}
			if (c.Response().TLS != nil) != (test.target == "wss") {
				t.Error("Response.TLS is not that of the server:", c.Response().TLS)
			}
			checkEcho(t, c)
			<-c.Done()
			s.check(t, 1)
			if len(s.addrs) != 1 || s.addrs[0] != "tcp "+addr {
				t.Error(s.addrs)
			}
		})
	}
}

// Closing does not wait for an https proxy that reads nothing: neither crypto/tls,
// which has an alert to send for each of the two, nor we.
func TestProxyCloseNow(t *testing.T) {
	secure := quietTLS(t, nil)
	for _, scheme := range []string{"ws", "wss"} {
		synctest.Test(t, func(t *testing.T) {
			var socket *wstest.End
			dial := func(context.Context, string, string) (net.Conn, error) {
				client, server := wstest.NetPipe(wstest.DefaultBuffer)
				socket = client
				go func() {
					proxy := tlsServer(server, secure)
					readHead(proxy)
					io.WriteString(proxy, "HTTP/1.1 200 OK\r\n\r\n")
					var target io.ReadWriter = proxy
					if scheme == "wss" {
						target = tlsServer(proxy, secure)
					}
					io.WriteString(target, switching(readHead(target), ""))
					time.Sleep(time.Hour)
					server.Close()
				}()
				return client, nil
			}
			c, err := ws.Dial(context.Background(), scheme+"://example.com/x", &ws.DialOptions{TLS: trusting(secure), Proxy: through(t, "https://example.com"), NetDial: dial})
			if err != nil {
				t.Fatal(err)
			}
			socket.SetWriteDeadline(time.Now().Add(time.Second))
			socket.Write(make([]byte, 2*wstest.DefaultBuffer)) // nothing more fits
			socket.SetWriteDeadline(time.Time{})
			start := time.Now()
			c.CloseNow()
			if took := time.Since(start); took != 0 {
				t.Errorf("%s: CloseNow took %v", scheme, took)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}

func TestProxyRefusal(t *testing.T) {
	noLeaks(t)
	p := &connectProxy{auth: "Basic eDp5", heads: make(chan string, 10)}
	addr := listen(t, p.serve)
	s := new(sockets)
	he := mustFail(t, "ws://example.com/x", &ws.DialOptions{NetDial: s.dial, Proxy: through(t, "http://user:hush@"+addr)},
		"status 407 Proxy Authentication Required", "the proxy http://"+addr, "example.com:80", `"no login\n"`)
	if he.Status != 407 || he.Header.Get("Proxy-Authenticate") != "Basic" || string(he.Body) != "no login\n" || strings.Contains(he.Error(), "hush") {
		t.Error(he.Status, he.Header, he)
	}
	for answer, parts := range map[string][]string{
		"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\n\r\n": {"302", "the proxy refused"}, // not to be followed
		"":           {"closed before a response", "HTTP proxy"},
		"HTTP/1.1 2": {"inside the head"},
		"\x05\xff":   {"no HTTP", `"\x05\xff"`},
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("y", 70000) + "\r\n\r\n": {"longer than 65536 bytes"},
	} {
		addr := answering(t, answer)
		mustFail(t, "ws://example.com/x", &ws.DialOptions{NetDial: s.dial, Proxy: through(t, "http://"+addr)},
			append(parts, "asking the proxy http://"+addr+" for a tunnel to example.com:80")...)
	}
	mustFail(t, "ws://example.com/x", &ws.DialOptions{NetDial: s.dial, Proxy: through(t, "https://"+listen(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		io.Copy(io.Discard, c)
	}))}, "TLS handshake with the proxy https://", "try http://")
	s.check(t, 7)

	none := func(proxy string) *ws.DialOptions {
		return &ws.DialOptions{NetDial: addrOnly(new(string)), Proxy: through(t, proxy)}
	}
	mustFail(t, "ws://example.com/x", none("ftp://user:hush@h/"), `scheme "ftp"`, "use http, https, socks5 or socks5h")
	mustFail(t, "ws://example.com/x", none("http:///"), "no host")
	mustFail(t, "ws://example.com/x", none("http://h"), "connecting to the proxy http://h: not today")
	why := errors.New("no such luck")
	he = mustFail(t, "ws://example.com/x", &ws.DialOptions{Proxy: func(*url.URL) (*url.URL, error) { return nil, why }}, "choosing a proxy for ws://example.com/x")
	if !errors.Is(he, why) {
		t.Error(he)
	}
}

// Bytes of the server that share a segment with the proxy's 200 are not lost.
func TestProxyEarlyBytes(t *testing.T) {
	noLeaks(t)
	addr := listen(t, func(c net.Conn) {
		readHead(c)
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Swit")
		answer := switching(readHead(c), "")
		io.WriteString(c, answer[len("HTTP/1.1 101 Swit"):]+"\x81\x02hi")
		io.Copy(io.Discard, c)
		io.WriteString(c, "\x81\x03end")
	})
	for _, o := range []*ws.DialOptions{{}, {NetDial: new(sockets).dial}} {
		o.Proxy = through(t, "http://"+addr)
		c, err := ws.Dial(within(t), "ws://example.com/x", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if _, p, err := c.Read(within(t)); err != nil || string(p) != "hi" {
			t.Error(string(p), err)
		}
		if o.NetDial != nil { // whose connection has no half-close
			if err := c.Transport().CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			continue
		}
		if err := c.Transport().CloseWrite(); err != nil {
			t.Error(err)
		}
		if _, p, err := c.Read(within(t)); err != nil || string(p) != "end" {
			t.Error(string(p), err)
		}
	}
}

// socksProxy is a SOCKS 5 proxy (RFC 1928) that wants this login (RFC 1929),
// "" for none. Every address leads to target, "" to a refusal.
type socksProxy struct {
	login  string
	target string
	asked  chan string
}

func (p *socksProxy) serve(c net.Conn) {
	b := make([]byte, 256)
	read := func(n int) []byte {
		if _, err := io.ReadFull(c, b[:n]); err != nil {
			c.Close()
		}
		return b[:n]
	}
	methods := string(read(int(read(2)[1])))
	method := byte(0)
	if p.login != "" {
		method = 2
	}
	if !strings.Contains(methods, string(rune(method))) {
		c.Write([]byte{5, 0xff})
		return
	}
	c.Write([]byte{5, method})
	if p.login != "" {
		user := string(read(int(read(2)[1])))
		password := string(read(int(read(1)[0])))
		if user+":"+password != p.login {
			c.Write([]byte{1, 1})
			return
		}
		c.Write([]byte{1, 0})
	}
	var host string
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(int(read(1)[0])))
	case 4:
		host = net.IP(read(16)).String()
	}
	p.asked <- fmt.Sprint(host, " ", binary.BigEndian.Uint16(read(2)))
	target, err := net.Dial("tcp", p.target)
	if err != nil {
		c.Write([]byte{5, 4, 0, 1, 0, 0, 0, 0, 0, 0}) // host unreachable
		return
	}
	c.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80})
	relay(c, target)
}

func TestProxySOCKS(t *testing.T) {
	noLeaks(t)
	plain := httptest.NewServer(echo(nil))
	defer plain.Close()
	secure := quietTLS(t, echo(nil))
	for _, test := range []struct{ proxy, login, url, asked string }{
		{"socks5://", "", "ws://example.com/x", "example.com 80"},
		{"socks5h://user:pw@", "user:pw", "ws://example.com:81/x", "example.com 81"},
		{"socks5://user:pw@", "", "ws://[fe80::1%25eth0]/x", "fe80::1 80"},
		{"socks5://", "", "wss://example.com/x", "example.com 443"},
		{"socks5://", "", "ws://192.0.2.1/x", "192.0.2.1 80"},
	} {
		t.Run(test.proxy+" "+test.url, func(t *testing.T) {
			p := &socksProxy{login: test.login, target: plain.Listener.Addr().String(), asked: make(chan string, 1)}
			if strings.HasPrefix(test.url, "wss") {
				p.target = secure.Listener.Addr().String()
			}
			s := new(sockets)
			c, err := ws.Dial(within(t), test.url, &ws.DialOptions{NetDial: s.dial, TLS: trusting(secure), Proxy: through(t, test.proxy+listen(t, p.serve))})
			if err != nil {
				t.Fatal(err)
			}
			if asked := <-p.asked; asked != test.asked {
				t.Errorf("asked for %q, want %q", asked, test.asked)
			}
			checkEcho(t, c)
			s.check(t, 1)
		})
	}
}

func TestProxySOCKSRefusal(t *testing.T) {
	noLeaks(t)
	s := new(sockets)
	for _, test := range []struct {
		login, proxy, part string
	}{
		{"", "socks5://", "host unreachable"},
		{"user:pw", "socks5://", "authentication"},
		{"user:pw", "socks5://user:hush@", "authentication failed"},
	} {
		p := &socksProxy{login: test.login, asked: make(chan string, 1)}
		addr := listen(t, p.serve)
		he := mustFail(t, "ws://example.com/x", &ws.DialOptions{NetDial: s.dial, Proxy: through(t, test.proxy+addr)},
			"connecting to example.com:80 through the proxy socks5://"+addr, test.part)
		if he.Status != 0 || strings.Contains(he.Error(), "hush") {
			t.Error(he)
		}
	}
	addr := answering(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	mustFail(t, "ws://example.com/x", &ws.DialOptions{NetDial: s.dial, HandshakeTimeout: time.Second, Proxy: through(t, "socks5://"+addr)},
		"through the proxy socks5://"+addr) // an HTTP proxy: both wait
	s.check(t, 4)
	var got string
	mustFail(t, "ws://example.com/x", &ws.DialOptions{NetDial: addrOnly(&got), Proxy: through(t, "socks5://h")}, "not today")
	if got != "tcp h:1080" {
		t.Error(got)
	}
}

func TestProxyCanceled(t *testing.T) {
	reason := errors.New("changed my mind")
	for proxy, stage := range map[string]string{
		"http://p":   "asking the proxy http://p for a tunnel",
		"https://p":  "TLS handshake with the proxy https://p",
		"socks5://p": "through the proxy socks5://p",
	} {
		t.Run(proxy, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, limit := range []time.Duration{5 * time.Second, time.Minute} { // of Dial, or of the attempt
					ctx, cancel := context.WithCancelCause(context.Background())
					time.AfterFunc(limit, func() { cancel(reason) })
					start := time.Now()
					_, err := ws.Dial(ctx, "ws://h/", &ws.DialOptions{NetDial: pipeDial(silent), Proxy: through(t, proxy)})
					want := min(limit, ws.DefaultHandshakeTimeout)
					if took := time.Since(start); took != want {
						t.Errorf("took %v, want %v", took, want)
					}
					wantError(t, err, stage)
					if errors.Is(err, reason) != (limit == want) || errors.Is(err, context.DeadlineExceeded) != (limit != want) {
						t.Error(err)
					}
					time.Sleep(time.Hour) // for the server to see the end
				}
			})
		})
	}
}

// Which address is connected to, given the environment.
func TestProxyFromEnvironment(t *testing.T) {
	const direct = "tcp example.com:80"
	type env = map[string]string
	for _, test := range []struct {
		name string
		env  env
		url  string
		want string // address, or part of the error
	}{
		{"nothing", nil, "ws://example.com", direct},
		{"ws", env{"HTTP_PROXY": "http://p:3128"}, "ws://example.com", "tcp p:3128"},
		{"ws, lower case, no scheme", env{"http_proxy": "p"}, "ws://example.com", "tcp p:80"},
		{"ws with the proxy of wss", env{"HTTPS_PROXY": "p"}, "ws://example.com", direct},
		{"wss", env{"HTTPS_PROXY": "https://p", "HTTP_PROXY": "q"}, "wss://example.com", "tcp p:443"},
		{"wss, lower case", env{"https_proxy": "socks5://p"}, "wss://example.com", "tcp p:1080"},
		{"all", env{"ALL_PROXY": "socks5h://p"}, "ws://example.com", "tcp p:1080"},
		{"all, lower case", env{"all_proxy": "http://p"}, "wss://example.com", "tcp p:80"},
		{"all but one", env{"ALL_PROXY": "p", "HTTP_PROXY": "q"}, "ws://example.com", "tcp q:80"},
		{"loopback", env{"ALL_PROXY": "p"}, "ws://127.0.0.7", "tcp 127.0.0.7:80"},
		{"loopback IPv6", env{"ALL_PROXY": "p"}, "ws://[::1]", "tcp [::1]:80"},
		{"loopback by name", env{"ALL_PROXY": "p"}, "ws://LocalHost:81", "tcp LocalHost:81"},
		{"CGI", env{"HTTP_PROXY": "evil", "REQUEST_METHOD": "GET"}, "ws://example.com", direct},
		{"CGI, lower case", env{"HTTP_PROXY": "evil", "http_proxy": "p", "REQUEST_METHOD": "GET"}, "ws://example.com", "tcp p:80"},
		{"no URL", env{"HTTP_PROXY": "http://user:hush@p:x"}, "ws://example.com", "HTTP_PROXY is no URL"},
		{"no host", env{"HTTP_PROXY": "http://"}, "ws://example.com", "HTTP_PROXY is no URL"},
		{"scheme", env{"all_proxy": "ftp://user:hush@p"}, "ws://example.com", `all_proxy has the scheme "ftp"`},
		{"its own scheme", env{"ALL_PROXY": "wss://p"}, "ws://example.com", `ALL_PROXY has the scheme "wss"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			setProxies(t, test.env)
			var addr string
			_, err := ws.Dial(within(t), test.url, &ws.DialOptions{NetDial: addrOnly(&addr)})
			if addr != test.want && (addr != "" || !strings.Contains(err.Error(), test.want)) || strings.Contains(err.Error(), "hush") {
				t.Errorf("%q, %v; want %q", addr, err, test.want)
			}
		})
	}
	setProxies(t, env{"ALL_PROXY": "p"})
	var addr string
	mustFail(t, "ws://example.com", &ws.DialOptions{NetDial: addrOnly(&addr), Proxy: ws.NoProxy})
	if addr != direct {
		t.Error("NoProxy:", addr)
	}
	mustFail(t, "ws+unix:///s", &ws.DialOptions{NetDial: addrOnly(&addr)})
	if addr != "unix /s" {
		t.Error(addr)
	}
}

// setProxies makes the environment of proxies what env says, and nothing else.
func setProxies(t *testing.T, env map[string]string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD"} {
		t.Setenv(name, "")
		t.Setenv(strings.ToLower(name), "")
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

func TestProxyNO_PROXY(t *testing.T) {
	setProxies(t, map[string]string{"ALL_PROXY": "http://p:1"})
	for _, lower := range []bool{false, true} {
		for _, test := range []struct {
			list, url string
			direct    bool
		}{
			{"", "ws://example.com", false},
			{"*", "ws://example.com", true},
			{"example.com", "ws://example.com", true},
			{"example.com", "ws://EXAMPLE.com.", true},
			{"example.com", "ws://a.example.com", true},
			{"example.com", "ws://badexample.com", false},
			{"Example.COM.", "ws://example.com", true},
			{".example.com", "ws://a.example.com", true},
			{".example.com", "ws://example.com", false},
			{"*.example.com", "ws://a.example.com", true},
			{"*.example.com", "ws://example.com", false},
			{"other, ,example.com ,", "ws://example.com", true},
			{"example.com:80", "ws://example.com", true},
			{"example.com:80", "wss://example.com", false},
			{"example.com:443", "wss://a.example.com", true},
			{"192.0.2.1", "ws://192.0.2.1", true},
			{"192.0.2.1", "ws://192.0.2.10", false},
			{"192.0.2.1:81", "ws://192.0.2.1:81", true},
			{"192.0.2.1:81", "ws://192.0.2.1", false},
			{"192.0.2.0/24", "ws://192.0.2.77:8080", true},
			{"192.0.2.0/24", "ws://192.0.3.1", false},
			{"192.0.2.0/24", "ws://example.com", false},
			{"192.0.2.1", "ws://[::ffff:192.0.2.1]", true},
			{"2001:db8::1", "ws://[2001:db8:0::1]", true},
			{"[2001:db8::1]:80", "ws://[2001:db8::1]", true},
			{"[2001:db8::1]:81", "ws://[2001:db8::1]", false},
			{"2001:db8::/32", "ws://[2001:db8:7::1]", true},
			{"2.1", "ws://192.0.2.1", false},
		} {
			name := "NO_PROXY"
			if lower {
				t.Setenv(name, "")
				name = "no_proxy"
			}
			t.Setenv(name, test.list)
			var addr string
			mustFail(t, test.url, &ws.DialOptions{NetDial: addrOnly(&addr)})
			if direct := addr != "tcp p:1"; direct != test.direct {
				t.Errorf("%s=%s: %s is connected to at %s", name, test.list, test.url, addr)
			}
		}
	}
}
