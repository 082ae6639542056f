package console_test

import (
	"fmt"
	"strings"
	"testing"
)

func testMessageIsNotMarkup(t *testing.T, p *page) {
	p.connect(t)
	const text = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script><b>bold</b>&amp;`
	p.send(t, text)
	row := p.row(t, "received", "text", text)
	if got := p.text(t, row+" .payload"); got != text {
		t.Errorf("shown as %q", got)
	}
	if n := p.eval(t, "return document.querySelectorAll('#log img, #log script, #log b').length"); n != 0.0 {
		t.Errorf("%v elements were made from a message", n)
	}
	p.send(t, "close 4000 <i>bye</i>")
	p.row(t, "event", "close", "<i>bye</i>")
	if n := p.eval(t, "return document.querySelectorAll('#log i').length"); n != 0.0 {
		t.Errorf("%v elements were made from a close reason", n)
	}
}

func testControlCharacters(t *testing.T, p *page) {
	p.connect(t)
	p.eval(t, `document.querySelector('#composer').value = 'C string\0'`)
	p.keys(t, "#composer", keyEnter)
	row := p.row(t, "received", "text", "C string")
	if got := p.text(t, row+" .payload"); got != "C string\\x00" || p.data(t, row, "size") != "9" {
		t.Errorf("a trailing NUL shows as %q, %s bytes", got, p.data(t, row, "size"))
	}
	p.send(t, "")
	row = p.row(t, "received", "text", "empty message")
	if p.data(t, row, "size") != "0" {
		t.Errorf("empty message of %s bytes", p.data(t, row, "size"))
	}
}

func testJSON(t *testing.T, p *page) {
	p.connect(t)
	const text = `[{"id":"1","n":12345678901234567890,"e":[],"s":"a,{\"}"},{}]`
	const indented = "[\n  {\n    \"id\": \"1\",\n    \"n\": 12345678901234567890,\n    \"e\": [],\n    \"s\": \"a,{\\\"}\"\n  },\n  {}\n]"
	p.send(t, text)
	row := p.row(t, "received", "text", "12345678901234567890")
	check := func(when, want string) {
		t.Helper()
		if got := p.text(t, row+" .payload"); got != want {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	check("at first", text)
	p.click(t, row+" [data-act=indent]")
	check("indented", indented)
	p.click(t, row+" [data-act=indent]")
	check("as sent again", text)
	p.click(t, "#pretty")
	check("with JSON pressed", indented)
	p.send(t, `{"later":1}`)
	p.row(t, "received", "text", "{\n  \"later\": 1\n}")
	p.send(t, "{not json}")
	if got := p.text(t, p.row(t, "received", "text", "{not json}")+" .body"); got != "{not json}" {
		t.Errorf("text that is no JSON: %q", got)
	}
	p.click(t, "#pretty")
	check("with JSON released", text)
}

func testLongMessages(t *testing.T, p *page) {
	p.connect(t)
	p.send(t, "text 5000")
	row := p.row(t, "received", "text", "xxxx")
	if got := p.text(t, row+" .payload"); len(got) > 1100 {
		t.Errorf("%d of 5000 letters shown at first", len(got))
	}
	p.click(t, row+" [data-act=all]")
	if got := p.text(t, row+" .payload"); got != strings.Repeat("x", 5000) {
		t.Errorf("show all shows %d letters", len(got))
	}
	p.send(t, "bytes 300")
	row = p.row(t, "received", "binary", "00000000  00 01")
	if got := p.text(t, row+" .payload"); strings.Contains(got, "00000100") || !strings.Contains(got, "000000f0") {
		t.Errorf("first view of 300 bytes:\n%s", got)
	}
	p.click(t, row+" [data-act=all]")
	if got := p.text(t, row+" .payload"); !strings.HasSuffix(got, "|"+"................"+"|\n00000120  20 21 22 23 24 25 26 27  28 29 2a 2b              | !\"#$%&'()*+|") {
		t.Errorf("all of 300 bytes:\n%s", got)
	}
	p.click(t, row+" [data-act=all]")
	if got := p.text(t, row+" .payload"); strings.Contains(got, "00000100") {
		t.Error("show less shows all")
	}
	p.send(t, "text 3000000")
	p.wait(t, "[...document.querySelectorAll('#log .row')].at(-1).dataset.size === '3000000'")
	row = "#log .row:last-child"
	p.click(t, row+" [data-act=all]")
	if got := p.text(t, row+" .payload"); len(got) != 256*1024 {
		t.Errorf("%d of 3,000,000 letters shown", len(got))
	}
	if got := p.text(t, row+" .note"); !strings.Contains(got, "Save writes all of it") {
		t.Errorf("note %q", got)
	}
}

func testFilterPauseClear(t *testing.T, p *page) {
	p.connect(t)
	for _, text := range []string{"alpha", "beta", "Alpha.2"} {
		p.send(t, text)
		p.row(t, "received", "text", text)
	}
	p.click(t, "#mode-hex")
	p.send(t, "61 6c 70 68 61 ff")
	p.row(t, "received", "binary", "alpha.")
	shown := func(want int) {
		t.Helper()
		p.wait(t, fmt.Sprintf("document.querySelectorAll('#log .row:not([hidden])').length === %d", want))
	}
	shown(10)
	p.fill(t, "#filter", "ALPHA")
	shown(6)
	if got := p.text(t, "#tally"); got != "6 of 10 rows" {
		t.Errorf("tally %q", got)
	}
	p.eval(t, "const d = document.querySelector('#direction'); d.value = 'received'; d.dispatchEvent(new Event('change'))")
	shown(3)
	p.fill(t, "#filter", "a.2") // a point is a point
	shown(1)
	p.fill(t, "#filter", "61 ff")
	shown(1)
	p.fill(t, "#filter", "a")
	p.eval(t, "const f = document.querySelector('#filter'); f.value = ''; f.dispatchEvent(new Event('input'))")
	shown(4)
	p.eval(t, "const d = document.querySelector('#direction'); d.value = ''; d.dispatchEvent(new Event('change'))")
	shown(10)

	p.click(t, "#mode-text")
	p.click(t, "#pause")
	p.send(t, "while paused")
	p.wait(t, "document.querySelector('#tally').textContent.endsWith('2 held')")
	shown(10)
	p.click(t, "#pause")
	shown(12)
	p.row(t, "received", "text", "while paused")

	p.click(t, "#clear")
	shown(0)
	p.wait(t, "!document.querySelector('#empty').hidden")
	if n := p.data(t, "#stat-sent", "messages"); n != "0" {
		t.Errorf("%s sent after clear", n)
	}
	p.send(t, "again")
	shown(2)
}

func testExport(t *testing.T, p *page) {
	p.eval(t, `
		window.copied = '';
		Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (s) => { window.copied = s; } } });
		window.saved = '';
		URL.createObjectURL = (blob) => { blob.text().then((s) => { window.saved = s; }); return '#'; };
		HTMLAnchorElement.prototype.click = function () { window.file = this.download; };`)
	p.connect(t)
	p.send(t, "héllo")
	p.row(t, "received", "text", "héllo")
	p.click(t, "#mode-hex")
	p.send(t, "00ff")
	p.row(t, "received", "binary", "00 ff")
	p.click(t, "#mode-text")
	p.send(t, "close 4001 bye")
	p.row(t, "event", "close", "4001")
	p.click(t, "#copy")
	p.click(t, "#download")
	p.wait(t, "saved && copied")
	if p.eval(t, "return saved === copied") != true {
		t.Error("Copy and Save differ")
	}
	if file := p.eval(t, "return file").(string); !strings.HasPrefix(file, "duplex-") || !strings.HasSuffix(file, ".ndjson") {
		t.Errorf("file name %s", file)
	}
	var got []string
	for _, e := range p.eval(t, "return copied.trimEnd().split('\\n').map((l) => JSON.parse(l))").([]any) {
		m := e.(map[string]any)
		if m["time"] == nil {
			t.Errorf("no time: %v", m)
		}
		got = append(got, fmt.Sprint(m["dir"], " ", m["kind"], " ", m["size"], " ", m["text"], " ", m["base64"], " ", m["code"], " ", m["reason"], " ", m["clean"]))
	}
	want := []string{
		"event info <nil> <nil> <nil> <nil> <nil> <nil>",
		"event open <nil> <nil> <nil> <nil> <nil> <nil>",
		"sent text 6 héllo <nil> <nil> <nil> <nil>",
		"received text 6 héllo <nil> <nil> <nil> <nil>",
		"sent binary 2 <nil> AP8= <nil> <nil> <nil>",
		"received binary 2 <nil> AP8= <nil> <nil> <nil>",
		"sent text 14 close 4001 bye <nil> <nil> <nil> <nil>",
		"event close <nil> <nil> <nil> 4001 bye true",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("log:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	p.fill(t, "#filter", "héllo")
	p.wait(t, "document.querySelectorAll('#log .row:not([hidden])').length === 2")
	p.click(t, "#copy")
	p.wait(t, "copied.trimEnd().split('\\n').length === 2")
}

func testBurst(t *testing.T, p *page) {
	p.connect(t)
	// The longest time that something else, such as a key press, had to wait.
	p.eval(t, `window.gap = 0; let last = performance.now();
		setInterval(() => { const now = performance.now(); window.gap = Math.max(window.gap, now - last); last = now; }, 5);`)
	p.send(t, "burst 10000")
	p.send(t, "in between")
	p.wait(t, "document.querySelector('#stat-received').dataset.messages === '10001'")
	p.wait(t, "document.querySelector('#log .row:last-child .payload').textContent === 'in between'")
	if n := p.eval(t, "return document.querySelectorAll('#log .row').length"); n != 5000.0 {
		t.Errorf("%v rows, want the newest 5000", n)
	}
	if tally := p.text(t, "#tally"); tally != "5000 rows · 5005 older dropped" {
		t.Errorf("tally %q", tally)
	}
	gap := p.eval(t, "return window.gap").(float64)
	t.Logf("longest pause %.0f ms", gap)
	if gap > 3000 {
		t.Errorf("the page stood still for %.0f ms", gap)
	}
	p.click(t, "#pause")
	p.send(t, "burst 6000") // while paused the ring goes on; what is shown stays
	p.wait(t, "document.querySelector('#stat-received').dataset.messages === '16001'")
	if got := p.text(t, "#log .row:last-child .payload"); got != "in between" {
		t.Errorf("last row while paused: %q", got)
	}
	p.click(t, "#pause")
	p.wait(t, "document.querySelector('#log .row:last-child .payload').textContent === 'burst message 5999'")
	if got := p.text(t, "#log .row:first-child .payload"); got != "burst message 1000" {
		t.Errorf("first row: %q", got)
	}
}

func testFollowing(t *testing.T, p *page) {
	atEnd := "(() => { const l = document.querySelector('#log'); return l.scrollHeight - l.scrollTop - l.clientHeight < 24; })()"
	p.connect(t)
	p.send(t, "burst 500")
	p.wait(t, "document.querySelector('#stat-received').dataset.messages === '500'")
	p.wait(t, "document.querySelector('#log .row:last-child .payload').textContent === 'burst message 499'")
	p.wait(t, atEnd)
	// Scrolling up holds the place while rows come; the button leads back.
	const up = "const l = document.querySelector('#log'); l.dispatchEvent(new WheelEvent('wheel')); l.scrollTop -= 600;"
	p.eval(t, up)
	p.wait(t, "!document.querySelector('#jump').hidden")
	// Sending leads back too; this goes up again before the answer is there.
	p.eval(t, `document.querySelector('[data-quick="Trigger async"]').click();`+up)
	p.wait(t, "document.querySelector('#jump').textContent === '↓ 2 new'")
	if p.eval(t, "return "+atEnd) == true {
		t.Error("a new row moved the log")
	}
	p.click(t, "#jump")
	p.wait(t, atEnd)
	p.wait(t, "document.querySelector('#jump').hidden")
	p.eval(t, up)
	p.wait(t, "!document.querySelector('#jump').hidden")
	p.send(t, "mine")
	p.wait(t, "document.querySelector('#log .row:last-child .payload').textContent === 'mine' && "+atEnd)
}
