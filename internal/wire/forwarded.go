package wire

import (
	"net/http"
	"net/url"
	"strings"
)

// Forwarded reads what a proxy says of the request that it got: the origin by
// which the caller knows it, from X-Forwarded-Proto and X-Forwarded-Host, and
// the path that it took off, from X-Forwarded-Prefix, "" when it says none. Of
// several proxies the first counts, which the caller spoke to. ok is false
// unless both of the former are there, and are http or https and a host; a
// prefix that is no path counts as none.
func Forwarded(h http.Header) (origin, prefix string, ok bool) {
	host, proto := first(h, "X-Forwarded-Host"), strings.ToLower(first(h, "X-Forwarded-Proto"))
	if proto != "http" && proto != "https" || host == "" {
		return "", "", false
	}
	origin = proto + "://" + host
	u, err := url.Parse(origin)
	if err != nil || u.Host != host || u.Hostname() == "" {
		return "", "", false
	}
	prefix = strings.TrimRight(first(h, "X-Forwarded-Prefix"), "/")
	if u, err = url.Parse(prefix); err != nil || !strings.HasPrefix(prefix, "/") || strings.HasPrefix(prefix, "//") || u.EscapedPath() != prefix {
		prefix = ""
	}
	return origin, prefix, true
}

func first(h http.Header, name string) string {
	text, _, _ := strings.Cut(h.Get(name), ",")
	return strings.TrimSpace(text)
}
