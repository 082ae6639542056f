package ws_test

import (
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"duplex/ws"
)

// recording is a server that agrees to everything, with more lines in its 101.
func recording(t *testing.T, lines string) (addr string, heads <-chan string) {
	ch := make(chan string, 10)
	return listen(t, func(c net.Conn) {
		head := readHead(c)
		ch <- head
		io.WriteString(c, switching(head, lines))
	}), ch
}

func dialAndClose(t *testing.T, rawURL string, o *ws.DialOptions) {
	t.Helper()
	c, err := ws.Dial(within(t), rawURL, o)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
}

func TestDialHeader(t *testing.T) {
	noLeaks(t)
	addr, heads := recording(t, "")
	dialAndClose(t, "ws://"+addr, &ws.DialOptions{Header: http.Header{
		"X-B": {"2", "3"}, "x-a": {"1"}, "User-Agent": {"probe"}, "Origin": {"http://example.com"}, "host": {"esp32.local"},
	}})
	head := <-heads
	r := parseHead(t, head)
	if r.Host != "esp32.local" || !strings.HasSuffix(head, "Origin: http://example.com\r\nUser-Agent: probe\r\nX-B: 2\r\nX-B: 3\r\nx-a: 1\r\n\r\n") {
		t.Errorf("request %q", head)
	}
	for name, part := range map[string]string{
		"Upgrade": "take it out", "connection": "take it out", "Sec-WebSocket-Key": "take it out", "sec-websocket-extensions": "take it out",
		"Sec-WebSocket-Protocol": "Options.Subprotocols", "Content-Length": "no body", "Transfer-Encoding": "no body",
		"X Y": "token", "X-Line": "control character", "Host": "host",
	} {
		value := "a"
		if name == "X-Line" || name == "Host" {
			value = "a\r\nb: c"
		}
		_, err := ws.Dial(within(t), "ws://"+addr, &ws.DialOptions{Header: http.Header{name: {value}}})
		if err == nil || !strings.Contains(err.Error(), part) || !strings.Contains(err.Error(), name) && name != "Host" {
			t.Errorf("%s: %v, want %q", name, err, part)
		}
	}
	for _, hosts := range [][]string{{"a", "b"}, {}, {""}} {
		if _, err := ws.Dial(within(t), "ws://"+addr, &ws.DialOptions{Header: http.Header{"Host": hosts}}); err == nil || !strings.Contains(err.Error(), "Host") {
			t.Errorf("Host %q: %v", hosts, err)
		}
	}
	_, err := ws.Dial(within(t), "ws://"+addr, &ws.DialOptions{Options: ws.Options{Subprotocols: []string{"a", "a"}}})
	if err == nil || !strings.Contains(err.Error(), "Sec-WebSocket-Protocol") {
		t.Error(err)
	}
	if len(heads) > 0 {
		t.Error("a request that cannot work was sent")
	}
}

func TestDialBasicAuth(t *testing.T) {
	noLeaks(t)
	addr, heads := recording(t, "")
	for _, test := range []struct {
		user   string
		header http.Header
		want   string
	}{
		{"Aladdin:open%20sesame@", nil, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, // RFC 7617 §2
		{"Aladdin@", nil, "Basic QWxhZGRpbjo="},
		{"", nil, ""},
		{"a:b@", http.Header{"authorization": {"Bearer t"}}, "Bearer t"},
	} {
		dialAndClose(t, "ws://"+test.user+addr, &ws.DialOptions{Header: test.header})
		head := <-heads
		if got := parseHead(t, head).Header["Authorization"]; strings.Join(got, "|") != test.want {
			t.Errorf("%s: %q, want %q", test.user, got, test.want)
		}
	}
	refusing := answering(t, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
	he := mustFail(t, "ws://user:hush@"+refusing, nil, "403")
	if strings.Contains(he.Error(), "hush") {
		t.Error(he)
	}
	c, err := ws.Dial(within(t), "ws://user:hush@"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if s := c.Request().URL.String(); s != "ws://"+addr+"/" {
		t.Error("Request.URL is", s)
	}
}

func TestDialCookies(t *testing.T) {
	noLeaks(t)
	jar, _ := cookiejar.New(nil)
	addr, heads := recording(t, "Set-Cookie: session=101\r\nSet-Cookie: elsewhere=x; Path=/b\r\n")
	at, _ := url.Parse("http://" + addr)
	jar.SetCookies(at, []*http.Cookie{{Name: "jar", Value: "1"}})
	o := &ws.DialOptions{Jar: jar, Header: http.Header{"Cookie": {"own=0", "b=1"}}}
	dialAndClose(t, "ws://"+addr+"/a", o)
	if got := parseHead(t, <-heads).Header["Cookie"]; strings.Join(got, "|") != "own=0; b=1; jar=1" {
		t.Errorf("Cookie %q", got)
	}
	dialAndClose(t, "ws://"+addr+"/a", o)
	if got := parseHead(t, <-heads).Header["Cookie"]; strings.Join(got, "|") != "own=0; b=1; jar=1; session=101" {
		t.Errorf("Cookie %q", got)
	}
	refusing := answering(t, "HTTP/1.1 403 Forbidden\r\nSet-Cookie: refused=1\r\nContent-Length: 0\r\n\r\n")
	at, _ = url.Parse("http://" + refusing)
	mustFail(t, "ws://"+refusing, o, "403")
	found := false
	for _, c := range jar.Cookies(at) {
		found = found || c.Name == "refused"
	}
	if !found {
		t.Error("the jar has not got the cookie of a refusal:", jar.Cookies(at))
	}
}

// urlJar is a jar of URLs.
type urlJar struct{ asked, given []string }

func (j *urlJar) Cookies(u *url.URL) []*http.Cookie {
	j.asked = append(j.asked, u.String())
	return nil
}

func (j *urlJar) SetCookies(u *url.URL, _ []*http.Cookie) { j.given = append(j.given, u.String()) }

// A jar knows http and https only, and would keep nothing for ws.
func TestDialCookieURL(t *testing.T) {
	noLeaks(t)
	server := quietTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Set-Cookie", "a=b")
		echo(nil)(w, r)
	}))
	addr, _ := recording(t, "Set-Cookie: a=b\r\n")
	jar := new(urlJar)
	o := &ws.DialOptions{Jar: jar, TLS: trusting(server)}
	dialAndClose(t, "ws://user:pw@"+addr+"/a?b", o)
	dialAndClose(t, "wss"+strings.TrimPrefix(server.URL, "https")+"/a?b", o)
	want := "http://" + addr + "/a?b " + server.URL + "/a?b"
	if strings.Join(jar.asked, " ") != want || strings.Join(jar.given, " ") != want {
		t.Error(jar, want)
	}
}
