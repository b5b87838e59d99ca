package httpapi

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/perdure/perdure/internal/wire"
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
// caller sees them (docs/contracts/http-api.md 2.5).
func (r *request) origin() string {
	public := strings.TrimRight(r.handler.PublicURL, "/")
	if r.handler.UseForwarded {
		if origin, prefix, ok := wire.Forwarded(r.Header); ok {
			return origin + cmp.Or(prefix, pathOf(public))
		}
	}
	host := cmp.Or(r.Host, r.localAddress())
	switch {
	case public != "":
		return public
	case r.TLS != nil || r.handler.HTTPS:
		return "https://" + host
	}
	return "http://" + host
}

// pathOf returns what follows the authority of a URL.
func pathOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	if at := strings.IndexByte(rest, '/'); at >= 0 {
		return rest[at:]
	}
	return ""
}

// localAddress is where r came in. Requests of HTTP/1.0 may name no host.
func (r *request) localAddress() string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return addr.String()
	}
	return "localhost"
}

// answersFor reports whether a request is for one of our hosts. Names of the
// loopback always are: no other server's page can come by them. So is none at
// all, which browsers never send: health checks of old balancers speak
// HTTP/1.0.
func (h *Handler) answersFor(r *http.Request) bool {
	if !h.Loopback && len(h.AllowedHosts) == 0 || r.Host == "" && !r.ProtoAtLeast(1, 1) {
		return true
	}
	name := strings.TrimSuffix((&url.URL{Host: r.Host}).Hostname(), ".") // with a dot it is the same name
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

// foreign reports whether a browser sent r for a page of another origin that is
// not allowed. Looking counts as much as changing: the page cannot read the
// answer, but it could make this server work, and call functions of the app.
func (h *Handler) foreign(r *http.Request) bool {
	if h.crossOrigin == nil {
		return false
	}
	strict := *r
	strict.Method = http.MethodPost // the check lets methods through that only look
	return h.crossOrigin.Check(&strict) != nil
}

// followed reports whether r is a link that somebody followed in a browser, in
// a window of its own: in a mail or a chat a link is on a page of another
// origin.
func followed(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Origin") == "" &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
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
