package protocol

import (
	"testing"
	"time"
	"unsafe"

	"duplex/wire"
)

// TestMachineSize: a machine is most of what an idle connection costs.
func TestMachineSize(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the budget is for 64 bits: run on a 64-bit GOARCH")
	}
	n := unsafe.Sizeof(Machine{})
	t.Logf("Machine %d bytes: read half %d, write half %d, meeting %d; Event %d",
		n, unsafe.Sizeof(read{}), unsafe.Sizeof(write{}), unsafe.Sizeof(meeting{}), unsafe.Sizeof(Event{}))
	if n > 384 {
		t.Errorf("Machine has %d bytes, over its budget of 384", n)
	}
}

func TestOptionsFill(t *testing.T) {
	o := Options{}
	f := o.Fill()
	if f.ReadBuffer != 4096 || f.MaxMessage != 16<<20 || f.MaxFragments != 131072 ||
		f.PongTimeout != 20*time.Second || f.CloseTimeout != 5*time.Second || f.Buffers == nil || f.Now == nil {
		t.Errorf("defaults: %+v", f)
	}
	if o.ReadBuffer != 0 || o.filled {
		t.Error("Fill wrote to its receiver")
	}
	f = Options{ReadBuffer: 1, MaxMessage: -1, MaxFragments: -1, PongTimeout: 1, CloseTimeout: 2}.Fill()
	if f.ReadBuffer != MinReadBuffer || f.MaxMessage != -1 || f.MaxFragments != -1 || f.PongTimeout != 1 || f.CloseTimeout != 2 {
		t.Errorf("what was set: %+v", f)
	}
}

// TestOptionsKey: a client without keys would send what §5.1 forbids.
func TestOptionsKey(t *testing.T) {
	defer func() {
		if r := recover(); r != "protocol: a client's Options need Key" {
			t.Errorf("recovered %v", r)
		}
	}()
	New(Options{Role: Client})
}

// TestInitShares: filled options are kept, others copied.
func TestInitShares(t *testing.T) {
	f := Options{}.Fill()
	var a, b Machine
	a.Init(f)
	if a.o != f || a.Role() != Server {
		t.Error("filled options were copied")
	}
	o := Options{Role: Client, Key: fixedKey}
	b.Init(&o)
	if b.o == &o || b.Role() != Client {
		t.Error("options were not copied")
	}
}

// TestInitAgain: a machine can serve a second connection, whatever state the
// first left it in.
func TestInitAgain(t *testing.T) {
	o := Options{Buffers: &ledger{}, PingInterval: time.Second}.Fill()
	var m Machine
	e := &echo{m: &m}
	for _, before := range []string{
		"", "\x81", frames(Server, 0x01, "half a mess"), frames(Server, 0x88, "\x03\xe8"), frames(Server, 0x83, ""),
		frames(Server, 0x82, string(make([]byte, 9000)))[:8000],
	} {
		m.Init(o)
		e.feed(before, 0)
		m.EOF()
		m.Ping(nil)
		m.StartClose(nil, 1000, "")
		m.Free()

		m.Init(o)
		e.log = nil
		e.feed(frames(Server, 0x81, "Hello", 0x89, "?", 0x88, "\x03\xe8"), 0)
		equalLog(t, e.log, []string{"< text Hello", "> text Hello", "< ping ?", "> pong ?", "< close 1000 ", "> close 1000 "})
		m.Free()
	}
	if l := o.Buffers.(*ledger); l.now != 0 {
		t.Errorf("%d bytes are still on loan", l.now)
	}
}

// TestHeap: the Buffers of those who give none.
func TestHeap(t *testing.T) {
	if b := (heap{}).Get(5); len(b) != 5 {
		t.Errorf("%d bytes", len(b))
	}
	heap{}.Put(nil, true)
}

// allocs runs f often and returns its allocations.
func allocs(f func()) float64 { return testing.AllocsPerRun(200, f) }

// TestAllocationsRead: reading costs no allocation once memory is recycled.
func TestAllocationsRead(t *testing.T) {
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey, Buffers: &recycler{}})
		out := make([]byte, 0, 1024)
		for _, in := range []string{
			frames(role, 0x81, "Hello"),
			frames(role, 0x82, string(make([]byte, 3000))),
			frames(role, 0x01, "Hel", 0x00, "lo ", 0x89, "ping", 0x80, "world"),
			frames(role, 0x82, string(make([]byte, 100000))),
			frames(role, 0x89, "a ping of some length", 0x8a, "a pong"),
		} {
			if n := allocs(func() {
				for rest := in; len(rest) > 0; {
					n := copy(m.Space(), rest)
					rest = rest[n:]
					m.Advance(n)
					for {
						_, ok, err := m.Next()
						if err != nil {
							t.Fatal(err)
						}
						if !ok {
							break
						}
					}
					out = m.Output(out[:0])
				}
				m.Advance(0) // the idle connection holds nothing
			}); n != 0 {
				t.Errorf("%v, %d bytes: %v allocations", role, len(in), n)
			}
		}
	}
}

// TestAllocationsWrite: neither does sending, and a ping with its pong.
func TestAllocationsWrite(t *testing.T) {
	text := []byte("Hello, world: some text to send")
	for _, role := range both {
		m := New(Options{Role: role, Key: fixedKey})
		out := make([]byte, 0, 1024)
		for name, f := range map[string]func(){
			"Message": func() { out, _ = m.Message(out[:0], wire.Text, text) },
			"Frame": func() {
				out, _ = m.Frame(out[:0], wire.Text, text, false)
				out, _ = m.Frame(out, wire.Continuation, text, true)
			},
			"Begin": func() { out, _, _, _ = m.Begin(out[:0], wire.Binary, 1<<20) },
			"Pong":  func() { out, _ = m.Pong(out[:0], text) },
			"Ping": func() {
				out, _, _ = m.Ping(out[:0])
				p := out[2:]
				if role == Client {
					wire.Mask(out[6:], [4]byte(out[2:]), 0)
					p = out[6:]
				}
				if _, rtt := m.answered(p); rtt < 0 {
					t.Fatal("no round trip")
				}
			},
		} {
			if n := allocs(f); n != 0 {
				t.Errorf("%v %s: %v allocations", role, name, n)
			}
		}
	}
}
