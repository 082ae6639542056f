// Package console is the page that tries a WebSocket server from a browser: connect, send text or bytes, read what
// comes back, see why it closed. It is served by the same program that it tries, because a page that came over https
// may not open ws:// to a device in the local network.
//
//	mux := http.NewServeMux()
//	page := console.Handler()
//	mux.Handle("/{$}", page)
//	mux.Handle("/console/", page)
//	mux.Handle("/ws", echo)
//
// The page is embedded in the program and asks for nothing but its own files, so it works without the Internet. It
// names them relative to itself: behind a proxy that adds a prefix, http.StripPrefix is all it needs.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"time"
)

//go:embed page
var files embed.FS

// policy lets the page load its own files and open WebSockets, and nothing else: no inline script or style, no
// foreign origin, no form target, no frame around it. A message shown in the log cannot become code: the page
// writes text only, and trusted types make the browser refuse everything else. Connections go to any host, because
// the server tried is often another machine, and both schemes are named, because 'self' does not cover ws: in
// every browser.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// asset is one file of the page as it is sent.
type asset struct {
	name string
	kind string // Content-Type
	etag string
	body []byte
}

// assets maps each URL path to what is served there. A path that is not here is not found.
var assets = map[string]asset{
	"/":                      load("index.html", "text/html; charset=utf-8"),
	"/console/style.css":     load("style.css", "text/css; charset=utf-8"),
	"/console/icon.svg":      load("icon.svg", "image/svg+xml"),
	"/console/app.js":        load("app.js", "text/javascript; charset=utf-8"),
	"/console/composer.js":   load("composer.js", "text/javascript; charset=utf-8"),
	"/console/echo.js":       load("echo.js", "text/javascript; charset=utf-8"),
	"/console/connection.js": load("connection.js", "text/javascript; charset=utf-8"),
	"/console/log.js":        load("log.js", "text/javascript; charset=utf-8"),
	"/console/row.js":        load("row.js", "text/javascript; charset=utf-8"),
	"/console/address.js":    load("address.js", "text/javascript; charset=utf-8"),
	"/console/format.js":     load("format.js", "text/javascript; charset=utf-8"),
	"/console/strings.js":    load("strings.js", "text/javascript; charset=utf-8"),
}

func load(name, kind string) asset {
	body, err := files.ReadFile("page/" + name)
	if err != nil {
		panic("console: " + err.Error()) // the embedded tree and the table above disagree: a build mistake
	}
	sum := sha256.Sum256(body)
	return asset{name: name, kind: kind, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
}

// Handler returns the handler of the page. It answers GET and HEAD at "/" with the page and under "/console/" with
// its files, any other method there with 405, and every other path with 404. Each answer carries a strict
// Content-Security-Policy; files carry an ETag and are revalidated on each use, so that a new program never runs
// with an old script. It keeps no state: one Handler may serve any number of requests at once.
func Handler() http.Handler { return http.HandlerFunc(serve) }

func serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	// An address of the console may carry a name of an internal host: tell nobody.
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")

	a, ok := assets[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the console answers GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", a.etag)
	// ServeContent answers If-None-Match (RFC 9110 section 13.1.2), HEAD and ranges.
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.body))
}
