package protocol

import (
	"errors"
	"strconv"
	"strings"
)

// Reply is what RFC 6455 reads of the response to an opening handshake. The []string fields hold one entry a header
// line, as in Request.
type Reply struct {
	// Status is the HTTP status code.
	Status int
	// Proto is the HTTP version as net/http spells it: "HTTP/1.1", "HTTP/2.0".
	Proto string

	Upgrade      []string // Upgrade
	Connection   []string // Connection
	Accept       []string // Sec-WebSocket-Accept
	Subprotocols []string // Sec-WebSocket-Protocol: the subprotocol chosen
	Extensions   []string // Sec-WebSocket-Extensions: the extensions accepted

	// Fields is every header field in the order received, those above included. ParseReply fills it, for Location,
	// Retry-After or Content-Length; Check does not read it.
	Fields []Field
}

// ReplyError is a response that does not open the connection (RFC 6455 §4.1): the client has to close it.
type ReplyError struct {
	// Status is the HTTP status code of the response; 0 when no head could be read.
	Status int
	// Name is stable and machine-readable. From ParseReply: "head-syntax", "head-size". From Check: "status",
	// "http-version", "upgrade", "connection", "accept", "subprotocol", "extensions".
	Name string
	// Section is where the rule stands: "RFC 6455 §4.1"; empty for limits.
	Section string
	// Text is one line for people that names the header field or the part of the response at fault.
	Text string
}

// Error returns the text with its section.
func (e *ReplyError) Error() string {
	if e.Section == "" {
		return e.Text
	}
	return e.Text + " (" + e.Section + ")"
}

// Append appends the HTTP/1.1 request that opens the handshake (RFC 6455 §4.1) to dst and returns the extended slice:
// Host, Upgrade, Connection, Sec-WebSocket-Key and Sec-WebSocket-Version, then Origin, subprotocols and extensions if r
// has any, then the extra fields. Upgrade is `websocket` alone, and each list is one line, because small servers look for
// exactly that. Method, Upgrade, Connection, Version and Proto of r are not written.
//
// It appends nothing and returns an error in one line when r or extra cannot be sent: no valid Key (see NewKey) or Host, a
// target with a fragment, space or control character, offers that are not well-formed, an extra field that the handshake
// itself writes, or a value that holds CR, LF or another control character.
func (r *Request) Append(dst []byte, extra []Field) ([]byte, error) {
	target := r.Target
	if target == "" {
		target = "/"
	}
	if text := r.fault(target, extra); text != "" {
		return dst, errors.New(text)
	}
	dst = append(append(append(dst, "GET "...), target...), " HTTP/1.1\r\n"...)
	dst = appendField(dst, "Host", r.Host)
	dst = appendField(dst, "Upgrade", "websocket")
	dst = appendField(dst, "Connection", "Upgrade")
	dst = appendField(dst, "Sec-WebSocket-Key", trimSpace(r.Key[0]))
	dst = appendField(dst, "Sec-WebSocket-Version", webSocketVersion)
	dst = appendLines(dst, "Origin", r.Origin)
	dst = appendLines(dst, "Sec-WebSocket-Protocol", r.Subprotocols)
	dst = appendLines(dst, "Sec-WebSocket-Extensions", r.Extensions)
	for _, field := range extra {
		dst = appendField(dst, field.Name, field.Value)
	}
	return append(dst, "\r\n"...), nil
}

// appendLines appends the lines of a field as one line, none if there are none.
func appendLines(dst []byte, name string, lines []string) []byte {
	if len(lines) == 0 {
		return dst
	}
	dst = append(append(dst, name...), ": "...)
	for i, line := range lines {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(dst, trimSpace(line)...)
	}
	return append(dst, "\r\n"...)
}

// fault says what keeps the request from being sent, "" for nothing.
func (r *Request) fault(target string, extra []Field) string {
	switch {
	case r.Protocol != "" || r.Method != "" && r.Method != "GET":
		return "the request is not a GET; over HTTP/1.1 a WebSocket is opened with GET, and CONNECT belongs to HTTP/2 (RFC 8441)"
	case !validTarget(target) || strings.IndexByte(target, '#') >= 0:
		return "the request target " + strconv.Quote(target) + " is no path or absolute URI, or holds a fragment, space or control character; escape it (RFC 6455 §3)"
	case !validHost(r.Host):
		return "the host " + strconv.Quote(r.Host) + " is empty or not a host and port (RFC 6455 §4.1)"
	case len(r.Key) != 1 || !validKey(trimSpace(r.Key[0])):
		return "the request needs one Sec-WebSocket-Key; make it with NewKey (RFC 6455 §4.1)"
	case len(r.Origin) > 1:
		return "the request has more than one Origin; a client has one (RFC 6454 §7.3)"
	case len(r.Origin) == 1 && !validValue(r.Origin[0]):
		return "Origin holds a control character; remove it"
	}
	if text := subprotocolFault(r.Subprotocols); text != "" {
		return text
	}
	if _, err := countExtensions(r.Extensions); err != nil {
		return err.Error()
	}
	for _, field := range extra {
		switch {
		case !isToken(field.Name):
			return "the field name " + strconv.Quote(field.Name) + " is not a token (RFC 9110 §5.1)"
		case !validValue(field.Value):
			return "the value of " + field.Name + " holds CR, LF or another control character; remove it (RFC 9110 §5.5)"
		case reserved(field.Name) || equalFold(field.Name, "Origin") && len(r.Origin) > 0:
			return "the handshake writes or forbids " + field.Name + " itself; leave it out of the extra fields"
		}
	}
	return ""
}

