package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/wire"
)

// Source is where a configuration is read from.
type Source struct {
	Dir     string   // working directory; the root is looked for from here upwards
	Environ []string // "NAME=value" entries, as of os.Environ

	// Flags of the command line; empty when not given.
	TaskHub    string // --task-hub-name
	Connection string // --connection-string-setting: the name of a setting
	DataDir    string // --data-dir, relative to Dir

	// FindStore is for what manages an app and is not the app itself: where
	// neither host.json nor local.settings.json tells the app's folder, the
	// nearest folder from Dir upwards that has a store is it. Without one the
	// store is in Dir, as for the app.
	FindStore bool
}

// Config is a resolved and valid configuration. Nothing changes it after
// [Load].
type Config struct {
	Root     string // directory of host.json or local.settings.json, else the working directory
	HostFile string // path of host.json; empty when there is none
	DataDir  string // folder of the embedded store, absolute

	Provider          Provider
	HubName           string // valid by [wire.CheckHubName]
	Partitions        int    // of the hub, 1 to 1024; 0: what it has, 64 for a new one
	MaxActivities     int    // at a time in this process; 0: 10 per core
	MaxOrchestrations int    // at a time in this process; 0: 10 per core
	MaxActions        int    // of one orchestration
	MaxDeaths         int    // of the program, after which what ran at each is put aside; 0: 5
	MaxBacklogBytes   int    // of work at hand; 0: 128 MiB
	ReplaceAnyState   bool   // a start may replace an instance that has not ended
	RaiseChecks       bool   // raising an event to a missing or ended instance is an error
	DefaultVersion    string // of instances started without one

	LocalHTTPPort    int    // of local.settings.json Host; 0 when absent
	LocalHTTPAddress string // of local.settings.json Host; empty when absent
	RuntimeDir       string // XDG_RUNTIME_DIR: a folder of the user's for sockets; empty when absent

	LocalRPC   bool // worker processes on this machine manage instances through an endpoint of their own, without a key
	Management Management
	Retention  Retention

	Settings []Setting // every value with its source
	Warnings []string  // what a user should know, one line each
	Unused   []string  // keys that nothing here reads
}

// Setting is one resolved value, for people who ask where it came from.
type Setting struct {
	Key, Value, Source string
}

const defaultDataDir = ".perdure"

// Load resolves the configuration. The error is an [*Error] with everything
// that is wrong.
func Load(src Source) (*Config, error) {
	var problems []Problem
	report := func(p Problem) { problems = append(problems, p) }

	c := &Config{
		MaxActions: 100_000, RaiseChecks: true,
		Management: Management{LinkScope: HubLinks, AuditRequired: true, AuditKeep: auditKeep}, Retention: Retention{Interval: time.Hour},
	}
	dir, err := filepath.Abs(src.Dir)
	if err != nil {
		return nil, &Error{[]Problem{{Source: src.Dir, Text: err.Error()}}}
	}
	root, rooted := findRoot(dir)
	if c.Root = root; !rooted && src.FindStore {
		c.Root, _ = ancestor(dir, func(at string) bool { return isDir(filepath.Join(at, defaultDataDir)) })
	}
	local := readLocalSettings(filepath.Join(c.Root, localSettingsFile), report)
	app := newAppSettings(src.Environ, local)
	if at := app.exact["XDG_RUNTIME_DIR"]; filepath.IsAbs(at) {
		c.RuntimeDir = at
	}

	path := filepath.Join(c.Root, hostFile)
	settings, warnings, found := readHostFile(path, report)
	if found {
		c.HostFile = path
	}
	c.Warnings = append(warnings, local.warnings...)
	applyOverrides(settings, app)

	c.hub(settings, app, src.TaskHub, report)
	c.provider(settings, app, src.Connection, report)
	c.apply(settings, report)
	c.checkUnmapped(settings, report)
	c.management(settings, report)
	c.listener(local, report)
	c.cors(local, report)
	c.dataDir(dir, src.DataDir)
	c.listUnused(settings)

	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return strings.Compare(a.Source+a.Key, b.Source+b.Key) })
		return nil, &Error{problems}
	}
	return c, nil
}

// findRoot returns the nearest ancestor of dir with a host.json, else with a
// local.settings.json; else dir itself, which is not found.
func findRoot(dir string) (root string, found bool) {
	for _, name := range []string{hostFile, localSettingsFile} {
		if root, found = ancestor(dir, func(at string) bool { return isFile(filepath.Join(at, name)) }); found {
			return root, true
		}
	}
	return dir, false
}

// ancestor returns the nearest of dir and the folders above it that has what is
// wanted; dir itself if none has.
func ancestor(dir string, wanted func(string) bool) (string, bool) {
	for at := dir; ; at = filepath.Dir(at) {
		if wanted(at) {
			return at, true
		}
		if at == filepath.Dir(at) {
			return dir, false
		}
	}
}

func isFile(path string) bool { info, err := os.Stat(path); return err == nil && !info.IsDir() }
func isDir(path string) bool  { info, err := os.Stat(path); return err == nil && info.IsDir() }

// hub resolves the hub's name: flag, override or host.json, default. No site
// name or other ambient variable changes it.
func (c *Config) hub(settings tree, app appSettings, flag string, report func(Problem)) {
	c.HubName = DefaultHubName
	problem, origin := Problem{}, "default"
	if l, ok := settings["hubname"]; flag != "" {
		c.HubName, origin, problem.Source = flag, "--task-hub-name", "--task-hub-name"
	} else if ok && l.kind != null {
		expanded, missing := app.expand(l.text)
		c.HubName, origin, problem = expanded, l.origin(), Problem{Source: l.source, Key: l.path}
		if missing != "" {
			problem.Text = fmt.Sprintf("%s in %q is not the name of an app setting", missing, l.text)
			report(problem)
			return
		}
	}
	if err := wire.CheckHubName(c.HubName); err != nil {
		problem.Text = err.Error()
		report(problem)
	}
	c.note("hubName", c.HubName, origin)
}

// listener reads the Host section of local.settings.json.
func (c *Config) listener(local localSettings, report func(Problem)) {
	if l, ok := local.host["localhttpport"]; ok && l.kind != null {
		if err := parseInt(&c.LocalHTTPPort, strings.TrimSpace(l.text), 1, 65535); err != nil {
			report(Problem{Source: l.source, Key: l.path, Text: err.Error()})
		}
		c.note("Host.LocalHttpPort", l.text, l.origin())
	}
	if l, ok := local.host["localhttpaddress"]; ok && l.kind != null {
		c.LocalHTTPAddress = strings.TrimSpace(l.text)
		c.note("Host.LocalHttpAddress", l.text, l.origin())
	}
}

func (c *Config) dataDir(dir, flag string) {
	source := "default"
	switch {
	case flag == "":
		c.DataDir = filepath.Join(c.Root, defaultDataDir)
	case filepath.IsAbs(flag):
		c.DataDir, source = filepath.Clean(flag), "--data-dir"
	default:
		c.DataDir, source = filepath.Join(dir, flag), "--data-dir"
	}
	c.note("data folder", c.DataDir, source)
}

func (c *Config) note(key, value, source string) {
	c.Settings = append(c.Settings, Setting{key, value, source})
}
