package service

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"duplex/ws"
)

// TestChannelRelays: to the other members of the channel, verbatim, and to the sender only if it asks.
func TestChannelRelays(t *testing.T) {
	r := start(t, Config{})
	a := r.dial("/v3/room?api_key=demo", nil)
	b := r.dial("/v3/room?api_key=demo&notify_self=0", nil)
	self := r.dial("/v3/room?api_key=demo&notify_self", nil)
	one := r.dial("/v3/room?api_key=demo&notify_self=true", nil)
	other := r.dial("/v3/Room?api_key=demo&notify_self", nil)
	r.members("room", 4)
	r.members("Room", 1)

	text := `{"event":"x","data":"` + strings.Repeat("a", 70_000) + `"}`
	write(t, a, ws.Text, text)
	write(t, b, ws.Binary, "\x00\xff")
	write(t, self, ws.Text, "from self")
	write(t, one, ws.Text, "from one")
	for _, m := range []struct {
		to   *ws.Conn
		want []string
	}{
		{a, []string{"\x00\xff", "from one", "from self"}},
		{b, []string{text, "from one", "from self"}},
		{self, []string{text, "\x00\xff", "from one", "from self"}},
		{one, []string{text, "\x00\xff", "from one", "from self"}},
	} {
		got := map[string]bool{}
		for range m.want {
			typ, p, err := m.to.Read(within(t))
			if err != nil {
				t.Fatal(err)
			}
			if (typ == ws.Binary) != (string(p) == "\x00\xff") {
				t.Errorf("%q came as %v", p, typ)
			}
			got[string(p)] = true
		}
		for _, p := range m.want {
			if !got[p] {
				t.Errorf("%.20q did not come", p)
			}
		}
	}
	// Nothing else has come to anybody: the next message is the one sent now.
	for _, c := range []*ws.Conn{self, other} {
		write(t, c, ws.Text, "last")
		want(t, c, ws.Text, "last")
	}
	want(t, a, ws.Text, "last")
	want(t, b, ws.Text, "last")
	want(t, one, ws.Text, "last")
}

// members waits until the channel has n members; 0 means that it is gone.
func (r *running) members(name string, n int) {
	r.t.Helper()
	got := -1
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		r.channels.mu.Lock()
		c := r.channels.open[name]
		r.channels.mu.Unlock()
		if got = 0; c != nil {
			got = c.Len()
		}
		if got == n && (c == nil) == (n == 0) {
			return
		}
	}
	r.t.Fatalf("channel %q has %d members, want %d", name, got, n)
}

func TestChannelIsDroppedWhenEmpty(t *testing.T) {
	r := start(t, Config{})
	a, b := r.dial("/v3/room?api_key=demo", nil), r.dial("/v3/room?api_key=demo", nil)
	r.members("room", 2)
	if err := a.Close(ws.CloseNormal, ""); err != nil {
		t.Fatal(err)
	}
	r.members("room", 1)
	b.CloseNow()
	r.members("room", 0)
}

// TestChannelsJoinAndLeaveAtOnce: whoever is in a channel of the same name at the same time is in the same channel.
func TestChannelsJoinAndLeaveAtOnce(t *testing.T) {
	r := start(t, Config{Quiet: true})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 20 {
				c, err := ws.Dial(within(t), r.url(fmt.Sprintf("/v3/room%d?api_key=demo&notify_self", j%2)), nil)
				if err != nil {
					t.Error(err)
					return
				}
				mine := fmt.Sprint(i, " ", j)
				if err := c.Write(within(t), ws.Text, []byte(mine)); err != nil {
					t.Error(err)
				}
				for { // what others say may come before
					_, p, err := c.Read(within(t))
					if err != nil {
						t.Error(err)
						break
					}
					if string(p) == mine {
						break
					}
				}
				c.CloseNow()
			}
		})
	}
	all.Wait()
	r.members("room0", 0)
	r.members("room1", 0)
}

