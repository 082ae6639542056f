package protocol

import (
	"bytes"
	"strconv"
	"strings"
)

// Field is one header field.
type Field struct {
	// Name is the field's name; letter case does not matter.
	Name string
	// Value is the field's value without the white space around it.
	Value string
}

// The limits of a head when HeadLimits leaves them at zero.
const (
	DefaultHeadBytes  = 8 << 10
	DefaultHeadFields = 100
)

// HeadLimits bounds the head of an HTTP message: what a peer can make a parser hold and scan.
type HeadLimits struct {
	// Bytes is the most that a head may take, start line and empty line included. Default: DefaultHeadBytes, 8 KiB.
	Bytes int
	// Fields is the most header fields it may have. Default: DefaultHeadFields, 100.
	Fields int
}

// ParseRequest reads the head of an HTTP/1.x request at the start of p, which holds all bytes received so far.
//
// n is the length of the head; what follows it in p already belongs to the peer's first frames. n = 0 with a nil error
// asks for more bytes: call again with the same bytes and more behind them. The error is a *Refusal: 400 for what is no
// HTTP/1.x head or announces a body that a GET must not have here, 431 for a head above the limits, 505 for another major
// version. It comes as soon as the line at fault is there; what to answer is its Response.
//
// The grammar is RFC 9112's without its leniencies: lines end in CRLF, no line is folded, no space stands before a
// colon, control characters and a second Host are refused. Only an empty line before the request is passed over (§2.2).
// Whether the request is a WebSocket's is for Accept to say. The Request holds copies: p may be used again.
func ParseRequest(p []byte, limits HeadLimits) (Request, int, error) {
	skip := 0
	if bytes.HasPrefix(p, crlf) {
		skip = len(crlf)
	}
	n, count, refusal := scanHead(p, skip, limits, validRequestLine)
	if refusal != nil {
		return Request{}, 0, refusal
	}
	if n == 0 {
		return Request{}, 0, nil
	}
	line, h := splitHead(string(p[skip:n]), count)
	var r Request
	r.Method, line, _ = strings.Cut(line, " ")
	r.Target, r.Proto, _ = strings.Cut(line, " ")
	r.Upgrade = h.lines("Upgrade")
	r.Connection = h.lines("Connection")
	r.Version = h.lines("Sec-WebSocket-Version")
	r.Key = h.lines("Sec-WebSocket-Key")
	r.Subprotocols = h.lines("Sec-WebSocket-Protocol")
	r.Extensions = h.lines("Sec-WebSocket-Extensions")
	r.Origin = h.lines("Origin")
	r.Fields = h.fields
	if refusal := r.setHost(h.lines("Host")); refusal != nil {
		return Request{}, 0, refusal
	}
	if r.Method == "GET" {
		if refusal := checkGet(&r, &h); refusal != nil {
			return Request{}, 0, refusal
		}
	}
	return r, n, nil
}

// setHost finds the host that the request is for: RFC 9112 §3.2.2 has that of an absolute target go before Host, which
// must be there all the same.
func (r *Request) setHost(lines []string) *Refusal {
	if len(lines) == 0 {
		return nil // Accept refuses it
	}
	if len(lines) > 1 {
		return refuse(400, "host", "RFC 9112 §3.2", "Host comes more than once; send it once")
	}
	r.Host = lines[0]
	if authority, absolute := targetAuthority(r.Target); absolute && r.Host != "" {
		r.Host = authority
	}
	return nil
}

// checkGet is what a GET must be, WebSocket or not, for the bytes behind its head to be frames: a body would be taken
// for them.
func checkGet(r *Request, h *head) *Refusal {
	if !validTarget(r.Target) {
		return refuse(400, "head-syntax", "RFC 9112 §3.2", "the request target is neither a path nor an http or ws URI")
	}
	length := h.lines("Content-Length")
	if len(h.lines("Transfer-Encoding")) > 0 || len(length) > 1 || len(length) == 1 && length[0] != "0" {
		return refuse(400, "body", "RFC 9110 §9.3.1", "Content-Length or Transfer-Encoding announces a body; an opening handshake has none")
	}
	return nil
}

// ParseReply reads the head of an HTTP/1.x response at the start of p, which holds all bytes received so far. Interim
// responses other than 101 are passed over (RFC 9110 §15.2).
//
// n is the length of what was read; what follows it in p are the server's first frames if Check agrees, else the start
// of the response's body. n = 0 with a nil error asks for more bytes, as in ParseRequest. The error is a *ReplyError
// named "head-syntax" or "head-size"; the grammar is as strict as ParseRequest's, except that a status line may end
// after the code. The Reply holds copies: p may be used again.
func ParseReply(p []byte, limits HeadLimits) (Reply, int, error) {
	skip := 0
	for {
		n, count, refusal := scanHead(p, skip, limits, validStatusLine)
		if refusal != nil {
			return Reply{}, 0, &ReplyError{Name: refusal.Name, Section: refusal.Section, Text: refusal.Text}
		}
		if n == 0 {
			return Reply{}, 0, nil
		}
		if code := p[skip+9 : skip+12]; code[0] == '1' && string(code) != "101" {
			skip = n
			continue
		}
		line, h := splitHead(string(p[skip:n]), count)
		r := Reply{
			Proto:        line[:8],
			Status:       int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0'),
			Upgrade:      h.lines("Upgrade"),
			Connection:   h.lines("Connection"),
			Accept:       h.lines("Sec-WebSocket-Accept"),
			Subprotocols: h.lines("Sec-WebSocket-Protocol"),
			Extensions:   h.lines("Sec-WebSocket-Extensions"),
			Fields:       h.fields,
		}
		return r, n, nil
	}
}

