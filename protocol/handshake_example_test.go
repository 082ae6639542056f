package protocol_test

import (
	"bytes"
	"errors"
	"fmt"

	"duplex/protocol"
)

// A server that has only bytes: it reads until the head is whole, answers, and keeps what came behind the head.
func ExampleRequest_Accept() {
	received := []byte("GET /chat HTTP/1.1\r\n" +
		"Host: server.example.com\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: keep-alive, Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Protocol: chat, superchat\r\n" +
		"Sec-WebSocket-Version: 13\r\n\r\n" +
		"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58") // the client's first frame

	request, n, err := protocol.ParseRequest(received, protocol.HeadLimits{})
	var refusal *protocol.Refusal
	if errors.As(err, &refusal) {
		fmt.Printf("%s", refusal.Response().Append(nil)) // send, then close
		return
	}
	if n == 0 {
		return // read more, then parse again
	}
	response, agreed, err := request.Accept(protocol.ServerOptions{Subprotocols: []string{"superchat"}})
	out := response.Append(nil) // send in either case; err tells whether to close then
	fmt.Printf("%s", bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")))
	fmt.Println("error:", err)
	fmt.Println("subprotocol:", agreed.Subprotocol)
	fmt.Println("bytes of frames:", len(received[n:]))
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: superchat
	//
	// error: <nil>
	// subprotocol: superchat
	// bytes of frames: 11
}

// A client that has only bytes: it sends the request, reads until the head of the response is whole, and checks it.
func ExampleReply_Check() {
	random := [16]byte([]byte("the sample nonce")) // take it from crypto/rand
	request := protocol.Request{
		Host:         "server.example.com",
		Target:       "/chat",
		Key:          []string{protocol.NewKey(random)},
		Subprotocols: []string{"chat", "superchat"},
	}
	out, err := request.Append(nil, []protocol.Field{{Name: "User-Agent", Value: "sensor-7"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")))

	received := []byte("HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: mqtt\r\n\r\n")
	reply, n, err := protocol.ParseReply(received, protocol.HeadLimits{})
	if err != nil || n == 0 {
		return // not HTTP; or read more, then parse again
	}
	_, err = reply.Check(&request)
	fmt.Println(err)
	// Output:
	// GET /chat HTTP/1.1
	// Host: server.example.com
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
	// Sec-WebSocket-Version: 13
	// Sec-WebSocket-Protocol: chat, superchat
	// User-Agent: sensor-7
	//
	// Sec-WebSocket-Protocol of the response is not one of the subprotocols offered (RFC 6455 §4.1)
}

// What a browser offers, and what is left of it.
func ExampleParseExtensions() {
	offers, err := protocol.ParseExtensions([]string{`permessage-deflate; client_max_window_bits; server_max_window_bits="10", foo`})
	for _, offer := range offers {
		fmt.Println(offer.Name, offer.Params)
	}
	fmt.Println(err)
	// Output:
	// permessage-deflate [{client_max_window_bits } {server_max_window_bits 10}]
	// foo []
	// <nil>
}
