package protocol

import "strings"

// ServerOptions says what a server agrees to in an opening handshake. The zero value takes every well-formed request
// from its own origin or from a client that names none, without subprotocol and without extensions.
type ServerOptions struct {
	// Subprotocols are the subprotocols supported. The first of the *client's* list that stands here is chosen, compared
	// by case; with none in common the handshake succeeds without one (RFC 6455 §4.2.2). Default: none.
	Subprotocols []string

	// Negotiate is given the extensions that the client offers, in its order of preference, and returns those accepted
	// with the parameters to answer. Names are whole: neither "permessage-deflate-x" nor a name nobody knows is filtered
	// out before. Each name returned must be among those offered. Not called when nothing is offered. Default: nil
	// declines every extension.
	Negotiate func(offers []Extension) []Extension

	// Origin tells whether a page of this origin may connect (RFC 6455 §10.2), given the request's Origin and its host.
	// Not called when the request names no origin, as most clients that are not browsers do. Default: SameOrigin.
	Origin func(origin, host string) bool
}

// Response is the HTTP response to an opening handshake request.
type Response struct {
	// Status is the HTTP status code: 101, or 200 for RFC 8441, when the connection is a WebSocket from here on.
	Status int
	// Fields are the header fields in order. Those that only HTTP/1.1 framing needs are not among them: Append adds
	// them. More may be appended.
	Fields []Field
	// Body is the body of a refusal, else "".
	Body string
}

// Refusal is an opening handshake request refused: what the client should read, and the HTTP response that tells it.
type Refusal struct {
	// Status is the HTTP status code, 400 or above.
	Status int
	// Name is stable and machine-readable. From ParseRequest: "head-syntax", "head-size", "http-version", "host", "body".
	// From Accept: "method", "http-version", "host", "upgrade", "connection", "version", "key", "origin", "subprotocol",
	// "extensions", and "negotiate" when Negotiate returned what may not be answered.
	Name string
	// Section is where the rule stands: "RFC 6455 §4.2.1"; empty for limits and local choices.
	Section string
	// Text is one line for people that names the header field or the part of the request at fault.
	Text string
	// Fields are the header fields that the response needs, such as Allow.
	Fields []Field
}

// Error returns the text with its section.
func (e *Refusal) Error() string {
	if e.Section == "" {
		return e.Text
	}
	return e.Text + " (" + e.Section + ")"
}

// Response returns the HTTP response that refuses, with the text as its body. Its Fields may be appended to.
func (e *Refusal) Response() Response {
	return Response{
		Status: e.Status,
		Fields: e.Fields[:len(e.Fields):len(e.Fields)],
		Body:   e.Error() + "\n",
	}
}

// Accept answers an opening handshake (RFC 6455 §4.2, RFC 8441 §5). The Response is what to send in every case; the
// error is nil or a *Refusal, and the Response then the refusal's. Over HTTP/1.x it answers 101 to a GET, over later
// versions 200 to an extended CONNECT, where key, Upgrade and Connection play no part.
//
// Accept keeps neither r nor o; the Agreement holds a string of o.Subprotocols and what Negotiate returned, so nothing of
// r unless Negotiate returns the offers themselves. It may be called from several goroutines at once if the functions in
// o may.
func (r *Request) Accept(o ServerOptions) (Response, Agreement, error) {
	agreed, refusal := r.agree(&o)
	if refusal != nil {
		response := refusal.Response()
		if r.Method == "HEAD" {
			response.Body = "" // RFC 9110 §9.3.2
		}
		return response, Agreement{}, refusal
	}
	response := Response{Status: 200}
	if !r.extended() {
		response.Status = 101
		response.Fields = append(make([]Field, 0, 5),
			Field{"Upgrade", "websocket"},
			Field{"Connection", "Upgrade"},
			Field{"Sec-WebSocket-Accept", AcceptKey(r.Key[0])})
	}
	if agreed.Subprotocol != "" {
		response.Fields = append(response.Fields, Field{"Sec-WebSocket-Protocol", agreed.Subprotocol})
	}
	if len(agreed.Extensions) > 0 {
		value := string(AppendExtensions(nil, agreed.Extensions))
		response.Fields = append(response.Fields, Field{"Sec-WebSocket-Extensions", value})
	}
	return response, agreed, nil
}

