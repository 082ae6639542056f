package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"duplex/ws"
)

// TLSFiles are the TLS settings of the command line.
type TLSFiles struct {
	// Insecure accepts any certificate.
	Insecure bool
	// CA is a PEM file of authorities to trust besides the system's.
	CA string
	// Cert and Key are PEM files to show to a server that asks.
	Cert, Key string
}

// Config reads the files. The errors name them.
func (f TLSFiles) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.Insecure} // the user's wish
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("cannot read --ca: %w", err)
		}
		if c.RootCAs, err = x509.SystemCertPool(); err != nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--ca %s holds no certificate: give a PEM file with -----BEGIN CERTIFICATE-----", f.CA)
		}
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, &Error{StatusUsage, errors.New("a client certificate needs both --cert and --key")}
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot use --cert %s with --key %s: %w", f.Cert, f.Key, err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// Header makes header fields of "Name: value" lines. An origin, if not empty, becomes the Origin.
func Header(lines []string, origin string) (http.Header, error) {
	h := http.Header{}
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, &Error{StatusUsage, errors.New("--header is \"Name: value\"; one without a colon or a name was given")}
		}
		h.Add(name, strings.TrimSpace(value))
	}
	if origin != "" {
		h.Set("Origin", origin)
	}
	return h, nil
}

// Proxy makes a proxy function of a URL: nil, the environment's choice, for an empty one, and none for "none".
func Proxy(rawURL string) (func(*url.URL) (*url.URL, error), error) {
	switch rawURL {
	case "":
		return nil, nil
	case "none":
		return ws.NoProxy, nil
	}
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		// Not shown: it may hold a password.
		return nil, &Error{StatusUsage, errors.New("--proxy is not a URL: write http://, https:// or socks5:// and HOST:PORT, or none")}
	}
	return func(*url.URL) (*url.URL, error) { return u, nil }, nil
}
