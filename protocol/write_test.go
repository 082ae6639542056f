package protocol

import (
	"bytes"
	"strings"
	"testing"

	"duplex/wire"
)

// TestMessage is RFC 6455 §5.6 as literal bytes, in both roles (§5.1).
func TestMessage(t *testing.T) {
	server, client := New(Options{}), New(Options{Role: Client, Key: fixedKey})
	for _, c := range []struct {
		m    *Machine
		op   wire.Opcode
		p    string
		want string
	}{
		{server, wire.Text, "Hello", "\x81\x05Hello"},
		{client, wire.Text, "Hello", "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"},
		{server, wire.Binary, "", "\x82\x00"},
		{client, wire.Binary, "", "\x82\x80\x37\xfa\x21\x3d"},
		{server, wire.Binary, strings.Repeat("\xff", 256), "\x82\x7e\x01\x00" + strings.Repeat("\xff", 256)},
		{server, wire.Text, strings.Repeat("a", 65536), "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + strings.Repeat("a", 65536)},
	} {
		p := []byte(c.p)
		out, err := c.m.Message([]byte("x"), c.op, p)
		if err != nil || string(out) != "x"+c.want {
			t.Errorf("%v %q: % x, %v", c.m.Role(), brief(c.p), brief(out), err)
		}
		if string(p) != c.p {
			t.Errorf("%v %q: the payload was changed", c.m.Role(), brief(c.p))
		}
	}
}

// TestFreshKey is §5.3: each frame of a client has a key of its own.
func TestFreshKey(t *testing.T) {
	var n byte
	m := New(Options{Role: Client, Key: func() [4]byte { n++; return [4]byte{n, n, n, n} }})
	out, _ := m.Message(nil, wire.Text, []byte{0x00})
	out, _ = m.Frame(out, wire.Binary, []byte{0x00}, false)
	out, _ = m.Frame(out, wire.Continuation, []byte{0x00}, true)
	out, _ = m.Pong(out, []byte{0x00})
	out, _, _, _ = m.Begin(out, wire.Binary, 0)
	out, _ = m.StartClose(out, wire.CloseNoStatus, "")
	want := "\x81\x81\x01\x01\x01\x01\x01" + "\x02\x81\x02\x02\x02\x02\x02" + "\x80\x81\x03\x03\x03\x03\x03" +
		"\x8a\x81\x04\x04\x04\x04\x04" + "\x82\x80\x05\x05\x05\x05" + "\x88\x80\x06\x06\x06\x06"
	if string(out) != want {
		t.Errorf("% x", out)
	}
}

// TestBegin: the header alone; the caller sends the payload.
func TestBegin(t *testing.T) {
	m := New(Options{})
	out, _, masked, err := m.Begin([]byte("x"), wire.Binary, 1<<20)
	if string(out) != "x\x82\x7f\x00\x00\x00\x00\x00\x10\x00\x00" || masked || err != nil {
		t.Errorf("% x, %v", out, err)
	}
	m = New(Options{Role: Client, Key: fixedKey})
	out, key, masked, err := m.Begin(nil, wire.Text, 5)
	if string(out) != "\x81\x85\x37\xfa\x21\x3d" || !masked || key != fixedKey() || err != nil {
		t.Errorf("% x, %x, %v", out, key, err)
	}
	if out, _, _, err := m.Begin([]byte("x"), wire.Ping, 5); err != ErrSendOrder || string(out) != "x" {
		t.Errorf("% x, %v", out, err)
	}
}

// TestSendOrder is §5.4 for what we send: nothing goes out that is out of
// order, and the message goes on as if it had not been tried.
func TestSendOrder(t *testing.T) {
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey})
		var out []byte
		frame := func(want error, op wire.Opcode, p string, fin bool) {
			t.Helper()
			n := len(out)
			var err error
			if out, err = m.Frame(out, op, []byte(p), fin); err != want || err != nil && len(out) != n {
				t.Errorf("%v %q: %v, want %v", op, p, err, want)
			}
		}
		message := func(want error, op wire.Opcode, p string) {
			t.Helper()
			n := len(out)
			var err error
			if out, err = m.Message(out, op, []byte(p)); err != want || err != nil && len(out) != n {
				t.Errorf("%v %q: %v, want %v", op, p, err, want)
			}
		}
		frame(ErrSendOrder, wire.Continuation, "no", true)
		for _, op := range []wire.Opcode{3, 7, wire.Close, wire.Ping, wire.Pong, 15} {
			frame(ErrSendOrder, op, "no", true)
			message(ErrSendOrder, op, "no")
		}
		message(ErrSendOrder, wire.Continuation, "no")
		frame(nil, wire.Text, "a", false)
		frame(ErrSendOrder, wire.Text, "no", false)
		frame(ErrSendOrder, wire.Binary, "no", true)
		message(ErrSendOrder, wire.Text, "no")
		if _, _, _, err := m.Begin(nil, wire.Text, 1); err != ErrSendOrder {
			t.Error(err)
		}
		frame(nil, wire.Continuation, "", false)
		frame(nil, wire.Continuation, "b", true)
		frame(ErrSendOrder, wire.Continuation, "no", true)
		frame(nil, wire.Binary, "\xff", true)
		message(nil, wire.Text, "c")
		equalLog(t, tell(nil, role, out), []string{
			"> text(01) a", "> continuation(00) ", "> continuation b", "> binary \xff", "> text c",
		})
	}
}

