package foreign

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// verdict stands in for the test that a missing program skips or fails.
type verdict struct {
	testing.TB
	skipped, failed string
}

func (v *verdict) Helper() {}

func (v *verdict) Skipf(format string, args ...any) {
	v.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func judge(f func(testing.TB)) *verdict {
	v := &verdict{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(v)
	}()
	<-done
	return v
}

func TestMissingProgramSkipsAndSaysHowToGetIt(t *testing.T) {
	t.Setenv("DUPLEX_TOOLS", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for name, want := range map[string]func(testing.TB){
		"ws":           func(t testing.TB) { Node(t) },
		"flask_sock":   func(t testing.TB) { Python(t, "flask_sock") },
		"Chromium":     func(t testing.TB) { Chromium(t) },
		"ChromeDriver": func(t testing.TB) { Chromedriver(t) },
	} {
		t.Setenv("DUPLEX_FULL", "")
		v := judge(want)
		if v.failed != "" || !strings.Contains(v.skipped, name) || !strings.Contains(v.skipped, ".ci/run tools") {
			t.Errorf("without %s: skipped %q, failed %q; want a skip that names it and .ci/run tools", name, v.skipped, v.failed)
		}
		t.Setenv("DUPLEX_FULL", "1")
		v = judge(want)
		if v.skipped != "" || !strings.Contains(v.failed, name) {
			t.Errorf("without %s and DUPLEX_FULL=1: skipped %q, failed %q; want a failure that names it", name, v.skipped, v.failed)
		}
	}
}

func TestModuleThatIsMissing(t *testing.T) {
	t.Setenv("DUPLEX_FULL", "")
	if v := judge(func(t testing.TB) { Python(t, "no_such_module") }); !strings.Contains(v.skipped, "no_such_module") {
		t.Errorf("Python without the module: skipped %q, want a skip that names no_such_module", v.skipped)
	}
	if v := judge(func(t testing.TB) { Node(t, "no-such-package") }); !strings.Contains(v.skipped, "no-such-package") {
		t.Errorf("Node.js without the package: skipped %q, want a skip that names no-such-package", v.skipped)
	}
}

func TestToolsDirectory(t *testing.T) {
	t.Setenv("DUPLEX_TOOLS", "/somewhere")
	if got := Tools(); got != "/somewhere" {
		t.Errorf("Tools() = %q with DUPLEX_TOOLS=/somewhere", got)
	}
	t.Setenv("DUPLEX_TOOLS", "")
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := Tools(), filepath.Join(root, ".tools"); got != want {
		t.Errorf("Tools() = %q without DUPLEX_TOOLS, want %q", got, want)
	}
}

func TestToolsDirectoryComesBeforePath(t *testing.T) {
	tools, path := t.TempDir(), t.TempDir()
	for _, name := range []string{filepath.Join(tools, "bin", "tool"), filepath.Join(path, "tool")} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if runtime.GOOS == "windows" {
		t.Skip("an executable has another form on Windows: run on a Unix system")
	}
	t.Setenv("DUPLEX_TOOLS", tools)
	t.Setenv("PATH", path)
	got := paths(filepath.Join("bin", "tool"), "tool")
	want := []string{filepath.Join(tools, "bin", "tool"), filepath.Join(path, "tool")}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("paths = %q, want %q", got, want)
	}
}

func TestNodeRequiresWs(t *testing.T) {
	node := Node(t)
	p := Start(t, node.Command("-e", `console.log("ws " + require("ws/package.json").version)`), `^ws (\d+)\.`)
	if p.Ready[1] != "8" {
		t.Errorf("ws has major version %s, want 8", p.Ready[1])
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestPythonImports(t *testing.T) {
	python := Python(t, "websockets", "flask_sock", "simple_websocket")
	p := Start(t, python.Command("-c", `import websockets; print("websockets", websockets.__version__)`), `^websockets (\S+)`)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestChromiumShowsAPage(t *testing.T) {
	chromium := Chromium(t)
	p := Start(t, chromium.Command("--dump-dom", "data:text/html,<p id=x></p><script>x.textContent=6*7</script>"), `<p id="x">42</p>`)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestChromedriverListens(t *testing.T) {
	driver := Chromedriver(t)
	p := Start(t, driver.Command("--port=0"), `started successfully on port (\d+)`)
	if p.Ready[1] == "0" {
		t.Errorf("ready line %q names no port", p.Ready[0])
	}
	p.Kill()
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		t.Error("ChromeDriver still runs after Kill")
	}
}
