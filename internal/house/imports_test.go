package house

import (
	"go/build"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// room says what one package may import directly. The rooms stand in the order of the house, the
// ground floor first: an import of the module's own leads to a room above in this list, never below,
// so there can be no upward arrow and no cycle. A room that nobody has built yet stands here too, when
// its place is settled.
type room struct {
	dir     string
	std     []string // nil: the whole standard library
	own     []string // packages of this module
	foreign []string // packages of others, or whole modules when they end in /...
}

// coreStd is what the core may import: all of it compiles for a chip with TinyGo, and none of it does I/O.
var coreStd = []string{
	"bufio", "bytes", "context", "crypto/sha1", "encoding/base64", "encoding/binary", "errors", "io",
	"math/bits", "strconv", "strings", "sync", "sync/atomic", "time", "unicode/utf8",
}

var house = []room{
	{dir: "wire", std: coreStd},
	{dir: "protocol", std: coreStd, own: []string{"wire"}},
	{dir: "deflate", foreign: []string{"github.com/klauspost/compress/..."}},
	{dir: "internal/foreign"}, // for tests: no room may import it
	{dir: "internal/house"},
	{dir: "internal/printable"},
	{dir: "internal/poll", foreign: []string{"golang.org/x/sys/unix"}},
	{dir: "ws", own: []string{"deflate", "protocol", "wire"}, foreign: []string{"golang.org/x/net/proxy"}},
	{dir: "ws/wstest", own: []string{"ws", "deflate", "protocol", "wire"}, foreign: []string{"golang.org/x/net/proxy"}},
	{dir: "client", own: []string{"ws"}},
	{dir: "server", own: []string{"ws", "internal/poll"}},
	{dir: "channel", own: []string{"server"}},
	{dir: "channel/natsbroker", own: []string{"channel"},
		foreign: []string{"github.com/nats-io/nats.go/...", "github.com/nats-io/nats-server/v2/..."}},
	// The judge uses none of the code it judges, or a misreading of the RFC would pass itself.
	{dir: "conformance"},
	{dir: "internal/console", own: []string{"server", "ws"}},
	{dir: "internal/service", own: []string{"internal/printable", "channel", "server", "ws"}},
	{dir: "internal/connect", own: []string{"internal/printable", "ws"}, foreign: []string{"golang.org/x/term"}},
	{dir: "cmd/duplex",
		own:     []string{"internal/service", "internal/connect", "internal/console", "conformance", "channel/natsbroker", "server", "client", "ws", "ws/wstest"},
		foreign: []string{"github.com/spf13/cobra/...", "github.com/spf13/pflag", "golang.org/x/term"}},
	{dir: "examples/echo-server", own: []string{"server", "ws"}},
	{dir: "examples/device-client", own: []string{"client", "server", "ws"}},
}

func TestImports(t *testing.T) {
	for _, p := range mustPackages(t) {
		floor := slices.IndexFunc(house, func(r room) bool { return r.dir == p.dir })
		if floor < 0 {
			t.Errorf("package %s is not in the table of internal/house/imports_test.go: add it there, above everything that imports it", p.dir)
			continue
		}
		for _, f := range p.files {
			for _, spec := range f.tree.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatalf("%s: import %s: %v", f.path, spec.Path.Value, err)
				}
				if reason := forbidden(house[floor], name); reason != "" {
					t.Errorf("%s:%d imports %s: %s", f.path, f.line(spec.Pos()), name, reason)
				}
			}
		}
	}
}

// forbidden says why the room may not import the package, or nothing.
func forbidden(r room, name string) string {
	switch own, ok := strings.CutPrefix(name, module+"/"); {
	case ok && slices.Contains(r.own, own):
		return ""
	case ok:
		return r.dir + " may import of this module only: " + orNone(r.own)
	case isStd(name) && (r.std == nil || slices.Contains(r.std, name)):
		return ""
	case isStd(name):
		return r.dir + " may import of the standard library only: " + orNone(r.std)
	}
	for _, allowed := range r.foreign {
		tree, whole := strings.CutSuffix(allowed, "/...")
		if name == allowed || whole && (name == tree || strings.HasPrefix(name, tree+"/")) {
			return ""
		}
	}
	return r.dir + " may import of other modules only: " + orNone(r.foreign)
}

// isStd reports whether the package is the standard library's: the first element of anyone else's
// path is a host, with a dot.
func isStd(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return !strings.Contains(first, ".")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, " ")
}

// TestHouseHasNoUpwardArrow holds the table itself to its order.
func TestHouseHasNoUpwardArrow(t *testing.T) {
	below := map[string]bool{}
	for _, r := range house {
		for _, own := range r.own {
			if !below[own] {
				t.Errorf("the table lets %s import %s, which does not stand above it in the table: an arrow goes down only", r.dir, own)
			}
		}
		if below[r.dir] {
			t.Errorf("the table lists %s twice", r.dir)
		}
		below[r.dir] = true
	}
}

// TestForbidden holds the rule itself to cases that must not pass.
func TestForbidden(t *testing.T) {
	r := room{dir: "x", std: []string{"io"}, own: []string{"wire"}, foreign: []string{"example.com/a", "example.com/b/..."}}
	for name, want := range map[string]bool{
		"io": false, "os": true, "C": true, "unsafe": true,
		"duplex/wire": false, "duplex/ws": true, "duplex/wire/x": true,
		"example.com/a": false, "example.com/a/sub": true, "example.com/b": false, "example.com/b/sub": false, "example.com/bb": true,
	} {
		if got := forbidden(r, name) != ""; got != want {
			t.Errorf("import of %s: forbidden = %v, want %v", name, got, want)
		}
	}
}

// TestCoreStdIsStandard keeps a slip of the pen out of the allow-list.
func TestCoreStdIsStandard(t *testing.T) {
	for _, name := range coreStd {
		if p, err := build.Import(name, "", build.FindOnly); err != nil || !p.Goroot {
			t.Errorf("%s is not a package of the standard library: %v", name, err)
		}
	}
}
