package protocol_test

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"duplex/protocol"
)

// rfcRequest is the request of RFC 6455 §1.2.
const rfcRequest = "GET /chat HTTP/1.1\r\n" +
	"Host: server.example.com\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
	"Origin: http://example.com\r\n" +
	"Sec-WebSocket-Protocol: chat, superchat\r\n" +
	"Sec-WebSocket-Version: 13\r\n\r\n"

// rfcResponse is the response of RFC 6455 §1.2.
const rfcResponse = "HTTP/1.1 101 Switching Protocols\r\n" +
	"Upgrade: websocket\r\n" +
	"Connection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
	"Sec-WebSocket-Protocol: chat\r\n\r\n"

// helloFrame is the masked text frame of RFC 6455 §5.7.
const helloFrame = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"

func TestParseRequest(t *testing.T) {
	// The frame in the same segment is the peer's first and stays in the buffer.
	r, n, err := protocol.ParseRequest([]byte(rfcRequest+helloFrame), protocol.HeadLimits{})
	if err != nil || n != len(rfcRequest) {
		t.Fatalf("n = %d, %v, want %d", n, err, len(rfcRequest))
	}
	if len(r.Fields) != 7 || r.Fields[3] != (protocol.Field{Name: "Sec-WebSocket-Key", Value: rfcKey}) {
		t.Errorf("fields %v", r.Fields)
	}
	r.Fields = nil
	want := protocol.Request{
		Method: "GET", Target: "/chat", Proto: "HTTP/1.1", Host: "server.example.com",
		Upgrade: lines("websocket"), Connection: lines("Upgrade"), Version: lines("13"), Key: lines(rfcKey),
		Subprotocols: lines("chat, superchat"), Origin: lines("http://example.com"),
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf(" got %+v\nwant %+v", r, want)
	}
}

