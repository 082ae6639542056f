package protocol_test

import (
	"errors"
	"strings"
	"testing"

	"duplex/protocol"
)

// The client's MUSTs: RFC 6455 §4.1, the list after "Once the client's opening handshake has been sent".
func TestHandshakeReplyCheck(t *testing.T) {
	tests := []struct {
		section string
		change  func(*protocol.Reply)
		name    string
	}{
		{"§1.3 the RFC's own response", func(r *protocol.Reply) {}, ""},
		{"(1) 200", func(r *protocol.Reply) { r.Status = 200 }, "status"},
		{"(1) 403", func(r *protocol.Reply) { r.Status = 403 }, "status"},
		{"HTTP/1.0", func(r *protocol.Reply) { r.Proto = "HTTP/1.0" }, "http-version"},
		{"HTTP/2.0", func(r *protocol.Reply) { r.Proto = "HTTP/2.0" }, "http-version"},
		{"(2) no Upgrade", func(r *protocol.Reply) { r.Upgrade = nil }, "upgrade"},
		{"(2) any case", func(r *protocol.Reply) { r.Upgrade = lines("WebSocket") }, ""},
		{"(2) another", func(r *protocol.Reply) { r.Upgrade = lines("h2c") }, "upgrade"},
		{"(2) a list", func(r *protocol.Reply) { r.Upgrade = lines("websocket, h2c") }, "upgrade"},
		{"(2) twice", func(r *protocol.Reply) { r.Upgrade = lines("websocket", "websocket") }, "upgrade"},
		{"(3) no Connection", func(r *protocol.Reply) { r.Connection = nil }, "connection"},
		{"(3) in a list", func(r *protocol.Reply) { r.Connection = lines("keep-alive, upgrade") }, ""},
		{"(3) without the token", func(r *protocol.Reply) { r.Connection = lines("keep-alive") }, "connection"},
		{"(4) no Accept", func(r *protocol.Reply) { r.Accept = nil }, "accept"},
		{"(4) empty", func(r *protocol.Reply) { r.Accept = lines("") }, "accept"},
		{"(4) a prefix", func(r *protocol.Reply) { r.Accept = lines(rfcAccept[:20]) }, "accept"},
		{"(4) more than it", func(r *protocol.Reply) { r.Accept = lines(rfcAccept + "=") }, "accept"},
		{"(4) another case", func(r *protocol.Reply) { r.Accept = lines(strings.ToLower(rfcAccept)) }, "accept"},
		{"(4) the key itself", func(r *protocol.Reply) { r.Accept = lines(rfcKey) }, "accept"},
		{"(4) space around is ignored", func(r *protocol.Reply) { r.Accept = lines(" " + rfcAccept + "\t") }, ""},
		{"§11.3.3 twice", func(r *protocol.Reply) { r.Accept = lines(rfcAccept, rfcAccept) }, "accept"},
		{"(5) offered", func(r *protocol.Reply) { r.Extensions = lines("permessage-deflate; server_no_context_takeover") }, ""},
		{"(5) not offered", func(r *protocol.Reply) { r.Extensions = lines("bar") }, "extensions"},
		{"(5) one of two not offered", func(r *protocol.Reply) { r.Extensions = lines("permessage-deflate", "bar") }, "extensions"},
		{"(5) only its beginning offered", func(r *protocol.Reply) { r.Extensions = lines("permessage-deflate-x") }, "extensions"},
		{"§9.1 malformed", func(r *protocol.Reply) { r.Extensions = lines("permessage-deflate;") }, "extensions"},
		{"§9.1 empty", func(r *protocol.Reply) { r.Extensions = lines("") }, "extensions"},
		{"(6) offered", func(r *protocol.Reply) { r.Subprotocols = lines("superchat") }, ""},
		{"(6) not offered", func(r *protocol.Reply) { r.Subprotocols = lines("mqtt") }, "subprotocol"},
		{"(6) another case", func(r *protocol.Reply) { r.Subprotocols = lines("Chat") }, "subprotocol"},
		{"(6) empty", func(r *protocol.Reply) { r.Subprotocols = lines("") }, "subprotocol"},
		{"§11.3.4 a list", func(r *protocol.Reply) { r.Subprotocols = lines("chat, superchat") }, "subprotocol"},
		{"§11.3.4 two lines", func(r *protocol.Reply) { r.Subprotocols = lines("chat", "superchat") }, "subprotocol"},
	}
	request := goodRequest(func(r *protocol.Request) {
		r.Subprotocols = lines("chat", "superchat")
		r.Extensions = lines("permessage-deflate; client_max_window_bits", "foo")
	})
	for _, test := range tests {
		reply := protocol.Reply{
			Status: 101, Proto: "HTTP/1.1",
			Upgrade: lines("websocket"), Connection: lines("Upgrade"), Accept: lines(rfcAccept),
		}
		test.change(&reply)
		agreed, err := reply.Check(&request)
		if test.name == "" {
			extensions := string(protocol.AppendExtensions(nil, agreed.Extensions))
			if err != nil || agreed.Subprotocol != strings.Join(reply.Subprotocols, "") || extensions != strings.Join(reply.Extensions, "") {
				t.Errorf("%s: agreed on %+v, error %v", test.section, agreed, err)
			}
			continue
		}
		var refused *protocol.ReplyError
		if !errors.As(err, &refused) || refused.Name != test.name || refused.Status != reply.Status {
			t.Errorf("%s: error %#v, want the name %q", test.section, err, test.name)
		}
	}
}