var crlf = []byte("\r\n")

// scanHead checks the head that starts at p[skip:] line by line, without allocating, and returns where it ends in p and
// how many fields it has; n = 0 when it does not end in p. It looks at no byte above the limit and takes the lines in
// order, so that more bytes never change an error into another one.
func scanHead(p []byte, skip int, limits HeadLimits, start func(line []byte) *Refusal) (n, fields int, refusal *Refusal) {
	if limits.Bytes <= 0 {
		limits.Bytes = DefaultHeadBytes
	}
	if limits.Fields <= 0 {
		limits.Fields = DefaultHeadFields
	}
	window := p
	if len(window) > limits.Bytes {
		window = window[:limits.Bytes]
	}
	skip = min(skip, len(window))
	for at, lines := skip, 0; ; lines++ {
		line, size, refusal := nextLine(window[at:])
		switch {
		case refusal != nil:
			return 0, 0, refusal
		case size == 0 && len(p) >= limits.Bytes:
			return 0, 0, refuse(431, "head-size", "", "the head is longer than "+strconv.Itoa(limits.Bytes)+" bytes; send less")
		case size == 0:
			return 0, 0, nil
		case lines == 0:
			refusal = start(line)
		case len(line) == 0:
			return at + size, lines - 1, nil
		case lines > limits.Fields:
			refusal = refuse(431, "head-size", "", "the head has more than "+strconv.Itoa(limits.Fields)+" header fields; send fewer")
		default:
			refusal = validFieldLine(line)
		}
		if refusal != nil {
			return 0, 0, refusal
		}
		at += size
	}
}

// nextLine returns the first line of p without its CRLF, and its size with it; size 0 when the line is not whole. Bytes
// that no line may hold are refused as soon as they are seen: a TLS or binary peer is not waited for.
func nextLine(p []byte) (line []byte, size int, refusal *Refusal) {
	for i, c := range p {
		if !control(c) {
			continue
		}
		switch {
		case c == '\n':
			return nil, 0, badHead("RFC 9112 §2.2", "a line of the head ends in LF alone; end it with CR LF")
		case c != '\r':
			return nil, 0, badHead("RFC 9110 §5.5", "the head holds a control character; this is no HTTP, or TLS sent to a plain port")
		case i+1 == len(p):
			return nil, 0, nil
		case p[i+1] != '\n':
			return nil, 0, badHead("RFC 9112 §2.2", "the head holds a CR without LF; end lines with CR LF")
		}
		return p[:i], i + 2, nil
	}
	return nil, 0, nil
}

func badHead(section, text string) *Refusal {
	return refuse(400, "head-syntax", section, text)
}

// validRequestLine checks method SP request-target SP HTTP-version (RFC 9112 §3).
func validRequestLine(line []byte) *Refusal {
	method := bytes.IndexByte(line, ' ')
	version := bytes.LastIndexByte(line, ' ')
	if method <= 0 || version <= method+1 || !validProto(line[version+1:]) || !tokenBytes(line[:method]) {
		return badHead("RFC 9112 §3", "the request line is not a method, a target and HTTP/1.1 with one space between")
	}
	if bytes.IndexByte(line[method+1:version], ' ') >= 0 || bytes.IndexByte(line[method+1:version], '\t') >= 0 {
		return badHead("RFC 9112 §3.2", "the request target holds a space; escape it as %20")
	}
	if line[version+len(" HTTP/")] != '1' {
		return refuse(505, "http-version", "RFC 9110 §15.6.6", "the HTTP version of the request line is not 1.x; send HTTP/1.1")
	}
	return nil
}

// validStatusLine checks HTTP-version SP status-code [ SP reason-phrase ] (RFC 9112 §4; the second space is missing at
// some servers).
func validStatusLine(line []byte) *Refusal {
	if len(line) < 12 || !validProto(line[:8]) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' ||
		!(line[9] >= '1' && line[9] <= '9') || !digit(line[10]) || !digit(line[11]) {
		return badHead("RFC 9112 §4", "the status line is not HTTP/1.1, a space and a code of three digits; this may be no HTTP server")
	}
	return nil
}

