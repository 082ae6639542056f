package ws

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// secure begins TLS as a client of name, which is the server's or the proxy's.
func (a *attempt) secure(ctx context.Context, nc net.Conn, name string, proxy bool) (*tls.Conn, error) {
	config := a.d.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" || proxy {
		config.ServerName = name
	}
	config.NextProtos = []string{"http/1.1"}
	c := tls.Client(nc, config)
	err := c.HandshakeContext(ctx)
	var plain tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
		return c, nil
	case errors.As(err, &plain) && proxy:
		return nil, fmt.Errorf("the proxy does not speak TLS on this port; try http:// for it: %w", err)
	case errors.As(err, &plain):
		return nil, fmt.Errorf("the server does not speak TLS on this port; try ws://: %w", err)
	case errors.As(err, &unknown):
		return nil, fmt.Errorf("%w; to trust it, put its authority into DialOptions.TLS.RootCAs", err)
	}
	return nil, err
}