func TestHandshakeReplyUnoffered(t *testing.T) {
	request := goodRequest()
	reply := protocol.Reply{
		Status: 101, Proto: "HTTP/1.1",
		Upgrade: lines("websocket"), Connection: lines("Upgrade"), Accept: lines(rfcAccept),
		Subprotocols: lines("chat"),
	}
	if _, err := reply.Check(&request); err == nil {
		t.Error("§4.1 (6): a subprotocol is taken although none was offered")
	}
	request.Subprotocols, reply.Subprotocols = lines("chat,"), lines("")
	if _, err := reply.Check(&request); err == nil {
		t.Error("§4.1 (6): an empty subprotocol is taken")
	}
	reply.Subprotocols, reply.Extensions = nil, lines("permessage-deflate")
	if _, err := reply.Check(&request); err == nil {
		t.Error("§4.1 (5): an extension is taken although none was offered")
	}
	request.Extensions = lines("permessage-deflate;")
	if _, err := reply.Check(&request); err == nil {
		t.Error("§9.1: an answer to a malformed offer is taken")
	}
	reply.Extensions = nil
	if _, err := reply.Check(&protocol.Request{}); err == nil {
		t.Error("§4.1 (4): an answer to a request without key is taken")
	}
}

func TestHandshakeReplyRFC8441(t *testing.T) {
	request := goodConnect(func(r *protocol.Request) { r.Subprotocols = lines("chat") })
	for status, good := range map[int]bool{200: true, 204: true, 101: false, 400: false, 0: false} {
		reply := protocol.Reply{Status: status, Proto: "HTTP/2.0", Subprotocols: lines("chat")}
		agreed, err := reply.Check(&request)
		if good != (err == nil) || good && agreed.Subprotocol != "chat" {
			t.Errorf("status %d: %+v, %v", status, agreed, err)
		}
	}
	reply := protocol.Reply{Status: 200, Proto: "HTTP/2.0", Subprotocols: lines("mqtt")}
	if _, err := reply.Check(&request); err == nil {
		t.Error("a subprotocol that was not offered is taken")
	}
}

