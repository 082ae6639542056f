package protocol

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// behaviour is what a peer sends to an echoing endpoint and what it sees of it.
// The numbers are those of the Autobahn testsuite's public case list.
type behaviour struct {
	id   string
	send []any // first byte, payload, first byte, payload …
	want []string
}

// well is a behaviour that ends in a closing handshake begun by the peer.
func well(id string, send []any, want ...string) behaviour {
	return behaviour{id, append(send, 0x88, "\x03\xe8"), append(want, "< close 1000 ", "> close 1000 ")}
}

// fails is one where the endpoint fails the connection because of f.
func fails(id string, f *Fault, send []any, want ...string) behaviour {
	return behaviour{id, send, append(want, fmt.Sprintf("> close %d %s", f.Code, f.Text))}
}

func list(v ...any) []any { return v }

// echoes is the transcript of messages that come back.
func echoes(op string, payloads ...string) (log []string) {
	for _, p := range payloads {
		log = append(log, "< "+op+" "+brief(p), "> "+op+" "+brief(p))
	}
	return log
}

func pongs(payloads ...string) (log []string) {
	for _, p := range payloads {
		log = append(log, "< ping "+brief(p), "> pong "+brief(p))
	}
	return log
}

// check plays every behaviour in both roles: whole, cut into single bytes, and
// cut as the cases do.
func check(t *testing.T, chops []int, cases []behaviour) {
	t.Helper()
	for _, c := range cases {
		for _, role := range both {
			for _, chop := range chops {
				t.Run(fmt.Sprintf("%s/%v/%d", c.id, role, chop), func(t *testing.T) {
					l := &ledger{}
					e := newEcho(Options{Role: role, Buffers: l})
					e.feed(frames(role, c.send...), chop)
					equalLog(t, e.log, c.want)
					if !e.m.CloseExpected() || e.m.Owes() || e.end() == nil {
						t.Errorf("not over: %v", e.end())
					}
					if e.m.Free(); l.now != 0 {
						t.Errorf("%d bytes are still on loan", l.now)
					}
				})
			}
		}
	}
}

var chops = []int{0, 1, 997}

// TestFraming is group 1: RFC 6455 §5.2, the forms of the length.
func TestFraming(t *testing.T) {
	var cases []behaviour
	for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536} {
		text, bin := strings.Repeat("*", n), strings.Repeat("\xfe", n)
		cases = append(cases,
			well(fmt.Sprintf("1.1.%d", i+1), list(0x81, text), echoes("text", text)...),
			well(fmt.Sprintf("1.2.%d", i+1), list(0x82, bin), echoes("binary", bin)...))
	}
	check(t, chops, cases)
}

// TestPingPong is group 2: RFC 6455 §5.5.2 and §5.5.3.
func TestPingPong(t *testing.T) {
	long := strings.Repeat("\xfe", 125)
	var ten []any
	var tenPongs []string
	for i := range 10 {
		p := fmt.Sprintf("payload-%d", i)
		ten = append(ten, 0x89, p)
		tenPongs = append(tenPongs, pongs(p)...)
	}
	check(t, chops, []behaviour{
		well("2.1", list(0x89, ""), pongs("")...),
		well("2.2", list(0x89, "Hello, world!"), pongs("Hello, world!")...),
		well("2.3", list(0x89, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), pongs("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")...),
		well("2.4", list(0x89, long), pongs(long)...),
		fails("2.5", ErrLongControl, list(0x89, long+"\xfe")),
		well("2.7", list(0x8a, ""), "< pong "),
		well("2.8", list(0x8a, "unasked"), "< pong unasked"),
		well("2.9", list(0x8a, "unasked", 0x89, "ping payload"), append([]string{"< pong unasked"}, pongs("ping payload")...)...),
		well("2.10", ten, tenPongs...),
	})
}

