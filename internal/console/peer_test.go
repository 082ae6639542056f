package console_test

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"duplex/internal/console"
)

// testServer serves the console and, at /ws, a WebSocket peer written here by hand: the page is judged against
// RFC 6455, not against our own implementation of it.
func testServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	page := console.Handler()
	mux.Handle("/{$}", page)
	mux.Handle("/console/", page)
	mux.HandleFunc("/ws", servePeer)
	mux.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	mux.HandleFunc("/silent", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// peer is the server's end of one connection.
type peer struct {
	r    *bufio.Reader
	c    net.Conn
	lock sync.Mutex // of writes
}

func servePeer(w http.ResponseWriter, r *http.Request) {
	c, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if offered, _, _ := strings.Cut(r.Header.Get("Sec-WebSocket-Protocol"), ","); offered != "" {
		answer += "Sec-WebSocket-Protocol: " + offered + "\r\n"
	}
	io.WriteString(c, answer+"\r\n")
	p := &peer{r: rw.Reader, c: c}
	for {
		op, payload, err := p.message()
		if err != nil || !p.answer(op, payload) {
			return
		}
	}
}

// answer does what the message asks for and reports whether the connection goes on.
func (p *peer) answer(op byte, payload []byte) bool {
	if op == opClose {
		p.write(opClose, payload)
		return false
	}
	words := strings.Fields(string(payload))
	if op == opBinary || len(words) == 0 {
		p.write(op, payload)
		return true
	}
	switch words[0] {
	case "Trigger":
		time.AfterFunc(50*time.Millisecond, func() { p.write(opText, []byte("Async data")) })
	case "close": // close 4001 bye
		code, _ := strconv.Atoi(words[1])
		p.write(opClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), strings.Join(words[2:], " ")...))
		p.message() // the page's Close
		return false
	case "drop": // TCP ends without a Close frame
		return false
	case "break": // a frame with a reserved opcode: the browser must fail the connection
		p.write(3, nil)
	case "bytes": // bytes 300: that many, counting up
		n, _ := strconv.Atoi(words[1])
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i)
		}
		p.write(opBinary, b)
	case "text": // text 5000: that many letters
		n, _ := strconv.Atoi(words[1])
		p.write(opText, []byte(strings.Repeat("x", n)))
	case "burst": // burst 5000: that many small messages
		n, _ := strconv.Atoi(words[1])
		for i := range n {
			p.write(opText, fmt.Appendf(nil, "burst message %d", i))
		}
	default:
		p.write(op, payload)
	}
	return true
}

// message reads frames up to the end of a message or a Close frame.
func (p *peer) message() (op byte, payload []byte, err error) {
	for {
		var head [2]byte
		if _, err = io.ReadFull(p.r, head[:]); err != nil {
			return 0, nil, err
		}
		n := uint64(head[1] & 127)
		if extra := map[uint64]int{126: 2, 127: 8}[n]; extra > 0 {
			var wide [8]byte
			if _, err = io.ReadFull(p.r, wide[8-extra:]); err != nil {
				return 0, nil, err
			}
			n = binary.BigEndian.Uint64(wide[:])
		}
		frame := make([]byte, 4+n)
		if _, err = io.ReadFull(p.r, frame); err != nil {
			return 0, nil, err
		}
		mask, data := frame[:4], frame[4:]
		for i := range data {
			data[i] ^= mask[i%4]
		}
		switch kind := head[0] & 15; kind {
		case opClose:
			return kind, data, nil
		case opPing:
			p.write(opPong, data)
			continue
		case opPong:
			continue
		case opContinuation:
			payload = append(payload, data...)
		default:
			op, payload = kind, data
		}
		if head[0]&0x80 != 0 {
			return op, payload, nil
		}
	}
}

// write sends one frame, unmasked as a server must (RFC 6455 section 5.1).
func (p *peer) write(op byte, payload []byte) {
	frame := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	p.c.Write(append(frame, payload...))
}
