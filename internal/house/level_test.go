package house

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// coreLevel is the Go release whose language and library the core keeps to, so that TinyGo compiles it.
const coreLevel = "1.23"

// core lists the packages that a chip compiles too.
var core = []string{"wire", "protocol"}

// TestCoreLanguageLevel builds a copy of the core in a module of that level. The compiler refuses
// language that is newer; vet (its check "stdversion") refuses library names that are newer.
func TestCoreLanguageLevel(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module "+module+"\n\ngo "+coreLevel+"\n")
	for _, name := range core {
		for _, f := range mustPackage(t, name).files {
			write(t, filepath.Join(dir, filepath.FromSlash(f.path)), string(f.text))
		}
	}
	for _, args := range [][]string{{"build", "./..."}, {"vet", "./..."}} {
		if out, err := goTool(dir, args...); err != nil {
			t.Errorf("at Go language level %s, go %s: %v\n%s", coreLevel, strings.Join(args, " "), err, out)
		}
	}
}

// TestLevelIsHeld shows that the two commands would notice: without it, a toolchain that stopped looking
// would look like a core that keeps to the level.
func TestLevelIsHeld(t *testing.T) {
	for _, c := range []struct{ command, code, what string }{
		{"build", "package x\n\nvar X = new(1 + 1)\n", "new(expression), of Go 1.26"},
		{"vet", "package x\n\nimport \"strings\"\n\nfunc F(s string) {\n\tfor range strings.Lines(s) {\n\t}\n}\n", "strings.Lines, of Go 1.24"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "go.mod"), "module x\n\ngo "+coreLevel+"\n")
		write(t, filepath.Join(dir, "x.go"), c.code)
		if out, err := goTool(dir, c.command, "./..."); err == nil {
			t.Errorf("go %s accepts %s at level %s\n%s", c.command, c.what, coreLevel, out)
		} else if !strings.Contains(out, "requires go1.2") {
			t.Errorf("go %s refuses %s for another reason than the level:\n%s", c.command, c.what, out)
		}
	}
}

func goTool(dir string, args ...string) (string, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	// The scratch module needs nothing from outside; GOWORK and GOFLAGS of the caller's are not for it.
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local", "GOPROXY=off", "GOWORK=off", "GOOS=", "GOARCH=")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
