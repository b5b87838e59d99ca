package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// publicName returns the host name in [Options.PublicURL], "" when there is
// none. It panics unless the URL is http or https, a host, and perhaps the path
// that a proxy puts before ours.
func publicName(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		panic(fmt.Sprintf("httpapi.New: PublicURL is %q; it must be like https://example.org", text))
	}
	return u.Hostname()
}

// origin is what stands before a path in links: scheme and authority as the
// caller sees them (spec/http-api.md 2.5).
func (r *request) origin() string {
	if r.handler.UseForwarded {
		if origin, ok := forwarded(r.Header); ok {
			return origin
		}
	}
	switch {
	case r.handler.PublicURL != "":
		return strings.TrimRight(r.handler.PublicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// forwarded reads what a proxy says of the request it got; of several proxies
// the first, which the caller spoke to. Both headers are needed.
func forwarded(h http.Header) (origin string, ok bool) {
	host, _, _ := strings.Cut(h.Get("X-Forwarded-Host"), ",")
	proto, _, _ := strings.Cut(h.Get("X-Forwarded-Proto"), ",")
	host, proto = strings.TrimSpace(host), strings.ToLower(strings.TrimSpace(proto))
	if proto != "http" && proto != "https" || host == "" {
		return "", false
	}
	u, err := url.Parse(proto + "://" + host)
	return proto + "://" + host, err == nil && u.Host == host && u.Hostname() != ""
}

// answersFor reports whether a Host header is one of ours. Names of the
// loopback always are: no other server's page can come by them.
func (h *Handler) answersFor(host string) bool {
	if !h.Loopback && len(h.AllowedHosts) == 0 {
		return true
	}
	name := (&url.URL{Host: host}).Hostname()
	return loopbackName(name) || name != "" && (containsFold(h.AllowedHosts, name) || strings.EqualFold(name, h.publicName))
}

func loopbackName(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// What web pages of other origins may send and see, if any may.
const (
	corsMethods = "GET, POST, DELETE"
	corsHeaders = "Content-Type, x-functions-key, x-ms-continuation-token, Idempotency-Key, traceparent, tracestate"
	corsExposed = "Location, Retry-After, x-ms-continuation-token"
	corsMaxAge  = "3600" // seconds
)

// newCrossOrigin refuses what browsers send for pages of other origins, unless
// they are allowed. nil refuses nothing.
func newCrossOrigin(allowed []string) *http.CrossOriginProtection {
	if slices.Contains(allowed, "*") {
		return nil
	}
	c := http.NewCrossOriginProtection()
	for _, origin := range allowed {
		if err := c.AddTrustedOrigin(origin); err != nil {
			panic("httpapi.New: AllowedOrigins: " + err.Error())
		}
	}
	return c
}

// cors tells a browser that the page which sent r may see the answer, if so.
func (h *Handler) cors(header http.Header, r *http.Request) (allowed bool) {
	if len(h.AllowedOrigins) == 0 {
		return false
	}
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	switch {
	case origin == "":
		return false
	case slices.Contains(h.AllowedOrigins, origin):
		header.Set("Access-Control-Allow-Origin", origin)
		if h.AllowCredentials {
			header.Set("Access-Control-Allow-Credentials", "true")
		}
	case slices.Contains(h.AllowedOrigins, "*"): // never with credentials
		header.Set("Access-Control-Allow-Origin", "*")
	default:
		return false
	}
	header.Set("Access-Control-Expose-Headers", corsExposed)
	return true
}

// preflight reports whether r is a browser's question what it may send.
func preflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

func answerPreflight(header http.Header) response {
	header.Set("Access-Control-Allow-Methods", corsMethods)
	header.Set("Access-Control-Allow-Headers", corsHeaders)
	header.Set("Access-Control-Max-Age", corsMaxAge)
	return response{code: http.StatusOK}
}
