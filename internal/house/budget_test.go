package house

import (
	"bytes"
	"go/ast"
	"go/doc"
	"go/token"
	"maps"
	"slices"
	"testing"
)

// names is how many exported names a package of the library may have: constants, variables, functions,
// types and methods (not fields). Each is a word that a reader learns, so a larger number is a decision,
// taken here.
var names = map[string]int{
	"wire":      60,
	"protocol":  140,
	"ws":        170,
	"ws/wstest": 40,
	"server":    60,
}

const (
	functionLines = 80
	fileLines     = 600
)

// longer are the functions ("file.go Name" or "file.go Type.Name") and files that may be longer, and why.
// An exception that is no longer needed fails the test.
var longer = map[string]string{}

func TestExportedNames(t *testing.T) {
	for _, dir := range library {
		t.Run(dir, func(t *testing.T) {
			budget, ok := names[dir]
			if !ok {
				t.Fatalf("package %s has no budget of exported names: give it one in internal/house/budget_test.go", dir)
			}
			found := exported(t, mustPackage(t, dir))
			t.Logf("%s exports %d names of at most %d", dir, len(found), budget)
			if len(found) > budget {
				t.Errorf("package %s exports %d names, its budget is %d: make some private, or raise the budget in internal/house/budget_test.go. They are: %q", dir, len(found), budget, found)
			}
		})
	}
}

// exported lists what godoc shows of the package.
func exported(t *testing.T, p goPackage) []string {
	t.Helper()
	var files []*ast.File
	fset := token.NewFileSet()
	for _, f := range p.files {
		files = append(files, reparse(t, fset, f)) // go/doc takes the trees over and changes them
	}
	d, err := doc.NewFromFiles(fset, files, module+"/"+p.dir)
	if err != nil {
		t.Fatalf("package %s: %v", p.dir, err)
	}
	set := map[string]bool{}
	add := func(values []*doc.Value, funcs []*doc.Func) {
		for _, v := range values {
			for _, name := range v.Names {
				if token.IsExported(name) {
					set[name] = true
				}
			}
		}
		for _, f := range funcs {
			set[f.Name] = true
		}
	}
	add(d.Consts, d.Funcs)
	add(d.Vars, nil)
	for _, typ := range d.Types {
		set[typ.Name] = true
		add(typ.Consts, typ.Funcs)
		add(typ.Vars, nil)
		for _, m := range typ.Methods {
			set[typ.Name+"."+m.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func TestLengths(t *testing.T) {
	needed := map[string]bool{}
	check := func(what string, lines, limit int) {
		if lines <= limit {
			return
		}
		if longer[what] == "" {
			t.Errorf("%s has %d lines, the limit is %d: cut it where a concept ends, or add it to the exceptions in internal/house/budget_test.go with a reason", what, lines, limit)
		}
		needed[what] = true
	}
	for _, p := range mustPackages(t) {
		for _, f := range p.files {
			check(f.path, bytes.Count(f.text, []byte("\n")), fileLines)
			for _, decl := range f.tree.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok {
					check(f.path+" "+qualified(fn), f.line(fn.End())-f.line(fn.Pos())+1, functionLines)
				}
			}
		}
	}
	for what := range longer {
		if !needed[what] {
			t.Errorf("the exception for %s is not needed: take it out of internal/house/budget_test.go", what)
		}
	}
}
