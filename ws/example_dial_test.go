package ws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"duplex/ws"
)

// A client sends a message and prints the answer.
func ExampleDial() {
	server := httptest.NewServer(echo(nil))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	c, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http")+"/ws", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	if err := c.Write(ctx, ws.Text, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	_, msg, err := c.Read(ctx)
	fmt.Printf("%s %v\n", msg, err)
	fmt.Println(c.Close(ws.CloseNormal, ""))
	// Output:
	// hello <nil>
	// <nil>
}

// One set of options serves any number of calls, at the same time too.
func ExampleDialOptions() {
	server := httptest.NewServer(echo(&ws.Options{Subprotocols: []string{"v1.sensors"}}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()

	jar, _ := cookiejar.New(nil)
	options := &ws.DialOptions{
		Options: ws.Options{
			Subprotocols: []string{"v2.sensors", "v1.sensors"}, // the preferred first
			MaxMessage:   1 << 20,
		},
		Header:           http.Header{"Authorization": {"Bearer 7d9f"}, "User-Agent": {"sensor-7"}},
		Jar:              jar,
		Proxy:            ws.NoProxy,
		HandshakeTimeout: 5 * time.Second,
	}
	c, err := ws.Dial(ctx, server.URL+"/ws", options) // http is ws, https is wss
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.CloseNow()
	fmt.Println(c.Subprotocol())
	fmt.Println(c.Response().Status)
	// Output:
	// v1.sensors
	// 101 Switching Protocols
}

// A proxy of one's own choice: the environment is not asked.
func ExampleDialOptions_proxy() {
	proxy := &url.URL{Scheme: "socks5", Host: "127.0.0.1:1", User: url.UserPassword("me", "secret")}
	_, err := ws.Dial(context.Background(), "wss://device.example/ws", &ws.DialOptions{
		Proxy: func(*url.URL) (*url.URL, error) { return proxy, nil },
	})
	fmt.Println(strings.Contains(err.Error(), "connecting to device.example:443 through the proxy socks5://127.0.0.1:1"))
	// Output:
	// true
}

// A server that refuses says why with an HTTP response.
func ExampleHandshakeError() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "all sockets are taken", http.StatusServiceUnavailable)
	}))
	defer server.Close()

	_, err := ws.Dial(context.Background(), server.URL, nil)
	var refused *ws.HandshakeError
	switch {
	case errors.As(err, &refused) && refused.Status != 0:
		fmt.Println(refused.Status, refused.Header.Get("Retry-After"))
		fmt.Printf("%s", refused.Body)
	case errors.Is(err, context.DeadlineExceeded):
		fmt.Println("too slow:", err)
	default:
		fmt.Println("no response:", err)
	}
	// Output:
	// 503 30
	// all sockets are taken
}