func TestHandshakeRequestAppend(t *testing.T) {
	r := protocol.Request{
		Host: "192.168.4.1:8080", Target: "/ws?token=a%20b", Key: lines(rfcKey), Origin: lines("http://localhost"),
		Subprotocols: lines("mqtt", "chat, superchat"), Extensions: lines("permessage-deflate; client_max_window_bits", "foo"),
	}
	got, err := r.Append([]byte("before|"), []protocol.Field{{Name: "Cookie", Value: "a=b"}, {Name: "User-Agent", Value: "duplex"}})
	want := "before|GET /ws?token=a%20b HTTP/1.1\r\nHost: 192.168.4.1:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: " + rfcKey + "\r\nSec-WebSocket-Version: 13\r\nOrigin: http://localhost\r\n" +
		"Sec-WebSocket-Protocol: mqtt, chat, superchat\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, foo\r\nCookie: a=b\r\nUser-Agent: duplex\r\n\r\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %q\nwant %q", err, got, want)
	}
	minimal := protocol.Request{Host: "h", Key: lines(rfcKey)}
	got, err = minimal.Append(nil, nil)
	if err != nil || len(got) > 150 || !strings.HasPrefix(string(got), "GET / HTTP/1.1\r\n") {
		t.Errorf("the least request is %d bytes: %q, %v", len(got), got, err)
	}
}

func TestHandshakeRequestAppendRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*protocol.Request)
		extra  []protocol.Field
	}{
		{"method", func(r *protocol.Request) { r.Method = "POST" }, nil},
		{"HTTP/2", func(r *protocol.Request) { r.Protocol = "websocket" }, nil},
		{"host missing", func(r *protocol.Request) { r.Host = "" }, nil},
		{"host with a line", func(r *protocol.Request) { r.Host = "a\r\nX: y" }, nil},
		{"target with a line", func(r *protocol.Request) { r.Target = "/ HTTP/1.1\r\nX: y" }, nil},
		{"target with a fragment, §3", func(r *protocol.Request) { r.Target = "/a#b" }, nil},
		{"target without a slash", func(r *protocol.Request) { r.Target = "a" }, nil},
		{"key missing", func(r *protocol.Request) { r.Key = nil }, nil},
		{"key short", func(r *protocol.Request) { r.Key = lines("zz") }, nil},
		{"key twice", func(r *protocol.Request) { r.Key = lines(rfcKey, rfcKey) }, nil},
		{"origin with a line", func(r *protocol.Request) { r.Origin = lines("http://a\nX: y") }, nil},
		{"origin twice", func(r *protocol.Request) { r.Origin = lines("http://a", "http://b") }, nil},
		{"subprotocol with a line", func(r *protocol.Request) { r.Subprotocols = lines("a\r\nX: y") }, nil},
		{"subprotocol twice", func(r *protocol.Request) { r.Subprotocols = lines("a", "a") }, nil},
		{"extension with a line", func(r *protocol.Request) { r.Extensions = lines("a\r\nX: y") }, nil},
		{"extension empty", func(r *protocol.Request) { r.Extensions = lines("") }, nil},
		{"field with CR", func(*protocol.Request) {}, []protocol.Field{{Name: "X", Value: "a\rb"}}},
		{"field with LF", func(*protocol.Request) {}, []protocol.Field{{Name: "X", Value: "a\nb"}}},
		{"field with NUL", func(*protocol.Request) {}, []protocol.Field{{Name: "X", Value: "a\x00b"}}},
		{"field name", func(*protocol.Request) {}, []protocol.Field{{Name: "X y", Value: "a"}}},
		{"field name empty", func(*protocol.Request) {}, []protocol.Field{{Value: "a"}}},
		{"Host again", func(*protocol.Request) {}, []protocol.Field{{Name: "host", Value: "a"}}},
		{"the handshake's own", func(*protocol.Request) {}, []protocol.Field{{Name: "sec-websocket-key", Value: "a"}}},
		{"a body", func(*protocol.Request) {}, []protocol.Field{{Name: "Content-Length", Value: "1"}}},
		{"Origin again", func(r *protocol.Request) { r.Origin = lines("http://a") }, []protocol.Field{{Name: "Origin", Value: "http://b"}}},
	}
	for _, test := range tests {
		r := protocol.Request{Host: "h", Key: lines(rfcKey)}
		test.change(&r)
		got, err := r.Append([]byte("kept"), test.extra)
		if err == nil || string(got) != "kept" || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
	r := protocol.Request{Host: "h", Key: lines(rfcKey)}
	if _, err := r.Append(nil, []protocol.Field{{Name: "Origin", Value: "http://b"}}); err != nil {
		t.Errorf("an Origin of the caller's own: %v", err)
	}
}
