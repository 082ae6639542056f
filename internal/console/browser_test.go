package console_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// page is the console in a browser, with the peer behind it.
type page struct {
	*browser
	origin string // of the server, such as http://127.0.0.1:1234
	// expected are console messages that the browser writes by itself, such as for a refused connection.
	expected []string
}

func (p *page) ws(path string) string { return strings.Replace(p.origin, "http", "ws", 1) + path }

// connect presses Connect and waits for the open connection.
func (p *page) connect(t *testing.T) {
	t.Helper()
	p.click(t, "#connect")
	p.state(t, "open")
}

func (p *page) state(t *testing.T, want string) {
	t.Helper()
	p.wait(t, fmt.Sprintf("document.querySelector('#status').dataset.state === %q", want))
}

// send types a message and presses Enter.
func (p *page) send(t *testing.T, text string) {
	t.Helper()
	p.fill(t, "#composer", text+keyEnter)
}

// row waits for a row of the log, such as "sent" "text", and returns its selector; the newest if there are several.
func (p *page) row(t *testing.T, dir, kind, containing string) string {
	t.Helper()
	css := fmt.Sprintf("#log .row[data-dir=%s][data-kind=%s]", dir, kind)
	p.wait(t, fmt.Sprintf("[...document.querySelectorAll(%q)].some((r) => r.querySelector('.body').textContent.includes(%q))", css, containing))
	seq := p.eval(t, "return [...document.querySelectorAll(args[0])].filter((r) => r.querySelector('.body').textContent.includes(args[1])).at(-1).dataset.seq", css, containing)
	return fmt.Sprintf(`#log .row[data-seq="%v"]`, seq)
}

func (p *page) data(t *testing.T, css, name string) string {
	t.Helper()
	return fmt.Sprint(p.eval(t, "return document.querySelector(args[0]).dataset[args[1]]", css, name))
}

func TestInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes most of a minute: run without -short")
	}
	b := startBrowser(t)
	server := testServer(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *page)
	}{
		{"Echo", testEcho},
		{"Bytes", testBytes},
		{"BadHex", testBadHex},
		{"QuickButtons", testQuickButtons},
		{"MessageIsNotMarkup", testMessageIsNotMarkup},
		{"ControlCharacters", testControlCharacters},
		{"JSON", testJSON},
		{"LongMessages", testLongMessages},
		{"Keys", testKeys},
		{"CloseByServer", testCloseByServer},
		{"CloseByPage", testCloseByPage},
		{"CloseFields", testCloseFields},
		{"ProtocolError", testProtocolError},
		{"Refused", testRefused},
		{"Cancel", testCancel},
		{"Reconnect", testReconnect},
		{"Subprotocols", testSubprotocols},
		{"Address", testAddress},
		{"RememberedURLs", testRememberedURLs},
		{"FilterPauseClear", testFilterPauseClear},
		{"Export", testExport},
		{"Formats", testFormats},
		{"Burst", testBurst},
		{"Following", testFollowing},
		{"NamesAndContrast", testNamesAndContrast},
		{"NarrowWindow", testNarrowWindow},
		{"Pictures", testPictures},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &page{browser: b, origin: server.URL}
			b.view(t, 1280, 800, "light")
			b.open(t, server.URL+"/")
			c.test(t, p)
			for _, complaint := range b.complaints(t, p.expected...) {
				t.Errorf("in the browser's console: %s", complaint)
			}
		})
	}
}

func testEcho(t *testing.T, p *page) {
	if got := p.eval(t, "return document.querySelector('#url').value"); got != p.ws("/ws") {
		t.Errorf("the page proposes %v, want %s", got, p.ws("/ws"))
	}
	p.connect(t)
	p.row(t, "event", "open", "no subprotocol")
	if title := p.eval(t, "return document.title"); title != "open · "+strings.TrimPrefix(p.origin, "http://")+" · duplex" {
		t.Errorf("title %q", title)
	}
	const text = "Grüße, 你好 🙂"
	size := fmt.Sprint(len(text))
	p.eval(t, "document.querySelector('#composer').value = args[0]", text) // the driver types the BMP only
	p.keys(t, "#composer", keyEnter)
	sent, received := p.row(t, "sent", "text", text), p.row(t, "received", "text", text)
	for _, row := range []string{sent, received} {
		if got := p.data(t, row, "size"); got != size {
			t.Errorf("size %s, want %s bytes", got, size)
		}
		if got := p.text(t, row+" .size"); got != size+" B" {
			t.Errorf("size is shown as %q", got)
		}
	}
	if rtt := p.eval(t, "return Number(document.querySelector(args[0]).dataset.rtt)", received); rtt.(float64) < 0 || rtt.(float64) > 10000 {
		t.Errorf("round trip %v ms", rtt)
	}
	for _, stat := range []string{"#stat-sent", "#stat-received"} {
		if got := p.data(t, stat, "messages") + " " + p.data(t, stat, "bytes"); got != "1 "+size {
			t.Errorf("%s counts %s", stat, got)
		}
	}
	if left := p.eval(t, "return document.querySelector('#composer').value"); left != "" {
		t.Errorf("the box still has %q", left)
	}
}

