package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rule is a host setting that the product uses: its key as documented and how
// its text becomes a field. The folded key is its place in the tree.
type rule struct {
	key   string
	store func(*Config, string) error
	show  func(*Config) string
}

// rules are the settings in use. Everything else in a host.json is ignored and
// listed in [Config.Unused].
var rules = []rule{
	{"maxConcurrentActivityFunctions",
		func(c *Config, s string) error { return parseInt(&c.MaxActivities, s, 1, 1<<30) },
		func(c *Config) string { return orElse(c.MaxActivities, "10 per core") }},
	{"maxConcurrentOrchestratorFunctions",
		func(c *Config, s string) error { return parseInt(&c.MaxOrchestrations, s, 1, 1<<30) },
		func(c *Config) string { return orElse(c.MaxOrchestrations, "10 per core") }},
	{"maxOrchestrationActions",
		func(c *Config, s string) error { return parseInt(&c.MaxActions, s, 1, 1<<30) },
		func(c *Config) string { return strconv.Itoa(c.MaxActions) }},
	{"maxDeaths",
		func(c *Config, s string) error { return parseInt(&c.MaxDeaths, s, 2, 1<<30) },
		func(c *Config) string { return orElse(c.MaxDeaths, "5") }},
	{"maxBacklogBytes",
		func(c *Config, s string) error { return parseInt(&c.MaxBacklogBytes, s, 1, math.MaxInt) },
		func(c *Config) string { return orElse(c.MaxBacklogBytes, "128 MiB") }},
	{"overridableExistingInstanceStates",
		func(c *Config, s string) error { return parseOverridable(&c.ReplaceAnyState, s) },
		func(c *Config) string {
			return map[bool]string{true: "AnyState", false: "NonRunningStates"}[c.ReplaceAnyState]
		}},
	{"throwStatusExceptionsOnRaiseEvent",
		func(c *Config, s string) error { return parseBool(&c.RaiseChecks, s) },
		func(c *Config) string { return strconv.FormatBool(c.RaiseChecks) }},
	{"defaultVersion",
		func(c *Config, s string) error { c.DefaultVersion = s; return nil },
		func(c *Config) string { return c.DefaultVersion }},
	{"storageProvider.partitionCount",
		func(c *Config, s string) error { return parseInt(&c.Partitions, s, 1, 1024) },
		func(c *Config) string { return orElse(c.Partitions, "64 for a new hub") }},
	{"localRpcEndpointEnabled",
		func(c *Config, s string) error { return parseBool(&c.LocalRPC, s) },
		func(c *Config) string { return strconv.FormatBool(c.LocalRPC) }},
	{"httpSettings.useForwardedHost",
		func(c *Config, s string) error { return parseBool(&c.Management.UseForwarded, s) },
		func(c *Config) string { return strconv.FormatBool(c.Management.UseForwarded) }},
	{"management.requireKey",
		func(c *Config, s string) error {
			c.Management.RequireKey = new(bool)
			return parseBool(c.Management.RequireKey, s)
		},
		func(c *Config) string {
			if c.Management.RequireKey == nil {
				return "unless the address is a loopback one"
			}
			return strconv.FormatBool(*c.Management.RequireKey)
		}},
	{"management.publicUrl",
		func(c *Config, s string) error { return parsePublicURL(&c.Management.PublicURL, s) },
		func(c *Config) string { return c.Management.PublicURL }},
	{"management.maxBodyBytes",
		func(c *Config, s string) error { return parseInt(&c.Management.MaxBodyBytes, s, 1, math.MaxInt) },
		func(c *Config) string { return orElse(c.Management.MaxBodyBytes, "100 MiB") }},
	tlsFile("certificate", func(t *TLS) *string { return &t.Certificate }),
	tlsFile("key", func(t *TLS) *string { return &t.Key }),
	tlsFile("clientCA", func(t *TLS) *string { return &t.ClientCA }),
	{"management.allowPlainHttp",
		func(c *Config, s string) error { return parseBool(&c.Management.AllowPlainHTTP, s) },
		func(c *Config) string { return strconv.FormatBool(c.Management.AllowPlainHTTP) }},
	{"management.links.scope",
		func(c *Config, s string) error { return parseScope(&c.Management.LinkScope, s) },
		func(c *Config) string { return c.Management.LinkScope }},
	ageRule("management.links.lifetime", func(c *Config) *time.Duration { return &c.Management.LinkLifetime }),
	{"management.audit.required",
		func(c *Config, s string) error { return parseBool(&c.Management.AuditRequired, s) },
		func(c *Config) string { return strconv.FormatBool(c.Management.AuditRequired) }},
	ageRule("management.audit.keep", func(c *Config) *time.Duration { return &c.Management.AuditKeep }),
	ageRule("retention.completed", func(c *Config) *time.Duration { return &c.Retention.Completed }),
	ageRule("retention.failed", func(c *Config) *time.Duration { return &c.Retention.Failed }),
	ageRule("retention.terminated", func(c *Config) *time.Duration { return &c.Retention.Terminated }),
	ageRule("retention.interval", func(c *Config) *time.Duration { return &c.Retention.Interval }),
}

