package protocol

import (
	"crypto/sha1"
	"encoding/base64"
	"strings"
)

// Request is what RFC 6455 reads of an opening handshake request, whoever carried it: the bytes of an HTTP/1.1
// connection (ParseRequest), net/http, or an HTTP/2 stream (RFC 8441).
//
// Each []string holds the values of one header field, one a header line, in the order received; nil or empty when the
// field is absent. The entries of a net/http Header map fit without copying.
//
// A server gives a Request to Accept. A client fills in Target, Host, Key and what it offers, writes it with Append, and
// gives it to Reply.Check when the answer has come. None of these change it, so a Request that nobody writes may be used
// from several goroutines.
type Request struct {
	// Method is "GET", or "CONNECT" for RFC 8441. Append takes "" as "GET".
	Method string
	// Target is the request target: a path and query, or an absolute URI. Append takes "" as "/".
	Target string
	// Proto is the HTTP version as net/http spells it: "HTTP/1.1", "HTTP/2.0". Append does not read it.
	Proto string
	// Host is the host and optional port the client asked for; "" when it named none.
	Host string
	// Protocol is the :protocol pseudo-header field of an extended CONNECT (RFC 8441 §4), else "".
	Protocol string

	Upgrade      []string // Upgrade
	Connection   []string // Connection
	Version      []string // Sec-WebSocket-Version
	Key          []string // Sec-WebSocket-Key
	Subprotocols []string // Sec-WebSocket-Protocol: the subprotocols offered, the preferred first
	Extensions   []string // Sec-WebSocket-Extensions: the extensions offered
	Origin       []string // Origin

	// Fields is every header field in the order received, those above included. ParseRequest fills it, for those who
	// need cookies or credentials; Accept, Append and Reply.Check do not read it.
	Fields []Field
}

// Agreement is what the two ends of an opening handshake settled on.
type Agreement struct {
	// Subprotocol is the subprotocol in use; "" for none.
	Subprotocol string
	// Extensions are the extensions in use with their agreed parameters, in the order of the answer (RFC 6455 §9.1).
	Extensions []Extension
}

// keyGUID is the string that RFC 6455 §1.3 joins to the key.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// keyLength is the length of 16 bytes in base64: 22 digits and "==".
const keyLength = 24

// webSocketVersion is the only Sec-WebSocket-Version of RFC 6455 (§4.1).
const webSocketVersion = "13"

// NewKey returns the Sec-WebSocket-Key made of 16 random bytes (RFC 6455 §4.1). The bytes must be new for each
// connection and not predictable; take them from a cryptographic source where there is one.
func NewKey(random [16]byte) string {
	return base64.StdEncoding.EncodeToString(random[:])
}

// AcceptKey returns the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key: the base64 of the SHA-1 of the key,
// as text, and a fixed string (RFC 6455 §4.2.2). Space around the key is not part of it.
func AcceptKey(key string) string {
	var text [keyLength + len(keyGUID)]byte
	sum := sha1.Sum(append(append(text[:0], trimSpace(key)...), keyGUID...))
	var accept [28]byte
	base64.StdEncoding.Encode(accept[:], sum[:])
	return string(accept[:])
}

// validKey tells whether key is the base64 of exactly 16 bytes. The unused bits of the last digit are not looked at: RFC
// 6455 hashes the text and never needs the bytes.
func validKey(key string) bool {
	if len(key) != keyLength || key[keyLength-2:] != "==" {
		return false
	}
	for i := 0; i < keyLength-2; i++ {
		if c := key[i]; !alphanumeric(c) && c != '+' && c != '/' {
			return false
		}
	}
	return true
}

// maxElements bounds the subprotocols, the extensions, and the parameters of all extensions that one peer may name: far
// above what any peer needs, and low enough that comparing each with each costs nothing.
const maxElements = 128

// elements walks a comma-separated header field over all its lines: several lines mean the same as one line with commas
// (RFC 9110 §5.3).
type elements struct {
	lines []string
	rest  string
	more  bool
}

