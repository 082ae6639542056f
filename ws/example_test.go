package ws_test

import (
	"context"
	"fmt"
	"io"
	"strings"

	"duplex/ws"
	"duplex/ws/wstest"
)

// A message of unknown length goes out in fragments, and comes in as a stream.
func ExampleConn_Writer() {
	client, server := wstest.Pipe(nil, nil)
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()

	go func() {
		w, err := client.Writer(ctx, ws.Text)
		if err != nil {
			return
		}
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		w.Close() // sends the last fragment; never forget it
	}()

	_, msg, err := server.Read(ctx)
	fmt.Printf("%q %v\n", msg, err)
	// Output: "line 0\nline 1\nline 2\n" <nil>
}

// Reader gives a message as it comes, without holding it in memory whole.
func ExampleConn_Reader() {
	client, server := wstest.Pipe(nil, nil)
	defer client.CloseNow()
	defer server.CloseNow()
	ctx := context.Background()

	go client.Write(ctx, ws.Binary, make([]byte, 1<<20))

	typ, r, err := server.Reader(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	n, err := io.Copy(io.Discard, r)
	fmt.Println(typ, n, err)
	// Output: binary 1048576 <nil>
}

// One message for many connections is checked and copied once.
func ExamplePrepare() {
	ctx := context.Background()
	news, err := ws.Prepare(ws.Text, []byte("news for all"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 3 {
		client, server := wstest.Pipe(nil, nil)
		if err := server.Send(ws.Outgoing{Prepared: news}); err != nil {
			fmt.Println(err)
		}
		_, msg, _ := client.Read(ctx)
		fmt.Printf("client %d: %s\n", i, msg)
		client.CloseNow()
		server.CloseNow()
	}
	// Output:
	// client 0: news for all
	// client 1: news for all
	// client 2: news for all
}

// A stream protocol runs through a WebSocket.
func ExampleNetConn() {
	client, server := wstest.Pipe(nil, nil)
	a, b := ws.NetConn(client, ws.Binary), ws.NetConn(server, ws.Binary)
	go func() {
		io.Copy(a, strings.NewReader("any protocol"))
		a.Close()
	}()
	all, err := io.ReadAll(b) // a normal closure is io.EOF
	b.Close()
	fmt.Println(string(all), err)
	// Output: any protocol <nil>
}

// upper answers every message in capitals.
type upper struct{ over chan struct{} }

func (upper) Open(c *ws.Conn) {}

func (upper) Message(c *ws.Conn, typ ws.MessageType, p []byte) {
	// p is lent: Write copies it, or the kernel takes it, before it returns.
	_ = c.Write(c.Context(), typ, []byte(strings.ToUpper(string(p))))
}

func (u upper) Close(c *ws.Conn, err error) {
	fmt.Println(err)
	close(u.over)
}

// With a Handler the connection calls, instead of being read.
func ExampleHandler() {
	u := upper{make(chan struct{})}
	client, _ := wstest.Pipe(nil, &ws.Options{Handler: u})
	ctx := context.Background()

	_ = client.Write(ctx, ws.Text, []byte("hello"))
	_, msg, _ := client.Read(ctx)
	fmt.Println(string(msg))
	_ = client.Close(ws.CloseNormal, "bye")
	<-u.over
	// Output:
	// HELLO
	// connection closed by peer with 1000 (normal closure): "bye"
}
