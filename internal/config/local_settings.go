package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

const localSettingsFile = "local.settings.json"

// localSettings is what a local.settings.json says (docs/contracts/config.md
// 9).
type localSettings struct {
	file     string
	values   map[string]leaf // Values and ConnectionStrings by lower-case name
	host     tree            // Host
	warnings []string
}

// readLocalSettings reads the file in root; a missing one is empty.
func readLocalSettings(path string, report func(Problem)) localSettings {
	out := localSettings{file: path, values: map[string]leaf{}, host: tree{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return out
	}
	if err != nil {
		report(Problem{Source: path, Text: err.Error()})
		return out
	}
	all, warnings, err := parseTree(path, text)
	if err != nil {
		report(Problem{Source: path, Text: err.Error()})
		return out
	}
	out.warnings = warnings
	for _, key := range []string{"values", "host", "connectionstrings"} {
		if l, ok := all[key]; ok && (l.kind == scalar || l.array) {
			report(Problem{Source: path, Key: l.path, Text: "must be an object"})
			return out
		}
	}
	out.host = all.below("host")
	encrypted := strings.EqualFold(all["isencrypted"].text, "true")
	values := all.below("values")
	if encrypted && len(values) > 0 {
		report(Problem{Source: path, Key: "IsEncrypted", Text: "encrypted settings are not supported: decrypt them with the tool that wrote them, or set IsEncrypted to false"})
		return out
	}
	for key, l := range values {
		switch {
		case l.kind == object:
			report(Problem{Source: path, Key: l.path, Text: "is an object or array; Values holds strings"})
		case l.kind == scalar && key != "" && !withinObject(values, key):
			out.values[key] = l
		}
	}
	for key, l := range all.below("connectionstrings") {
		if l.kind != scalar {
			continue
		}
		name, member, nested := strings.Cut(key, ":")
		if nested && member != "connectionstring" {
			continue
		}
		out.values["connectionstrings:"+name] = l
	}
	return out
}

// withinObject reports whether key is a member of an object in values, rather
// than a name that holds a ':'.
func withinObject(values tree, key string) bool {
	for i := range key {
		if key[i] == ':' && values[key[:i]].kind == object {
			return true
		}
	}
	return false
}