// next returns the next element without the space around it; it may be empty.
func (e *elements) next() (element string, ok bool) {
	if !e.more {
		if len(e.lines) == 0 {
			return "", false
		}
		e.rest, e.lines = e.lines[0], e.lines[1:]
	}
	element, e.rest, e.more = strings.Cut(e.rest, ",")
	return trimSpace(element), true
}

// hasToken tells whether one element of a comma-separated field is token, in any case. Empty elements are passed over
// (RFC 9110 §5.6.1.2).
func hasToken(lines []string, token string) bool {
	list := elements{lines: lines}
	for element, ok := list.next(); ok; element, ok = list.next() {
		if equalFold(element, token) {
			return true
		}
	}
	return false
}

// subprotocolFault says what is wrong with the subprotocols a client offers, "" for nothing: RFC 6455 §4.1 (10) wants
// non-empty tokens, each one once.
func subprotocolFault(lines []string) string {
	count := 0
	list := elements{lines: lines}
	for name, ok := list.next(); ok; name, ok = list.next() {
		if !isToken(name) {
			return "Sec-WebSocket-Protocol has an element that is empty or not a token; list names such as chat, superchat"
		}
		if count == maxElements {
			return "Sec-WebSocket-Protocol names more than 128 subprotocols; offer fewer"
		}
		earlier := elements{lines: lines}
		for i := 0; i < count; i++ {
			if other, _ := earlier.next(); other == name {
				return "Sec-WebSocket-Protocol names a subprotocol twice; name each one once"
			}
		}
		count++
	}
	return ""
}

// chooseSubprotocol returns the first subprotocol of the client's list that is also in supported; "" when there is none.
// Names are compared by case (RFC 6455 §11.5 registers them as exact strings). The string is the one in supported: the
// client's may be a part of a whole head, which would live as long as the connection.
func chooseSubprotocol(lines, supported []string) string {
	list := elements{lines: lines}
	for name, ok := list.next(); ok; name, ok = list.next() {
		for _, candidate := range supported {
			if name == candidate {
				return candidate
			}
		}
	}
	return ""
}

// extended tells whether the request came over an HTTP version that has no Upgrade: RFC 8441 for HTTP/2, and RFC 9220,
// which takes it over unchanged for HTTP/3.
func (r *Request) extended() bool {
	return len(r.Proto) > 5 && r.Proto[:5] == "HTTP/" && r.Proto[5] >= '2' && r.Proto[5] <= '9'
}

// upgradable tells whether proto is HTTP/1.1 or a later 1.x (RFC 6455 §4.2.1: "HTTP/1.1 or higher").
func upgradable(proto string) bool {
	return len(proto) == 8 && proto[:7] == "HTTP/1." && proto[7] >= '1' && proto[7] <= '9'
}

// equalFold compares as RFC 6455 means "ASCII case-insensitive". strings.EqualFold does not serve: it also folds the
// Kelvin sign to k and the long s to s.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// trimSpace removes the optional white space of RFC 9110 §5.6.3, which is space and tab only.
func trimSpace(s string) string {
	return strings.Trim(s, " \t")
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// tokenByte tells whether c may stand in a token (RFC 9110 §5.6.2, the same set as RFC 2616 §2.2).
func tokenByte(c byte) bool {
	return alphanumeric(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if !tokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// validHost tells whether host is not empty and made of bytes that RFC 3986 §3.2 lets stand in a host and port. A user
// name ("@") or a path ("/") is not among them.
func validHost(host string) bool {
	for i := 0; i < len(host); i++ {
		if !alphanumeric(host[i]) && strings.IndexByte("-._~!$&'()*+,;=:[]%", host[i]) < 0 {
			return false
		}
	}
	return host != ""
}

// validValue tells whether value can be the value of a header field: no control character but the tab, so neither a
// line of its own nor a NUL can be smuggled in (RFC 9110 §5.5).
func validValue(value string) bool {
	for i := 0; i < len(value); i++ {
		if control(value[i]) {
			return false
		}
	}
	return true
}

// control tells whether c may not stand in a line of a head.
func control(c byte) bool {
	return c < ' ' && c != '\t' || c == 0x7f
}
