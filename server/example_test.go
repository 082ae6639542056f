package server_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"duplex/server"
	"duplex/ws"
)

// shout answers in capitals, and from queued work when it is asked to.
type shout struct{ server.Base }

func (shout) Message(s *server.Session, typ ws.MessageType, p []byte) {
	if string(p) == "later" {
		id, srv := s.ID(), s.Server()
		_ = srv.Queue(func() {
			_ = srv.Send(id, ws.Outgoing{Type: ws.Text, Data: []byte("from queued work")})
		})
		return
	}
	_ = s.Write(s.Context(), typ, append(p, '!'))
}

// A server with one route and its end.
func ExampleServer() {
	srv := server.New(server.Options{})
	srv.Route("/ws", server.Route{Handler: shout{}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := ws.Dial(ctx, "ws://"+l.Addr().String()+"/ws", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	for _, text := range []string{"hello", "later"} {
		if err := c.Write(ctx, ws.Text, []byte(text)); err != nil {
			fmt.Println(err)
		}
		_, p, err := c.Read(ctx)
		fmt.Println(string(p), err)
	}

	told := make(chan error)
	go func() {
		_, _, err := c.Read(ctx)
		told <- err
	}()
	shutdown := make(chan error)
	go func() { shutdown <- srv.Shutdown(ctx) }()
	fmt.Println("client:", ws.CloseStatus(<-told))
	fmt.Println("shutdown:", <-shutdown)
	fmt.Println("serve:", <-served)
	// Output:
	// hello! <nil>
	// from queued work <nil>
	// client: going away
	// shutdown: <nil>
	// serve: server: shutting down
}

// A chat room: everybody hears everybody else.
func ExampleGroup() {
	var room server.Group
	srv := server.New(server.Options{})
	srv.Route("/chat/{name}", server.Route{Func: func(ctx context.Context, s *server.Session) {
		name := s.Request().PathValue("name")
		welcome := func() { _ = s.Send(ws.Outgoing{Type: ws.Text, Data: []byte("welcome " + name)}) }
		if room.Join(s, welcome) != nil {
			return // it has ended already
		}
		for {
			_, p, err := s.Read(ctx)
			if err != nil {
				return // and has left the room by itself
			}
			_, _ = room.Broadcast(ws.Outgoing{Type: ws.Text, Data: append([]byte(name+": "), p...)}, s)
		}
	}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	go srv.Serve(l)
	defer srv.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	join := func(name string) *ws.Conn {
		c, err := ws.Dial(ctx, "ws://"+l.Addr().String()+"/chat/"+name, nil)
		if err != nil {
			panic(err)
		}
		_, p, err := c.Read(ctx)
		fmt.Println(string(p), err)
		return c
	}
	ann, bob := join("ann"), join("bob")
	defer ann.CloseNow()
	defer bob.CloseNow()
	_ = ann.Write(ctx, ws.Text, []byte("hello, Bob"))
	_, p, err := bob.Read(ctx)
	fmt.Println(string(p), err)
	_ = bob.Write(ctx, ws.Text, []byte("hello, Ann"))
	_, p, err = ann.Read(ctx)
	fmt.Println(string(p), err)
	// Output:
	// welcome ann <nil>
	// welcome bob <nil>
	// ann: hello, Bob <nil>
	// bob: hello, Ann <nil>
}
