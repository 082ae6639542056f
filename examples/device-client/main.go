// Device-client is the client half of the ESP32 WebSocket tutorial, on a host:
// five texts one a second, one text in fragments, every message logged and
// parsed when it is JSON, and an end when nothing has come for five seconds.
// It logs what the tutorial's program logs, in the same order.
//
//	go run ./cmd/duplex serve
//	go run ./examples/device-client -url ws://127.0.0.1:8080/ws
//
// Its rule for the five seconds: messages count, pongs and the Close do not.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"

	"duplex/ws"
)

func main() {
	d := device{out: os.Stdout}
	flag.StringVar(&d.url, "url", "ws://127.0.0.1:8080/ws", "server to talk to")
	flag.DurationVar(&d.second, "second", time.Second, "length of the program's second, for impatient people")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "device-client:", err)
		os.Exit(1)
	}
}

// device is the program, and the handler of its connection's events.
type device struct {
	url    string
	second time.Duration

	mu       sync.Mutex // one log line at a time
	out      io.Writer
	watchdog *time.Timer
	over     chan struct{} // closed when the Close event has been handled
}

// run plays the whole program. The watchdog ends it when no data comes.
func (d *device) run(ctx context.Context) error {
	ctx, shutdown := context.WithCancel(ctx)
	defer shutdown()
	d.watchdog = time.AfterFunc(5*d.second, func() {
		d.log("I", "No data received for 5 seconds, signaling shutdown")
		shutdown()
	})
	defer d.watchdog.Stop()
	d.over = make(chan struct{})

	d.log("I", "Connecting to %s...", d.url)
	c, err := ws.Dial(ctx, d.url, &ws.DialOptions{Options: ws.Options{Handler: d, PingInterval: 10 * d.second}})
	if err != nil {
		d.failed(err)
		d.log("I", "WEBSOCKET_EVENT_DISCONNECTED")
		return err
	}
	if err := d.send(ctx, c); err != nil && ctx.Err() == nil {
		c.CloseNow()
		<-d.over
		return err
	}
	select {
	case <-ctx.Done():
		err = c.Close(ws.CloseNormal, "") // bounded: a peer that never answers does not hang us
		<-d.over
	case <-d.over:
		d.log("I", "WEBSOCKET_EVENT_DISCONNECTED")
		err = c.Err()
	}
	d.log("I", "Websocket Stopped")
	return err
}

// send sends five short texts and one in three frames, the last one empty.
func (d *device) send(ctx context.Context, c *ws.Conn) error {
	for i := range 5 {
		if !d.sleep(ctx, c) {
			return nil
		}
		text := fmt.Sprintf("hello %04d", i)
		d.log("I", "Sending %s", text)
		if err := c.Write(ctx, ws.Text, []byte(text)); err != nil {
			return err
		}
	}
	if !d.sleep(ctx, c) {
		return nil
	}
	d.log("I", "Sending fragmented message")
	if !d.sleep(ctx, c) {
		return nil
	}
	w, err := c.Writer(ctx, ws.Text)
	if err != nil {
		return err
	}
	for _, letter := range []string{"a", "b"} {
		io.WriteString(w, strings.Repeat(letter, 32)) // cannot fail before Flush
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return w.Close()
}

// sleep waits a second; false when the program or the connection ends.
func (d *device) sleep(ctx context.Context, c *ws.Conn) bool {
	select {
	case <-time.After(d.second):
		return true
	case <-ctx.Done():
	case <-c.Done():
	}
	return false
}

// Open is the event of the opening handshake done.
func (d *device) Open(*ws.Conn) { d.log("I", "WEBSOCKET_EVENT_CONNECTED") }

// Message is the event of a whole message.
func (d *device) Message(_ *ws.Conn, typ ws.MessageType, p []byte) {
	d.watchdog.Reset(5 * d.second)
	d.log("I", "WEBSOCKET_EVENT_DATA")
	d.log("I", "Received opcode=%d", typ)
	d.log("W", "Received=%s", printable(p))
	d.users(p)
	d.length(len(p))
}

// Pong is the event of our own ping answered.
func (d *device) Pong(_ *ws.Conn, p []byte) {
	d.log("I", "WEBSOCKET_EVENT_DATA")
	d.log("I", "Received opcode=10")
	d.log("W", "Received=%s", printable(p))
	d.length(len(p))
}

// Close is the event of the end. Without a Close frame there is no data.
func (d *device) Close(c *ws.Conn, err error) {
	defer close(d.over)
	f := c.CloseFrame()
	switch {
	case f == nil && ws.CloseStatus(err) == ws.CloseNormal:
		return // we closed, and the server just hung up
	case f == nil:
		d.failed(err)
		return
	}
	d.log("I", "WEBSOCKET_EVENT_DATA")
	d.log("I", "Received opcode=8")
	if f.Code == ws.CloseNoStatus {
		d.log("W", "Received=")
		d.length(0)
		return
	}
	d.log("W", "Received closed message with code=%d", f.Code)
	d.length(2 + len(f.Reason))
}

// users prints the members of a JSON array of users; anything else is no error.
func (d *device) users(p []byte) {
	var list []json.RawMessage
	if json.Unmarshal(p, &list) != nil {
		return
	}
	for _, element := range list {
		var u struct{ ID, Name json.RawMessage }
		if json.Unmarshal(element, &u) != nil {
			continue // not an object
		}
		d.log("W", "Json={'id': '%s', 'name': '%s'}", text(u.ID), text(u.Name))
	}
}

// text returns a JSON string's value, and other values as they stand.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	return printable([]byte(s))
}

func (d *device) length(n int) {
	d.log("W", "Total payload length=%d, data_len=%d, current payload offset=0", n, n)
}

// failed logs an error with all that is known of it.
func (d *device) failed(err error) {
	d.log("I", "WEBSOCKET_EVENT_ERROR")
	var refused *ws.HandshakeError
	if errors.As(err, &refused) && refused.Status != 0 {
		d.log("E", "Last error HTTP status code: 0x%x", refused.Status)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		d.log("E", "Last error captured as transport's socket errno: 0x%x", int(errno))
	}
}

// log writes a line as ESP-IDF does: level, tag, text.
func (d *device) log(level, format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fmt.Fprintf(d.out, "%s main: %s\n", level, fmt.Sprintf(format, args...))
}

// printable keeps a payload from playing with the terminal.
func printable(p []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, string(p))
}
