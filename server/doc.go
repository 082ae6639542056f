// Package server keeps many WebSocket connections: routes, sessions with ids,
// groups to send to, work outside the handlers, limits, and an end that is
// announced. It is an http.Handler, so plain HTTP lives on the same port.
//
//	type echo struct{ server.Base }
//
//	func (echo) Message(s *server.Session, typ ws.MessageType, p []byte) {
//		s.Write(s.Context(), typ, p)
//	}
//
//	srv := server.New(server.Options{})
//	srv.Route("/ws", server.Route{Handler: echo{}})
//	srv.Handle("/", http.FileServer(http.Dir("www")))
//	err := srv.ListenAndServe("127.0.0.1:8080")
//
// # The contract
//
// Every method of Server, Session and Group may be called from any goroutine.
// The methods of a Handler are called one at a time and in order for one
// session, at once for different ones: half a frame, a stall or slow reading of
// one client delays no other. A session's ID is never used again, so what is
// sent to it later reaches this client or nobody.
package server
