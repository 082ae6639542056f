// Package ws is WebSocket for Go programs (RFC 6455): the server end on any
// net/http handler, the client end, and one Conn for both.
//
// A server that echoes:
//
//	http.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
//		c, err := ws.Accept(w, r, nil)
//		if err != nil {
//			return // the refusal has been sent
//		}
//		defer c.CloseNow()
//		for {
//			typ, msg, err := c.Read(r.Context())
//			if err != nil {
//				return
//			}
//			if err := c.Write(r.Context(), typ, msg); err != nil {
//				return
//			}
//		}
//	})
//
// A client:
//
//	c, err := ws.Dial(ctx, "ws://127.0.0.1:8080/ws", nil)
//	if err != nil {
//		return err
//	}
//	defer c.CloseNow()
//	if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
//		return err
//	}
//	_, msg, err := c.Read(ctx)
//	...
//	return c.Close(ws.CloseNormal, "")
//
// # The contract
//
// Every method of Conn may be called from any goroutine; only a second
// concurrent Read or Reader is an error. With Options.Handler set, its methods
// are called one at a time and in order, and Read is an error.
//
// A context that ends a Read leaves the connection alive. Pings are answered,
// and Context ends when the peer goes, also while nobody reads: a connection
// that nobody has read from for a second is read in the background, and what
// comes is kept, up to 64 KiB, for the next Read.
//
// Writes are queued whole, so concurrent writers need no lock; see Policy for
// what happens when the peer reads too slowly.
package ws