// TestSendUTF8 is §5.6: text is checked, also across frames; a refused piece
// can be replaced by a good one.
func TestSendUTF8(t *testing.T) {
	m := New(Options{})
	for _, p := range []string{"\xff", "\xc3", "a\xed\xa0\x80"} {
		if out, err := m.Message([]byte("x"), wire.Text, []byte(p)); err != ErrNotUTF8 || string(out) != "x" {
			t.Errorf("%q: %v", p, err)
		}
		if _, err := m.Message(nil, wire.Binary, []byte(p)); err != nil {
			t.Errorf("%q as binary: %v", p, err)
		}
		if _, err := m.Frame(nil, wire.Text, []byte(p), true); err != ErrNotUTF8 {
			t.Errorf("%q as a frame: %v", p, err)
		}
	}
	var out []byte
	frame := func(want error, op wire.Opcode, p string, fin bool) {
		t.Helper()
		var err error
		if out, err = m.Frame(out, op, []byte(p), fin); err != want {
			t.Errorf("%q: %v, want %v", p, err, want)
		}
	}
	frame(nil, wire.Text, "caf\xc3", false)
	frame(ErrNotUTF8, wire.Continuation, "e", false)
	frame(ErrNotUTF8, wire.Continuation, "", true)
	frame(nil, wire.Continuation, "", false)
	frame(nil, wire.Continuation, "\xa9", true)
	frame(nil, wire.Binary, "\xc3", true)
	frame(nil, wire.Text, "ok", true) // the state does not leak into the next
	if !bytes.Equal(out, []byte("\x01\x04caf\xc3\x00\x00\x80\x01\xa9\x82\x01\xc3\x81\x02ok")) {
		t.Errorf("% x", out)
	}
}

// TestSendClosing is §5.5.1: no data follows a Close frame, whoever sent it,
// and nothing a failed or ended connection.
func TestSendClosing(t *testing.T) {
	for name, end := range map[string]func(*Machine){
		"ours":   func(m *Machine) { m.StartClose(nil, 1000, "") },
		"theirs": func(m *Machine) { m.Advance(copy(m.Space(), frames(Server, 0x88, ""))); m.Next() },
		"fault":  func(m *Machine) { m.Advance(copy(m.Space(), frames(Server, 0x83, ""))); m.Next() },
		"stream": func(m *Machine) { m.EOF() },
	} {
		m := New(Options{})
		m.Frame(nil, wire.Text, nil, false)
		end(m)
		for _, drained := range []bool{false, true} {
			if drained {
				m.Output(nil)
			}
			dst := []byte("x")
			out1, err1 := m.Message(dst, wire.Text, nil)
			out2, err2 := m.Frame(dst, wire.Continuation, nil, true)
			out3, _, _, err3 := m.Begin(dst, wire.Text, 1)
			out4, id, err4 := m.Ping(dst)
			out5, err5 := m.Pong(dst, nil)
			out6, err6 := m.StartClose(dst, 1000, "")
			for i, out := range [][]byte{out1, out2, out3, out4, out5, out6} {
				if err := []error{err1, err2, err3, err4, err5, err6}[i]; err != ErrClosing || string(out) != "x" || id != 0 {
					t.Errorf("%s, call %d: %v, %q", name, i, err, out)
				}
			}
		}
	}
}

func TestCheckClose(t *testing.T) {
	if CheckClose(1000, "bye") != nil || CheckClose(wire.CloseNoStatus, "") != nil ||
		CheckClose(1006, "") != ErrSendCode || CheckClose(1000, "\xff") != ErrSendReason {
		t.Error("CheckClose")
	}
}