// validFieldLine checks field-name ":" OWS field-value OWS (RFC 9112 §5). The value's bytes were seen by nextLine.
func validFieldLine(line []byte) *Refusal {
	if line[0] == ' ' || line[0] == '\t' {
		return badHead("RFC 9112 §5.2", "a header field is folded over two lines; send it on one")
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return badHead("RFC 9112 §5", "a header line has no name or no colon")
	}
	if c := line[colon-1]; c == ' ' || c == '\t' {
		return badHead("RFC 9112 §5.1", "a header field has space before its colon; take it out")
	}
	if !tokenBytes(line[:colon]) {
		return badHead("RFC 9110 §5.1", "the name of a header field is not a token")
	}
	return nil
}

func validProto(p []byte) bool {
	return len(p) == 8 && string(p[:5]) == "HTTP/" && digit(p[5]) && p[6] == '.' && digit(p[7])
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// tokenBytes is isToken for bytes; what it is given is never empty.
func tokenBytes(p []byte) bool {
	for _, c := range p {
		if !tokenByte(c) {
			return false
		}
	}
	return true
}

// validTarget tells whether target is a path or an absolute URI of a scheme that a WebSocket request can have, without
// space or control characters (RFC 6455 §4.2.1). Bytes above ASCII are let through, as most HTTP servers do.
func validTarget(target string) bool {
	for i := 0; i < len(target); i++ {
		if target[i] <= ' ' || target[i] == 0x7f {
			return false
		}
	}
	if authority, absolute := targetAuthority(target); absolute {
		return validHost(authority)
	}
	return target != "" && target[0] == '/'
}

// targetAuthority returns host and port of an absolute request target; false when the target is not one.
func targetAuthority(target string) (string, bool) {
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !(equalFold(scheme, "http") || equalFold(scheme, "https") || equalFold(scheme, "ws") || equalFold(scheme, "wss")) {
		return "", false
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return rest, true
}

// head is the fields of a head, and the values handed out of them: one slice backs all the lists.
type head struct {
	fields []Field
	values []string
}

// splitHead takes a head that scanHead found whole apart: its start line and its fields.
func splitHead(text string, count int) (start string, h head) {
	start, text, _ = strings.Cut(text, "\r\n")
	if count > 0 {
		h.fields = make([]Field, 0, count)
		h.values = make([]string, 0, count)
	}
	for i := 0; i < count; i++ {
		var line string
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		h.fields = append(h.fields, Field{name, trimSpace(value)})
	}
	return start, h
}

// lines returns the values of the fields of this name, one a line; nil when there are none.
func (h *head) lines(name string) []string {
	first := len(h.values)
	for _, field := range h.fields {
		if equalFold(field.Name, name) {
			h.values = append(h.values, field.Value)
		}
	}
	if last := len(h.values); last > first {
		return h.values[first:last:last]
	}
	return nil
}

// Append appends the response as HTTP/1.1 bytes to dst and returns the extended slice. A response that ends the
// exchange, so any but 101, gets Content-Type (text/plain unless Fields has one), Content-Length and Connection: close,
// and its Body: close the connection after sending it. Control characters in a value become spaces, and a field whose
// name is not a token is left out, so that no value becomes a header of its own; so are Content-Length and
// Transfer-Encoding among Fields.
func (r Response) Append(dst []byte) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(append(append(dst, ' '), reason(r.Status)...), "\r\n"...)
	typed := false
	for _, field := range r.Fields {
		if !isToken(field.Name) || equalFold(field.Name, "Content-Length") || equalFold(field.Name, "Transfer-Encoding") {
			continue
		}
		typed = typed || equalFold(field.Name, "Content-Type")
		dst = appendField(dst, field.Name, field.Value)
	}
	if r.Status == 101 {
		return append(dst, "\r\n"...)
	}
	if !typed && r.Body != "" {
		dst = appendField(dst, "Content-Type", "text/plain; charset=utf-8")
	}
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(r.Body)), 10)
	dst = append(dst, "\r\nConnection: close\r\n\r\n"...)
	return append(dst, r.Body...)
}

// appendField appends one header line. The space after the colon is optional in HTTP and needed by ESP-IDF's client.
func appendField(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ": "...)
	first := len(dst)
	dst = append(dst, value...)
	for i := first; i < len(dst); i++ {
		if control(dst[i]) {
			dst[i] = ' '
		}
	}
	return append(dst, "\r\n"...)
}

// reason returns the reason phrase of a status (RFC 9110 §15), "Status" for those a handshake has no use for.
func reason(status int) string {
	switch status {
	case 101:
		return "Switching Protocols"
	case 200:
		return "OK"
	case 301:
		return "Moved Permanently"
	case 302:
		return "Found"
	case 307:
		return "Temporary Redirect"
	case 308:
		return "Permanent Redirect"
	case 400:
		return "Bad Request"
	case 401:
		return "Unauthorized"
	case 403:
		return "Forbidden"
	case 404:
		return "Not Found"
	case 405:
		return "Method Not Allowed"
	case 421:
		return "Misdirected Request"
	case 426:
		return "Upgrade Required"
	case 429:
		return "Too Many Requests"
	case 431:
		return "Request Header Fields Too Large"
	case 500:
		return "Internal Server Error"
	case 501:
		return "Not Implemented"
	case 503:
		return "Service Unavailable"
	case 505:
		return "HTTP Version Not Supported"
	}
	return "Status"
}
