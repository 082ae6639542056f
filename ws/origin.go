package ws

import (
	"path"
	"strings"

	"duplex/protocol"
)

// originAllowed reports whether a page of this origin may connect (RFC 6455
// §10.2): the request's own host, and what the patterns admit.
func originAllowed(origin, host string, patterns []string) bool {
	if protocol.SameOrigin(origin, host) {
		return true
	}
	origin = strings.ToLower(origin)
	_, authority, ok := strings.Cut(origin, "://")
	if !ok {
		authority = origin // "null", of a page without an origin
	}
	for _, pattern := range patterns {
		pattern = strings.ToLower(pattern)
		subject := authority
		if strings.Contains(pattern, "://") {
			subject = origin
		}
		// "[::1]:8080" is an address before it is a pattern.
		if pattern == "*" || pattern == subject {
			return true
		}
		if ok, err := path.Match(pattern, subject); err == nil && ok {
			return true
		}
	}
	return false
}
