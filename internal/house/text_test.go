package house

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// leaks are what the text of this project does not hold. The patterns are written so that they do not
// match themselves.
var leaks = []struct {
	what    string
	pattern *regexp.Regexp
}{
	// A URL's path is no leak: there, a host stands before it.
	{"a path of a developer's machine", regexp.MustCompile(`(?:^|[\s"'` + "`" + `=(:,;<>\[{|])(?:file://)?((?:/(?:home|root|work|Users|workspace)/|[A-Z]:\\{1,2}Users\\)[\w.~-][^\s"'` + "`" + `]*)`)},
	// A test has t.TempDir, a program os.TempDir: nobody's text needs a certain temporary file.
	{"a temporary path", regexp.MustCompile(`(/t` + `mp/[\w.~-][^\s"'` + "`" + `]*)`)},
	{"a note of work not done", regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|X` + `XX)\b`)},
}

// allowed are matches that may stand, "file: match", and why.
var allowed = map[string]string{}

func TestTextHoldsNoLeaks(t *testing.T) {
	needed := map[string]bool{}
	for _, name := range trackedFiles(t) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed so
		}
		if err != nil {
			t.Error(err)
			continue
		}
		if bytes.IndexByte(text, 0) >= 0 {
			continue // no text: a picture, a corpus
		}
		for n, line := range strings.Split(string(text), "\n") {
			for _, leak := range leaks {
				for _, m := range leak.pattern.FindAllStringSubmatch(line, -1) {
					what := name + ": " + m[1]
					needed[what] = true
					if allowed[what] == "" {
						t.Errorf("%s:%d holds %s: %q. Take it out, or allow it in internal/house/text_test.go with a reason", name, n+1, leak.what, m[1])
					}
				}
			}
		}
	}
	for what := range allowed {
		if !needed[what] {
			t.Errorf("%q is allowed and does not occur: take it out of internal/house/text_test.go", what)
		}
	}
}

// trackedFiles lists the files that git knows or is about to: not what it ignores.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("there is no git here to say which files belong to the project: install git to run this test")
	}
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("this is no git checkout (git ls-files: %v), so nobody can say which files belong to the project", err)
	}
	files := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	if !slices.Contains(files, "internal/house/text_test.go") {
		t.Fatalf("git ls-files does not list this very file among %d files", len(files))
	}
	return files
}

// TestLeaks holds the patterns themselves to text that they must find, and to text that they must not.
func TestLeaks(t *testing.T) {
	slash := "/"
	for line, want := range map[string]bool{
		"see " + slash + "home/ann/duplex":              true,
		"`" + slash + "root/.cache`":                    true,
		"dir=" + slash + "work/main":                    true,
		"PATH=a:" + slash + "Users/ann/go":              true,
		`"C:\Us` + `ers\ann"`:                           true,
		"ls " + slash + "tmp/x":                         true,
		"// TO" + "DO: later":                           true,
		"https://example.com" + slash + "home/x":        false,
		"route " + slash + "homepage":                   false,
		"GET " + slash + "work HTTP/1.1":                false,
		"the word todo in plain text is no such note":   false,
		"an artwork" + slash + "home/ of another thing": false,
	} {
		got := false
		for _, leak := range leaks {
			got = got || leak.pattern.MatchString(line)
		}
		if got != want {
			t.Errorf("%q: leak = %v, want %v", line, got, want)
		}
	}
}
