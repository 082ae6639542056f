package ws

import (
	"sync"
	"sync/atomic"
)

// Budget bounds the memory of all unfinished messages of many connections
// together: messages longer than a read buffer of which the last byte has not
// come, or that a Handler or MessageReader has. A message over it ends its
// connection with 1013. One Budget may serve any number of Options.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// NewBudget returns a Budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Used returns the bytes in use now.
func (b *Budget) Used() int64 { return b.used.Load() }

func (b *Budget) take(n int) bool {
	if b == nil {
		return true
	}
	if b.used.Add(int64(n)) > b.limit {
		b.used.Add(-int64(n))
		return false
	}
	return true
}

// add charges what is there already, over the limit if need be.
func (b *Budget) add(n int) { b.giveBack(-n) }

func (b *Budget) giveBack(n int) {
	if b != nil {
		b.used.Add(-int64(n))
	}
}

// memory is protocol.Buffers over pools of slices twice as long from one to the
// next, as bodies grow. Longer slices are left to the garbage collector.
type memory struct {
	budget *Budget
	free   int // slices up to this length are not charged to the budget
}

const smallest = 4 << 10

var pools [9]sync.Pool // *[4<<10]byte, *[8<<10]byte, … *[1<<20]byte

// class returns the pool whose slices hold n bytes, and their length.
func class(n int) (i, size int) {
	size = smallest
	for size < n && i < len(pools) {
		size <<= 1
		i++
	}
	return i, size
}

// Get charges the budget only for what is longer than a read buffer, of which
// the number of connections is the bound.
func (m memory) Get(n int) []byte {
	i, size := class(n)
	if i >= len(pools) {
		size = n
	}
	if size > m.free && !m.budget.take(size) {
		return nil
	}
	if i < len(pools) {
		if b := fromPool(i); b != nil {
			return b
		}
	}
	return make([]byte, size)
}

func (m memory) Put(b []byte, reuse bool) {
	if len(b) > m.free {
		m.budget.giveBack(len(b))
	}
	if reuse {
		toPool(b)
	}
}

// fromPool and toPool go through pointers to arrays: a slice in an interface
// would cost an allocation.
func fromPool(i int) []byte {
	switch b := pools[i].Get().(type) {
	case *[4 << 10]byte:
		return b[:]
	case *[8 << 10]byte:
		return b[:]
	case *[16 << 10]byte:
		return b[:]
	case *[32 << 10]byte:
		return b[:]
	case *[64 << 10]byte:
		return b[:]
	case *[128 << 10]byte:
		return b[:]
	case *[256 << 10]byte:
		return b[:]
	case *[512 << 10]byte:
		return b[:]
	case *[1 << 20]byte:
		return b[:]
	}
	return nil
}

func toPool(b []byte) {
	switch len(b) {
	case 4 << 10:
		pools[0].Put((*[4 << 10]byte)(b))
	case 8 << 10:
		pools[1].Put((*[8 << 10]byte)(b))
	case 16 << 10:
		pools[2].Put((*[16 << 10]byte)(b))
	case 32 << 10:
		pools[3].Put((*[32 << 10]byte)(b))
	case 64 << 10:
		pools[4].Put((*[64 << 10]byte)(b))
	case 128 << 10:
		pools[5].Put((*[128 << 10]byte)(b))
	case 256 << 10:
		pools[6].Put((*[256 << 10]byte)(b))
	case 512 << 10:
		pools[7].Put((*[512 << 10]byte)(b))
	case 1 << 20:
		pools[8].Put((*[1 << 20]byte)(b))
	}
}
