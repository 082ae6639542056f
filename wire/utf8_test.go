package wire

import (
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"
)

// utf8Cases are texts by what they show about RFC 3629 (§8.1): in hex, "+" for
// valid. Those that end inside a character are invalid as a whole.
var utf8Cases = []struct{ name, cases string }{
	{"valid, characters of 1 to 4 bytes", "+68656c6c6f24776f726c64 +68656c6c6fc2a2776f726c64 +68656c6c6fe282ac776f726c64 +68656c6c6ff0a4ada2776f726c64 +cebae1bdb9cf83cebcceb5"},
	{"every prefix of a valid text", "-ce +ceba -cebae1 -cebae1bd +cebae1bdb9 -cebae1bdb9cf +cebae1bdb9cf83 -cebae1bdb9cf83ce +cebae1bdb9cf83cebc -cebae1bdb9cf83cebcce +cebae1bdb9cf83cebcceb5"},
	{"lowest code point of each length", "+00 +c280 +e0a080 +f0908080"},
	{"lowest sequences of 5 and 6 bytes", "-f888808080 -fc8480808080"},
	{"highest code point of each length", "+7f +dfbf +efbfbf +f48fbfbf"},
	{"beyond U+10FFFF", "-f7bfbfbf -fbbfbfbfbf -fdbfbfbfbfbf"},
	{"around the surrogates and U+10FFFF", "+ed9fbf +ee8080 +efbfbd +f48fbfbf -f4908080"},
	{"continuation bytes alone", "-80 -bf -80bf -80bf80 -80bf80bf -80bf80bf80 -80bf80bf80bf"},
	{"lead bytes, each before a space", "-c020c120c220c320c420c520c620c720c820c920ca20cb20cc20cd20ce20cf20d020d120d220d320d420d520d620d720d820d920da20db20dc20dd20de20 -e020e120e220e320e420e520e620e720e820e920ea20eb20ec20ed20ee20 -f020f120f220f320f420f520f620 -f820f920fa20 -fc20"},
	{"last byte missing", "-c0 -e080 -f08080 -f8808080 -fc80808080 -df -efbf -f7bfbf -fbbfbfbf -fdbfbfbfbf -c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf"},
	{"bytes fe and ff", "-fe -ff -fefeffff"},
	{"overlong slash", "-c0af -e080af -f08080af -f8808080af -fc80808080af"},
	{"largest overlong forms", "-c1bf -e09fbf -f08fbfbf -f887bfbfbf -fc83bfbfbfbf"},
	{"overlong NUL", "-c080 -e08080 -f0808080 -f880808080 -fc8080808080"},
	{"surrogates", "-eda080 -edadbf -edae80 -edafbf -edb080 -edbe80 -edbfbf"},
	{"surrogate pairs", "-eda080edb080 -eda080edbfbf -edadbfedb080 -edadbfedbfbf -edae80edb080 -edae80edbfbf -edafbfedb080 -edafbfedbfbf"},
	{"non-characters are valid", "+efbfbe +efbfbf +f09fbfbe +f09fbfbf +f0afbfbe +f0afbfbf +f0bfbfbe +f0bfbfbf +f18fbfbe +f18fbfbf +f19fbfbe +f19fbfbf +f1afbfbe +f1afbfbf +f1bfbfbe +f1bfbfbf +f28fbfbe +f28fbfbf +f29fbfbe +f29fbfbf +f2afbfbe +f2afbfbf +f2bfbfbe +f2bfbfbf +f38fbfbe +f38fbfbf +f39fbfbe +f39fbfbf +f3afbfbe +f3afbfbf +f3bfbfbe +f3bfbfbf +f48fbfbe +f48fbfbf"},
	{"U+FFF9 to U+FFFF", "+efbfb9 +efbfba +efbfbb +efbfbc +efbfbd +efbfbe +efbfbf"},
	{"a surrogate after valid text", "-cebae1bdb9cf83cebcceb5eda080656469746564"},
	{"U+110000 after valid text", "-cebae1bdb9cf83cebcceb5f4908080656469746564"},
}

