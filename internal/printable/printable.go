// Package printable makes text from elsewhere safe to show: on a terminal, where an escape sequence could move the
// cursor, change colours or rename the window, and in a log, where a line feed could fake a line.
//
//	fmt.Println(printable.Line("red\x1b[31m\n"))  // red␛[31m␊
package printable

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s as one line without control characters. Those of ASCII become their picture (␛ for ESC, ␊ for a
// line feed); every other character that shows nothing or steers the terminal, such as C1 controls and changes of
// the writing direction, becomes <U+009B>; a byte that is not UTF-8 becomes <9B>.
func Line(s string) string { return safe(s, "") }

// Block is Line for text of several lines: each line after the first begins with indent, so that none of them can
// pass for a line of ours. Tabs stay.
func Block(s, indent string) string { return safe(s, "\n"+indent) }

// Cut returns the beginning of s, of at most n bytes and ending between characters, and how many bytes it left out.
func Cut(s string, n int) (beginning string, left int) {
	if len(s) <= n {
		return s, 0
	}
	for from := n; n > 0 && n > from-utf8.UTFMax && !utf8.RuneStart(s[n]); {
		n--
	}
	return s[:n], len(s) - n
}

// safe replaces what must not be shown. newline, if any, stands for a line feed, and tabs stay then.
func safe(s, newline string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case newline != "" && r == '\r' && strings.HasPrefix(s[i+1:], "\n"):
		case newline != "" && r == '\n':
			b.WriteString(newline)
		case newline != "" && r == '\t':
			b.WriteByte('\t')
		case r == utf8.RuneError && n == 1:
			b.WriteString("<" + hex(uint64(s[i]), 2) + ">")
		case r < ' ':
			b.WriteRune('␀' + r)
		case r == 0x7f:
			b.WriteRune('␡')
		case shown(r):
			b.WriteString(s[i : i+n])
		default:
			b.WriteString("<U+" + hex(uint64(r), 4) + ">")
		}
		i += n
	}
	return b.String()
}

// plain is the quick way past most text.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// shown reports whether r is a character that only shows itself. The two joiners are: many scripts and emoji need them.
func shown(r rune) bool { return unicode.IsGraphic(r) || r == '\u200c' || r == '\u200d' }

func hex(v uint64, width int) string {
	s := strings.ToUpper(strconv.FormatUint(v, 16))
	return strings.Repeat("0", max(width-len(s), 0)) + s
}
