package console_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"duplex/internal/console"
)

func ask(method, path string, header ...string) *http.Response {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	console.Handler().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kinds is every path of the page and the Content-Type it must have.
var kinds = map[string]string{
	"/":                      "text/html; charset=utf-8",
	"/console/style.css":     "text/css; charset=utf-8",
	"/console/icon.svg":      "image/svg+xml",
	"/console/app.js":        "text/javascript; charset=utf-8",
	"/console/composer.js":   "text/javascript; charset=utf-8",
	"/console/connection.js": "text/javascript; charset=utf-8",
	"/console/echo.js":       "text/javascript; charset=utf-8",
	"/console/log.js":        "text/javascript; charset=utf-8",
	"/console/row.js":        "text/javascript; charset=utf-8",
	"/console/address.js":    "text/javascript; charset=utf-8",
	"/console/format.js":     "text/javascript; charset=utf-8",
	"/console/strings.js":    "text/javascript; charset=utf-8",
}

func TestEveryFileOfThePageIsServed(t *testing.T) {
	entries, err := os.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(kinds) {
		t.Errorf("page/ has %d files, %d paths are served", len(entries), len(kinds))
	}
	for path, kind := range kinds {
		r := ask("GET", path)
		if r.StatusCode != 200 || r.Header.Get("Content-Type") != kind {
			t.Errorf("GET %s: %d %q, want 200 %q", path, r.StatusCode, r.Header.Get("Content-Type"), kind)
		}
		if body(t, r) == "" {
			t.Errorf("GET %s: nothing", path)
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	for _, path := range []string{"/", "/console/app.js", "/console/none.js", "/none"} {
		h := ask("GET", path).Header
		for name, want := range map[string]string{
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := h.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self' ws: wss:",
			"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
		} {
			if !strings.Contains(policy+";", part+";") {
				t.Errorf("%s: the policy lacks %q: %s", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
			t.Errorf("%s: the policy is too weak: %s", path, policy)
		}
	}
}

func TestMethodsAndPaths(t *testing.T) {
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"HEAD", "/console/app.js", 200},
		{"POST", "/", 405},
		{"PUT", "/console/app.js", 405},
		{"DELETE", "/", 405},
		{"OPTIONS", "/", 405},
		{"GET", "/index.html", 404},
		{"GET", "/console", 404},
		{"GET", "/console/", 404},
		{"GET", "/console/../app.js", 404},
		{"GET", "/console/page/app.js", 404},
		{"POST", "/none", 404},
	} {
		r := ask(c.method, c.path)
		if r.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, r.StatusCode, c.status)
		}
		if allow := r.Header.Get("Allow"); (c.status == 405) != (allow == "GET, HEAD") {
			t.Errorf("%s %s: Allow is %q", c.method, c.path, allow)
		}
		if c.method == "HEAD" && body(t, r) != "" {
			t.Errorf("HEAD %s has a body", c.path)
		}
	}
}

func TestRevalidation(t *testing.T) {
	seen := map[string]string{}
	for path := range kinds {
		r := ask("GET", path)
		tag := r.Header.Get("ETag")
		if !regexp.MustCompile(`^"[0-9a-f]{16,}"$`).MatchString(tag) {
			t.Fatalf("%s: ETag %s", path, tag)
		}
		if other, twice := seen[tag]; twice {
			t.Errorf("%s and %s have the same ETag", path, other)
		}
		seen[tag] = path
		if cc := r.Header.Get("Cache-Control"); cc != "no-cache" {
			t.Errorf("%s: Cache-Control %q would let an old script meet a new program", path, cc)
		}
		if again := ask("GET", path, "If-None-Match", tag); again.StatusCode != 304 || body(t, again) != "" {
			t.Errorf("%s: unchanged file answered %d", path, again.StatusCode)
		}
		if changed := ask("GET", path, "If-None-Match", `"0"`); changed.StatusCode != 200 {
			t.Errorf("%s: changed file answered %d", path, changed.StatusCode)
		}
	}
}

// The policy forbids inline code and foreign files; this is the proof that the page does not try.
func TestMarkupKeepsToThePolicy(t *testing.T) {
	html := body(t, ask("GET", "/"))
	for what, pattern := range map[string]string{
		"an inline script":        `<script[^>]*>[^<]`,
		"a script without source": `<script(?:\s+(?:type|async|defer)(?:="[^"]*")?)*\s*>`,
		"an inline style":         `<style`,
		"a style attribute":       `\sstyle\s*=`,
		"an event attribute":      `\son[a-z]+\s*=`,
		"a javascript: URL":       `="\s*javascript:`,
		"a base element":          `<base`,
	} {
		if found := regexp.MustCompile(`(?i)` + pattern).FindString(html); found != "" {
			t.Errorf("the page has %s: %s", what, found)
		}
	}
	references := regexp.MustCompile(`\s(?:src|href|action|data|srcset|poster)="([^"]*)"`).FindAllStringSubmatch(html, -1)
	if len(references) < 3 {
		t.Fatalf("found only %d references", len(references))
	}
	for _, m := range references {
		if _, own := kinds["/"+m[1]]; !own {
			t.Errorf("the page refers to %q, which is not one of its files", m[1])
		}
	}
}

func TestScriptsAndStyleKeepToThePolicy(t *testing.T) {
	imports := regexp.MustCompile(`(?m)^import [^;]*from '([^']*)'`)
	for p := range kinds {
		text := body(t, ask("GET", p))
		switch {
		case strings.HasSuffix(p, ".js"):
			for _, m := range imports.FindAllStringSubmatch(text, -1) {
				if _, own := kinds[path.Join(path.Dir(p), m[1])]; !own {
					t.Errorf("%s imports %q, which is not one of the page's files", p, m[1])
				}
			}
			for _, word := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "import("} {
				if strings.Contains(text, word) {
					t.Errorf("%s uses %s", p, word)
				}
			}
			for _, m := range regexp.MustCompile(`https?://[a-z0-9.-]+`).FindAllString(text, -1) {
				t.Errorf("%s names a foreign address: %s", p, m)
			}
		case strings.HasSuffix(p, ".css"):
			if found := regexp.MustCompile(`@import|url\(`).FindString(text); found != "" {
				t.Errorf("%s loads something: %s", p, found)
			}
		}
	}
}