// agree applies the rules of RFC 6455 §4.2.1 in an order in which the first refusal says the most: what is not a
// WebSocket request at all comes before what is a faulty one.
func (r *Request) agree(o *ServerOptions) (Agreement, *Refusal) {
	var agreed Agreement
	refusal := r.checkStart()
	if refusal == nil {
		refusal = r.checkVersion()
	}
	if refusal == nil {
		refusal = r.checkKey()
	}
	if refusal == nil {
		refusal = r.checkOrigin(o.Origin)
	}
	if refusal != nil {
		return agreed, refusal
	}
	if text := subprotocolFault(r.Subprotocols); text != "" {
		return agreed, refuse(400, "subprotocol", "RFC 6455 §4.1", text)
	}
	agreed.Subprotocol = chooseSubprotocol(r.Subprotocols, o.Subprotocols)
	agreed.Extensions, refusal = r.negotiate(o.Negotiate)
	return agreed, refusal
}

func refuse(status int, name, section, text string, fields ...Field) *Refusal {
	return &Refusal{Status: status, Name: name, Section: section, Text: text, Fields: fields}
}

// refuseUpgrade is a 426, which has to say what to upgrade to (RFC 9110 §15.5.22), and says which version too. HTTP/2
// has no Upgrade (RFC 9113 §8.6), so the status is a plain 400 there.
func (r *Request) refuseUpgrade(name, section, text string) *Refusal {
	version := Field{"Sec-WebSocket-Version", webSocketVersion}
	if r.extended() {
		return refuse(400, name, section, text, version)
	}
	return refuse(426, name, section, text, Field{"Upgrade", "websocket"}, Field{"Connection", "Upgrade"}, version)
}

// checkStart is about the request as HTTP: method, version, host, and the will to upgrade.
func (r *Request) checkStart() *Refusal {
	extended := r.extended()
	switch {
	case extended && r.Method != "CONNECT":
		return refuse(405, "method", "RFC 8441 §4", "the method is not CONNECT; over HTTP/2 open a WebSocket with an extended CONNECT",
			Field{"Allow", "CONNECT"})
	case extended && !equalFold(r.Protocol, "websocket"):
		// RFC 9220 §3 gives the status that RFC 8441 leaves open.
		return refuse(501, "upgrade", "RFC 8441 §5", "the :protocol of the CONNECT is not websocket")
	case !extended && r.Method != "GET":
		return refuse(405, "method", "RFC 6455 §4.1", "the method is not GET; open a WebSocket with GET", Field{"Allow", "GET"})
	case !extended && !upgradable(r.Proto):
		return refuse(400, "http-version", "RFC 6455 §4.1", "the HTTP version is below 1.1; send HTTP/1.1")
	case !validHost(r.Host):
		return refuse(400, "host", "RFC 6455 §4.2.1", "Host is missing or not a host and port; send one Host")
	case extended:
		return nil
	case !hasToken(r.Upgrade, "websocket"):
		return r.refuseUpgrade("upgrade", "RFC 6455 §4.2.1", "Upgrade does not name websocket; this address speaks WebSocket")
	case !hasToken(r.Connection, "upgrade"):
		return refuse(400, "connection", "RFC 6455 §4.2.1",
			"Connection does not name Upgrade; send Connection: Upgrade (a proxy on the way may have taken it out)")
	}
	return nil
}

