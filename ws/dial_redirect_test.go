package ws_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"duplex/ws"
)

// site is a server that redirects the paths in moves and opens all others. A
// move is "status Location".
func site(t *testing.T, moves map[string]string) (addr string, heads <-chan string) {
	ch := make(chan string, 100)
	return listen(t, func(c net.Conn) {
		head := readHead(c)
		ch <- head
		move, ok := moves[parseHead(t, head).URL.Path]
		if !ok {
			io.WriteString(c, switching(head, ""))
			return
		}
		status, location, _ := strings.Cut(move, " ")
		fmt.Fprintf(c, "HTTP/1.1 %s Moved\r\nLocation: %s\r\nSet-Cookie: hop=1\r\nContent-Length: 0\r\n\r\n", status, location)
	}), ch
}

func TestDialRedirects(t *testing.T) {
	noLeaks(t)
	moves := map[string]string{"/1": "301 /2?q=1#top", "/2": "302 3", "/3": "303 ?again", "/4": "307 //HOST/5", "/5": "308 http://HOST/6"}
	moves["/3"] = "303 ./4"
	addr, heads := site(t, moves)
	for path, move := range moves {
		moves[path] = strings.ReplaceAll(move, "HOST", addr)
	}
	moves["/6"] = "302 ws://" + addr + "/end"
	s := new(sockets)
	jar, _ := cookiejar.New(nil)
	c, err := ws.Dial(within(t), "ws://user:pw@"+addr+"/1", &ws.DialOptions{NetDial: s.dial, Jar: jar,
		Header: http.Header{"Cookie": {"own=1"}, "X-Id": {"7"}, "Host": {"esp32.local"}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Request().URL.String(); got != "ws://"+addr+"/end" || c.Response().StatusCode != 101 {
		t.Error(got, c.Response().Status)
	}
	c.CloseNow()
	s.check(t, 7)
	keys := map[string]bool{}
	for i, target := range []string{"/1", "/2?q=1", "/3", "/4", "/5", "/6", "/end"} {
		head := <-heads
		r := parseHead(t, head)
		keys[keyIn(head)] = true
		cookie := "own=1; hop=1"
		if i == 0 {
			cookie = "own=1"
		}
		if r.RequestURI != target || r.Host != "esp32.local" || r.Header.Get("X-Id") != "7" || r.Header.Get("Authorization") == "" || r.Header.Get("Cookie") != cookie {
			t.Errorf("hop %d: %q", i, head)
		}
	}
	if len(keys) != 7 {
		t.Error("a key was used twice")
	}
}

// Credentials are for the host they were given for, and do not come back on the
// way back to it.
func TestDialRedirectToAnotherHost(t *testing.T) {
	noLeaks(t)
	moves := map[string]string{}
	addr, heads := site(t, moves)
	other, otherHeads := site(t, map[string]string{"/there": "302 http://new:login@" + addr + "/back"})
	moves["/"] = "302 http://" + other + "/there"
	moves["/back"] = "302 /end"
	dialAndClose(t, "ws://user:pw@"+addr, &ws.DialOptions{Header: http.Header{"cookie": {"own=1"}, "X-Id": {"7"}, "Host": {"esp32.local"}}})
	if r := parseHead(t, <-heads); r.Header.Get("Authorization") == "" || r.Header.Get("Cookie") == "" || r.Host != "esp32.local" {
		t.Error(r.Header)
	}
	if r := parseHead(t, <-otherHeads); r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" || r.Host != other || r.Header.Get("X-Id") != "7" {
		t.Error(r.Host, r.Header)
	}
	for range 2 { // with the login that the Location named
		if r := parseHead(t, <-heads); r.Header.Get("Authorization") != "Basic bmV3OmxvZ2lu" || r.Header.Get("Cookie") != "" || r.Host != addr {
			t.Error(r.Host, r.Header)
		}
	}
}

func TestDialRedirectRefused(t *testing.T) {
	for _, test := range []struct {
		name, move string
		max        int
		status     int
		part       string
		sockets    int
	}{
		{"loop", "302 /", 0, 302, "after 10 redirects", 11},
		{"bound", "302 /", 2, 302, "after 2 redirects, the most that MaxRedirects allows", 3},
		{"none allowed", "302 /end", -1, 302, "the server answered with status 302", 1},
		{"no Location", "302 ", 0, 302, "the server answered with status 302", 1},
		{"not followed", "300 /end", 0, 300, "the server answered with status 300", 1},
		{"scheme", "301 ftp://h/", 0, 301, `scheme "ftp"`, 1},
		{"Unix socket", "301 ws+unix:///s", 0, 301, `scheme "ws+unix"`, 1},
		{"no URL", "301 http://user:hush@h:x/", 0, 301, "not well-formed", 1},
		{"no host", "301 http:///x", 0, 301, "no host", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			noLeaks(t)
			addr, _ := site(t, map[string]string{"/": test.move})
			s := new(sockets)
			he := mustFail(t, "ws://"+addr, &ws.DialOptions{NetDial: s.dial, MaxRedirects: test.max}, test.part, "ws://"+addr)
			_, location, _ := strings.Cut(test.move, " ")
			if he.Status != test.status || he.Header.Get("Location") != location {
				t.Error(he.Status, he.Header)
			}
			if strings.Contains(he.Error(), "hush") {
				t.Error(he)
			}
			s.check(t, test.sockets)
		})
	}
}

func TestDialRedirectKeepsTLS(t *testing.T) {
	noLeaks(t)
	plain, _ := site(t, nil)
	var location string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/end" {
			echo(nil)(w, r)
			return
		}
		http.Redirect(w, r, location, http.StatusFound)
	}))
	defer server.Close()
	o := &ws.DialOptions{TLS: trusting(server)}
	url := "wss" + strings.TrimPrefix(server.URL, "https")
	location = "http://" + plain + "/end"
	mustFail(t, url, o, "without TLS", "wss://", "ws://"+plain+"/end")

	location = server.URL + "/end"
	c, err := ws.Dial(within(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	checkEcho(t, c)

	// The usual way up: from ws to wss.
	up, heads := site(t, map[string]string{"/": "301 " + server.URL + "/end"})
	c, err = ws.Dial(within(t), "ws://user:pw@"+up, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	checkEcho(t, c)
	if len(heads) != 1 || c.Request().URL.Scheme != "wss" || c.Request().Header.Get("Authorization") != "" { // another port: another server
		t.Error(c.Request())
	}
}

// The default ports of ws and wss belong to one host.
func TestDialRedirectDefaultPorts(t *testing.T) {
	noLeaks(t)
	server := quietTLS(t, echo(nil))
	plain, _ := site(t, map[string]string{"/": "301 https://esp32.local/end"})
	config := trusting(server)
	config.ServerName = "example.com"
	c, err := ws.Dial(within(t), "ws://user:pw@esp32.local/", &ws.DialOptions{Proxy: ws.NoProxy, TLS: config,
		NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			switch addr {
			case "esp32.local:80":
				addr = plain
			case "esp32.local:443":
				addr = server.Listener.Addr().String()
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if c.Request().Header.Get("Authorization") == "" {
		t.Error("the login was lost on the way from ws to wss:", c.Request().Header)
	}
	checkEcho(t, c)
}

func TestDialRedirectOnUnixSocket(t *testing.T) {
	noLeaks(t)
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Skip("no Unix sockets here:", err)
	}
	addr, heads := site(t, nil)
	serve(t, l, func(c net.Conn) {
		switch head := readHead(c); parseHead(t, head).RequestURI {
		case "/1":
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: 2\r\n\r\n")
		case "/2":
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://localhost/3\r\n\r\n")
		default:
			io.WriteString(c, "HTTP/1.1 302 Found\r\nLocation: http://"+addr+"/end\r\n\r\n")
		}
	})
	dialAndClose(t, "ws+unix://"+filepath.ToSlash(l.Addr().String())+":/1", &ws.DialOptions{Header: http.Header{"Authorization": {"x"}}})
	if r := parseHead(t, <-heads); r.RequestURI != "/end" || r.Header.Get("Authorization") != "" || r.Host != addr {
		t.Error(r)
	}
}
