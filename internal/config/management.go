package config

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Management says who may use the HTTP API, and what its links hold.
type Management struct {
	RequireKey   *bool    // whether a key is needed; nil: where others than this machine can connect
	AllowedHosts []string // host names that requests may use besides those of the address, without ports
	MaxBodyBytes int      // largest body of a request; 0: the API's default

	PublicURL    string        // what stands before the path of links; empty: the origin of the request
	UseForwarded bool          // X-Forwarded-Host and -Proto say the origin of links
	LinkScope    string        // what the key in a link opens: HubLinks, InstanceLinks or NoLinks
	LinkLifetime time.Duration // of InstanceLinks; 0: they never expire

	TLS            TLS
	AllowPlainHTTP bool // where others than this machine can connect, although what is sent can be read on the way

	AuditRequired bool          // what cannot be noted in the audit is refused
	AuditKeep     time.Duration // of its files

	AllowedOrigins   []string // web pages that browsers let call the API; "*": all of them
	AllowCredentials bool     // with cookies; never together with "*"
}

// Values of [Management.LinkScope].
const (
	HubLinks      = "hub"      // what the key opens that their maker brought: it is that key
	InstanceLinks = "instance" // the one operation on the one instance that the link is about
	NoLinks       = "none"     // nothing: links hold no key
)

// auditKeep is more than a year, so that one can look back for a year at any
// time.
const auditKeep = 400 * 24 * time.Hour

// Retention says how long after their end instances are kept. 0 is for ever.
type Retention struct {
	Completed, Failed, Terminated time.Duration
	Interval                      time.Duration // between two looks for what is too old
}

// management reads what is not a single value, and checks what belongs
// together.
func (c *Config) management(settings tree, report func(Problem)) {
	hosts, source := settings.list("management:allowedhosts", report)
	for _, l := range hosts {
		name := strings.Trim(strings.TrimSpace(l.text), "[]")
		if name == "" || strings.ContainsAny(name, "/*@ ") || strings.Count(name, ":") == 1 {
			report(Problem{Source: l.source, Key: l.path, Text: fmt.Sprintf("%q is not a host name or an IP address; leave scheme, port and path out", l.text)})
			continue
		}
		c.Management.AllowedHosts = append(c.Management.AllowedHosts, name)
	}
	c.note("management.allowedHosts", strings.Join(c.Management.AllowedHosts, ", "), source)
	c.tls(settings, report)
	if l, ok := settings["management:links:lifetime"]; ok && c.Management.LinkLifetime > 0 && c.Management.LinkScope != InstanceLinks {
		report(Problem{Source: l.source, Key: l.path, Text: `needs "scope": "instance": other links hold a key, which does not expire, or none`})
	}
}

// cors reads the origins in the Host section of local.settings.json.
func (c *Config) cors(local localSettings, report func(Problem)) {
	l, ok := local.host["cors"]
	if !ok || l.kind != scalar {
		return
	}
	for origin := range strings.SplitSeq(l.text, ",") {
		origin = strings.TrimSpace(origin)
		if origin != "*" {
			if err := parseOrigin(&origin, origin); err != nil {
				report(Problem{Source: l.source, Key: l.path, Text: err.Error()})
				continue
			}
		}
		c.Management.AllowedOrigins = append(c.Management.AllowedOrigins, origin)
	}
	c.note("Host.CORS", l.text, l.origin())
	credentials, ok := local.host["corscredentials"]
	if !ok || credentials.kind == null {
		return
	}
	if err := parseBool(&c.Management.AllowCredentials, strings.TrimSpace(credentials.text)); err != nil {
		report(Problem{Source: credentials.source, Key: credentials.path, Text: err.Error()})
	}
	if c.Management.AllowCredentials && slices.Contains(c.Management.AllowedOrigins, "*") {
		report(Problem{Source: credentials.source, Key: credentials.path, Text: "CORS * would let every web page use the visitor's credentials: list the origins instead"})
	}
	c.note("Host.CORSCredentials", credentials.text, credentials.origin())
}

// list returns the items of an array, or those of a text separated by commas,
// and where they were found.
func (t tree) list(key string, report func(Problem)) (items []leaf, source string) {
	source = "default"
	if l, ok := t[key]; ok && l.kind == scalar {
		for text := range strings.SplitSeq(l.text, ",") {
			item := l
			item.text = text
			items = append(items, item)
		}
		return items, l.origin()
	}
	for i := 0; ; i++ {
		l, ok := t[key+":"+strconv.Itoa(i)]
		switch {
		case !ok:
			return items, source
		case l.kind != scalar:
			report(Problem{Source: l.source, Key: l.path, Text: "is not a text"})
		default:
			items, source = append(items, l), l.origin()
		}
	}
}

// parsePublicURL reads a URL without a query; a path is one that a proxy puts
// before ours.
func parsePublicURL(to *string, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		if strings.Contains(text, "@") {
			text = "the URL" // what stands before an @ may be a password
		}
		return fmt.Errorf("%q is not of the form https://host, https://host:port or https://host/path", text)
	}
	*to = strings.TrimRight(text, "/")
	return nil
}

// parseOrigin reads scheme, host and port of a URL that holds nothing else.
func parseOrigin(to *string, text string) error {
	var base string
	if err := parsePublicURL(&base, text); err != nil || strings.Count(base, "/") != 2 {
		return fmt.Errorf("%q is not of the form https://host or https://host:port", text)
	}
	*to = base
	return nil
}

func parseScope(to *string, text string) error {
	*to = strings.ToLower(text)
	if !slices.Contains([]string{HubLinks, InstanceLinks, NoLinks}, *to) {
		return fmt.Errorf("%q is not hub, instance or none", text)
	}
	return nil
}