// request returns a head of these lines, ended as it must be.
func request(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

func TestParseRequestGood(t *testing.T) {
	tests := []struct {
		name, head string
		check      func(protocol.Request) bool
	}{
		{"RFC 9112 §2.2: an empty line before", "\r\n" + request("GET / HTTP/1.1", "Host: a"),
			func(r protocol.Request) bool { return r.Method == "GET" && r.Host == "a" }},
		{"no fields", request("GET / HTTP/1.1"), func(r protocol.Request) bool { return r.Host == "" && r.Fields == nil }},
		{"names in any case", request("GET / HTTP/1.1", "hOST: a", "sec-websocket-KEY: k"),
			func(r protocol.Request) bool { return r.Host == "a" && reflect.DeepEqual(r.Key, lines("k")) }},
		{"no space and much space", request("GET / HTTP/1.1", "Host:a", "Upgrade: \t websocket \t"),
			func(r protocol.Request) bool { return r.Host == "a" && r.Upgrade[0] == "websocket" }},
		{"an empty value", request("GET / HTTP/1.1", "Origin:", "Host: a"),
			func(r protocol.Request) bool { return reflect.DeepEqual(r.Origin, lines("")) }},
		{"colons in a value", request("GET / HTTP/1.1", "Host: a:80"), func(r protocol.Request) bool { return r.Host == "a:80" }},
		{"lines in order", request("GET / HTTP/1.1", "Connection: a", "Upgrade: x", "connection: b", "Upgrade: y"),
			func(r protocol.Request) bool {
				return reflect.DeepEqual(r.Connection, lines("a", "b")) && reflect.DeepEqual(r.Upgrade, lines("x", "y"))
			}},
		{"RFC 9112 §3.2.2: an absolute target goes before Host", request("GET http://b.example:81/p?q HTTP/1.1", "Host: a"),
			func(r protocol.Request) bool {
				return r.Host == "b.example:81" && r.Target == "http://b.example:81/p?q"
			}},
		{"an absolute target needs Host all the same", request("GET ws://b/ HTTP/1.1"), func(r protocol.Request) bool { return r.Host == "" }},
		{"and one that says something", request("GET ws://b/ HTTP/1.1", "Host:"), func(r protocol.Request) bool { return r.Host == "" }},
		{"a URI inside a path", request("GET /http://b/ HTTP/1.1", "Host: a"), func(r protocol.Request) bool { return r.Host == "a" }},
		{"bytes above ASCII", request("GET /\xc3\xa4 HTTP/1.1", "X: \xc3\xa4\xff"), func(r protocol.Request) bool { return r.Target == "/\xc3\xa4" }},
		{"HTTP/1.0 is for Accept to refuse", request("GET / HTTP/1.0"), func(r protocol.Request) bool { return r.Proto == "HTTP/1.0" }},
		{"so is another method with its body", request("POST /x HTTP/1.1", "Content-Length: 5"), func(r protocol.Request) bool { return r.Method == "POST" }},
		{"a body of nothing", request("GET / HTTP/1.1", "Content-Length: 0"), func(r protocol.Request) bool { return true }},
	}
	for _, test := range tests {
		r, n, err := protocol.ParseRequest([]byte(test.head), protocol.HeadLimits{})
		if err != nil || n != len(test.head) || !test.check(r) {
			t.Errorf("%s: n = %d of %d, %v, %+v", test.name, n, len(test.head), err, r)
		}
	}
}

func TestParseRequestRefused(t *testing.T) {
	const start = "GET / HTTP/1.1"
	tests := []struct {
		section, head string
		status        int
		name          string
	}{
		{"RFC 9112 §2.2 LF alone", "GET / HTTP/1.1\n", 400, "head-syntax"},
		{"RFC 9112 §2.2 LF alone after a field", start + "\r\nHost: a\n\r\n", 400, "head-syntax"},
		{"RFC 9112 §2.2 CR inside a line", start + "\r\nX: a\rb", 400, "head-syntax"},
		{"RFC 9112 §2.2 CR CR LF", start + "\r\r", 400, "head-syntax"},
		{"RFC 9112 §3 two empty lines before", "\r\n\r\n", 400, "head-syntax"},
		{"RFC 9112 §5.2 folded", start + "\r\nX: a\r\n b\r\n", 400, "head-syntax"},
		{"RFC 9112 §5.2 folded by a tab", start + "\r\nX: a\r\n\tb\r\n", 400, "head-syntax"},
		{"RFC 9112 §5.2 space after the request line", start + "\r\n X: a\r\n", 400, "head-syntax"},
		{"RFC 9112 §5.1 space before the colon", start + "\r\nHost : a\r\n", 400, "head-syntax"},
		{"RFC 9112 §5.1 tab before the colon", start + "\r\nHost\t: a\r\n", 400, "head-syntax"},
		{"RFC 9112 §5 no colon", start + "\r\nHost\r\n", 400, "head-syntax"},
		{"RFC 9112 §5 no name", start + "\r\n: a\r\n", 400, "head-syntax"},
		{"RFC 9110 §5.1 name", start + "\r\nHo st: a\r\n", 400, "head-syntax"},
		{"RFC 9110 §5.1 name above ASCII", start + "\r\nH\xc3\xb6st: a\r\n", 400, "head-syntax"},
		{"RFC 9110 §5.5 NUL", start + "\r\nX: a\x00", 400, "head-syntax"},
		{"RFC 9110 §5.5 DEL", start + "\r\nX: a\x7f", 400, "head-syntax"},
		{"RFC 9112 §3 no version", "GET /\r\n", 400, "head-syntax"},
		{"RFC 9112 §3 no target", "GET  HTTP/1.1\r\n", 400, "head-syntax"},
		{"RFC 9112 §3.2 two spaces", "GET  / HTTP/1.1\r\n", 400, "head-syntax"},
		{"RFC 9112 §3 space behind", "GET / HTTP/1.1 \r\n", 400, "head-syntax"},
		{"RFC 9112 §3 space before", " GET / HTTP/1.1\r\n", 400, "head-syntax"},
		{"RFC 9112 §3.2 space in the target", "GET /a b HTTP/1.1\r\n", 400, "head-syntax"},
		{"RFC 9112 §3.2 tab in the target", "GET /a\tb HTTP/1.1\r\n", 400, "head-syntax"},
		{"RFC 9112 §3 method", "G=T / HTTP/1.1\r\n", 400, "head-syntax"},
		{"RFC 9112 §3 version", "GET / HTTP/1.10\r\n", 400, "head-syntax"},
		{"RFC 9112 §3 version's case", "GET / http/1.1\r\n", 400, "head-syntax"},
		{"another protocol", "SSH-2.0-OpenSSH_9.9\r\n", 400, "head-syntax"},
		{"TLS to a plain port", "\x16\x03\x01", 400, "head-syntax"},
		{"RFC 9110 §15.6.6 HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "http-version"},
		{"RFC 9112 §3.2 target", request("GET chat HTTP/1.1", "Host: a"), 400, "head-syntax"},
		{"RFC 9112 §3.2 asterisk", request("GET * HTTP/1.1", "Host: a"), 400, "head-syntax"},
		{"RFC 9112 §3.2 another scheme", request("GET ftp://a/ HTTP/1.1", "Host: a"), 400, "head-syntax"},
		{"RFC 9112 §3.2 user in the target", request("GET http://me@a/ HTTP/1.1", "Host: a"), 400, "head-syntax"},
		{"RFC 9112 §3.2 two Hosts", request(start, "Host: a", "Host: a"), 400, "host"},
		{"a body", request(start, "Host: a", "Content-Length: 5"), 400, "body"},
		{"a body by halves", request(start, "Content-Length: 0", "Content-Length: 0"), 400, "body"},
		{"a body in chunks", request(start, "transfer-encoding: chunked"), 400, "body"},
	}
	for _, test := range tests {
		_, n, err := protocol.ParseRequest([]byte(test.head), protocol.HeadLimits{})
		var refusal *protocol.Refusal
		if !errors.As(err, &refusal) || n != 0 || refusal.Status != test.status || refusal.Name != test.name {
			t.Errorf("%s: n = %d, %#v, want %d %q", test.section, n, err, test.status, test.name)
			continue
		}
		if strings.HasPrefix(test.section, "RFC") && !strings.HasPrefix(test.section, refusal.Section+" ") {
			t.Errorf("%s: %v", test.section, err)
		}
	}
}

func TestParseHeadLimits(t *testing.T) {
	head := request("GET / HTTP/1.1", "A: b", "C: d")
	long := func(total int) string {
		return request("GET / HTTP/1.1", "X: "+strings.Repeat("x", total-len(request("GET / HTTP/1.1", "X: "))))
	}
	tests := []struct {
		name   string
		head   string
		limits protocol.HeadLimits
		fits   bool
	}{
		{"8 KiB", long(8 << 10), protocol.HeadLimits{}, true},
		{"8 KiB and one", long(8<<10 + 1), protocol.HeadLimits{}, false},
		{"endless", strings.Repeat("x", 8<<10), protocol.HeadLimits{}, false},
		{"100 fields", request("GET / HTTP/1.1" + strings.Repeat("\r\na:b", 100)), protocol.HeadLimits{}, true},
		{"101 fields", request("GET / HTTP/1.1" + strings.Repeat("\r\na:b", 101)), protocol.HeadLimits{}, false},
		{"exactly", head, protocol.HeadLimits{Bytes: len(head), Fields: 2}, true},
		{"one byte too many", head, protocol.HeadLimits{Bytes: len(head) - 1}, false},
		{"one field too many", head, protocol.HeadLimits{Fields: 1}, false},
		{"nothing fits", "\r\n" + head, protocol.HeadLimits{Bytes: 1}, false},
	}
	for _, test := range tests {
		_, n, err := protocol.ParseRequest([]byte(test.head+helloFrame), test.limits)
		var refusal *protocol.Refusal
		if test.fits && (err != nil || n != len(test.head)) {
			t.Errorf("%s: n = %d, %v", test.name, n, err)
		}
		if !test.fits && (!errors.As(err, &refusal) || refusal.Status != 431 || refusal.Name != "head-size") {
			t.Errorf("%s: %v, want a 431", test.name, err)
		}
		reply := strings.Replace(test.head, "GET / HTTP/1.1", "HTTP/1.1 101 X", 1)
		_, n, err = protocol.ParseReply([]byte(reply+helloFrame), test.limits)
		var failed *protocol.ReplyError
		if test.fits && (err != nil || n != len(reply)) {
			t.Errorf("%s: reply: n = %d, %v", test.name, n, err)
		}
		if !test.fits && (!errors.As(err, &failed) || failed.Name != "head-size" || failed.Error() != failed.Text) && test.name != "nothing fits" {
			t.Errorf("%s: reply: %v, want head-size", test.name, err)
		}
	}
}

// One byte above the limit is above it also when nothing comes behind.
func TestParseHeadLimitsExact(t *testing.T) {
	p := []byte(rfcRequest)
	for short, status := range []int{0, 431} {
		_, n, err := protocol.ParseRequest(p, protocol.HeadLimits{Bytes: len(p) - short})
		var refusal *protocol.Refusal
		if status == 0 && n != len(p) || status != 0 && (!errors.As(err, &refusal) || refusal.Status != status) {
			t.Errorf("limit %d for %d bytes: n = %d, %v", len(p)-short, len(p), n, err)
		}
	}
}

func TestParseReply(t *testing.T) {
	r, n, err := protocol.ParseReply([]byte(rfcResponse+"\x81\x05Hello"), protocol.HeadLimits{})
	if err != nil || n != len(rfcResponse) || len(r.Fields) != 4 {
		t.Fatalf("n = %d of %d, %v, %v", n, len(rfcResponse), err, r.Fields)
	}
	r.Fields = nil
	want := protocol.Reply{
		Status: 101, Proto: "HTTP/1.1", Upgrade: lines("websocket"), Connection: lines("Upgrade"),
		Accept: lines(rfcAccept), Subprotocols: lines("chat"),
	}
	if !reflect.DeepEqual(r, want) {
		t.Errorf(" got %+v\nwant %+v", r, want)
	}
	for _, interim := range []string{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "HTTP/1.1 100\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"} {
		if r, n, err := protocol.ParseReply([]byte(interim+rfcResponse), protocol.HeadLimits{}); err != nil || n != len(interim+rfcResponse) || r.Status != 101 {
			t.Errorf("RFC 9110 §15.2: after %q: n = %d, status %d, %v", interim, n, r.Status, err)
		}
	}
	for head, status := range map[string]int{
		"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n": 404, "HTTP/1.0 200 \r\n\r\n": 200, "HTTP/1.1 500\r\n\r\n": 500,
		"HTTP/1.1 302 \xc3\xa4\r\nLocation: /x\r\n\r\n": 302,
	} {
		if r, n, err := protocol.ParseReply([]byte(head), protocol.HeadLimits{}); err != nil || n != strings.Index(head, "\r\n\r\n")+4 || r.Status != status {
			t.Errorf("%q: n = %d, status %d, %v", head, n, r.Status, err)
		}
	}
	for _, head := range []string{
		"\r\nHTTP/1.1 101 X\r\n", "HTTP/1.1 101 X\n", "HTTP/1.1  101 X\r\n", "HTTP/1.1 1010\r\n", "HTTP/1.1 10\r\n", "HTTP/1.1 099 X\r\n",
		"HTTP/1.1101 X\r\n", "http/1.1 101 X\r\n", "ICY 200 OK\r\n", "HTTP/1.1 101 X\r\nUpgrade : websocket\r\n", "HTTP/1.1 101 X\r\nA: b\r\n c\r\n",
		"220 mail.example ESMTP\r\n", "\x15\x03\x01\x00\x02\x02\x46",
	} {
		_, n, err := protocol.ParseReply([]byte(head), protocol.HeadLimits{})
		var failed *protocol.ReplyError
		if !errors.As(err, &failed) || n != 0 || failed.Name != "head-syntax" {
			t.Errorf("%q: n = %d, %#v", head, n, err)
		}
	}
}

func TestHeadResponseAppend(t *testing.T) {
	r, _, _ := protocol.ParseRequest([]byte(rfcRequest), protocol.HeadLimits{})
	options := protocol.ServerOptions{Subprotocols: lines("chat"), Origin: func(string, string) bool { return true }}
	response, _, err := r.Accept(options)
	if got := string(response.Append(nil)); err != nil || got != rfcResponse {
		t.Errorf("%v\n got %q\nwant %q", err, got, rfcResponse)
	}
	r.Method = "PUT"
	response, _, err = r.Accept(options)
	want := "before|HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: " + strconv.Itoa(len(response.Body)) + "\r\nConnection: close\r\n\r\n" +
		"the method is not GET; open a WebSocket with GET (RFC 6455 §4.1)\n"
	if got := string(response.Append([]byte("before|"))); got != want || err == nil {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	refused := protocol.Refusal{Status: 499, Text: "no", Fields: []protocol.Field{
		{Name: "Set-Cookie", Value: "a\r\nX: y\x00"}, {Name: "B d", Value: "x"}, {Name: "Content-Length", Value: "9"}, {Name: "content-type", Value: "text/x"},
	}}
	want = "HTTP/1.1 499 Status\r\nSet-Cookie: a  X: y \r\ncontent-type: text/x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n"
	if got := string(refused.Response().Append(nil)); got != want {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// Every refusal is an HTTP response that net/http reads to its end.
func TestHeadRefusalIsHTTP(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 421, 426, 429, 431, 500, 501, 503, 505, 301, 302, 307, 308} {
		refusal := protocol.Refusal{Status: status, Text: "text"}
		raw := refusal.Response().Append(nil)
		got, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if want := http.StatusText(status); got.Status != strconv.Itoa(status)+" "+want || !got.Close || got.ContentLength != 5 {
			t.Errorf("%d is answered with %q, close %v, length %d", status, got.Status, got.Close, got.ContentLength)
		}
	}
}

// equalCuts gives parse every beginning of p: it has to want more, or to say what it says about the whole.
func equalCuts[T any](t *testing.T, p []byte, parse func([]byte, protocol.HeadLimits) (T, int, error)) (T, int, error) {
	t.Helper()
	limits := protocol.HeadLimits{Bytes: 300, Fields: 10}
	whole, n, err := parse(p, limits)
	if n < 0 || n > len(p) || n > limits.Bytes || n > 0 && err != nil {
		t.Fatalf("%q: n = %d, %v", p, n, err)
	}
	for cut := range p {
		// Bytes behind the cut lie in the same array: whoever looks past the length finds rubbish.
		part := append(append(make([]byte, 0, cut+4), p[:cut]...), "\n\x00\n\x00"...)[:cut]
		got, m, cutErr := parse(part, limits)
		wantsMore := m == 0 && cutErr == nil
		if wantsMore && (n == 0 || cut < n) {
			continue
		}
		if m != n || !reflect.DeepEqual(got, whole) || !reflect.DeepEqual(cutErr, err) {
			t.Fatalf("cut at %d of %q: n = %d, %v, %+v\nwhole: n = %d, %v, %+v", cut, p, m, cutErr, got, n, err, whole)
		}
	}
	if err != nil {
		if text := err.Error(); text == "" || strings.ContainsAny(text, "\r\n") {
			t.Errorf("the error is no line: %q", text)
		}
	}
	return whole, n, err
}

func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		rfcRequest + helloFrame, "\r\n" + rfcRequest, "GET http://b:81/p HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "POST /x HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", "GET / HTTP/1.1\nHost: a\n\n", "\x16\x03\x01",
		"GET / HTTP/1.1\r\n" + strings.Repeat("a:b\r\n", 11) + "\r\n", strings.Repeat("x", 301), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		r, n, err := equalCuts(t, p, protocol.ParseRequest)
		if err != nil || n == 0 {
			return
		}
		response, _, err := r.Accept(protocol.ServerOptions{Negotiate: func(offers []protocol.Extension) []protocol.Extension { return offers[:1] }})
		reply, m, replyErr := protocol.ParseReply(response.Append(nil), protocol.HeadLimits{})
		if replyErr != nil || m == 0 || reply.Status != response.Status {
			t.Fatalf("the response cannot be read: %v, %+v", replyErr, response)
		}
		if _, checkErr := reply.Check(&r); (checkErr == nil) != (err == nil) {
			t.Errorf("%q: Accept says %v, Check says %v", p, err, checkErr)
		}
		compareRequest(t, p, r)
	})
}

// compareRequest holds a request that ParseRequest takes against net/http's reading of it, where that takes it too.
func compareRequest(t *testing.T, p []byte, r protocol.Request) {
	t.Helper()
	if r.Method != "GET" || r.Host == "" {
		return
	}
	std, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(p, []byte("\r\n")))))
	if err != nil {
		return
	}
	same := std.Method == r.Method && std.RequestURI == r.Target && std.Proto == r.Proto && std.Host == r.Host && std.ContentLength == 0
	for name, values := range map[string][]string{
		"Upgrade": r.Upgrade, "Connection": r.Connection, "Sec-Websocket-Version": r.Version, "Sec-Websocket-Key": r.Key,
		"Sec-Websocket-Protocol": r.Subprotocols, "Sec-Websocket-Extensions": r.Extensions, "Origin": r.Origin,
	} {
		same = same && reflect.DeepEqual(std.Header[name], values)
	}
	if !same {
		t.Errorf("%q:\n     duplex %+v\n   net/http %q %q %v", p, r, std.RequestURI, std.Host, std.Header)
	}
}

