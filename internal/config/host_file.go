package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

const hostFile = "host.json"

// overridePrefix begins the app settings that stand above host.json.
const overridePrefix = "azurefunctionsjobhost__"

// section is where the durable settings of a v2 file are.
const section = "extensions:durabletask"

// flatKeys gives the place of the settings that Durable 1.x kept directly under
// durableTask (docs/contracts/config.md 4).
var flatKeys = map[string]string{
	"azurestorageconnectionstringname":  "storageprovider:connectionname",
	"trackingstoreconnectionstringname": "storageprovider:trackingstoreconnectionname",
	"trackingstorenameprefix":           "storageprovider:trackingstorenameprefix",
	"partitioncount":                    "storageprovider:partitioncount",
	"controlqueuebatchsize":             "storageprovider:controlqueuebatchsize",
	"controlqueuevisibilitytimeout":     "storageprovider:controlqueuevisibilitytimeout",
	"workitemqueuevisibilitytimeout":    "storageprovider:workitemqueuevisibilitytimeout",
	"maxqueuepollinginterval":           "storageprovider:maxqueuepollinginterval",
	"traceinputsandoutputs":             "tracing:traceinputsandoutputs",
	"logreplayevents":                   "tracing:tracereplayevents",
	"eventgridtopicendpoint":            "notifications:eventgrid:topicendpoint",
	"eventgridkeysettingname":           "notifications:eventgrid:keysettingname",
	"eventgridpublishretrycount":        "notifications:eventgrid:publishretrycount",
	"eventgridpublishretryinterval":     "notifications:eventgrid:publishretryinterval",
	"eventgridpublishretryhttpstatus":   "notifications:eventgrid:publishretryhttpstatus",
	"eventgridpublisheventtypes":        "notifications:eventgrid:publisheventtypes",
}

// readHostFile returns the durable settings of the host.json at path, wherever
// that file has them, and what a user should be warned of. found is false when
// there is no such file.
func readHostFile(path string, report func(Problem)) (settings tree, warnings []string, found bool) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return tree{}, nil, false
	}
	if err != nil {
		report(Problem{Source: path, Text: err.Error()})
		return tree{}, nil, true
	}
	all, warnings, err := parseTree(path, text)
	if err != nil {
		report(Problem{Source: path, Text: err.Error()})
		return tree{}, nil, true
	}
	place, warning := durablePlace(all)
	if warning != "" {
		warnings = append(warnings, path+": "+warning)
	}
	for _, key := range []string{"extensions", place, place + ":storageprovider"} {
		if l, ok := all[key]; ok && (l.kind == scalar || l.array) {
			report(Problem{Source: path, Key: l.path, Text: "must be an object"})
		}
	}
	settings = all.below(place)
	for _, warning := range moveFlatKeys(settings) {
		warnings = append(warnings, path+": "+warning)
	}
	return settings, warnings, true
}

// durablePlace tells where the file has its durable settings: the v2 place when
// version is the string "2.0", else the v1 place; a file that looks like v2 is
// read as v2 all the same (docs/contracts/config.md 10, step 3).
func durablePlace(all tree) (place, warning string) {
	if version := all["version"]; version.quoted && version.text == "2.0" {
		return section, ""
	}
	if _, v1 := all["durabletask"]; v1 {
		return "durabletask", ""
	}
	if _, v2 := all[section]; v2 {
		return section, `"version" is not the string "2.0"; extensions.durableTask is used all the same`
	}
	return "durabletask", ""
}

// moveFlatKeys gives 1.x keys their nested place. Where both are present the
// nested one stands.
func moveFlatKeys(settings tree) (warnings []string) {
	for _, flat := range slices.Sorted(maps.Keys(flatKeys)) {
		l, ok := settings[flat]
		if !ok || l.kind == object {
			continue
		}
		delete(settings, flat)
		if nested, taken := settings[flatKeys[flat]]; taken {
			warnings = append(warnings, fmt.Sprintf("%s is ignored, %s is used", l.path, nested.path))
			continue
		}
		settings[flatKeys[flat]] = l
	}
	return warnings
}

// applyOverrides puts the AzureFunctionsJobHost__… app settings over those of
// the file (docs/contracts/config.md 8).
func applyOverrides(settings tree, app appSettings) {
	for name, l := range app.folded {
		rest, ok := strings.CutPrefix(name, overridePrefix)
		if !ok {
			continue
		}
		if key, ok := strings.CutPrefix(strings.ReplaceAll(rest, "__", ":"), section+":"); ok {
			settings[key] = l
		}
	}
}
