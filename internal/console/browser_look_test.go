package console_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Every control has a name, every text a contrast of 4.5:1 (WCAG 2.2, 1.4.3), in both colour schemes.
func testNamesAndContrast(t *testing.T, p *page) {
	p.expected = []string{"Unexpected response code: 403"}
	populate(t, p)
	p.eval(t, "document.querySelector('#url').value = 'ftp://x'; document.querySelector('#connect').click()")
	if nameless := p.eval(t, `
		return [...document.querySelectorAll('button, input, select, textarea')].filter((e) =>
			!(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.[0]?.textContent.trim())).map((e) => e.outerHTML).join(' ');`); nameless != "" {
		t.Errorf("controls without a name: %v", nameless)
	}
	for _, scheme := range []string{"light", "dark"} {
		p.view(t, 1280, 800, scheme)
		p.eval(t, "await new Promise(requestAnimationFrame)")
		low := p.eval(t, `
			const rgba = (s) => { const m = s.match(/[\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
			const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
			const behind = (e) => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0.5) return c; } return [255, 255, 255, 1]; };
			const low = new Set();
			let seen = 0;
			const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
			for (let n; (n = walk.nextNode());) {
				const e = n.parentElement;
				if (!n.data.trim() || !e.checkVisibility() || e.closest('.sr, noscript, :disabled')) continue;
				seen++;
				const a = light(rgba(getComputedStyle(e).color)), b = light(behind(e));
				const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
				if (ratio < 4.5) low.add(ratio.toFixed(2) + ' ' + e.className + ' ' + n.data.trim().slice(0, 30));
			}
			return seen < 40 ? 'only ' + seen + ' texts' : [...low].join('; ');`)
		if low != "" {
			t.Errorf("%s: %v", scheme, low)
		}
	}
}

func testNarrowWindow(t *testing.T, p *page) {
	p.expected = []string{"Unexpected response code: 403"}
	populate(t, p)
	for _, width := range []int{360, 390, 600, 768, 1024, 1920} {
		p.view(t, width, 740, "light")
		p.eval(t, "for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame)")
		if wide := p.eval(t, `
			const out = [];
			for (const e of document.querySelectorAll('body, .top, .bar, .tools, .log, .composer, button, input, select, textarea')) {
				const r = e.getBoundingClientRect();
				if (r.width && r.right > innerWidth + 0.5) out.push((e.id || e.className || e.tagName) + ' to ' + r.right);
			}
			const l = document.querySelector('#log');
			if (l.scrollWidth > l.clientWidth) out.push('the log scrolls sideways');
			for (const d of l.querySelectorAll('.hexdump')) if (d.scrollWidth > d.clientWidth) out.push('a dump of ' + d.scrollWidth + ' in ' + d.clientWidth);
			if (l.clientHeight < 200) out.push('the log is ' + l.clientHeight + ' high');
			return out.join(', ');`); wide != "" {
			t.Errorf("at %d: %v", width, wide)
		}
	}
}

// populate makes a log with every kind of row.
func populate(t *testing.T, p *page) {
	t.Helper()
	p.fill(t, "#url", p.ws("/refused"))
	p.click(t, "#connect")
	p.row(t, "event", "close", "1006")
	p.fill(t, "#url", p.ws("/ws"))
	p.connect(t)
	p.click(t, `[data-quick="hello"]`)
	p.click(t, `[data-quick="Trigger async"]`)
	p.row(t, "received", "text", "Async data")
	p.send(t, "Grüße from a browser, 你好")
	p.send(t, `{"device":"esp32-7c9e","seq":42,"temperature":21.4,"tags":["lab","north"]}`)
	p.row(t, "received", "text", "esp32-7c9e")
	p.click(t, "#log .row:last-child [data-act=indent]")
	p.click(t, "#mode-hex")
	p.send(t, "de ad be ef 00 01 02 03 48 65 6c 6c 6f")
	p.row(t, "received", "binary", "Hello")
	p.click(t, "#mode-text")
	p.send(t, "bytes 64")
	p.row(t, "received", "binary", "0030  30 31 32")
	p.send(t, "text 1500")
	p.row(t, "received", "text", "xxxx")
	p.eval(t, `document.querySelector('#composer').value = 'strlen + 1\0'`)
	p.keys(t, "#composer", keyEnter)
	p.send(t, "close 4001 bye")
	p.row(t, "event", "close", "4001")
	p.connect(t)
	p.send(t, "hello again")
	p.row(t, "received", "text", "hello again")
}

// testPictures writes screenshots for a person to look at into the directory that DUPLEX_SCREENSHOTS names.
func testPictures(t *testing.T, p *page) {
	dir := os.Getenv("DUPLEX_SCREENSHOTS")
	if dir == "" {
		t.Skip("pictures are made only where they are wanted: set DUPLEX_SCREENSHOTS to a directory")
	}
	p.expected = []string{"Unexpected response code: 403"}
	for _, size := range [][2]int{{1280, 800}, {390, 844}} {
		pictures := func(name string) {
			for _, scheme := range []string{"light", "dark"} {
				p.view(t, size[0], size[1], scheme)
				p.eval(t, "await new Promise((f) => setTimeout(f, 200))")
				p.picture(t, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, size[0], scheme)))
			}
		}
		p.view(t, size[0], size[1], "light")
		p.open(t, p.origin+"/")
		pictures("empty")
		populate(t, p)
		pictures("log")
		p.eval(t, "document.querySelector('#code').value = '1001'; document.querySelector('#connect').click()")
		p.click(t, "#mode-hex")
		p.send(t, "00 fg")
		p.eval(t, "const l = document.querySelector('#log'); l.dispatchEvent(new WheelEvent('wheel')); l.scrollTop = 0;")
		pictures("errors")
		p.eval(t, "document.querySelector('#code').value = '';")
		p.click(t, "#mode-text")
		p.click(t, "#auto")
		p.fill(t, "#url", p.ws("/refused"))
		p.send(t, "drop")
		p.state(t, "waiting")
		pictures("waiting")
	}
}
