package console_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"duplex/internal/foreign"
)

// The few calls of W3C WebDriver that the tests need, over plain net/http.

// patience bounds every wait for something to appear in the page; it is far more than is needed.
const patience = 20 * time.Second

// browser is one WebDriver session: a Chromium with a profile of its own.
type browser struct {
	session string // URL
}

// startBrowser runs Chromium until the end of the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	chromium := foreign.Chromium(t)
	driver := foreign.Chromedriver(t)
	running := foreign.Start(t, driver.Command("--port=0"), `started successfully on port (\d+)`)
	b := &browser{session: "http://127.0.0.1:" + running.Ready[1] + "/session"}
	var made struct{ SessionID string }
	b.call(t, "POST", "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"browserName":        "chrome",
		"goog:chromeOptions": map[string]any{"binary": chromium.Path, "args": chromium.Args},
		"goog:loggingPrefs":  map[string]any{"browser": "ALL"},
	}}}, &made)
	b.session += "/" + made.SessionID
	t.Cleanup(func() { b.call(t, "DELETE", "", nil, nil) })
	b.call(t, "POST", "/timeouts", map[string]any{"script": patience.Milliseconds()}, nil)
	return b
}

// call makes one request and stores the answer's value in result, unless that is nil.
func (b *browser) call(t *testing.T, method, path string, in, result any) {
	t.Helper()
	var body io.Reader
	if method == "POST" {
		if in == nil {
			in = map[string]any{}
		}
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, b.session+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 3 * patience}).Do(r)
	if err != nil {
		t.Fatalf("WebDriver %s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("WebDriver %s %s: %s", method, path, text)
	}
	if result != nil {
		if err := json.Unmarshal(text, &struct{ Value any }{result}); err != nil {
			t.Fatalf("WebDriver %s %s: %v in %s", method, path, err, text)
		}
	}
}

// open loads a page; its script has run when open returns.
func (b *browser) open(t *testing.T, url string) {
	t.Helper()
	b.call(t, "POST", "/url", map[string]any{"url": url}, nil)
}

// eval runs JavaScript, the body of an async function of args, and returns what it returns.
func (b *browser) eval(t *testing.T, script string, args ...any) any {
	t.Helper()
	if args == nil {
		args = []any{}
	}
	var result any
	b.call(t, "POST", "/execute/sync", map[string]any{
		"script": "return (async (...args) => {" + script + "})(...arguments)", "args": args,
	}, &result)
	return result
}

// wait waits until a JavaScript expression is true.
func (b *browser) wait(t *testing.T, expression string) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(15 * time.Millisecond) {
		if b.eval(t, "return Boolean("+expression+")") == true {
			return
		}
		if time.Since(start) > patience {
			t.Fatalf("never true: %s\nthe page shows:\n%v", expression, b.eval(t, "return document.body.innerText"))
		}
	}
}

func (b *browser) element(t *testing.T, css string) string {
	t.Helper()
	var found map[string]string
	b.call(t, "POST", "/element", map[string]any{"using": "css selector", "value": css}, &found)
	return "/element/" + found["element-6066-11e4-a52e-4f735466cecf"]
}

// click presses the element with the mouse: it must be visible and not covered.
func (b *browser) click(t *testing.T, css string) {
	t.Helper()
	b.call(t, "POST", b.element(t, css)+"/click", nil, nil)
}

// keys types into the element as a person does.
func (b *browser) keys(t *testing.T, css, text string) {
	t.Helper()
	b.call(t, "POST", b.element(t, css)+"/value", map[string]any{"text": text}, nil)
}

// fill replaces what a field has.
func (b *browser) fill(t *testing.T, css, text string) {
	t.Helper()
	b.call(t, "POST", b.element(t, css)+"/clear", nil, nil)
	b.keys(t, css, text)
}

func (b *browser) text(t *testing.T, css string) string {
	t.Helper()
	return fmt.Sprint(b.eval(t, "return document.querySelector(args[0]).textContent", css))
}

// Keys of the WebDriver specification, section 17.4.2.
const (
	keyEnter   = "\ue007"
	keyShift   = "\ue008"
	keyControl = "\ue009"
	keyUp      = "\ue013"
	keyDown    = "\ue015"
	keyNull    = "\ue000" // lets go of the keys held
)

// complaints are the warnings and errors in the console since the last call, violations of the policy included.
// Those that contain one of the expected texts are left out.
func (b *browser) complaints(t *testing.T, expected ...string) []string {
	t.Helper()
	var entries []struct{ Level, Message, Source string }
	b.call(t, "POST", "/se/log", map[string]any{"type": "browser"}, &entries)
	var out []string
next:
	for _, e := range entries {
		for _, x := range expected {
			if strings.Contains(e.Message, x) {
				continue next
			}
		}
		if e.Level == "SEVERE" || e.Level == "WARNING" {
			out = append(out, e.Level+" "+e.Message)
		}
	}
	return out
}

// devtools sends a command of the Chrome DevTools Protocol.
func (b *browser) devtools(t *testing.T, command string, params map[string]any) {
	t.Helper()
	b.call(t, "POST", "/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, nil)
}

// view sets the size of the window's inside in CSS pixels, and the colour scheme, light or dark.
func (b *browser) view(t *testing.T, width, height int, scheme string) {
	t.Helper()
	b.devtools(t, "Emulation.setDeviceMetricsOverride", map[string]any{
		"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
	})
	b.devtools(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]any{
		{"name": "prefers-color-scheme", "value": scheme},
	}})
}

// picture writes a screenshot.
func (b *browser) picture(t *testing.T, file string) {
	t.Helper()
	var png string
	b.call(t, "GET", "/screenshot", nil, &png)
	data, err := base64.StdEncoding.DecodeString(png)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