// resolvedElsewhere are the settings in use that need more than their own text.
var resolvedElsewhere = []string{
	"hubname", "storageprovider", "storageprovider:type", "storageprovider:connectionname", "storageprovider:connectionstringname",
	"management:allowedhosts",
}

// unmapped are settings that nothing here uses, but whose mistakes are reported
// all the same: the file may serve another provider too.
var unmapped = []struct {
	key   string
	check func(string) error
}{
	{"storageProvider.controlQueueVisibilityTimeout", checkVisibility},
	{"storageProvider.workItemQueueVisibilityTimeout", checkVisibility},
}

func checkVisibility(text string) error {
	return parseDuration(new(time.Duration), text, time.Minute, time.Hour)
}

func (c *Config) checkUnmapped(settings tree, report func(Problem)) {
	for _, u := range unmapped {
		l, ok := settings[place(u.key)]
		if !ok || l.kind != scalar {
			continue
		}
		if err := u.check(strings.TrimSpace(l.text)); err != nil {
			report(Problem{Source: l.source, Key: l.path, Text: err.Error()})
		}
	}
}

func (r rule) place() string { return place(r.key) }

// place is where the tree has the setting of that documented name.
func place(key string) string { return strings.ToLower(strings.ReplaceAll(key, ".", ":")) }

// apply stores every rule's setting and notes its source.
func (c *Config) apply(settings tree, report func(Problem)) {
	for _, r := range rules {
		source := "default"
		if l, ok := settings[r.place()]; ok && l.kind != null {
			if err := l.mustBeScalar(); err != nil {
				report(Problem{Source: l.source, Key: l.path, Text: err.Error()})
			} else if err := r.store(c, strings.TrimSpace(l.text)); err != nil {
				report(Problem{Source: l.source, Key: l.path, Text: err.Error()})
			}
			source = l.origin()
		}
		c.note(r.key, r.show(c), source)
	}
}

func (l leaf) mustBeScalar() error {
	if l.kind == object {
		return fmt.Errorf("is an object or array; a single value is needed")
	}
	return nil
}

// origin names the file or variable and the key in it.
func (l leaf) origin() string { return l.source + ": " + l.path }

// ownSections are the parts of durableTask that only this product knows: what
// is not understood there is a slip, not a setting for somebody else.
var ownSections = []string{"management:", "retention:"}

// tlsClient is the place of a member of management.tls.clients.
var tlsClient = regexp.MustCompile(`^management:tls:clients:[0-9]+:(name|role)$`)

// listUnused lists what no rule takes, and warns of slips.
func (c *Config) listUnused(settings tree) {
	used := map[string]bool{}
	for _, key := range resolvedElsewhere {
		used[key] = true
	}
	for _, r := range rules {
		used[r.place()] = true
	}
	for key, l := range settings {
		if used[key] || l.kind == object || strings.HasPrefix(key, "management:allowedhosts:") || tlsClient.MatchString(key) {
			continue
		}
		c.Unused = append(c.Unused, l.origin())
		if slices.ContainsFunc(ownSections, func(own string) bool { return strings.HasPrefix(key, own) }) {
			c.Warnings = append(c.Warnings, l.origin()+" is not a setting, it is ignored")
		}
	}
	slices.Sort(c.Unused)
	slices.Sort(c.Warnings)
}

func parseInt(to *int, text string, low, high int) error {
	n, err := strconv.Atoi(text)
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	if n < low || n > high {
		return fmt.Errorf("%d is not between %d and %d", n, low, high)
	}
	*to = n
	return nil
}

func parseBool(to *bool, text string) error {
	switch strings.ToLower(text) {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return fmt.Errorf("%q is not true or false", text)
	}
	return nil
}

// ageRule is the rule of a duration of a second at least.
func ageRule(key string, field func(*Config) *time.Duration) rule {
	return rule{key,
		func(c *Config, text string) error {
			if wholeDays.MatchString(text) {
				c.Warnings = append(c.Warnings, fmt.Sprintf(`%s: %s means days; write "%s.00:00:00" to be clear`, key, text, text))
			}
			return parseDuration(field(c), text, time.Second, maxAge)
		},
		func(c *Config) string {
			if d := *field(c); d > 0 {
				return d.String()
			}
			return "for ever"
		}}
}

func parseOverridable(any *bool, text string) error {
	switch strings.ToLower(text) {
	case "anystate":
		*any = true
	case "nonrunningstates":
		*any = false
	default:
		return fmt.Errorf("%q is not AnyState or NonRunningStates", text)
	}
	return nil
}

func orElse(n int, zero string) string {
	if n == 0 {
		return zero
	}
	return strconv.Itoa(n)
}
