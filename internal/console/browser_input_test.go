package console_test

import (
	"strings"
	"testing"
)

func testSubprotocols(t *testing.T, p *page) {
	for _, c := range []struct{ text, want string }{
		{"chat, chat", "The subprotocol “chat” is named twice."},
		{"a(b", "“a(b” is not a subprotocol name"},
	} {
		p.fill(t, "#protocols", c.text)
		p.click(t, "#connect")
		if got := p.text(t, "#url-error"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %q", c.text, got)
		}
	}
	p.fill(t, "#protocols", "chat.v2, chat.v1")
	p.connect(t)
	p.row(t, "event", "open", "subprotocol chat.v2")
}

// An https page cannot be had here; the check is a function of the page's address, so ask it.
func testAddress(t *testing.T, p *page) {
	for _, c := range []struct{ page, text, url, err string }{
		{"http://h:8080/", "ws://10.0.0.7/ws", "ws://10.0.0.7/ws", ""},
		{"http://h:8080/", " wss://a.b/c?d=e ", "wss://a.b/c?d=e", ""},
		{"http://h:8080/", "/v3/x?y", "ws://h:8080/v3/x?y", ""},
		{"https://h/", "/ws", "wss://h/ws", ""},
		{"http://h/", "http://10.0.0.7", "ws://10.0.0.7/", ""},
		{"http://h/", "HTTPS://a/b", "wss://a/b", ""},
		{"http://h/", "10.0.0.7:81/ws", "ws://10.0.0.7:81/ws", ""},
		{"https://h/", "a.b:81", "wss://a.b:81/", ""},
		{"http://h/", "ws://[fe80::1]:81/", "ws://[fe80::1]:81/", ""},
		{"https://h/", "ws://localhost:1/", "ws://localhost:1/", ""},
		{"https://h/", "ws://127.0.0.1/", "ws://127.0.0.1/", ""},
		{"https://h/", "ws://[::1]/", "ws://[::1]/", ""},
		{"https://h/", "ws://192.168.1.20/ws", "", "the browser refuses ws://192.168.1.20/ws (mixed content)"},
		{"https://h/", "ws://h/ws", "", "(mixed content)"},
		{"https://h/", "ws://localhost.evil/", "", "(mixed content)"},
		{"http://h/", "", "", "Type a URL"},
		{"http://h/", "ftp://a/", "", "“ftp://” is not a WebSocket scheme"},
		{"http://h/", "javascript:alert(1)", "", "“javascript:” is not a WebSocket scheme"},
		{"http://h/", "ws://a b/", "", "“ws://a b/” is not a URL"},
		{"http://h/", "not a url", "", "“not a url” is not a URL"},
		{"http://h/", "ws://a:99999/", "", "is not a URL"},
		{"http://h/", "ws://a/b#c", "", "Remove “#c”"},
		{"http://h/", "ws://a/b?api_key=k¬ify_self", "", "a broken “&notify_self”"},
	} {
		got := p.eval(t, "return (await import('/console/address.js')).checkURL(args[0], args[1])", c.text, c.page).(map[string]any)
		url, _ := got["url"].(string)
		err, _ := got["error"].(string)
		if url != c.url || (c.err == "") != (err == "") || !strings.Contains(err, c.err) {
			t.Errorf("%q on %s: %v, want %q %q", c.text, c.page, got, c.url, c.err)
		}
	}
	if got := p.eval(t, "return (await import('/console/address.js')).fromPage('ws', 'https://h/duplex/?a#b')"); got != "wss://h/duplex/ws" {
		t.Errorf("behind a prefix: %v", got)
	}
	p.click(t, `[data-preset^="v3/"]`)
	if got := p.eval(t, "return document.querySelector('#url').value"); got != p.ws("/v3/demo?api_key=demo&notify_self") {
		t.Errorf("preset %v", got)
	}
	p.fill(t, "#url", "ftp://a/")
	p.click(t, "#connect")
	if got := p.text(t, "#url-error"); !strings.HasPrefix(got, "“ftp://” is not") {
		t.Errorf("shown: %q", got)
	}
	if got := p.data(t, "#status", "state"); got != "closed" {
		t.Errorf("state %s", got)
	}
}

func testRememberedURLs(t *testing.T, p *page) {
	const offered = "return [...document.querySelectorAll('#urls option')].map((o) => o.value).join(' ')"
	p.eval(t, "localStorage.clear()")
	for _, path := range []string{"/ws?a", "/ws?b", "/ws?a"} {
		p.fill(t, "#url", p.ws(path))
		p.connect(t)
		p.click(t, "#connect")
		p.state(t, "closed")
	}
	p.open(t, p.origin+"/")
	if got, want := p.eval(t, offered), p.ws("/ws?a")+" "+p.ws("/ws?b"); got != want {
		t.Errorf("offered %q, want %q", got, want)
	}
	p.click(t, "#forget")
	p.open(t, p.origin+"/")
	if got := p.eval(t, offered); got != "" {
		t.Errorf("after forget: %q", got)
	}
	p.eval(t, "localStorage.setItem('duplex.console.urls', '{broken')")
	p.open(t, p.origin+"/")
	p.connect(t)
}

func testFormats(t *testing.T, p *page) {
	if bad := p.eval(t, `
		const { utf8Length } = await import('/console/format.js');
		const units = ['a', '\x7f', '\x80', '\u07ff', '\u0800', '\uffff', '\ud83d\ude42', '\ud83d', '\ude42'];
		const bad = [];
		for (const a of units) for (const b of units) for (const c of units) {
			const s = a + b + c;
			if (utf8Length(s) !== new TextEncoder().encode(s).length) bad.push(escape(s));
		}
		return bad.join(' ');`); bad != "" {
		t.Errorf("wrong length of %v", bad)
	}
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"00ff", "00 ff"}, {" 00 FF\n", "00 ff"}, {"00:ff", "00 ff"}, {"0x00, 0xFF", "00 ff"}, {"deadbeef", "de ad be ef"},
	} {
		if got := p.eval(t, "const f = await import('/console/format.js'); return f.hex(f.parseHex(args[0]).bytes)", c.in); got != c.want {
			t.Errorf("parseHex(%q): %v", c.in, got)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"{}", "{}"}, {" [ ] ", "[]"}, {`{"a":[1,{"b":null}]}`, "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ]\n}"},
		{`[1.0,1e400,"x:y"]`, "[\n  1.0,\n  1e400,\n  \"x:y\"\n]"}, {`{"a":1,"a":2}`, "{\n  \"a\": 1,\n  \"a\": 2\n}"},
	} {
		if got := p.eval(t, "return (await import('/console/format.js')).indentJSON(args[0])", c.in); got != c.want {
			t.Errorf("indentJSON(%s): %v", c.in, got)
		}
	}
	for _, in := range []string{"", "1", `"a"`, "{", "[1,]", "hello"} {
		if got := p.eval(t, "return (await import('/console/format.js')).indentJSON(args[0])", in); got != nil {
			t.Errorf("indentJSON(%s): %v, want nothing", in, got)
		}
	}
	for code, want := range map[int]string{1000: "normal closure", 1015: "TLS handshake failed", 2000: "reserved for the protocol",
		3000: "unauthorized", 3500: "registered by a library or framework", 4000: "private to the application", 5000: "not a valid close code"} {
		if got := p.eval(t, "return (await import('/console/strings.js')).codeMeaning(args[0])", code); got != want {
			t.Errorf("%d means %v", code, got)
		}
	}
}
