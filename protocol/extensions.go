package protocol

import "errors"

// Extension is one element of a Sec-WebSocket-Extensions field: an offer in a request, what was accepted in an answer
// (RFC 6455 §9.1).
type Extension struct {
	// Name is the extension's token, such as "permessage-deflate".
	Name string
	// Params are its parameters in order. The same name may stand there twice; what that means is for the extension
	// to say.
	Params []Param
}

// Param is one parameter of an Extension.
type Param struct {
	// Name is the parameter's token.
	Name string
	// Value is its value with the quotes taken off; "" when the parameter has no value. RFC 6455 §9.1 knows no empty
	// value: also what stands in quotes must be a token.
	Value string
}

// String returns the extension as it stands in the header field: `name; flag; parameter=value`.
func (e Extension) String() string {
	return string(appendExtension(nil, e))
}

// AppendExtensions appends the value of a Sec-WebSocket-Extensions field that lists the extensions, and returns the
// extended slice. Values are written without quotes. Names and values have to be tokens, as those from ParseExtensions
// are; they are not checked here.
func AppendExtensions(dst []byte, extensions []Extension) []byte {
	for i, extension := range extensions {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendExtension(dst, extension)
	}
	return dst
}

func appendExtension(dst []byte, e Extension) []byte {
	dst = append(dst, e.Name...)
	for _, param := range e.Params {
		dst = append(append(dst, "; "...), param.Name...)
		if param.Value != "" {
			dst = append(append(dst, '='), param.Value...)
		}
	}
	return dst
}

// What can be wrong with a Sec-WebSocket-Extensions field.
var (
	errNoExtension   = errors.New("Sec-WebSocket-Extensions is empty; name an extension or leave the field out")
	errExtensionName = errors.New("Sec-WebSocket-Extensions has something that is not a token where an extension's name belongs")
	errParamName     = errors.New("Sec-WebSocket-Extensions has something that is not a token where a parameter's name belongs")
	errParamValue    = errors.New("Sec-WebSocket-Extensions has a parameter whose value is not a token")
	errQuote         = errors.New("Sec-WebSocket-Extensions has a quoted value that does not end")
	errSeparator     = errors.New("Sec-WebSocket-Extensions lacks a comma or semicolon between two elements")
	errManyElements  = errors.New("Sec-WebSocket-Extensions has more than 128 extensions or parameters; offer fewer")
)

// ParseExtensions reads the lines of a Sec-WebSocket-Extensions field (RFC 6455 §9.1) into the extensions they name, in
// order. No lines are no extensions. Names keep their case, and nothing is said about which extensions or parameters
// exist. The strings share memory with lines.
//
// The error says in one line what does not fit the grammar; the RFC wants the handshake to fail then. More than 128
// extensions, or 128 parameters in all, are an error too.
func ParseExtensions(lines []string) ([]Extension, error) {
	list, err := countExtensions(lines)
	if err != nil || list.count == 0 {
		return nil, err
	}
	list = extensionList{
		extensions: make([]Extension, 0, list.count),
		params:     make([]Param, 0, list.paramCount),
	}
	for _, line := range lines {
		if err := list.add(line); err != nil {
			return nil, err
		}
	}
	return list.extensions, nil
}

// countExtensions checks the lines of a Sec-WebSocket-Extensions field and counts, without allocating: for the servers
// that decline every extension, and to size the slices of those that do not.
func countExtensions(lines []string) (extensionList, error) {
	var list extensionList
	for _, line := range lines {
		if err := list.add(line); err != nil {
			return list, err
		}
	}
	if len(lines) > 0 && list.count == 0 {
		return list, errNoExtension
	}
	return list, nil
}

// extensionList takes up the extensions of a field's lines. With nil slices it only counts.
type extensionList struct {
	extensions []Extension
	params     []Param
	count      int
	paramCount int
}

// add reads one header line. Empty elements count for nothing: the # rule of RFC 2616 §2.1, which RFC 6455 uses, and RFC
// 9110 §5.6.1.2 allow them. Space may stand around every separator (RFC 2616 §2.1, implied LWS).
func (l *extensionList) add(line string) error {
	c := cursor{text: line}
	for {
		c.skipSpace()
		if c.take(',') {
			continue
		}
		if c.end() {
			return nil
		}
		if err := l.addExtension(&c); err != nil {
			return err
		}
		if c.skipSpace(); !c.end() && !c.take(',') {
			return errSeparator
		}
	}
}

// addExtension reads extension-token *( ";" extension-param ).
func (l *extensionList) addExtension(c *cursor) error {
	name := c.token()
	if name == "" {
		return errExtensionName
	}
	if l.count == maxElements {
		return errManyElements
	}
	l.count++
	first := len(l.params)
	for c.skipSpace(); c.take(';'); c.skipSpace() {
		param, err := c.param()
		if err != nil {
			return err
		}
		if l.paramCount == maxElements {
			return errManyElements
		}
		l.paramCount++
		if l.params != nil {
			l.params = append(l.params, param)
		}
	}
	if l.extensions != nil {
		extension := Extension{Name: name}
		if last := len(l.params); last > first {
			extension.Params = l.params[first:last:last]
		}
		l.extensions = append(l.extensions, extension)
	}
	return nil
}

// cursor reads one header line from left to right.
type cursor struct {
	text string
	at   int
}

func (c *cursor) end() bool { return c.at == len(c.text) }

func (c *cursor) skipSpace() {
	for !c.end() && (c.text[c.at] == ' ' || c.text[c.at] == '\t') {
		c.at++
	}
}

func (c *cursor) take(b byte) bool {
	if c.end() || c.text[c.at] != b {
		return false
	}
	c.at++
	return true
}

// token returns the token here, "" when there is none.
func (c *cursor) token() string {
	first := c.at
	for !c.end() && tokenByte(c.text[c.at]) {
		c.at++
	}
	return c.text[first:c.at]
}

// param reads token [ "=" ( token | quoted-string ) ].
func (c *cursor) param() (Param, error) {
	c.skipSpace()
	param := Param{Name: c.token()}
	if param.Name == "" {
		return param, errParamName
	}
	if c.skipSpace(); !c.take('=') {
		return param, nil
	}
	c.skipSpace()
	if !c.take('"') {
		if param.Value = c.token(); param.Value == "" {
			return param, errParamValue
		}
		return param, nil
	}
	var err error
	param.Value, err = c.quoted()
	return param, err
}

// quoted reads the rest of a quoted-string and takes the backslashes off: what is left has to be a token.
func (c *cursor) quoted() (string, error) {
	first := c.at
	var unescaped []byte
	for {
		if c.end() {
			return "", errQuote
		}
		b := c.text[c.at]
		switch {
		case b == '"':
			value := c.text[first:c.at]
			if unescaped != nil {
				value = string(unescaped)
			}
			c.at++
			if value == "" {
				return "", errParamValue
			}
			return value, nil
		case b == '\\':
			if unescaped == nil {
				unescaped = append(make([]byte, 0, 16), c.text[first:c.at]...)
			}
			if c.at++; c.end() {
				return "", errQuote
			}
			b = c.text[c.at]
		}
		if !tokenByte(b) {
			return "", errParamValue
		}
		if unescaped != nil {
			unescaped = append(unescaped, b)
		}
		c.at++
	}
}
