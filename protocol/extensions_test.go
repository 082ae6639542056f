package protocol_test

import (
	"reflect"
	"strings"
	"testing"

	"duplex/protocol"
)

func TestExtensionsParse(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  string // as AppendExtensions writes it
	}{
		{"no lines", nil, ""},
		{"one", lines("foo"), "foo"},
		{"§9.1 the RFC's example", lines("foo", "bar; baz=2"), "foo, bar; baz=2"},
		{"§9.1 the same in one line", lines("foo, bar; baz=2"), "foo, bar; baz=2"},
		{"§9.1 the RFC's second example", lines("deflate-stream", "mux; max-channels=4; flow-control, deflate-stream"),
			"deflate-stream, mux; max-channels=4; flow-control, deflate-stream"},
		{"no space", lines("a;b=1;c,d"), "a; b=1; c, d"},
		{"space everywhere", lines(" a ;\tb = 1 ; c\t, d "), "a; b=1; c, d"},
		{"quoted", lines(`permessage-deflate; server_max_window_bits="10"`), "permessage-deflate; server_max_window_bits=10"},
		{"quoted with escapes", lines(`a; b="\1\0x"`), "a; b=10x"},
		{"quoted with an escape inside", lines(`a; b="1\0"; c`), "a; b=10; c"},
		{"empty elements", lines(",, a,", "", ",b , ,"), "a, b"},
		{"names keep their case", lines("Foo; Bar=Baz"), "Foo; Bar=Baz"},
		{"a parameter twice", lines("a; b=1; b=2"), "a; b=1; b=2"},
		{"Chrome", lines("permessage-deflate; client_max_window_bits"), "permessage-deflate; client_max_window_bits"},
		{"Safari", lines("x-webkit-deflate-frame, permessage-deflate"), "x-webkit-deflate-frame, permessage-deflate"},
		{"at the limit", lines(strings.Repeat("a;b,", 128)), strings.TrimSuffix(strings.Repeat("a; b, ", 128), ", ")},
	}
	for _, test := range tests {
		got, err := protocol.ParseExtensions(test.lines)
		if written := string(protocol.AppendExtensions(nil, got)); err != nil || written != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, written, err, test.want)
		}
	}
}

func TestExtensionsParseValue(t *testing.T) {
	got, err := protocol.ParseExtensions(lines(`a; b; c="\d"`, "e; f", "g"))
	want := []protocol.Extension{
		{Name: "a", Params: []protocol.Param{{Name: "b"}, {Name: "c", Value: "d"}}},
		{Name: "e", Params: []protocol.Param{{Name: "f"}}},
		{Name: "g"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if s := got[0].String(); s != "a; b; c=d" {
		t.Errorf("String is %q", s)
	}
	got[0].Params = append(got[0].Params, protocol.Param{Name: "z"})
	if got[1].Params[0].Name != "f" {
		t.Error("appending to the parameters of one extension overwrites those of the next")
	}
}

// RFC 6455 §9.1: a value that does not conform to the grammar fails the handshake.
func TestExtensionsMalformed(t *testing.T) {
	for _, line := range []string{
		"", " ", ",", ", ,",
		"foo bar", "foo; bar baz", "foo; bar=1 baz", `foo; bar="1"x`,
		"foo;", "foo;;bar", "foo; =1", "; foo", "=1", `"foo"`, "foo/1", "foo@bar", "f\x00o", "föö", "foo; bär",
		"foo=1", "foo; bar=", "foo; bar=,x", "foo; bar=ä", "foo; bar==1", "foo; bar=(1)",
		`foo; bar=""`, `foo; bar="`, `foo; bar="1`, `foo; bar="1\`, `foo; bar="1\"`, `foo; bar="a b"`, `foo; bar="a,b"`,
		`foo; bar="a\"b"`, `foo; bar="a\ b"`, "foo; bar='a b'", `foo; bar="1"="2"`,
		strings.Repeat("a,", 129), "a" + strings.Repeat(";b", 129),
	} {
		if got, err := protocol.ParseExtensions(lines(line)); err == nil || got != nil {
			t.Errorf("%q is taken for %v, %v", line, got, err)
		}
		if _, err := protocol.ParseExtensions(lines("good", line, "good")); (err == nil) != (strings.Trim(line, ", ") == "") {
			t.Errorf("%q between two good lines: %v", line, err)
		}
	}
}

func FuzzParseExtensions(f *testing.F) {
	for _, seed := range []string{
		"", "foo", "foo, bar; baz=2", `a; b="\1\0x"; c`, ",, a ;\tb = 1 ,", `a; b="`, `a; b="x,y"`, "permessage-deflate; client_max_window_bits",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		parsed, err := protocol.ParseExtensions(lines(line))
		if err != nil {
			if parsed != nil {
				t.Errorf("%q: an error and %v", line, parsed)
			}
			return
		}
		written := string(protocol.AppendExtensions(nil, parsed))
		again, err := protocol.ParseExtensions(lines(written))
		if err != nil || !reflect.DeepEqual(parsed, again) {
			t.Errorf("%q: %v; written %q and read again: %v, %v", line, parsed, written, again, err)
		}
		// Several lines mean what one line with commas means. No comma can stand inside a value.
		split, err := protocol.ParseExtensions(strings.Split(line, ","))
		if err != nil || !reflect.DeepEqual(parsed, split) {
			t.Errorf("%q: %v; split over lines: %v, %v", line, parsed, split, err)
		}
	})
}
