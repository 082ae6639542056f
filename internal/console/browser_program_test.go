package console_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"duplex/internal/foreign"
)

// The page and the program together, as a person has them: duplex serve in a
// process of its own, and Chromium.
func TestInBrowserWithProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes its time: run without -short")
	}
	if runtime.GOOS == "windows" {
		t.Skip("needs SIGTERM: run on a Unix system")
	}
	b := startBrowser(t)
	bin := filepath.Join(t.TempDir(), "duplex")
	if out, err := exec.Command("go", "build", "-o", bin, "duplex/cmd/duplex").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := foreign.Start(t, exec.Command(bin, "serve", "--listen", "127.0.0.1:0", "--log-format", "json"),
		`"open":"(http://[^"]*)/"`)
	p := &page{browser: b, origin: program.Ready[1]}
	b.view(t, 1280, 800, "light")
	b.open(t, p.origin+"/")

	testEcho(t, p)
	p.send(t, "Trigger async")
	p.row(t, "received", "text", "Async data")
	p.fill(t, "#composer", "a channel") // not lost by the change of address
	p.fill(t, "#url", p.ws("/v3/room?api_key=demo&notify_self"))
	p.click(t, "#connect") // disconnects
	p.state(t, "closed")
	p.connect(t)
	p.keys(t, "#composer", keyEnter)
	p.row(t, "received", "text", "a channel")

	if err := program.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.row(t, "event", "close", "1001")
	if err := program.Wait(); err != nil {
		t.Errorf("duplex serve ended with %v, want exit status 0", err)
	}
	for _, complaint := range b.complaints(t) {
		t.Errorf("in the browser's console: %s", complaint)
	}
}
