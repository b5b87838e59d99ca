package config

import (
	"slices"
	"strings"
)

// appSettings looks settings up by name: the process environment over the
// Values of local.settings.json. An empty variable counts as absent
// (docs/contracts/config.md 10, step 2).
type appSettings struct {
	exact  map[string]string // environment as it is
	folded map[string]leaf   // environment over Values, by lower-case name
}

// newAppSettings takes environ in the form of os.Environ.
func newAppSettings(environ []string, local localSettings) appSettings {
	out := appSettings{exact: map[string]string{}, folded: map[string]leaf{}}
	for name, l := range local.values {
		if l.text != "" {
			out.folded[name] = l
		}
	}
	// Sorted, so that of two names that differ in case the same one wins every
	// time.
	for _, entry := range slices.Sorted(slices.Values(environ)) {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" || value == "" {
			continue
		}
		out.exact[name] = value
		out.folded[strings.ToLower(name)] = leaf{text: value, path: name, source: "environment"}
	}
	return out
}

// find returns the value of a setting and where it came from: an exact match
// first, then one that ignores letter case.
func (s appSettings) find(name string) (value, source string, ok bool) {
	if value, ok = s.exact[name]; ok {
		return value, "environment: " + name, true
	}
	l, ok := s.folded[strings.ToLower(name)]
	return l.text, l.source + ": " + l.path, ok
}

// expand replaces every %NAME% in text by the app setting of that name. When
// one is unknown, text stays as it is and missing names it
// (docs/contracts/config.md 5).
func (s appSettings) expand(text string) (expanded, missing string) {
	parts := strings.Split(text, "%")
	if len(parts)%2 == 0 {
		return text, "%" + parts[len(parts)-1]
	}
	for i := 1; i < len(parts); i += 2 {
		value, _, ok := s.find(parts[i])
		if !ok {
			return text, "%" + parts[i] + "%"
		}
		parts[i] = value
	}
	return strings.Join(parts, ""), ""
}
