package ws_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"duplex/ws"
)

// trusting is a client's configuration for the server.
func trusting(server *httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return &tls.Config{RootCAs: pool}
}

// quietTLS is a TLS server that does not log the handshakes that tests spoil.
func quietTLS(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.EnableHTTP2 = true // which a WebSocket client must not choose
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

func TestDialTLS(t *testing.T) {
	noLeaks(t)
	server := quietTLS(t, echo(nil))
	config := trusting(server)
	config.NextProtos = []string{"h2"}
	url := "wss" + strings.TrimPrefix(server.URL, "https")
	c, err := ws.Dial(within(t), url, &ws.DialOptions{TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if state := c.Response().TLS; state == nil || state.NegotiatedProtocol == "h2" {
		t.Errorf("TLS %+v", state)
	}
	if len(config.NextProtos) != 1 || config.NextProtos[0] != "h2" || config.ServerName != "" {
		t.Error("the configuration was written")
	}
	checkEcho(t, c)

	// ServerName goes before the URL's host, which is not even resolved here.
	config.ServerName = "example.com"
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	s := new(sockets)
	c, err = ws.Dial(within(t), "wss://localhost:"+port, &ws.DialOptions{TLS: config, NetDial: s.dial})
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, c)
	s.check(t, 1)
}

func TestDialTLSRefused(t *testing.T) {
	noLeaks(t)
	server := quietTLS(t, echo(nil))
	addr := server.Listener.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	s := new(sockets)
	he := mustFail(t, "wss://"+addr, &ws.DialOptions{NetDial: s.dial}, "TLS handshake with "+addr, "unknown authority", "TLS.RootCAs")
	if !errors.As(he, new(x509.UnknownAuthorityError)) {
		t.Error(he)
	}
	he = mustFail(t, "wss://localhost:"+port, &ws.DialOptions{NetDial: s.dial, TLS: trusting(server)}, "TLS handshake with localhost", "valid for example.com", "not localhost")
	if !errors.As(he, new(x509.HostnameError)) {
		t.Error(he)
	}
	mustFail(t, "ws://"+addr, &ws.DialOptions{NetDial: s.dial}, "status 400", "HTTPS server")
	plain := listen(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
		io.Copy(io.Discard, c)
	})
	mustFail(t, "wss://"+plain, &ws.DialOptions{NetDial: s.dial}, "TLS handshake with "+plain, "try ws://")
	closing := listen(t, func(c net.Conn) {})
	mustFail(t, "wss://"+closing, &ws.DialOptions{NetDial: s.dial}, "TLS handshake with "+closing)
	s.check(t, 5)

	wanting := httptest.NewUnstartedServer(echo(nil))
	wanting.Config.ErrorLog = log.New(io.Discard, "", 0)
	wanting.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert} // the server says so only behind the client's handshake
	wanting.StartTLS()
	defer wanting.Close()
	he = mustFail(t, "wss://"+wanting.Listener.Addr().String(), &ws.DialOptions{NetDial: s.dial, TLS: trusting(server)}, "certificate required")
	if strings.Contains(he.Error(), "ESP32") {
		t.Error(he)
	}
	s.check(t, 6)
}

// tlsServer is the server's end of TLS with the certificate of from.
func tlsServer(c net.Conn, from *httptest.Server) *tls.Conn {
	return tls.Server(c, &tls.Config{Certificates: from.TLS.Certificates})
}
