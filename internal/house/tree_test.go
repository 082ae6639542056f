package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
)

const module = "duplex"

// library lists the packages that a program of somebody else's imports.
var library = []string{"wire", "protocol", "ws", "ws/wstest", "server"}

// goPackage is one directory with Go code other than tests, read for every platform at once: build
// constraints are not looked at, so a Windows file's import counts on Linux too.
type goPackage struct {
	dir   string // from the module's root, with slashes
	name  string
	files []goFile
}

type goFile struct {
	path string // from the module's root, with slashes
	tree *ast.File
	fset *token.FileSet
	text []byte
}

func (f goFile) line(p token.Pos) int { return f.fset.Position(p).Line }

// root is the module's root: this package lies two levels below it.
const root = "../.."

// packages reads the module once for all tests.
var packages = sync.OnceValues(func() ([]goPackage, error) {
	byDir := map[string]*goPackage{}
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			return skipDir(name, rel)
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(fset, rel, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if ignored(tree) {
			return nil
		}
		dir := path.Dir(rel)
		if byDir[dir] == nil {
			byDir[dir] = &goPackage{dir: dir, name: tree.Name.Name}
		}
		byDir[dir].files = append(byDir[dir].files, goFile{rel, tree, fset, text})
		return nil
	})
	var all []goPackage
	for _, p := range byDir {
		all = append(all, *p)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].dir < all[j].dir })
	return all, err
})

// skipDir leaves out what the go tool's ./... leaves out: hidden directories, test data, other modules.
func skipDir(name, rel string) error {
	if rel == "." {
		return nil
	}
	base := path.Base(rel)
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "node_modules" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// ignored reports whether the file is a program of its own, run with "go run file.go": it belongs to no package.
func ignored(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() < f.Package && strings.HasPrefix(c.Text, "//go:build ignore") {
				return true
			}
		}
	}
	return false
}

func mustPackages(t *testing.T) []goPackage {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatalf("cannot read the module's code: %v", err)
	}
	if len(all) == 0 {
		t.Fatalf("found no Go package below %s", root)
	}
	return all
}

func mustPackage(t *testing.T, dir string) goPackage {
	t.Helper()
	for _, p := range mustPackages(t) {
		if p.dir == dir {
			return p
		}
	}
	t.Fatalf("there is no package %s: if it is gone for good, take it out of the tables in internal/house", dir)
	return goPackage{}
}