// TestReservedBits is group 3: RFC 6455 §5.2, RSV1 to RSV3.
func TestReservedBits(t *testing.T) {
	good := list(0x81, "Hello, world!")
	first := echoes("text", "Hello, world!")
	check(t, chops, []behaviour{
		fails("3.1", ErrReservedBits, list(0x91, "Hello, world!")),
		fails("3.2", ErrReservedBits, append(good, 0xa1, "Hello, world!", 0x89, ""), first...),
		fails("3.3", ErrReservedBits, append(good, 0xb1, "Hello, world!", 0x89, ""), first...),
		fails("3.4", ErrReservedBits, append(good, 0xc1, "Hello, world!", 0x89, ""), first...),
		fails("3.5", ErrReservedBits, list(0xd2, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff")),
		fails("3.6", ErrReservedBits, list(0xe2, "Hello, world!")),
		fails("3.6, ping", ErrReservedBits, list(0xe9, "Hello, world!")),
		fails("3.7", ErrReservedBits, list(0xf8, "")),
	})
}

// TestReservedOpcodes is group 4: RFC 6455 §5.2, opcodes 3–7 and 11–15.
func TestReservedOpcodes(t *testing.T) {
	first := echoes("text", "Hello, world!")
	var cases []behaviour
	for i, op := range []int{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		id := fmt.Sprintf("4.%d.%d", 1+i/5, 1+i%5)
		cases = append(cases,
			fails(id+" alone", ErrReservedOpcode, list(0x80|op, "")),
			fails(id+" fragment", ErrReservedOpcode, list(op, "")),
			fails(id+" payload", ErrReservedOpcode, list(0x80|op, "reserved opcode payload")),
			fails(id, ErrReservedOpcode, list(0x81, "Hello, world!", 0x80|op, "payload", 0x89, ""), first...))
	}
	check(t, chops, cases)
}

// TestFragmentation is group 5: RFC 6455 §5.4.
func TestFragmentation(t *testing.T) {
	joined := echoes("text", "fragment1fragment2")
	check(t, chops, []behaviour{
		fails("5.1", ErrFragmentedControl, list(0x09, "fragment1", 0x80, "fragment2")),
		fails("5.2", ErrFragmentedControl, list(0x0a, "fragment1", 0x80, "fragment2")),
		fails("5.2, Close", ErrFragmentedControl, list(0x08, "", 0x80, "\x03\xe8")),
		well("5.3", list(0x01, "fragment1", 0x80, "fragment2"), joined...),
		well("5.6", list(0x01, "fragment1", 0x89, "ping payload", 0x80, "fragment2"), append(pongs("ping payload"), joined...)...),
		fails("5.9", ErrOrphanContinuation, list(0x80, "non-continuation", 0x81, "Hello, world!")),
		fails("5.12", ErrOrphanContinuation, list(0x00, "non-continuation", 0x81, "Hello, world!")),
		fails("5.15", ErrOrphanContinuation, list(0x01, "fragment1", 0x80, "fragment2", 0x00, "fragment3", 0x81, "fragment4"), joined...),
		fails("5.16", ErrOrphanContinuation, list(0x00, "fragment1", 0x01, "fragment2", 0x80, "fragment3")),
		fails("5.17", ErrOrphanContinuation, list(0x80, "fragment1", 0x01, "fragment2", 0x80, "fragment3")),
		fails("5.18", ErrInterruptedMessage, list(0x01, "fragment1", 0x81, "fragment2")),
		fails("5.18, binary", ErrInterruptedMessage, list(0x01, "fragment1", 0x02, "fragment2")),
		well("5.19", list(0x01, "fragment1", 0x00, "fragment2", 0x89, "pongme 1!", 0x00, "fragment3", 0x00, "fragment4", 0x89, "pongme 2!", 0x80, "fragment5"),
			append(pongs("pongme 1!", "pongme 2!"), echoes("text", "fragment1fragment2fragment3fragment4fragment5")...)...),
	})
}

// TestUTF8Messages is group 6: RFC 6455 §5.6 and §8.1. What is UTF-8 and what
// is not is tried in package wire; here it is told apart.
func TestUTF8Messages(t *testing.T) {
	const w, h = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "Hello-µ@ßöäüàá-UTF-8!!"
	bad := w + "\xed\xa0\x80" + "edited"
	cut := strings.Index(h, "ä") + len("ä")
	cases := []behaviour{
		well("6.1.1", list(0x81, ""), echoes("text", "")...),
		well("6.1.2", list(0x01, "", 0x00, "", 0x80, ""), echoes("text", "")...),
		well("6.1.3", list(0x01, "", 0x00, "middle frame payload", 0x80, ""), echoes("text", "middle frame payload")...),
		well("6.2.1", list(0x81, h), echoes("text", h)...),
		well("6.2.2", list(0x01, h[:cut], 0x80, h[cut:]), echoes("text", h)...),
		well("6.2.3", single(h), echoes("text", h)...),
		well("6.2.4", single(w), echoes("text", w)...),
		fails("6.3.1", ErrInvalidUTF8, list(0x81, bad)),
		fails("6.3.2", ErrInvalidUTF8, single(bad)),
		well("binary is not text", list(0x82, bad), echoes("binary", bad)...),
	}
	for id, texts := range map[string]string{
		"6.5":  "+68656c6c6f24776f726c64 +68656c6c6fc2a2776f726c64 +68656c6c6fe282ac776f726c64 +68656c6c6ff0a4ada2776f726c64",
		"6.6":  "-ce +ceba -cebae1 -cebae1bd +cebae1bdb9 -cebae1bdb9cf +cebae1bdb9cf83 -cebae1bdb9cf83ce +cebae1bdb9cf83cebc -cebae1bdb9cf83cebcce +cebae1bdb9cf83cebcceb5",
		"6.7":  "+00 +c280 +e0a080 +f0908080",
		"6.8":  "-f888808080 -fc8480808080",
		"6.9":  "+7f +dfbf +efbfbf +f48fbfbf",
		"6.11": "+ed9fbf +ee8080 +efbfbd +f48fbfbf -f4908080",
		"6.12": "-80 -bf -80bf80bf80bf",
		"6.13": "-c020c120 -e020e120 -f020f120 -f820 -fc20",
		"6.14": "-c0 -e080 -f08080 -df -efbf -f7bfbf",
		"6.16": "-fe -ff -fefeffff",
		"6.17": "-c0af -e080af -f08080af",
		"6.18": "-c1bf -e09fbf -f08fbfbf",
		"6.20": "-eda080 -edafbf -edbfbf",
		"6.21": "-eda080edb080 -edafbfedbfbf",
		"6.22": "+efbfbe +f48fbfbe +f48fbfbf",
		"6.23": "+efbfb9 +efbfbf",
	} {
		for i, c := range strings.Fields(texts) {
			p, err := hex.DecodeString(c[1:])
			if err != nil {
				t.Fatal(err)
			}
			id, text := fmt.Sprintf("%s.%d", id, i+1), string(p)
			if c[0] == '+' {
				cases = append(cases, well(id, list(0x81, text), echoes("text", text)...))
			} else {
				cases = append(cases, fails(id, ErrInvalidUTF8, list(0x81, text)))
			}
		}
	}
	check(t, []int{0, 1}, cases)
}

// single is text in frames of one byte.
func single(text string) (send []any) {
	for i := range len(text) {
		b0 := 0
		if i == 0 {
			b0 = 1
		}
		if i == len(text)-1 {
			b0 |= 0x80
		}
		send = append(send, b0, text[i:i+1])
	}
	return send
}

// TestUTF8FailsFast is 6.4: the bad byte fails the connection with the piece
// it is in, be that a fragment or a part of a frame. The piece before it is
// still good.
func TestUTF8FailsFast(t *testing.T) {
	const w = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	const x = w + "\xf4\x90\x80\x80" + "edited"
	for id, cuts := range map[string][2]int{"6.4.1": {11, 15}, "6.4.2": {12, 13}} {
		for _, role := range both {
			a, b := x[:cuts[0]], x[cuts[0]:cuts[1]]
			e := newEcho(Options{Role: role})
			e.feed(frames(role, 0x01, a), 0)
			equalLog(t, e.log, nil)
			e.feed(frames(role, 0x00, b), 0)
			equalLog(t, e.log, []string{"> close 1007 " + ErrInvalidUTF8.Text})

			for _, long := range []string{"", strings.Repeat("a", 100000)} {
				e = newEcho(Options{Role: role})
				frame := frames(role, 0x81, long+x+long)
				head := len(frame) - len(long+x+long)
				e.feed(frame[:head+len(long)+cuts[0]], 0)
				if e.end() != nil {
					t.Errorf("%s, %v: ended before the bad byte", id, role)
				}
				e.feed(frame[head+len(long)+cuts[0]:head+len(long)+cuts[1]], 0)
				e.endsIn(t, 1007, false, ErrInvalidUTF8)
			}
		}
	}
}

// TestClosing is group 7: RFC 6455 §5.5.1, §7.1 and §7.4.
func TestClosing(t *testing.T) {
	const w = "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"
	reason := strings.Repeat("*", 123)
	ends := func(id string, code int, payload, reason string) behaviour {
		return behaviour{id, list(0x88, payload), []string{fmt.Sprintf("< close %d %s", code, reason), fmt.Sprintf("> close %d ", code)}}
	}
	cases := []behaviour{
		well("7.1.1", list(0x81, "Hello World!"), echoes("text", "Hello World!")...),
		{"7.1.2", list(0x88, "\x03\xe8", 0x88, ""), []string{"< close 1000 ", "> close 1000 "}},
		{"7.1.3", list(0x88, "\x03\xe8", 0x89, ""), []string{"< close 1000 ", "> close 1000 "}},
		{"7.1.4", list(0x88, "\x03\xe8", 0x81, "Hello"), []string{"< close 1000 ", "> close 1000 "}},
		well("7.1.5", list(0x01, "fragment1"), []string{}...),
		{"7.1.5, and what follows", list(0x01, "fragment1", 0x88, "\x03\xe8", 0x80, "fragment2"), []string{"< close 1000 ", "> close 1000 "}},
		{"7.3.1", list(0x88, ""), []string{"< close 1005 ", "> close "}},
		fails("7.3.2", ErrCloseLength, list(0x88, "a")),
		ends("7.3.3", 1000, "\x03\xe8", ""),
		ends("7.3.4", 1000, "\x03\xe8Hello World!", "Hello World!"),
		ends("7.3.5", 1000, "\x03\xe8"+reason, reason),
		fails("7.3.6", ErrLongControl, list(0x88, "\x03\xe8"+reason+"*")),
		fails("7.5.1", ErrCloseReason, list(0x88, "\x03\xe8"+w+"\xed\xa0\x80edited")),
		fails("7.5.1, cut character", ErrCloseReason, list(0x88, "\x03\xe8"+w[:10])),
	}
	for i, code := range []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999, 1012, 1013, 1014} {
		cases = append(cases, ends(fmt.Sprintf("7.7.%d", i+1), code, string([]byte{byte(code >> 8), byte(code)}), ""))
	}
	for i, code := range []int{0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 1015, 5000, 65535} {
		cases = append(cases, fails(fmt.Sprintf("7.9.%d", i+1), ErrCloseCode, list(0x88, string([]byte{byte(code >> 8), byte(code)}))))
	}
	check(t, chops, cases)
}

// TestLimits is group 9: long messages, long ones in many fragments.
func TestLimits(t *testing.T) {
	pattern := func(unit string, n int) string { return strings.Repeat(unit, n/len(unit)+1)[:n] }
	var cases []behaviour
	for i, n := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20} {
		text, bin := pattern("BAsd7&jh23", n), pattern("\x00\xfe\x23\xfa\xf0", n)
		cases = append(cases,
			well(fmt.Sprintf("9.1.%d", i+1), list(0x81, text), echoes("text", text)...),
			well(fmt.Sprintf("9.2.%d", i+1), list(0x82, bin), echoes("binary", bin)...))
	}
	check(t, []int{0}, cases)
	check(t, []int{997}, cases[:6])
	text := pattern("BAsd7&jh23", 16<<20)
	check(t, []int{0}, []behaviour{well("9.1.6", list(0x81, text), echoes("text", text)...)})

	cases = nil
	for i, size := range []int{64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20} {
		whole := pattern("*", max(1<<20, 65536*64/(1<<(2*i)))) // 9.3.1 in its 65,536 fragments
		var send []any
		b0 := 1
		for rest := whole; len(rest) > 0; rest = rest[size:] {
			send = append(send, b0, rest[:size])
			b0 = 0
		}
		cases = append(cases, well(fmt.Sprintf("9.3.%d", i+1), append(send, 0x80, ""), echoes("text", whole)...))
	}
	check(t, []int{0}, cases)

	million := pattern("BAsd7&jh23", 1<<20)
	check(t, []int{64, 128, 256, 512, 1024, 2048}, []behaviour{
		well("9.5", list(0x81, million), echoes("text", million)...),
	})

	var lock []any
	var want []string
	for _, n := range []int{0, 16, 64, 256, 1024, 4096} {
		for range 50 {
			lock = append(lock, 0x82, pattern("\xfe", n))
			want = append(want, echoes("binary", pattern("\xfe", n))...)
		}
	}
	check(t, chops, []behaviour{well("9.8", lock, want...)})
}

// TestMisc is group 10: a text of 65,536 bytes in fragments of 1,300.
func TestMisc(t *testing.T) {
	whole := strings.Repeat("*", 65536)
	var send []any
	for at := 0; at < len(whole); at += 1300 {
		b0 := 0
		if at == 0 {
			b0 = 1
		}
		if at+1300 >= len(whole) {
			b0 |= 0x80
		}
		send = append(send, b0, whole[at:min(at+1300, len(whole))])
	}
	check(t, chops, []behaviour{well("10.1.1", send, echoes("text", whole)...)})
}

// TestMasking is what those cases leave out: RFC 6455 §5.1, in both directions.
func TestMasking(t *testing.T) {
	for _, role := range both {
		wrong := map[Role]*Fault{Server: ErrUnmasked, Client: ErrMasked}[role]
		for _, chop := range chops {
			e := newEcho(Options{Role: role})
			e.feed(frames(role, 0x81, "good")+frames(1-role, 0x81, "bad"), chop)
			equalLog(t, e.log, append(echoes("text", "good"), "> close 1002 "+wrong.Text))
			e.endsIn(t, 1002, false, wrong)
		}
	}
}
