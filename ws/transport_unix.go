//go:build unix

package ws

import (
	"syscall"
)

// socket writes without waiting through syscall.RawConn. The closure is made
// once, so that a write allocates nothing; the flusher alone uses it.
type socket struct {
	stream
	raw syscall.RawConn
	try func(fd uintptr) bool
	p   []byte
	n   int
	err error
}

func newSocket(s stream) Transport {
	raw, err := s.Conn.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil
	}
	t := &socket{stream: s, raw: raw}
	t.try = func(fd uintptr) bool {
		for {
			t.n, t.err = syscall.Write(int(fd), t.p)
			if t.err != syscall.EINTR {
				return true // never wait: EAGAIN is an answer too
			}
		}
	}
	return t
}

func (*socket) Kind() Kind { return TCP }

func (t *socket) TryWrite(p []byte) (int, error) {
	t.p = p
	err := t.raw.Write(t.try)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.err == syscall.EAGAIN:
		return 0, nil
	case t.err != nil:
		return 0, t.err
	}
	return t.n, nil
}
