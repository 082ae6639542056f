package ws

// Poison spoils what a Handler was lent, once its method has returned.
func Poison() {
	poison = func(p []byte) {
		for i := range p {
			p[i] = 0xDB
		}
	}
}

// ParkLimit is how much is kept for a Read to come, in bytes.
const ParkLimit = parkLimit

// Lend and Restore are a turn through the pools.
func Lend(n int) []byte { return memory{}.Get(n) }
func Restore(b []byte)  { memory{}.Put(b, true) }
