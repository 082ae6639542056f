//go:build unix

package connect

import (
	"os"
	"os/signal"
	"syscall"
)

// watchSize calls f whenever the terminal's size has changed, until stop.
func watchSize(f func()) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	go func() {
		for range changed {
			f()
		}
	}()
	return func() {
		signal.Stop(changed)
		close(changed)
	}
}
