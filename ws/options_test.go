package ws_test

import (
	"testing"
	"testing/synctest"
	"time"

	"duplex/ws"
)

// Options are copied and never written, filled ones serve both ends, and one
// value may be had by any number of connections.
func TestOptionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain := ws.Options{PingInterval: time.Hour}
		filled := plain.Fill()
		if plain.MaxMessage != 0 || filled.MaxMessage != ws.DefaultMaxMessage || filled.PingInterval != time.Hour {
			t.Fatal(plain, filled)
		}
		for range 3 {
			c, s := pipe(t, filled, filled)
			d, u := pipe(t, &plain, &plain)
			must(t, c.Write(background, ws.Text, []byte("x")))
			wantRead(t, s, ws.Text, "x")
			must(t, u.Write(background, ws.Text, []byte("y")))
			wantRead(t, d, ws.Text, "y")
		}
		if plain.MaxMessage != 0 || plain.OnPanic != nil || filled.QueueLimit != ws.DefaultQueueLimit {
			t.Fatal("written")
		}
	})
}
