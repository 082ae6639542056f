// Package foreign finds and runs the programs that tests need and that this project did not write:
// Node.js with the npm package ws, Python with its WebSocket packages, Chromium and its driver.
//
//	func TestNodeEchoes(t *testing.T) {
//		node := foreign.Node(t) // skips the test where there is no Node.js with ws
//		peer := foreign.Start(t, node.Command("testdata/echo.js"), `listening on (\d+)`)
//		port := peer.Ready[1]
//		...
//	}
//
// A program is looked for in the tools directory first (the environment variable DUPLEX_TOOLS, else
// .tools in the module's root, which ".ci/run tools" fills) and then on PATH. Where it is missing the
// test is skipped with a sentence that says what would make it run; with DUPLEX_FULL=1 in the
// environment, as in continuous integration, the test fails instead.
package foreign

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Program is a program that was found and seen to work.
type Program struct {
	// Path is the executable.
	Path string
	// Args come before the arguments given to Command.
	Args []string
	// Env is added to the environment of this process, as "NAME=value".
	Env []string
}

// Command returns a command, not yet started, that runs the program with args. A script's own name is
// simply the first of args. The command runs in the test's directory.
func (p Program) Command(args ...string) *exec.Cmd {
	all := append(append([]string(nil), p.Args...), args...)
	cmd := exec.Command(p.Path, all...)
	cmd.Env = append(os.Environ(), p.Env...)
	return cmd
}

// Full reports whether a missing program fails a test instead of skipping it: DUPLEX_FULL=1.
func Full() bool { return os.Getenv("DUPLEX_FULL") == "1" }

// Tools returns the tools directory, which need not exist: DUPLEX_TOOLS, else .tools in the module's root.
func Tools() string {
	if dir := os.Getenv("DUPLEX_TOOLS"); dir != "" {
		return dir
	}
	root, err := Root()
	if err != nil {
		return ".tools"
	}
	return filepath.Join(root, ".tools")
}

// Root returns the module's root: the nearest directory with a go.mod, from the working directory up.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod in %s or above it: run the tests from inside the module", start)
		}
		dir = up
	}
}

// Node returns a Node.js in which require('ws') works, and require of each further module.
// It is require only: Node.js resolves "import" without NODE_PATH.
func Node(t testing.TB, modules ...string) Program {
	t.Helper()
	modules = append([]string{"ws"}, modules...)
	env := []string{"NODE_PATH=" + filepath.Join(Tools(), "node", "node_modules")}
	var script strings.Builder
	for _, m := range modules {
		fmt.Fprintf(&script, "require(%q);", m)
	}
	for _, path := range paths(filepath.Join("bin", "node"), "node", "nodejs") {
		p := Program{Path: path, Env: env}
		if works(p, "-e", script.String()) {
			return p
		}
	}
	missing(t, "Node.js with the npm package "+strings.Join(modules, ", "))
	return Program{}
}

// Python returns a Python 3 in which each of modules can be imported. Its output is not buffered, so that
// a line printed is a line seen.
func Python(t testing.TB, modules ...string) Program {
	t.Helper()
	script := "import sys; assert sys.version_info[0] == 3"
	if len(modules) > 0 {
		script += "; import " + strings.Join(modules, ", ")
	}
	for _, path := range paths(filepath.Join("python", "bin", "python3"), "python3", "python") {
		p := Program{Path: path, Env: []string{"PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"}}
		if works(p, "-c", script) {
			return p
		}
	}
	what := "Python 3"
	if len(modules) > 0 {
		what += " with the modules " + strings.Join(modules, ", ")
	}
	missing(t, what)
	return Program{}
}

// Chromium returns a Chromium that runs without a window, without the network's background traffic and
// with a profile of its own, which is removed at the end of the test.
func Chromium(t testing.TB) Program {
	t.Helper()
	p := named(t, "Chromium", "chromium", "chromium-browser", "google-chrome")
	p.Args = ChromiumFlags(t)
	return p
}

// ChromiumFlags returns the arguments that Chromium runs with, for a driver that starts it itself:
// they are what belongs in goog:chromeOptions.
func ChromiumFlags(t testing.TB) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "duplex-chromium-")
	if err != nil {
		t.Fatalf("cannot make a profile directory for Chromium: %v", err)
	}
	// Not t.TempDir: it fails the test when a helper process of Chromium, on its way out, still writes there.
	t.Cleanup(func() {
		for range 20 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
	return []string{
		"--headless",
		"--no-sandbox", // as root, as in a container, Chromium refuses to start with its sandbox
		"--disable-gpu",
		"--disable-dev-shm-usage",
		"--disable-quic",
		"--no-first-run",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-sync",
		"--user-data-dir=" + dir,
	}
}

// Chromedriver returns the WebDriver server for Chromium.
func Chromedriver(t testing.TB) Program {
	t.Helper()
	return named(t, "ChromeDriver", "chromedriver")
}

// named returns the first of the executables called names that can say its version.
func named(t testing.TB, what string, names ...string) Program {
	t.Helper()
	for _, path := range paths(filepath.Join("bin", names[0]), names...) {
		p := Program{Path: path}
		if works(p, "--version") {
			return p
		}
	}
	missing(t, what)
	return Program{}
}

// paths lists the executables to try: the one in the tools directory, then each name on PATH.
func paths(inTools string, onPath ...string) []string {
	var found []string
	for _, name := range append([]string{filepath.Join(Tools(), inTools)}, onPath...) {
		if path, err := exec.LookPath(name); err == nil {
			found = append(found, path)
		}
	}
	return found
}

// tried remembers what works said: one start of a program a question is enough for a test binary.
var tried sync.Map

func works(p Program, args ...string) bool {
	key := strings.Join(append(append([]string{p.Path}, p.Env...), args...), "\x00")
	if known, ok := tried.Load(key); ok {
		return known.(bool)
	}
	ok := p.Command(args...).Run() == nil
	tried.Store(key, ok)
	return ok
}

func missing(t testing.TB, what string) {
	t.Helper()
	const hint = "this test needs %s, found neither in %s nor on PATH: run \"bash .ci/run tools\" in the module's root, or set DUPLEX_TOOLS to a directory that it filled"
	if Full() {
		t.Fatalf(hint+" (DUPLEX_FULL=1: missing programs fail the test)", what, Tools())
	}
	t.Skipf(hint, what, Tools())
}