func testBytes(t *testing.T, p *page) {
	p.connect(t)
	p.click(t, "#mode-hex")
	p.keys(t, "#composer", "00 ff")
	if got := p.text(t, "#hint"); got != "2 bytes" {
		t.Errorf("hint %q", got)
	}
	p.keys(t, "#composer", keyEnter)
	const dump = "00000000  00 ff  |..|"
	for _, dir := range []string{"sent", "received"} {
		row := p.row(t, dir, "binary", dump)
		if got := p.text(t, row+" .payload"); got != dump || p.data(t, row, "size") != "2" {
			t.Errorf("%s: %q, %s bytes", dir, got, p.data(t, row, "size"))
		}
	}
}

func testBadHex(t *testing.T, p *page) {
	p.connect(t)
	p.click(t, "#mode-hex")
	for _, c := range []struct{ text, want string }{
		{"00 fg", "“g” at position 5 is not a hex digit."},
		{"00 fff", "“fff” at position 4 has an odd number of hex digits: a byte is two."},
		{"f ff", "“f” at position 1 has an odd number of hex digits: a byte is two."},
		{"0x", "“0x” at position 1 has an odd number of hex digits: a byte is two."},
	} {
		p.send(t, c.text)
		if got := p.text(t, "#message-error"); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
	if n := p.data(t, "#stat-sent", "messages"); n != "0" {
		t.Errorf("%s bad messages were sent", n)
	}
	p.click(t, "#mode-text")
	if got := p.text(t, "#message-error"); got != "" {
		t.Errorf("as text it still complains: %q", got)
	}
}

func testQuickButtons(t *testing.T, p *page) {
	p.click(t, `[data-quick="hello"]`)
	if got := p.text(t, "#message-error"); !strings.Contains(got, "press Connect first") {
		t.Errorf("without a connection: %q", got)
	}
	p.connect(t)
	p.click(t, `[data-quick="hello"]`)
	p.row(t, "received", "text", "hello")
	p.click(t, `[data-quick="Trigger async"]`)
	row := p.row(t, "received", "text", "Async data")
	if rtt := p.data(t, row, "rtt"); rtt != "<nil>" && rtt != "null" {
		t.Errorf("an answer that is no echo has a round trip time: %s", rtt)
	}
	// The unanswered one does not keep later echoes from being measured.
	p.send(t, "after")
	p.wait(t, "document.querySelectorAll('#log .row[data-rtt]').length === 2")
}

func testKeys(t *testing.T, p *page) {
	p.keys(t, "#url", keyEnter)
	p.state(t, "open")
	p.wait(t, "document.activeElement.id === 'composer'")
	box := func() any { return p.eval(t, "return document.querySelector('#composer').value") }
	p.send(t, "first")
	p.row(t, "received", "text", "first")
	p.keys(t, "#composer", "two"+keyShift+keyEnter+keyNull+"lines")
	if got := box(); got != "two\nlines" {
		t.Fatalf("Shift+Enter: %q", got)
	}
	p.keys(t, "#composer", keyControl+keyEnter+keyNull)
	if got := p.text(t, p.row(t, "received", "text", "lines")+" .payload"); got != "two\nlines" {
		t.Errorf("Ctrl+Enter sent %q", got)
	}
	p.keys(t, "#composer", "draft")
	for i, c := range []struct{ key, want string }{
		{keyUp, "two\nlines"},
		{keyUp, "two\nlines"}, // from the last line to the first, as in any text
		{keyUp, "first"},
		{keyUp, "first"}, // there is no older one
		{keyDown, "two\nlines"},
		{keyDown, "draft"},
		{keyDown, "draft"},
	} {
		p.keys(t, "#composer", c.key)
		if got := box(); got != c.want {
			t.Errorf("arrow %d: %q, want %q", i, got, c.want)
		}
	}
	// From the log: up to the newest row, Enter opens what is long.
	p.send(t, "text 2000")
	p.row(t, "received", "text", "xxxx")
	p.keys(t, "#log", keyUp)
	p.eval(t, "document.querySelector('#log .row:last-child').focus()")
	p.keys(t, "#log .row:last-child", keyEnter)
	if got := p.text(t, "#log .row:last-child .payload"); len(got) != 2000 {
		t.Errorf("Enter on a row shows %d letters", len(got))
	}
	p.keys(t, "#log .row:last-child", keyUp)
	if got := p.eval(t, "return document.activeElement.dataset.dir"); got != "sent" {
		t.Errorf("arrow up from the last row is at %v", got)
	}
}

func testCloseByServer(t *testing.T, p *page) {
	p.connect(t)
	p.send(t, "close 4001 bye")
	row := p.row(t, "event", "close", "4001 private to the application · reason “bye” · closing handshake complete · started by the server")
	if code := p.data(t, row, "code"); code != "4001" {
		t.Errorf("code %s", code)
	}
	p.state(t, "closed")
	if got := p.text(t, "#status-text"); got != "closed 4001" {
		t.Errorf("status %q", got)
	}
	if got := p.eval(t, "return document.title"); got != "closed 4001 · duplex" {
		t.Errorf("title %q", got)
	}
	p.connect(t)
	p.send(t, "drop")
	p.row(t, "event", "close", "1006 no Close frame was received · no closing handshake")
}

func testCloseByPage(t *testing.T, p *page) {
	p.connect(t)
	p.fill(t, "#code", "4321")
	p.fill(t, "#reason", "tschüß")
	p.click(t, "#connect")
	p.row(t, "event", "close", "4321 private to the application · reason “tschüß” · closing handshake complete · started here")
	p.state(t, "closed")
	p.fill(t, "#code", "")
	p.fill(t, "#reason", "")
	p.connect(t)
	p.click(t, "#connect")
	p.row(t, "event", "close", "1005 no code in the Close frame")
}

func testCloseFields(t *testing.T, p *page) {
	p.connect(t)
	for _, c := range []struct{ code, reason, want, field string }{
		{"1001", "", "Close code 1001 cannot be sent by a page", "code"},
		{"5000", "", "Close code 5000 cannot be sent by a page", "code"},
		{"2999", "", "Close code 2999 cannot be sent by a page", "code"},
		{"1e3", "", "Close code 1e3 cannot be sent by a page", "code"},
		{"", "why", "A close reason needs a close code", "reason"},
		{"1000", strings.Repeat("ü", 62), "The close reason has 124 bytes", "reason"},
	} {
		p.fill(t, "#code", c.code)
		p.fill(t, "#reason", c.reason)
		p.click(t, "#connect")
		if got := p.text(t, "#url-error"); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q %q: %q", c.code, c.reason, got)
		}
		if got := p.eval(t, "return document.activeElement.id"); got != c.field {
			t.Errorf("%q %q: the cursor is in %v", c.code, c.reason, got)
		}
		if got := p.data(t, "#status", "state"); got != "open" {
			t.Fatalf("%q %q: state %s", c.code, c.reason, got)
		}
	}
	p.fill(t, "#reason", strings.Repeat("ü", 61)+keyEnter)
	p.row(t, "event", "close", "1000 normal closure")
}

