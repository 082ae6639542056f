package ws

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
)

// NoProxy is a DialOptions.Proxy that connects directly, whatever the
// environment says.
func NoProxy(*url.URL) (*url.URL, error) { return nil, nil }

// proxyFromEnvironment is the default of DialOptions.Proxy. net/http has the
// like, for http and https only and with the environment as it was at the first
// call.
func proxyFromEnvironment(u *url.URL) (*url.URL, error) {
	name, value := environment("HTTP_PROXY")
	if u.Scheme == "wss" {
		name, value = environment("HTTPS_PROXY")
	} else if name == "HTTP_PROXY" && os.Getenv("REQUEST_METHOD") != "" {
		name = "http_proxy" // a CGI program: HTTP_PROXY is its client's header field Proxy
		value = os.Getenv(name)
	}
	if value == "" {
		name, value = environment("ALL_PROXY")
	}
	if value == "" {
		return nil, nil
	}
	if _, list := environment("NO_PROXY"); !proxied(hostName(u), portOf(u), list) {
		return nil, nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	via, err := url.Parse(value)
	if err != nil || via.Host == "" { // err has the URL, which may have a password
		return nil, errors.New("the environment variable " + name + " is no URL of a proxy; write it as http://host:port")
	}
	if _, known := defaultPort[via.Scheme]; !known || via.Scheme == "ws" || via.Scheme == "wss" {
		return nil, fmt.Errorf("the environment variable %s has the scheme %q; use http, https, socks5 or socks5h", name, via.Scheme)
	}
	return via, nil
}

// environment returns the variable of this name, else that in lower case.
func environment(name string) (found, value string) {
	for _, found := range []string{name, strings.ToLower(name)} {
		if value := strings.TrimSpace(os.Getenv(found)); value != "" {
			return found, value
		}
	}
	return name, ""
}

// proxied tells whether a host is reached through a proxy, given a list as in
// NO_PROXY: addresses, networks such as 10.0.0.0/8, names with all that is below
// them, .names for only what is below, each also with a port, or * for all.
func proxied(host, port, list string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	ip, err := netip.ParseAddr(host)
	isIP := err == nil
	ip = ip.Unmap()
	if host == "localhost" || isIP && ip.IsLoopback() {
		return false
	}
	for entry := range strings.SplitSeq(list, ",") {
		entry = strings.ToLower(strings.TrimSpace(entry))
		if entry == "" {
			continue
		}
		if entry == "*" {
			return false
		}
		if network, err := netip.ParsePrefix(entry); err == nil {
			if isIP && network.Contains(ip) {
				return false
			}
			continue
		}
		name, wanted := splitEntry(entry)
		if wanted != "" && wanted != port {
			continue
		}
		if other, err := netip.ParseAddr(name); err == nil {
			if isIP && other.Unmap() == ip {
				return false
			}
			continue
		}
		if !isIP && named(host, name) {
			return false
		}
	}
	return true
}

// splitEntry takes the port off an entry, if it has one.
func splitEntry(entry string) (name, port string) {
	if _, err := netip.ParseAddr(entry); err == nil {
		return entry, "" // the colons of IPv6 are no ports
	}
	u := url.URL{Host: entry}
	return u.Hostname(), u.Port()
}

// named tells whether host is what an entry of NO_PROXY names.
func named(host, entry string) bool {
	entry = strings.TrimPrefix(strings.TrimSuffix(entry, "."), "*")
	if strings.HasPrefix(entry, ".") {
		return strings.HasSuffix(host, entry)
	}
	return host == entry || strings.HasSuffix(host, "."+entry)
}