// reserved tells whether a field is the handshake's own, or would announce a body, which an opening handshake has not.
func reserved(name string) bool {
	const prefix = "Sec-WebSocket-"
	return equalFold(name, "Host") || equalFold(name, "Upgrade") || equalFold(name, "Connection") ||
		equalFold(name, "Content-Length") || equalFold(name, "Transfer-Encoding") ||
		len(name) >= len(prefix) && equalFold(name[:len(prefix)], prefix)
}

// Check holds the response against the request that it answers, by what a client must check (RFC 6455 §4.1, for an
// extended CONNECT RFC 8441 §5). The error is nil or a *ReplyError, which also tells of an honest refusal: its Name is
// then "status". A response without a subprotocol is no error, whatever was offered.
//
// Check keeps neither r nor req; the Agreement shares the subprotocol with req and the extensions' strings with r. It may
// be called from several goroutines.
func (r *Reply) Check(req *Request) (Agreement, error) {
	if err := r.checkUpgrade(req); err != nil {
		return Agreement{}, err
	}
	subprotocol, err := r.checkSubprotocol(req)
	if err != nil {
		return Agreement{}, err
	}
	extensions, err := r.checkExtensions(req)
	if err != nil {
		return Agreement{}, err
	}
	return Agreement{Subprotocol: subprotocol, Extensions: extensions}, nil
}

func (r *Reply) fail(name, section, text string) *ReplyError {
	return &ReplyError{Status: r.Status, Name: name, Section: section, Text: text}
}

// checkUpgrade is items 1 to 4 of the list in RFC 6455 §4.1.
func (r *Reply) checkUpgrade(req *Request) *ReplyError {
	const section = "RFC 6455 §4.1"
	if req.extended() || req.Protocol != "" {
		// RFC 8441 §5: a 2xx is all that is left of these.
		if r.Status < 200 || r.Status > 299 {
			return r.fail("status", "RFC 8441 §5", "the server answered the CONNECT with status "+strconv.Itoa(r.Status)+", not 200")
		}
		return nil
	}
	switch {
	case r.Status != 101:
		return r.fail("status", section, "the server answered with status "+strconv.Itoa(r.Status)+", not 101")
	case !upgradable(r.Proto):
		return r.fail("http-version", section, "the response is not HTTP/1.1")
	case len(r.Upgrade) != 1 || !equalFold(trimSpace(r.Upgrade[0]), "websocket"):
		return r.fail("upgrade", section, "Upgrade of the response is not websocket and nothing else")
	case !hasToken(r.Connection, "upgrade"):
		return r.fail("connection", section, "Connection of the response does not name Upgrade")
	case len(r.Accept) == 0:
		return r.fail("accept", section, "Sec-WebSocket-Accept of the response is missing")
	case len(r.Accept) > 1:
		return r.fail("accept", "RFC 6455 §11.3.3", "Sec-WebSocket-Accept of the response comes more than once")
	case len(req.Key) != 1 || trimSpace(r.Accept[0]) != AcceptKey(req.Key[0]):
		return r.fail("accept", section, "Sec-WebSocket-Accept of the response does not answer this request's key")
	}
	return nil
}

// checkSubprotocol is item 6 of the list in RFC 6455 §4.1; §11.3.4 has the field at most once in a response.
func (r *Reply) checkSubprotocol(req *Request) (string, *ReplyError) {
	switch {
	case len(r.Subprotocols) == 0:
		return "", nil
	case len(r.Subprotocols) > 1:
		return "", r.fail("subprotocol", "RFC 6455 §11.3.4", "Sec-WebSocket-Protocol of the response comes more than once")
	}
	name := trimSpace(r.Subprotocols[0])
	offered := elements{lines: req.Subprotocols}
	for other, ok := offered.next(); ok; other, ok = offered.next() {
		if name != "" && name == other {
			return other, nil
		}
	}
	return "", r.fail("subprotocol", "RFC 6455 §4.1", "Sec-WebSocket-Protocol of the response is not one of the subprotocols offered")
}

// checkExtensions is item 5 of the list in RFC 6455 §4.1. Whether the parameters are acceptable is for the extension to
// say.
func (r *Reply) checkExtensions(req *Request) ([]Extension, *ReplyError) {
	accepted, err := ParseExtensions(r.Extensions)
	if err != nil {
		return nil, r.fail("extensions", "RFC 6455 §9.1", err.Error())
	}
	if len(accepted) == 0 {
		return nil, nil
	}
	offers, err := ParseExtensions(req.Extensions)
	if err != nil {
		return nil, r.fail("extensions", "RFC 6455 §9.1", "the request's own "+err.Error())
	}
	for _, extension := range accepted {
		if !named(offers, extension.Name) {
			return nil, r.fail("extensions", "RFC 6455 §4.1",
				"Sec-WebSocket-Extensions of the response names "+extension.Name+", which was not offered")
		}
	}
	return accepted, nil
}