// eachUTF8 calls f with every case, and with all continuation bytes in a row.
func eachUTF8(f func(name string, text []byte, valid bool)) {
	for _, group := range utf8Cases {
		for _, c := range strings.Fields(group.cases) {
			text, err := hex.DecodeString(c[1:])
			if err != nil {
				panic(err)
			}
			f(group.name+" "+c[1:], text, c[0] == '+')
		}
	}
	var all []byte
	for c := byte(0x80); c <= 0xBE; c++ {
		all = append(all, c)
	}
	f("80 to be", all, false)
}

// TestUTF8: the verdict is that of the whole text, wherever it is cut in two,
// and cut into single bytes.
func TestUTF8(t *testing.T) {
	eachUTF8(func(name string, text []byte, valid bool) {
		if utf8.Valid(text) != valid {
			t.Fatalf("%s: the case is wrong", name)
		}
		for cut := 0; cut <= len(text); cut++ {
			var u UTF8
			if got := u.Write(text[:cut]) && u.Write(text[cut:]) && u.Whole(); got != valid {
				t.Errorf("%s, cut at %d: %v", name, cut, got)
			}
		}
		var u UTF8
		got := true
		for i := 0; i < len(text) && got; i++ {
			got = u.Write(text[i : i+1])
		}
		if got = got && u.Whole(); got != valid {
			t.Errorf("%s, byte by byte: %v", name, got)
		}
	})
}

// firstBad is the index of the first byte after which no text can be valid:
// it asks for every completion that could still come. len(p) if there is none.
func firstBad(p []byte) int {
	tails := [][]byte{nil}
	for _, b := range []byte{0x80, 0x90, 0xA0, 0xBF} {
		tails = append(tails, []byte{b}, []byte{b, 0x80}, []byte{b, 0x80, 0x80})
	}
	for n := 1; n <= len(p); n++ {
		var can bool
		for _, tail := range tails {
			can = can || utf8.Valid(append(append([]byte(nil), p[:n]...), tail...))
		}
		if !can {
			return n - 1
		}
	}
	return len(p)
}

// TestUTF8FailsFast: the first byte that cannot be continued is reported with
// the piece it is in, not later (cases 6.4.* ask for it).
func TestUTF8FailsFast(t *testing.T) {
	eachUTF8(func(name string, text []byte, _ bool) {
		var u UTF8
		bad := firstBad(text)
		for i := range text {
			if ok := u.Write(text[i : i+1]); ok != (i < bad) {
				t.Errorf("%s: byte %d: %v, the first bad one is %d", name, i, ok, bad)
			}
			if i >= bad {
				return
			}
		}
	})
}

func TestUTF8Reset(t *testing.T) {
	var u UTF8
	if !u.Write([]byte{0xE2, 0x82}) || u.Whole() {
		t.Fatal("half a character")
	}
	u.Reset()
	if !u.Whole() || !u.Write([]byte("a")) {
		t.Fatal("after Reset")
	}
}

// FuzzUTF8 cuts the text twice and compares with utf8.Valid.
func FuzzUTF8(f *testing.F) {
	eachUTF8(func(_ string, text []byte, _ bool) {
		f.Add(text, uint(len(text)/2), uint(1))
	})
	f.Add([]byte("plain ascii, long enough for the fast loop of utf8.Valid"), uint(9), uint(30))
	f.Fuzz(func(t *testing.T, p []byte, a, b uint) {
		i := int(a % uint(len(p)+1))
		j := i + int(b%uint(len(p)-i+1))
		var u UTF8
		got := u.Write(p[:i]) && u.Write(p[i:j]) && u.Write(p[j:]) && u.Whole()
		if got != utf8.Valid(p) {
			t.Fatalf("cut at %d and %d: %v", i, j, got)
		}
	})
}

func BenchmarkUTF8(b *testing.B) {
	for name, char := range map[string]string{"ascii": "aaaa", "german": "aäaa", "chinese": "汉字"} {
		b.Run(name, func(b *testing.B) {
			p := []byte(strings.Repeat(char, 4096/len(char)))
			b.SetBytes(int64(len(p)))
			for range b.N {
				var u UTF8
				if !u.Write(p) || !u.Whole() {
					b.Fatal()
				}
			}
		})
	}
}
