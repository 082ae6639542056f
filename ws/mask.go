package ws

import (
	"crypto/rand"
	"sync"
)

// keys is a stock of random bytes: one call to the system's generator makes
// 128 masking keys, each used once (RFC 6455 §5.3, §10.3).
type keys struct {
	b    [512]byte
	used int
}

var keyPool = sync.Pool{New: func() any { return &keys{used: len(keys{}.b)} }}

func maskKey() [4]byte {
	k := keyPool.Get().(*keys)
	if k.used == len(k.b) {
		rand.Read(k.b[:]) // never fails (crypto/rand)
		k.used = 0
	}
	key := [4]byte(k.b[k.used:])
	clear(k.b[k.used : k.used+4])
	k.used += 4
	keyPool.Put(k)
	return key
}