func FuzzParseReply(f *testing.F) {
	for _, seed := range []string{
		rfcResponse + "\x81\x05Hello", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + rfcResponse, "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n",
		"HTTP/1.1 500\r\n\r\n", "HTTP/1.1 101 X\r\nUpgrade : websocket\r\n\r\n", "ICY 200 OK\r\n\r\n", "HTTP/1.1 100\r\n\r\nHTTP/1.1 1",
		"HTTP/1.1 101 X\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: " + rfcAccept + "\r\nsec-websocket-extensions: foo; a=\"1\"\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	request := goodRequest(func(r *protocol.Request) {
		r.Subprotocols, r.Extensions = lines("chat, superchat"), lines("foo; a")
	})
	f.Fuzz(func(t *testing.T, p []byte) {
		r, n, err := equalCuts(t, p, protocol.ParseReply)
		if err != nil || n == 0 {
			return
		}
		if r.Status < 100 || r.Status > 999 || r.Status < 200 && r.Status != 101 {
			t.Errorf("%q: status %d", p, r.Status)
		}
		agreed, err := r.Check(&request)
		if err == nil && (r.Status != 101 || len(r.Accept) != 1 || r.Accept[0] != rfcAccept) {
			t.Errorf("%q: taken", p)
		}
		if agreed.Subprotocol != "" && agreed.Subprotocol != "chat" && agreed.Subprotocol != "superchat" {
			t.Errorf("%q: subprotocol %q", p, agreed.Subprotocol)
		}
	})
}

func TestParseAllocations(t *testing.T) {
	p := []byte(rfcRequest)
	// The text, the fields, and the values.
	if got := testing.AllocsPerRun(100, func() { parsed, _, _ = protocol.ParseRequest(p, protocol.HeadLimits{}) }); got > 3 {
		t.Errorf("ParseRequest makes %v allocations, want at most 3", got)
	}
	if got := testing.AllocsPerRun(100, func() { parsed, _, _ = protocol.ParseRequest(p[:len(p)-1], protocol.HeadLimits{}) }); got > 0 {
		t.Errorf("ParseRequest of a head that is not whole makes %v allocations", got)
	}
}

var parsed protocol.Request

func BenchmarkParseRequest(b *testing.B) {
	p := []byte(rfcRequest)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		parsed, _, _ = protocol.ParseRequest(p, protocol.HeadLimits{})
	}
}
