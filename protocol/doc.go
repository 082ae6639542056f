// Package protocol is one WebSocket endpoint without any I/O: RFC 6455 as a
// state machine that is fed bytes and lends its buffer, for both roles, and the
// opening handshake as pure functions. It never blocks, never calls back and
// starts no goroutine; time, randomness and memory are given to it.
//
// Whoever has a socket drives it like this:
//
//	m := protocol.New(protocol.Options{Role: protocol.Server})
//	for {
//		n, err := socket.Read(m.Space()) // the machine says where bytes go
//		m.Advance(n)
//		for {
//			ev, ok, _ := m.Next() // the next event, payload lent in place
//			if !ok {
//				break // wants more bytes, or is over: see below
//			}
//			if ev.Kind == protocol.MessageEvent {
//				out, _ = m.Message(out, ev.Op, ev.Data) // echo
//			}
//		}
//		out = m.Output(out) // pongs, the closing handshake, a refusal
//		socket.Write(out); out = out[:0]
//		if err == io.EOF { m.EOF() }
//		if m.CloseExpected() { break }
//	}
//
// # Two halves
//
// Space, Advance, Feed, Next, Take, Detach, SetParts, EOF, Free and what tells
// about the last event are the read half; Message, Frame, Begin, Ping, Pong,
// StartClose and Output are the write half. Each half has one owner at a time,
// the two may run at once on different threads, and they meet in one small
// locked state: what is owed to the peer and how far the closing handshake is.
// Deadline, Tick, Owes, Closing, CloseReceived, CloseExpected and SetMaxMessage
// may be called from anywhere.
package protocol