func testProtocolError(t *testing.T, p *page) {
	p.expected = []string{"Unrecognized frame opcode"}
	p.connect(t)
	p.send(t, "break")
	p.row(t, "event", "error", "because of what the server sent")
	p.row(t, "event", "close", "1006")
}

func testRefused(t *testing.T, p *page) {
	p.expected = []string{"Unexpected response code: 403"}
	p.fill(t, "#url", p.ws("/refused"))
	p.click(t, "#connect")
	p.row(t, "event", "error", "No WebSocket at "+p.ws("/refused"))
	p.row(t, "event", "close", "1006")
	if got := p.text(t, "#status-text"); got != "failed to connect" {
		t.Errorf("status %q", got)
	}
}

func testCancel(t *testing.T, p *page) {
	p.expected = []string{"closed before the connection is established"}
	p.click(t, "#auto") // a cancelled attempt is not repeated
	p.fill(t, "#url", p.ws("/silent"))
	p.click(t, "#connect")
	p.state(t, "connecting")
	if got := p.text(t, "#connect"); got != "Cancel" {
		t.Errorf("the button says %q", got)
	}
	p.click(t, "#connect")
	p.row(t, "event", "info", "Cancelled before the connection was open.")
	p.state(t, "closed")
}

func testReconnect(t *testing.T, p *page) {
	p.click(t, "#auto")
	p.connect(t)
	for i := range 2 {
		p.send(t, "drop")
		p.row(t, "event", "info", fmt.Sprintf("attempt %d.", i+1))
		p.wait(t, fmt.Sprintf("document.querySelectorAll('#log .row[data-kind=open]').length === %d", i+2))
		p.state(t, "open")
	}
	// A close from here is meant: no further attempt.
	p.click(t, "#connect")
	p.state(t, "closed")

	// Refused again and again, each wait is longer than the one before; there are three ways out of it.
	p.expected = []string{"Unexpected response code: 403"}
	for _, out := range []struct{ press, state string }{{"#stop", "closed"}, {"#auto", "closed"}, {"#connect", "open"}} {
		p.eval(t, "document.querySelector('#auto').checked || document.querySelector('#auto').click()")
		p.click(t, "#clear")
		p.fill(t, "#url", p.ws("/refused"))
		p.click(t, "#connect")
		p.row(t, "event", "info", "attempt 3.")
		p.state(t, "waiting")
		if got := p.text(t, "#status-text"); !regexp.MustCompile(`^reconnecting in [123] s \(attempt 3\)$`).MatchString(got) {
			t.Errorf("countdown %q", got)
		}
		p.eval(t, "document.querySelector('#url').value = args[0]", p.ws("/ws")) // Connect now takes what the field says now
		p.click(t, out.press)
		p.state(t, out.state)
	}
}
