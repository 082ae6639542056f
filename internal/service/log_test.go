package service

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"duplex/ws"
)

func TestPacketLog(t *testing.T) {
	r := start(t, Config{Subprotocols: []string{"chat"}})
	c := r.dial("/ws", &ws.DialOptions{Options: ws.Options{Subprotocols: []string{"chat"}}})
	for _, m := range []struct {
		typ           ws.MessageType
		text, payload string
		cut           any
	}{
		{ws.Text, "hello", "hello", nil},
		{ws.Text, "", "", nil},
		{ws.Text, "\x1b]0;evil\a\nlevel=ERROR", "␛]0;evil␇␊level=ERROR", nil},
		{ws.Binary, "\x00\x1b\xff", "hex:001bff", nil},
		{ws.Text, strings.Repeat("a", 199) + "éé", strings.Repeat("a", 199), "4 bytes more"},
		{ws.Text, strings.Repeat("a", 200), strings.Repeat("a", 200), nil},
		{ws.Text, strings.Repeat("a", 201), strings.Repeat("a", 200), "1 bytes more"},
		{ws.Text, strings.Repeat("a", 5000), strings.Repeat("a", 200), "4800 bytes more"},
		{ws.Binary, strings.Repeat("\x01", 300), "hex:" + strings.Repeat("01", 200), "100 bytes more"},
	} {
		write(t, c, m.typ, m.text)
		want(t, c, m.typ, m.text)
		all := r.log.lines("packet")
		got := all[len(all)-1]
		if got["length"] != float64(len(m.text)) || got["type"] != float64(m.typ) || got["name"] != m.typ.String() ||
			got["payload"] != m.payload || got["cut"] != m.cut || got["conn"] != 1.0 {
			t.Errorf("%.20q of %d bytes is logged as %v", m.text, len(m.text), got)
		}
	}
	if err := c.Close(4001, "bye\x1b[2J"); err != nil {
		t.Fatal(err)
	}
	opened, closed := r.log.await(t, "connection opened"), r.log.await(t, "connection closed")
	if opened["conn"] != 1.0 || opened["remote"] != c.LocalAddr().String() || opened["path"] != "/ws" || opened["subprotocol"] != "chat" {
		t.Errorf("opened: %v", opened)
	}
	if closed["conn"] != 1.0 || closed["code"] != 4001.0 || closed["reason"] != "bye␛[2J" || closed["by"] != "peer" ||
		closed["packets"] != 9.0 || closed["bytes"] == 0.0 || closed["duration"] == nil {
		t.Errorf("closed: %v", closed)
	}
}

func TestQuiet(t *testing.T) {
	r := start(t, Config{Quiet: true})
	c := r.dial("/ws", nil)
	write(t, c, ws.Text, "hello")
	want(t, c, ws.Text, "hello")
	c.CloseNow()
	if closed := r.log.await(t, "connection closed"); closed["code"] != 1006.0 || closed["packets"] != 1.0 {
		t.Errorf("closed: %v", closed)
	}
	if all := r.log.lines("packet"); len(all) > 0 {
		t.Errorf("quiet, and yet: %v", all)
	}
}

// TestLoggerNeutralises: whatever is logged, and from wherever it came.
func TestLoggerNeutralises(t *testing.T) {
	for format, want := range map[Format]string{
		JSON:     `"level":"INFO","msg":"a␛b","text":"␊<U+202E>","err":"bad <U+009B>","wait":"1.5s"}`,
		Text:     `level=INFO msg=a␛b text=␊<U+202E> err="bad <U+009B>" wait=1.5s`,
		Terminal: `level=INFO msg=a␛b text=␊<U+202E> err="bad <U+009B>" wait=1.5s`,
	} {
		var b bytes.Buffer
		log := NewLogger(&b, format, slog.LevelInfo)
		log.Debug("too fine")
		log.Info("a\x1bb", "text", "\n\u202e", "err", errors.New("bad \u009b"), "wait", 1500*time.Millisecond)
		if got := strings.TrimSpace(b.String()); !strings.HasSuffix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("format %d:\n%s\nwant at its end\n%s", format, got, want)
		}
		if short := strings.HasPrefix(b.String(), "time="+time.Now().Format("15:")); short != (format == Terminal) && time.Now().Minute() != 0 {
			t.Errorf("format %d has the time of %q", format, b.String())
		}
	}
}

// certificate writes a certificate for 127.0.0.1 that is its own authority.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool = x509.NewCertPool()
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(leaf)
	return certFile, keyFile, pool
}

func ExampleNewLogger() {
	var b bytes.Buffer
	NewLogger(&b, Text, slog.LevelInfo).Info("packet", "payload", "\x1b[31mred\n")
	_, line, _ := strings.Cut(b.String(), " ") // without the time
	fmt.Print(line)
	// Output: level=INFO msg=packet payload=␛[31mred␊
}