func TestChannelRefusals(t *testing.T) {
	long := strings.Repeat("a", 30)
	r := start(t, Config{})
	keyed := start(t, Config{Keys: []string{"first&", "second"}})
	for _, c := range []struct {
		r    *running
		path string
		part string // of the error; none: accepted
	}{
		{r, "/v3/room?api_key=demo", ""},
		{r, "/v3/" + long + "?api_key=demo", ""},
		{r, "/v3/A-_9?api_key=demo", ""},
		{r, "/v3/room", "api_key is missing"},
		{r, "/v3/room?api_key=", "not valid"},
		{r, "/v3/room?api_key=Demo", "not valid"},
		{r, "/v3/" + long + "a?api_key=demo", "channel id"},
		{r, "/v3/a%20b?api_key=demo", "channel id"},
		{r, "/v3/a%2Fb?api_key=demo", "channel id"},
		{r, "/v3/%E5%A5%BD?api_key=demo", "channel id"},
		{r, "/v3/private-room?api_key=demo", "JWT"},
		{r, "/v3/room?api_key=demo%C2%ACify_self", "write &notify_self"},
		{r, "/v3/room?api_key=demo\u00acify_self", "write &notify_self"},
		{r, "/v3/room?api_key=demo%ACify_self", "write &notify_self"},
		{r, "/v3/room?api_key=wrong\u00acify_self=1", "write &notify_self"},
		{r, "/v3/room?api_key=demo&amp;notify_self", "write &notify_self"},
		{keyed, "/v3/room?api_key=demo", "not valid"},
		{keyed, "/v3/room?api_key=first%26", ""},
		{keyed, "/v3/room?api_key=second", ""},
	} {
		t.Run(c.path, func(t *testing.T) { checkChannel(t, c.r, c.path, c.part) })
	}
	for _, r := range []*running{r, keyed} {
		if log := r.log.text(); strings.Contains(log, "first") || strings.Contains(log, "second") || strings.Contains(log, "Demo") {
			t.Errorf("a key is in the log:\n%s", log)
		}
		r.channels.mu.Lock()
		for name := range r.channels.open {
			if !validChannel(name) {
				t.Errorf("channel %q was made", name)
			}
		}
		r.channels.mu.Unlock()
	}
}

// checkChannel joins and wants the part of a refusal, or none.
func checkChannel(t *testing.T, r *running, path, part string) {
	c, err := ws.Dial(within(t), r.url(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if part == "" {
		if _, err := c.Ping(within(t)); err != nil { // a refusal would have come before
			t.Error(err)
		}
		return
	}
	_, p, err := c.Read(within(t))
	if err != nil {
		t.Fatal(err)
	}
	var refusal struct{ Error string }
	if err := json.Unmarshal(p, &refusal); err != nil || !strings.Contains(refusal.Error, part) {
		t.Errorf("refused with %s, want %q", p, part)
	}
	if strings.Contains(part, "&") && !strings.Contains(string(p), part) {
		t.Errorf("%s is not readable as it is", p)
	}
	e := wantClose(t, c, ws.ClosePolicyViolation)
	if !strings.HasPrefix(refusal.Error, e.Reason) || e.Reason == "" {
		t.Errorf("reason %q for %q", e.Reason, refusal.Error)
	}
}

// TestNoKeyNoChannels: on an address that others can reach there is no key that everybody knows.
func TestNoKeyNoChannels(t *testing.T) {
	r := start(t, Config{Listen: ":0"})
	if warning := fmt.Sprint(r.log.lines("serving"), r.log.text()); !strings.Contains(warning, "--api-key") || strings.Contains(warning, "api_key=") {
		t.Errorf("announced:\n%s", r.log.text())
	}
	_, port, _ := net.SplitHostPort(r.Addr().String())
	c, err := ws.Dial(within(t), "ws://127.0.0.1:"+port+"/v3/room?api_key=demo", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if _, p, err := c.Read(within(t)); err != nil || !strings.Contains(string(p), "--api-key") {
		t.Fatalf("read %q, %v", p, err)
	}
	wantClose(t, c, ws.ClosePolicyViolation)
}

// TestSlowMemberIsClosed: it is told so by the end of its connection, and the others get everything.
func TestSlowMemberIsClosed(t *testing.T) {
	r := start(t, Config{QueueLimit: 64 << 10, Quiet: true, DrainTimeout: 100 * time.Millisecond})
	slow, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(slow, "GET /v3/room?api_key=demo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	c := r.dial("/v3/room?api_key=demo&notify_self", nil)
	r.members("room", 2)
	for range 300 { // some MiB: more than the sockets' buffers take
		write(t, c, ws.Binary, strings.Repeat("x", 32<<10))
		if _, _, err := c.Read(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	// Its Close frame waits behind what it does not read: only the end of the server cuts that short.
	if err := r.end(); err == nil {
		t.Error("the slow member read everything")
	}
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		if len(r.log.lines("connection closed")) == 2 {
			break
		}
	}
	slowly := 0
	for _, closed := range r.log.lines("connection closed") {
		if closed["reason"] == "reads too slowly" && closed["packets"] == 0.0 {
			slowly++
		}
	}
	if slowly != 1 {
		t.Errorf("%d sessions were closed as slow, want the one that did not read", slowly)
	}
}
