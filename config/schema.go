package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
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
}

// resolvedElsewhere are the settings in use that need more than their own text.
var resolvedElsewhere = []string{"hubname", "storageprovider", "storageprovider:type", "storageprovider:connectionname", "storageprovider:connectionstringname"}

func (r rule) place() string { return strings.ToLower(strings.ReplaceAll(r.key, ".", ":")) }

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

// unused lists what no rule takes.
func unused(settings tree) []string {
	used := map[string]bool{}
	for _, key := range resolvedElsewhere {
		used[key] = true
	}
	for _, r := range rules {
		used[r.place()] = true
	}
	var out []string
	for key, l := range settings {
		if !used[key] && l.kind != object {
			out = append(out, l.origin())
		}
	}
	slices.Sort(out)
	return out
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
