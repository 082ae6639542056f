package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestEveryPackageSaysWhatItIsFor wants one package comment, in the form that godoc and the go tool show.
func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range mustPackages(t) {
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = ""
		}
		var comments []string
		for _, f := range p.files {
			if text := f.tree.Doc.Text(); text != "" {
				comments = append(comments, f.path)
				if !strings.HasPrefix(text, want) {
					t.Errorf("%s: the package comment does not begin with %q", f.path, want)
				}
			}
		}
		if len(comments) != 1 {
			t.Errorf("package %s has %d package comments (%q), want 1", p.dir, len(comments), comments)
		}
	}
}

// TestLibraryNamesAreDocumented wants a comment on every exported constant, variable, function, type,
// method, field and interface method of the library. One comment may serve a group: that of a whole
// const or var block, or that of the first of several lines without a gap.
func TestLibraryNamesAreDocumented(t *testing.T) {
	for _, dir := range library {
		t.Run(dir, func(t *testing.T) {
			for _, f := range mustPackage(t, dir).files {
				for _, bare := range undocumented(f) {
					t.Errorf("%s:%d: %s has no comment: say what it is, its default, its errors and who owns its memory", f.path, bare.line, bare.name)
				}
			}
		})
	}
}

type bareName struct {
	name string
	line int
}

func undocumented(f goFile) []bareName {
	var found []bareName
	report := func(name string, pos token.Pos) { found = append(found, bareName{name, f.line(pos)}) }
	for _, decl := range f.tree.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
				report(qualified(d), d.Pos())
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					bareValues(d, s, report)
				case *ast.TypeSpec:
					bareType(f, d, s, report)
				}
			}
		}
	}
	return found
}

func bareValues(d *ast.GenDecl, s *ast.ValueSpec, report func(string, token.Pos)) {
	for _, name := range s.Names {
		if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
			report(name.Name, name.Pos())
		}
	}
}

func bareType(f goFile, d *ast.GenDecl, s *ast.TypeSpec, report func(string, token.Pos)) {
	if !s.Name.IsExported() {
		return
	}
	if s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
		report(s.Name.Name, s.Pos())
	}
	var fields *ast.FieldList
	switch typ := s.Type.(type) {
	case *ast.StructType:
		fields = typ.Fields
	case *ast.InterfaceType:
		if fields = typ.Methods; len(fields.List) == 1 {
			return // the type's comment is the method's
		}
	default:
		return
	}
	covered, last := false, -1 // by the comment of the lines just above
	for _, field := range fields.List {
		first := f.line(field.Pos())
		if field.Doc != nil || field.Comment != nil {
			covered = true
		} else if first != last+1 {
			covered = false
		}
		last = f.line(field.End())
		for _, name := range field.Names { // an embedded field has none and speaks for itself
			if name.IsExported() && !covered {
				report(s.Name.Name+"."+name.Name, name.Pos())
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	typ := receiver(d)
	return typ == "" || token.IsExported(typ)
}

// receiver returns the name of the method's type, "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	for expr := d.Recv.List[0].Type; ; {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.ParenExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}

// qualified returns the function's name, or Type.Name of a method.
func qualified(d *ast.FuncDecl) string {
	if typ := receiver(d); typ != "" {
		return typ + "." + d.Name.Name
	}
	return d.Name.Name
}

func reparse(t *testing.T, fset *token.FileSet, f goFile) *ast.File {
	t.Helper()
	tree, err := parser.ParseFile(fset, f.path, f.text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestUndocumented holds the rule itself to names that it must find.
func TestUndocumented(t *testing.T) {
	const code = `package x

const A = 1

// Both.
const (
	B = 1
	C = 2
)

type T struct {
	// D and E.
	D int
	E int

	F int
	g int
}

// U is.
type U interface {
	M()
	O()
}

// W is.
type W interface{ P() }

func (*T) N() {}
func (u) N()  {}
func V[K any]() {}
func w() {}
`
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, "x.go", code, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, bare := range undocumented(goFile{"x.go", tree, fset, []byte(code)}) {
		got = append(got, bare.name)
	}
	if got, want := strings.Join(got, " "), "A T T.F U.M U.O T.N V"; got != want {
		t.Errorf("undocumented = %q, want %q", got, want)
	}
}
