package wire_test

import (
	"fmt"

	"duplex/wire"
)

// A frame's header, its payload unmasked in place.
func ExampleParseHeader() {
	frame := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58} // RFC 6455 §5.7
	h, n, ok := wire.ParseHeader(frame)
	if !ok || h.Length > 125 {
		return
	}
	payload := frame[n : n+int(h.Length)]
	wire.Mask(payload, h.Key, 0)
	fmt.Println(h.Opcode, h.Fin, string(payload))
	// Output: text true Hello
}

// A text that comes in pieces, cut inside a character.
func ExampleUTF8() {
	var text wire.UTF8
	fmt.Println(text.Write([]byte("caf\xc3")), text.Whole())
	fmt.Println(text.Write([]byte("\xa9")), text.Whole())
	// Output:
	// true false
	// true true
}
