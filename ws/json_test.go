package ws_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"duplex/protocol"
	"duplex/wire"
	"duplex/ws"
)

func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := rawPipe(t, protocol.Server, nil)
		type point struct{ X, Y int }
		must(t, c.WriteJSON(background, point{1, 2}))
		peer.want(wire.Text, `{"X":1,"Y":2}`)
		peer.send(wire.Text, `{"X":3}`)
		peer.send(wire.Text, `{"X":`)
		peer.send(wire.Binary, `{"X":4}`)
		var p point
		if err := c.ReadJSON(background, &p); err != nil || p != (point{3, 0}) {
			t.Error(p, err)
		}
		var syntax *json.SyntaxError
		if err := c.ReadJSON(background, &p); !errors.As(err, &syntax) || !strings.HasPrefix(err.Error(), "ws: ") {
			t.Error(err)
		}
		if err := c.ReadJSON(background, &p); err != nil || p.X != 4 {
			t.Error(p, err)
		}
		if err := c.WriteJSON(background, func() {}); err == nil {
			t.Error("a function is JSON")
		}
		peer.sendClose(ws.CloseNormal, "")
		if err := c.ReadJSON(background, &p); ws.CloseStatus(err) != ws.CloseNormal {
			t.Error(err)
		}
	})
}
