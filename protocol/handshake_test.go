package protocol_test

import (
	"errors"
	"strings"
	"testing"

	"duplex/protocol"
)

// The key and answer of RFC 6455 §1.3.
const (
	rfcKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	rfcAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// lines is one header field with a value a line.
func lines(values ...string) []string { return values }

// goodRequest is a request that a server has to accept, after the given changes.
func goodRequest(changes ...func(*protocol.Request)) protocol.Request {
	r := protocol.Request{
		Method:     "GET",
		Target:     "/chat",
		Proto:      "HTTP/1.1",
		Host:       "server.example.com",
		Upgrade:    lines("websocket"),
		Connection: lines("Upgrade"),
		Version:    lines("13"),
		Key:        lines(rfcKey),
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

// goodConnect is a request of RFC 8441 §5.1.
func goodConnect(changes ...func(*protocol.Request)) protocol.Request {
	r := protocol.Request{
		Method:   "CONNECT",
		Protocol: "websocket",
		Target:   "/chat",
		Proto:    "HTTP/2.0",
		Host:     "server.example.com",
		Version:  lines("13"),
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

// field returns the values of a response's header field, one a line.
func field(fields []protocol.Field, name string) []string {
	var values []string
	for _, f := range fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

func TestHandshakeAcceptKey(t *testing.T) {
	if got := protocol.AcceptKey(rfcKey); got != rfcAccept {
		t.Errorf("RFC 6455 §1.3: AcceptKey(%q) = %q, want %q", rfcKey, got, rfcAccept)
	}
	if got := protocol.AcceptKey(" \t" + rfcKey + " "); got != rfcAccept {
		t.Errorf("space around the key changes the answer: %q", got)
	}
	if got := protocol.NewKey([16]byte([]byte("the sample nonce"))); got != rfcKey {
		t.Errorf("RFC 6455 §1.3: NewKey of the sample nonce = %q, want %q", got, rfcKey)
	}
	if long := strings.Repeat("k", 500); protocol.AcceptKey(long) == protocol.AcceptKey(long[1:]) {
		t.Error("AcceptKey does not look at the whole of a long key")
	}
}

// The rows of the server's MUSTs, RFC 6455 §4.2 and §4.1.
func TestHandshakeAcceptHTTP1(t *testing.T) {
	type change = func(*protocol.Request)
	tests := []struct {
		section string
		change  change
		status  int
		name    string // of the refusal
	}{
		{"§4.2.1 the RFC's own request", func(r *protocol.Request) {}, 101, ""},
		{"§4.2.1 HTTP/1.1 or higher", func(r *protocol.Request) { r.Proto = "HTTP/1.2" }, 101, ""},
		{"§4.2.1 HTTP/1.0", func(r *protocol.Request) { r.Proto = "HTTP/1.0" }, 400, "http-version"},
		{"§4.2.1 no version", func(r *protocol.Request) { r.Proto = "" }, 400, "http-version"},
		{"§4.1 (2) POST", func(r *protocol.Request) { r.Method = "POST" }, 405, "method"},
		{"§4.1 (2) HEAD", func(r *protocol.Request) { r.Method = "HEAD" }, 405, "method"},
		{"§4.1 (2) CONNECT is HTTP/2's", func(r *protocol.Request) { r.Method, r.Protocol = "CONNECT", "websocket" }, 405, "method"},
		{"§4.1 (2) methods keep their case", func(r *protocol.Request) { r.Method = "get" }, 405, "method"},
		{"§4.2.1 (2) no Host", func(r *protocol.Request) { r.Host = "" }, 400, "host"},
		{"§4.2.1 (2) Host with a path", func(r *protocol.Request) { r.Host = "a/b" }, 400, "host"},
		{"§4.2.1 (2) Host with a user", func(r *protocol.Request) { r.Host = "me@a" }, 400, "host"},
		{"§4.2.1 (2) IPv6 Host", func(r *protocol.Request) { r.Host = "[fe80::1%25en0]:8080" }, 101, ""},

		{"§4.2.1 (3) no Upgrade, a plain GET", func(r *protocol.Request) { r.Upgrade, r.Connection = nil, nil }, 426, "upgrade"},
		{"§4.2.1 (3) any case", func(r *protocol.Request) { r.Upgrade = lines("WebSocket") }, 101, ""},
		{"§4.2.1 (3) in a list", func(r *protocol.Request) { r.Upgrade = lines("h2c, websocket") }, 101, ""},
		{"§4.2.1 (3) in a list, first", func(r *protocol.Request) { r.Upgrade = lines("websocket,h2c") }, 101, ""},
		{"§4.2.1 (3) in a second line", func(r *protocol.Request) { r.Upgrade = lines("h2c", "websocket") }, 101, ""},
		{"§4.2.1 (3) h2c alone", func(r *protocol.Request) { r.Upgrade = lines("h2c") }, 426, "upgrade"},
		{"§4.2.1 (3) not as part of a word", func(r *protocol.Request) { r.Upgrade = lines("xwebsocket", "websockets") }, 426, "upgrade"},
		{"§4.2.1 (3) not with a version", func(r *protocol.Request) { r.Upgrade = lines("websocket/13") }, 426, "upgrade"},
		{"§4.2.1 (3) only ASCII case", func(r *protocol.Request) { r.Upgrade = lines("web\u017focket") }, 426, "upgrade"},

		{"§4.2.1 (4) no Connection", func(r *protocol.Request) { r.Connection = nil }, 400, "connection"},
		{"§4.2.1 (4) Firefox", func(r *protocol.Request) { r.Connection = lines("keep-alive, Upgrade") }, 101, ""},
		{"§4.2.1 (4) two lines", func(r *protocol.Request) { r.Connection = lines("keep-alive", "upgrade") }, 101, ""},
		{"§4.2.1 (4) empty elements", func(r *protocol.Request) { r.Connection = lines(", ,\tUPGRADE ,") }, 101, ""},
		{"§4.2.1 (4) close", func(r *protocol.Request) { r.Connection = lines("close") }, 400, "connection"},

		{"§4.2.1 (6) no version", func(r *protocol.Request) { r.Version = nil }, 400, "version"},
		{"§4.4 version 12", func(r *protocol.Request) { r.Version = lines("12") }, 426, "version"},
		{"§4.4 version 8", func(r *protocol.Request) { r.Version = lines("8") }, 426, "version"},
		{"§4.4 version 013", func(r *protocol.Request) { r.Version = lines("013") }, 426, "version"},
		{"§4.4 a list", func(r *protocol.Request) { r.Version = lines("13, 8") }, 426, "version"},
		{"§4.4 empty", func(r *protocol.Request) { r.Version = lines("") }, 426, "version"},
		{"§11.3.5 twice", func(r *protocol.Request) { r.Version = lines("13", "13") }, 400, "version"},
		{"§4.2.1 (6) space around", func(r *protocol.Request) { r.Version = lines(" 13\t") }, 101, ""},

		{"§4.2.1 (5) no key", func(r *protocol.Request) { r.Key = nil }, 400, "key"},
		{"§4.2.1 (5) empty key", func(r *protocol.Request) { r.Key = lines("") }, 400, "key"},
		{"§11.3.1 two keys", func(r *protocol.Request) { r.Key = lines(rfcKey, rfcKey) }, 400, "key"},
		{"§4.2.1 (5) 15 bytes", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25j") }, 400, "key"},
		{"§4.2.1 (5) 17 bytes", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25jZSE=") }, 400, "key"},
		{"§4.2.1 (5) 18 bytes", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25jZSEh") }, 400, "key"},
		{"§4.2.1 (5) no padding", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25jZQ") }, 400, "key"},
		{"§4.2.1 (5) the other base64", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25j_-==") }, 400, "key"},
		{"§4.2.1 (5) not base64", func(r *protocol.Request) { r.Key = lines("!!!!!!!!!!!!!!!!!!!!!!==") }, 400, "key"},
		{"§4.2.1 (5) a line in the key", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25j\nQ==") }, 400, "key"},
		{"§4.2.1 (5) unused bits are set", func(r *protocol.Request) { r.Key = lines("dGhlIHNhbXBsZSBub25jZR==") }, 101, ""},

		{"§4.1 (10) empty list", func(r *protocol.Request) { r.Subprotocols = lines("") }, 400, "subprotocol"},
		{"§4.1 (10) empty element", func(r *protocol.Request) { r.Subprotocols = lines("a,,b") }, 400, "subprotocol"},
		{"§4.1 (10) separator", func(r *protocol.Request) { r.Subprotocols = lines("a b") }, 400, "subprotocol"},
		{"§4.1 (10) beyond ASCII", func(r *protocol.Request) { r.Subprotocols = lines("ä") }, 400, "subprotocol"},
		{"§4.1 (10) twice", func(r *protocol.Request) { r.Subprotocols = lines("a, b", "a") }, 400, "subprotocol"},
		{"limit on subprotocols", func(r *protocol.Request) { r.Subprotocols = numbered(129) }, 400, "subprotocol"},
		{"limit on subprotocols, kept", func(r *protocol.Request) { r.Subprotocols = numbered(128) }, 101, ""},

		{"§9.1 empty", func(r *protocol.Request) { r.Extensions = lines("") }, 400, "extensions"},
		{"§9.1 malformed", func(r *protocol.Request) { r.Extensions = lines("foo; =1") }, 400, "extensions"},
		{"§9.1 unknown ones are declined", func(r *protocol.Request) { r.Extensions = lines("foo, permessage-deflate-x; y") }, 101, ""},

		{"§10.2 no origin", func(r *protocol.Request) {}, 101, ""},
		{"§10.2 the same", func(r *protocol.Request) { r.Origin = lines("http://server.example.com") }, 101, ""},
		{"§10.2 foreign", func(r *protocol.Request) { r.Origin = lines("http://evil.example.com") }, 403, "origin"},
		{"§10.2 null", func(r *protocol.Request) { r.Origin = lines("null") }, 403, "origin"},
		{"§10.2 empty", func(r *protocol.Request) { r.Origin = lines("") }, 403, "origin"},
		{"§10.2 two", func(r *protocol.Request) {
			r.Origin = lines("http://server.example.com", "http://server.example.com")
		}, 400, "origin"},
	}
	for _, test := range tests {
		r := goodRequest(test.change)
		response, agreed, err := r.Accept(protocol.ServerOptions{})
		checkAccept(t, test.section, response, agreed, err, test.status, test.name)
		if test.status == 101 {
			want := lines(protocol.AcceptKey(r.Key[0]))
			if got := field(response.Fields, "Sec-WebSocket-Accept"); strings.Join(got, "|") != want[0] {
				t.Errorf("%s: Sec-WebSocket-Accept %q, want %q", test.section, got, want)
			}
			for _, absent := range []string{"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"} {
				if got := field(response.Fields, absent); got != nil {
					t.Errorf("%s: %s: %q, want none", test.section, absent, got)
				}
			}
		}
	}
}

// numbered returns n subprotocols in one line.
func numbered(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "p" + strings.Repeat("x", i)
	}
	return lines(strings.Join(names, ", "))
}

func checkAccept(t *testing.T, section string, response protocol.Response, agreed protocol.Agreement, err error, status int, name string) {
	t.Helper()
	if response.Status != status {
		t.Errorf("%s: status %d, want %d (%v)", section, response.Status, status, err)
	}
	var refusal *protocol.Refusal
	switch {
	case name == "" && err != nil:
		t.Errorf("%s: refused: %v", section, err)
	case name != "" && !errors.As(err, &refusal):
		t.Errorf("%s: error %v, want a *Refusal", section, err)
	case name != "":
		if refusal.Name != name || refusal.Status != status {
			t.Errorf("%s: refusal %q %d, want %q %d", section, refusal.Name, refusal.Status, name, status)
		}
		if agreed.Subprotocol != "" || agreed.Extensions != nil {
			t.Errorf("%s: refused with an agreement %+v", section, agreed)
		}
	}
}

// RFC 9110 §15.5.22 and §15.5.6: what a refusal has to tell besides its status.
func TestHandshakeRefusalFields(t *testing.T) {
	tests := []struct {
		name    string
		request protocol.Request
		want    []protocol.Field
	}{
		{"method", goodRequest(func(r *protocol.Request) { r.Method = "POST" }), []protocol.Field{{Name: "Allow", Value: "GET"}}},
		{"upgrade", goodRequest(func(r *protocol.Request) { r.Upgrade = nil }), []protocol.Field{
			{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"}, {Name: "Sec-WebSocket-Version", Value: "13"}}},
		{"version", goodRequest(func(r *protocol.Request) { r.Version = lines("12") }), []protocol.Field{
			{Name: "Upgrade", Value: "websocket"}, {Name: "Connection", Value: "Upgrade"}, {Name: "Sec-WebSocket-Version", Value: "13"}}},
		{"no version", goodRequest(func(r *protocol.Request) { r.Version = nil }), []protocol.Field{{Name: "Sec-WebSocket-Version", Value: "13"}}},
		{"key", goodRequest(func(r *protocol.Request) { r.Key = nil }), nil},
		{"HTTP/2 version", goodConnect(func(r *protocol.Request) { r.Version = lines("12") }), []protocol.Field{{Name: "Sec-WebSocket-Version", Value: "13"}}},
		{"HTTP/2 method", goodConnect(func(r *protocol.Request) { r.Method = "GET" }), []protocol.Field{{Name: "Allow", Value: "CONNECT"}}},
	}
	for _, test := range tests {
		response, _, err := test.request.Accept(protocol.ServerOptions{})
		if err == nil {
			t.Errorf("%s: not refused", test.name)
		}
		if len(response.Fields) != len(test.want) {
			t.Errorf("%s: fields %v, want %v", test.name, response.Fields, test.want)
			continue
		}
		for i, want := range test.want {
			if response.Fields[i] != want {
				t.Errorf("%s: field %v, want %v", test.name, response.Fields[i], want)
			}
		}
		if response.Body != err.Error()+"\n" || strings.Count(response.Body, "\n") != 1 {
			t.Errorf("%s: body %q is not the error in one line", test.name, response.Body)
		}
	}
	head := goodRequest(func(r *protocol.Request) { r.Method = "HEAD" })
	if response, _, _ := head.Accept(protocol.ServerOptions{}); response.Body != "" {
		t.Errorf("RFC 9110 §9.3.2: the answer to HEAD has a body %q", response.Body)
	}
}

func TestHandshakeAcceptRFC8441(t *testing.T) {
	tests := []struct {
		section string
		change  func(*protocol.Request)
		status  int
		name    string
	}{
		{"§5.1 the RFC's own", func(r *protocol.Request) {}, 200, ""},
		{"§5 HTTP/3 alike (RFC 9220)", func(r *protocol.Request) { r.Proto = "HTTP/3.0" }, 200, ""},
		{"§5 the key is not processed", func(r *protocol.Request) { r.Key = lines("zz", "zz") }, 200, ""},
		{"§4 another :protocol", func(r *protocol.Request) { r.Protocol = "connect-udp" }, 501, "upgrade"},
		{"§4 a proxy's CONNECT", func(r *protocol.Request) { r.Protocol = "" }, 501, "upgrade"},
		{"§4 GET", func(r *protocol.Request) { r.Method = "GET" }, 405, "method"},
		{"§5 version missing", func(r *protocol.Request) { r.Version = nil }, 400, "version"},
		{"§5 version 12", func(r *protocol.Request) { r.Version = lines("12") }, 400, "version"},
		{"§5 foreign origin", func(r *protocol.Request) { r.Origin = lines("https://evil.example.com") }, 403, "origin"},
		{"no authority", func(r *protocol.Request) { r.Host = "" }, 400, "host"},
	}
	for _, test := range tests {
		r := goodConnect(test.change)
		response, agreed, err := r.Accept(protocol.ServerOptions{})
		checkAccept(t, test.section, response, agreed, err, test.status, test.name)
		for _, name := range []string{"Upgrade", "Connection", "Sec-WebSocket-Accept"} {
			if got := field(response.Fields, name); got != nil {
				t.Errorf("%s: RFC 9113 §8.2.2: %s: %q over HTTP/2", test.section, name, got)
			}
		}
	}
	r := goodConnect(func(r *protocol.Request) { r.Subprotocols = lines("chat, superchat") })
	response, agreed, err := r.Accept(protocol.ServerOptions{Subprotocols: lines("superchat")})
	if err != nil || agreed.Subprotocol != "superchat" || len(response.Fields) != 1 || response.Fields[0].Value != "superchat" {
		t.Errorf("§5.1 subprotocol: %+v %+v %v", response, agreed, err)
	}
}

// RFC 6455 §4.2.2 (5): the server picks one of the client's subprotocols or none.
func TestHandshakeSubprotocolChoice(t *testing.T) {
	tests := []struct {
		name      string
		offered   []string
		supported []string
		want      string
	}{
		{"none offered", nil, lines("chat"), ""},
		{"none supported", lines("chat"), nil, ""},
		{"none in common", lines("chat, superchat"), lines("mqtt"), ""},
		{"the client's order decides", lines("b, a"), lines("a", "b"), "b"},
		{"a second line counts", lines("x", "y, mqtt"), lines("mqtt"), "mqtt"},
		{"exact case", lines("MQTT"), lines("mqtt"), ""},
		{"whole names", lines("mqttv3"), lines("mqtt"), ""},
	}
	for _, test := range tests {
		r := goodRequest(func(r *protocol.Request) { r.Subprotocols = test.offered })
		response, agreed, err := r.Accept(protocol.ServerOptions{Subprotocols: test.supported})
		if err != nil || agreed.Subprotocol != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, agreed.Subprotocol, err, test.want)
		}
		if got := strings.Join(field(response.Fields, "Sec-WebSocket-Protocol"), "|"); got != test.want {
			t.Errorf("%s: answers %q, want %q", test.name, got, test.want)
		}
	}
}

func TestHandshakeNegotiate(t *testing.T) {
	accept := func(names ...string) func([]protocol.Extension) []protocol.Extension {
		return func([]protocol.Extension) []protocol.Extension {
			var accepted []protocol.Extension
			for _, name := range names {
				accepted = append(accepted, protocol.Extension{Name: name, Params: []protocol.Param{{Name: "a"}, {Name: "b", Value: "10"}}})
			}
			return accepted
		}
	}
	tests := []struct {
		name      string
		offered   []string
		negotiate func([]protocol.Extension) []protocol.Extension
		status    int
		answer    string
	}{
		{"declined", lines("foo"), accept(), 101, ""},
		{"accepted", lines("foo, bar"), accept("bar"), 101, "bar; a; b=10"},
		{"two, the order is the server's", lines("foo", "bar"), accept("bar", "foo"), 101, "bar; a; b=10, foo; a; b=10"},
		{"nothing offered", nil, func([]protocol.Extension) []protocol.Extension { panic("called") }, 101, ""},
		{"malformed", lines("foo bar"), func([]protocol.Extension) []protocol.Extension { panic("called") }, 400, ""},
		{"not offered", lines("foo"), accept("bar"), 500, ""},
		{"only the beginning was offered", lines("permessage-deflate-x"), accept("permessage-deflate"), 500, ""},
		{"no header field", lines("foo"), func([]protocol.Extension) []protocol.Extension {
			return []protocol.Extension{{Name: "foo", Params: []protocol.Param{{Name: "a", Value: "1\r\nX: y"}}}}
		}, 500, ""},
	}
	for _, test := range tests {
		r := goodRequest(func(r *protocol.Request) { r.Extensions = test.offered })
		response, agreed, err := r.Accept(protocol.ServerOptions{Negotiate: test.negotiate})
		if response.Status != test.status {
			t.Errorf("%s: status %d, want %d (%v)", test.name, response.Status, test.status, err)
		}
		answer := strings.Join(field(response.Fields, "Sec-WebSocket-Extensions"), "|")
		if answer != test.answer || string(protocol.AppendExtensions(nil, agreed.Extensions)) != test.answer {
			t.Errorf("%s: answers %q, agrees on %v, want %q", test.name, answer, agreed.Extensions, test.answer)
		}
	}
	var offered []protocol.Extension
	r := goodRequest(func(r *protocol.Request) {
		r.Extensions = lines("x-webkit-deflate-frame, permessage-deflate-x; foo=1", "permessage-deflate")
	})
	_, _, err := r.Accept(protocol.ServerOptions{Negotiate: func(offers []protocol.Extension) []protocol.Extension {
		offered = offers
		return nil
	}})
	want := "x-webkit-deflate-frame, permessage-deflate-x; foo=1, permessage-deflate"
	if got := string(protocol.AppendExtensions(nil, offered)); err != nil || got != want {
		t.Errorf("Negotiate was offered %q (%v), want %q", got, err, want)
	}
}

func TestHandshakeSameOrigin(t *testing.T) {
	tests := []struct {
		origin, host string
		want         bool
	}{
		{"http://a.example", "a.example", true},
		{"https://A.Example", "a.example", true},
		{"http://a.example:8080", "a.example:8080", true},
		{"http://a.example:80", "a.example", true},
		{"https://a.example", "a.example:443", true},
		{"http://[::1]:8080", "[::1]:8080", true},
		{"http://a.example:443", "a.example", false},
		{"https://a.example", "a.example:80", false},
		{"http://a.example", "a.example:8080", false},
		{"http://a.example.evil", "a.example", false},
		{"http://evil.example/a.example", "a.example", false},
		{"http://me@a.example", "a.example", false},
		{"null", "null", false},
		{"a.example", "a.example", false},
		{"http://", "", false},
		{"", "", false},
	}
	for _, test := range tests {
		if got := protocol.SameOrigin(test.origin, test.host); got != test.want {
			t.Errorf("SameOrigin(%q, %q) = %v", test.origin, test.host, got)
		}
	}
	r := goodRequest(func(r *protocol.Request) { r.Origin = lines("https://app.example") })
	var origin, host string
	_, _, err := r.Accept(protocol.ServerOptions{Origin: func(o, h string) bool { origin, host = o, h; return true }})
	if err != nil || origin != "https://app.example" || host != r.Host {
		t.Errorf("Origin was called with %q, %q and the handshake ended with %v", origin, host, err)
	}
}

// A refusal can be thousands a second, and so can an acceptance; neither may become the cost of a connection.
func TestAcceptAllocations(t *testing.T) {
	firefox := goodRequest(func(r *protocol.Request) {
		r.Connection = lines("keep-alive, Upgrade")
		r.Subprotocols = lines("chat, superchat")
		r.Extensions = lines("permessage-deflate")
		r.Origin = lines("https://server.example.com")
	})
	options := protocol.ServerOptions{Subprotocols: lines("superchat")}
	// The Sec-WebSocket-Accept and the slice of fields.
	if got := testing.AllocsPerRun(100, func() { sink, _, _ = firefox.Accept(options) }); got > 2 {
		t.Errorf("Accept makes %v allocations, want at most 2", got)
	}
	var accepted [1]protocol.Extension
	options.Negotiate = func(offers []protocol.Extension) []protocol.Extension {
		accepted[0] = offers[0]
		return accepted[:]
	}
	// The offers as well, and the two copies of the answer.
	if got := testing.AllocsPerRun(100, func() { sink, _, _ = firefox.Accept(options) }); got > 5 {
		t.Errorf("Accept with an extension makes %v allocations, want at most 5", got)
	}
}

var sink protocol.Response

func BenchmarkAccept(b *testing.B) {
	request := goodRequest(func(r *protocol.Request) {
		r.Connection = lines("keep-alive, Upgrade")
		r.Subprotocols = lines("chat, superchat")
		r.Extensions = lines("permessage-deflate; client_max_window_bits")
	})
	options := protocol.ServerOptions{Subprotocols: lines("superchat")}
	b.ReportAllocs()
	for i := 0; i < b.N; i++ {
		var err error
		if sink, _, err = request.Accept(options); err != nil {
			b.Fatal(err)
		}
	}
}