// Every sentence lives in strings.js, so that a second language is one more table there.
func TestMarkupNamesOnlyStringsThatExist(t *testing.T) {
	html, table := body(t, ask("GET", "/")), body(t, ask("GET", "/console/strings.js"))
	used := regexp.MustCompile(`\sdata-(?:t|label|title|placeholder)="([^"]*)"`).FindAllStringSubmatch(html, -1)
	if len(used) < 30 {
		t.Fatalf("found only %d", len(used))
	}
	for _, m := range used {
		if !regexp.MustCompile(`(?m)^  ` + m[1] + `: '`).MatchString(table) {
			t.Errorf("strings.js has no plain string %q", m[1])
		}
	}
	for p := range kinds {
		for _, m := range regexp.MustCompile(`\bt\('([A-Za-z]+)'`).FindAllStringSubmatch(body(t, ask("GET", p)), -1) {
			if !regexp.MustCompile(`(?m)^  ` + m[1] + `: `).MatchString(table) {
				t.Errorf("%s uses the string %q, which strings.js does not have", p, m[1])
			}
		}
	}
}

func ExampleHandler() {
	mux := http.NewServeMux()
	page := console.Handler()
	mux.Handle("/{$}", page)
	mux.Handle("/console/", page)

	server := httptest.NewServer(mux)
	defer server.Close()
	for _, path := range []string{"/", "/console/app.js", "/other"} {
		r, err := http.Get(server.URL + path)
		if err != nil {
			panic(err)
		}
		r.Body.Close()
		fmt.Println(path, r.StatusCode)
	}
	// Output:
	// / 200
	// /console/app.js 200
	// /other 404
}