func (r *Request) checkVersion() *Refusal {
	const section = "RFC 6455 §4.2.1"
	switch {
	case len(r.Version) == 0:
		return refuse(400, "version", section, "Sec-WebSocket-Version is missing; send 13",
			Field{"Sec-WebSocket-Version", webSocketVersion})
	case len(r.Version) > 1:
		return refuse(400, "version", "RFC 6455 §11.3.5", "Sec-WebSocket-Version comes more than once; send it once")
	case trimSpace(r.Version[0]) != webSocketVersion:
		return r.refuseUpgrade("version", "RFC 6455 §4.4", "Sec-WebSocket-Version is not 13; this server speaks version 13 only")
	}
	return nil
}

func (r *Request) checkKey() *Refusal {
	const section = "RFC 6455 §4.2.1"
	switch {
	case r.extended():
		return nil // RFC 8441 §5: the key is not processed
	case len(r.Key) == 0:
		return refuse(400, "key", section, "Sec-WebSocket-Key is missing; send the base64 of 16 random bytes")
	case len(r.Key) > 1:
		return refuse(400, "key", "RFC 6455 §11.3.1", "Sec-WebSocket-Key comes more than once; send it once")
	case !validKey(trimSpace(r.Key[0])):
		return refuse(400, "key", section, "Sec-WebSocket-Key is not the base64 of 16 bytes")
	}
	return nil
}

func (r *Request) checkOrigin(allowed func(origin, host string) bool) *Refusal {
	if len(r.Origin) == 0 {
		return nil
	}
	if len(r.Origin) > 1 {
		return refuse(400, "origin", "RFC 6454 §7.3", "Origin comes more than once; send it once")
	}
	if allowed == nil {
		allowed = SameOrigin
	}
	if !allowed(trimSpace(r.Origin[0]), r.Host) {
		return refuse(403, "origin", "RFC 6455 §10.2", "Origin is not one that this server lets in")
	}
	return nil
}

// negotiate also holds Negotiate to its contract: an answer that the client has to fail, or one that is no header field,
// is refused here with 500, where the cause can be seen.
func (r *Request) negotiate(choose func([]Extension) []Extension) ([]Extension, *Refusal) {
	const section = "RFC 6455 §9.1"
	if choose == nil {
		if _, err := countExtensions(r.Extensions); err != nil {
			return nil, refuse(400, "extensions", section, err.Error())
		}
		return nil, nil
	}
	offers, err := ParseExtensions(r.Extensions)
	if err != nil {
		return nil, refuse(400, "extensions", section, err.Error())
	}
	if len(offers) == 0 {
		return nil, nil
	}
	accepted := choose(offers)
	for _, extension := range accepted {
		if !named(offers, extension.Name) || !wellFormed(extension) {
			return nil, refuse(500, "negotiate", section,
				"Negotiate accepted an extension that was not offered, or one with a parameter that is not a token")
		}
	}
	return accepted, nil
}

func named(extensions []Extension, name string) bool {
	for _, extension := range extensions {
		if extension.Name == name {
			return true
		}
	}
	return false
}

func wellFormed(e Extension) bool {
	for _, param := range e.Params {
		if !isToken(param.Name) || param.Value != "" && !isToken(param.Value) {
			return false
		}
	}
	return isToken(e.Name)
}

// SameOrigin tells whether origin, the value of an Origin field, has the host and port of host, the value of Host.
// Letter case does not matter, nor whether the port that is the default of the origin's scheme is written. "null" is
// never the same. The scheme is not compared: a server behind a proxy does not know its own.
func SameOrigin(origin, host string) bool {
	scheme, authority, ok := strings.Cut(origin, "://")
	if !ok || authority == "" {
		return false
	}
	port := ""
	switch {
	case equalFold(scheme, "http"), equalFold(scheme, "ws"):
		port = ":80"
	case equalFold(scheme, "https"), equalFold(scheme, "wss"):
		port = ":443"
	}
	return equalFold(strings.TrimSuffix(authority, port), strings.TrimSuffix(host, port))
}
