package service

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"duplex/internal/printable"
	"duplex/server"
	"duplex/ws"
)

const (
	// maxChannelID is the longest name of a channel (PieSocket v3).
	maxChannelID = 30
	// maxReason is the longest reason of a Close frame (RFC 6455 §5.5).
	maxReason = 123
)

// channels relays the messages of /v3/{channel} to the channel's other members,
// as PieSocket v3 does.
type channels struct {
	log  *slog.Logger
	keys [][sha256.Size]byte // none: closed

	mu   sync.Mutex
	open map[string]*channel
}

// channel lives as long as somebody holds it. The group alone could not tell: it
// is also empty between the making and the first Join.
type channel struct {
	server.Group
	name    string
	holders int // guarded by channels.mu
}

// membership is a session's place in a channel, from its Open to its Close.
type membership struct {
	channel    *channel
	notifySelf bool
}

type membershipKey struct{}

func newChannels(log *slog.Logger, keys []string) *channels {
	h := &channels{log: log, open: make(map[string]*channel)}
	for _, key := range keys {
		h.keys = append(h.keys, sha256.Sum256([]byte(key)))
	}
	return h
}

// Open implements server.Handler.
func (h *channels) Open(s *server.Session) {
	name := s.Request().PathValue("channel")
	if refusal := h.refusal(s.Request(), name); refusal != "" {
		h.refuse(s, refusal)
		return
	}
	m := membership{channel: h.hold(name), notifySelf: notifySelf(s.Request().URL.Query())}
	s.SetValue(membershipKey{}, m)
	_ = m.channel.Join(s, nil) // an error says that the session has ended: Close comes next
}

// Message implements server.Handler. A member that reads too slowly is closed
// and so knows that it missed something; others do not wait for it.
func (h *channels) Message(s *server.Session, typ ws.MessageType, p []byte) {
	m, ok := s.Value(membershipKey{}).(membership)
	if !ok {
		return // refused, and sent this before it knew
	}
	var except []*server.Session
	if !m.notifySelf {
		except = append(except, s)
	}
	if _, err := m.channel.Broadcast(ws.Outgoing{Type: typ, Data: p, Policy: ws.CloseSlow}, except...); err != nil {
		h.log.Error("message not relayed", "conn", s.ID(), "err", err)
	}
}

// Close implements server.Handler. The session has left its group already.
func (h *channels) Close(s *server.Session, _ error) {
	if m, ok := s.Value(membershipKey{}).(membership); ok {
		h.release(m.channel)
	}
}

// hold returns the channel of this name and keeps it until release.
func (h *channels) hold(name string) *channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.open[name]
	if c == nil {
		c = &channel{name: name}
		h.open[name] = c
	}
	c.holders++
	return c
}

func (h *channels) release(c *channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.holders--; c.holders == 0 {
		delete(h.open, c.name)
	}
}

// refuse says no in the way of PieSocket v3: after the upgrade, with a message
// whose member "error" makes its SDKs stop reconnecting.
func (h *channels) refuse(s *server.Session, text string) {
	h.log.Warn("channel refused", "conn", s.ID(), "why", text)
	var message bytes.Buffer
	e := json.NewEncoder(&message)
	e.SetEscapeHTML(false) // an "&" is to be read
	_ = e.Encode(struct {
		Error string `json:"error"`
	}{text}) // a string always encodes
	if err := s.Write(s.Context(), ws.Text, bytes.TrimSpace(message.Bytes())); err != nil {
		return // gone
	}
	reason, _ := printable.Cut(text, maxReason)
	_ = s.StartClose(ws.ClosePolicyViolation, reason)
}

// refusal says why the request may not join, or nothing.
func (h *channels) refusal(r *http.Request, name string) string {
	query := r.URL.Query()
	switch {
	case mangled(query):
		return "the address holds \u00acify_self, which a web page has made of &notify_self: write &notify_self"
	case strings.Contains(r.URL.RawQuery, "&amp;"):
		return "the address holds &amp;, which is how a web page writes &: write &notify_self"
	case len(h.keys) == 0:
		return "channels are closed on this server: it has no API key; start it with --api-key KEY"
	case !query.Has("api_key"):
		return "api_key is missing: connect to /v3/CHANNEL?api_key=KEY"
	case !h.knows(query.Get("api_key")):
		return "api_key is not valid on this server"
	case !validChannel(name):
		return "the channel id is not valid: write 1 to 30 letters, digits, _ and -"
	case strings.HasPrefix(name, "private-"):
		return "private channels need a JWT, which this server does not check: use a channel id without private-"
	}
	return ""
}

// mangled reports whether &notify_self went through HTML, where &not is the
// character ¬ (U+00AC; one byte in Latin-1).
func mangled(query url.Values) bool {
	for name, values := range query {
		for _, text := range append(values, name) {
			if strings.Contains(text, "\u00acify_self") || strings.Contains(text, "\xacify_self") {
				return true
			}
		}
	}
	return false
}

// knows compares in a time that says nothing about the keys.
func (h *channels) knows(key string) bool {
	sum := sha256.Sum256([]byte(key))
	found := 0
	for i := range h.keys {
		found |= subtle.ConstantTimeCompare(sum[:], h.keys[i][:])
	}
	return found == 1
}

func validChannel(name string) bool {
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
		default:
			return false
		}
	}
	return name != "" && len(name) <= maxChannelID
}

// notifySelf: the parameter without a value, 1, or what else means yes.
func notifySelf(query url.Values) bool {
	v := query.Get("notify_self")
	yes, err := strconv.ParseBool(v)
	return query.Has("notify_self") && (v == "" || err == nil && yes)
}
