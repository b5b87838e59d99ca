package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/wire"
)

// app writes files, given as name and text in turn, into a fresh folder.
func app(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		put(t, dir, files[i], files[i+1])
	}
	return dir
}

func put(t *testing.T, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, src Source) *Config {
	t.Helper()
	c, err := Load(src)
	if err != nil {
		t.Fatalf("Load(%+v) error: %v", src, err)
	}
	return c
}

// durable is a v2 host.json around the members of its durableTask section.
func durable(members string) string {
	return `{"version":"2.0","extensions":{"durableTask":{` + members + `}}}`
}

func wantProblem(t *testing.T, src Source, words ...string) {
	t.Helper()
	_, err := Load(src)
	var all *Error
	if !errors.As(err, &all) {
		t.Fatalf("Load(%+v) error = %v, want an *Error", src, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("Load error:\n%v\nwant it to say %q", err, word)
		}
	}
}

func TestConfig_01_DialectIsLenient(t *testing.T) {
	dir := app(t, "host.json", "\uFEFF{ // comment\n \"version\": \"2.0\", /* x */ \"extensions\": {\"durableTask\": {\"hubName\": \"DevHub\",},},\n}")
	if got := load(t, Source{Dir: dir}).HubName; got != "DevHub" {
		t.Errorf("HubName = %q, want DevHub", got)
	}
}

func TestConfig_02to05_Places(t *testing.T) {
	for _, tt := range []struct {
		name, file, want string
		warn             bool
	}{
		{"v2", durable(`"hubName":"DevHub"`), "DevHub", false},
		{"v1", `{"durableTask":{"HubName":"DevHub"}}`, "DevHub", false},
		{"root section in a 2.0 file", `{"version":"2.0","durableTask":{"hubName":"DevHub"}}`, DefaultHubName, false},
		{"v2 without version", `{"extensions":{"durableTask":{"hubName":"DevHub"}}}`, "DevHub", true},
		{"numeric version", `{"version":2.0,"extensions":{"durableTask":{"hubName":"DevHub"}}}`, "DevHub", true},
		{"any letter case", `{"VERSION":"2.0","Extensions":{"DURABLETASK":{"HUBNAME":"DevHub"}}}`, "DevHub", false},
		{"last key wins", durable(`"hubName":"First","HUBNAME":"DevHub"`), "DevHub", true},
		{"empty object", `{}`, DefaultHubName, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := load(t, Source{Dir: app(t, "host.json", tt.file)})
			if c.HubName != tt.want || (len(c.Warnings) > 0) != tt.warn {
				t.Errorf("Load(%s) = hub %q, warnings %q; want hub %q, warned %v", tt.file, c.HubName, c.Warnings, tt.want, tt.warn)
			}
		})
	}
}

// Of a setting that one object has twice, in whatever letter case, the last counts; a
// warning names both.
func TestSettingsGivenTwiceAreWarnedOf(t *testing.T) {
	const used = " is given twice: it is ignored, and the last one, "
	for _, tt := range []struct{ name, file, text, first, last string }{
		{"a setting", "host.json", durable(`"hubName":"First","HubName":"Last"`), "extensions.durableTask.hubName", "extensions.durableTask.HubName"},
		{"the same spelling", "host.json", durable(`"hubName":"First","hubName":"Last"`), "extensions.durableTask.hubName", "extensions.durableTask.hubName"},
		{"null", "host.json", durable(`"hubName":"First","HubName":null`), "extensions.durableTask.hubName", "extensions.durableTask.HubName"},
		{
			"a section", "host.json", durable(`"storageProvider":{"partitionCount":3},"StorageProvider":{"type":"embedded"}`),
			"extensions.durableTask.storageProvider", "extensions.durableTask.StorageProvider",
		},
		{
			"within a section", "host.json", durable(`"storageProvider":{"partitionCount":3,"PartitionCount":4}`),
			"extensions.durableTask.storageProvider.partitionCount", "extensions.durableTask.storageProvider.PartitionCount",
		},
		{"a value", "local.settings.json", `{"Values":{"STAGE":"a","Stage":"b"}}`, "Values.STAGE", "Values.Stage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := app(t, tt.file, tt.text)
			want := []string{filepath.Join(dir, tt.file) + ": " + tt.first + used + tt.last + ", is used"}
			if diff := cmp.Diff(want, load(t, Source{Dir: dir}).Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
	if c := load(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":{"type":"embedded"},"hubName":"Hub"`))}); len(c.Warnings) > 0 {
		t.Errorf("warnings of settings that are given once: %q", c.Warnings)
	}
}

func TestConfig_06_NumbersMayBeStrings(t *testing.T) {
	c := load(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":{"partitionCount":"8"},"maxOrchestrationActions":7,"maxBacklogBytes":9`))})
	if c.Partitions != 8 || c.MaxActions != 7 || c.MaxBacklogBytes != 9 {
		t.Errorf("Partitions, MaxActions, MaxBacklogBytes = %d, %d, %d; want 8, 7, 9", c.Partitions, c.MaxActions, c.MaxBacklogBytes)
	}
}

func TestConfig_07and10_RangesAreReportedTogether(t *testing.T) {
	dir := app(t, "host.json", durable(`"hubName":"my-hub","storageProvider":{"partitionCount":1025},"maxConcurrentActivityFunctions":0,"overridableExistingInstanceStates":"some"`))
	wantProblem(t, Source{Dir: dir}, "extensions.durableTask.hubName", "my-hub", "extensions.durableTask.storageProvider.partitionCount: 1025",
		"extensions.durableTask.maxConcurrentActivityFunctions: 0", "overridableExistingInstanceStates", filepath.Join(dir, "host.json"))
	wantProblem(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":{"partitionCount":0}`))}, "partitionCount: 0")
	wantProblem(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":{"partitionCount":[1]}`))}, "partitionCount", "array")
}

func TestConfig_08_VisibilityTimeouts(t *testing.T) {
	for text, ok := range map[string]bool{"00:00:30": false, "01:00:01": false, "soon": false, "00:01:00": true, "01:00:00": true} {
		src := Source{Dir: app(t, "host.json", durable(`"storageProvider":{"controlQueueVisibilityTimeout":"`+text+`"}`))}
		if ok {
			load(t, src)
		} else {
			wantProblem(t, src, "controlQueueVisibilityTimeout", text)
		}
	}
}

func TestConfig_09_Durations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"00:00:05": 5 * time.Second, "1.00:00:00": day, "30.12:30:05": 30*day + 12*time.Hour + 30*time.Minute + 5*time.Second,
		"00:00:01.5": 1500 * time.Millisecond, "36h": 36 * time.Hour, "0:30": 30 * time.Minute, "30": 30 * day,
	} {
		c := load(t, Source{Dir: app(t, "host.json", durable(`"retention":{"completed":"`+text+`"}`))})
		if c.Retention.Completed != want {
			t.Errorf("retention.completed %q = %v, want %v", text, c.Retention.Completed, want)
		}
		if warned := len(c.Warnings) > 0; warned != (text == "30") {
			t.Errorf("retention.completed %q: warnings %q, want one for a bare number only", text, c.Warnings)
		}
	}
	if d, err := duration("00:00:00.5"); err != nil || d != 500*time.Millisecond {
		t.Errorf("duration(00:00:00.5) = %v, %v; want half a second", d, err)
	}
	for _, text := range []string{"", "-1", "24:00:00", "00:60:00", "1.5", "1.00:00:00.12345678", "999999.00:00:00", "00:00:00.5", "-5m", "40000.00:00:00", "x"} {
		wantProblem(t, Source{Dir: app(t, "host.json", durable(`"retention":{"completed":"`+text+`"}`))}, "extensions.durableTask.retention.completed: ")
	}
}

func TestConfig_11_HubNameIsExpanded(t *testing.T) {
	dir := app(t, "host.json", durable(`"hubName":"%A%x%b%"`), "local.settings.json", `{"Values":{"a":"Dev","B":7}}`)
	if got := load(t, Source{Dir: dir}).HubName; got != "Devx7" {
		t.Errorf("HubName = %q, want Devx7", got)
	}
	wantProblem(t, Source{Dir: app(t, "host.json", durable(`"hubName":"%NO%"`))}, "%NO%")
	wantProblem(t, Source{Dir: app(t, "host.json", durable(`"hubName":"Dev%A"`)), Environ: []string{"A=x"}}, "%A")
}

func TestConfig_12_HubNameRule(t *testing.T) {
	for name, ok := range map[string]bool{
		"ab": false, "1abc": false, "my-hub": false, strings.Repeat("a", 46): false, "": false, "héé": false, "abc\n": false,
		"abc": true, strings.Repeat("a", 45): true, "A1b2": true,
	} {
		if err := wire.CheckHubName(name); (err == nil) != ok {
			t.Errorf("wire.CheckHubName(%q) = %v, want ok %v", name, err, ok)
		}
	}
}

func TestConfig_13_DefaultHubIgnoresTheSite(t *testing.T) {
	if got := load(t, Source{Dir: app(t), Environ: []string{"WEBSITE_SITE_NAME=site"}}).HubName; got != "DurableFunctionsHub" {
		t.Errorf("HubName = %q, want DurableFunctionsHub", got)
	}
}

func TestConfig_14and15_Overrides(t *testing.T) {
	dir := app(t, "host.json", durable(`"hubName":"FileHub"`),
		"local.settings.json", `{"Values":{"AzureFunctionsJobHost__extensions__durableTask__hubName":"ValuesHub"}}`)
	if got := load(t, Source{Dir: dir}).HubName; got != "ValuesHub" {
		t.Errorf("HubName = %q, want ValuesHub", got)
	}
	environ := []string{"azurefunctionsjobhost__EXTENSIONS__durabletask__HubName=EnvHub", "AzureFunctionsJobHost__extensions__durableTask__storageProvider__partitionCount=3"}
	c := load(t, Source{Dir: dir, Environ: environ})
	if c.HubName != "EnvHub" || c.Partitions != 3 {
		t.Errorf("HubName, Partitions = %q, %d; want EnvHub, 3", c.HubName, c.Partitions)
	}
	if got := load(t, Source{Dir: dir, Environ: environ, TaskHub: "FlagHub"}).HubName; got != "FlagHub" {
		t.Errorf("HubName = %q, want FlagHub", got)
	}
	wantProblem(t, Source{Dir: dir, Environ: []string{"AzureFunctionsJobHost__extensions__durableTask__hubName=a"}}, "environment: AzureFunctionsJobHost__extensions__durableTask__hubName")
}

func TestConfig_16_ConnectionNames(t *testing.T) {
	const secret = "AccountName=me;AccountKey=c2VjcmV0"
	for _, tt := range []struct {
		name, members, flag string
		environ             []string
		problem             string // empty: none
	}{
		{"nothing", "", "", nil, ""},
		{"development storage", "", "", []string{"AzureWebJobsStorage=UseDevelopmentStorage=true"}, ""},
		{"empty variable", "", "", []string{"AzureWebJobsStorage="}, ""},
		{"azure", "", "", []string{"AzureWebJobsStorage=" + secret}, "environment: AzureWebJobsStorage"},
		{"azure by short name", `"storageProvider":{"connectionName":"Storage"}`, "", []string{"AzureWebJobsStorage=" + secret}, "environment: AzureWebJobsStorage"},
		{"embedded needs none", `"storageProvider":{"type":"Embedded"}`, "Nowhere", []string{"AzureWebJobsStorage=" + secret}, ""},
		{"named but missing", `"storageProvider":{"connectionStringName":"Mine"}`, "", nil, `"Mine"`},
		{"1.x name", `"azureStorageConnectionStringName":"Mine"`, "", nil, `"Mine"`},
		{"flag", "", "Mine", []string{"Mine=postgres://u:c2VjcmV0@h/db"}, "environment: Mine"},
		{"connection string as flag", "", secret, nil, "takes the name of a setting"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(Source{Dir: app(t, "host.json", durable(tt.members)), Environ: tt.environ, Connection: tt.flag})
			switch {
			case tt.problem == "" && err != nil:
				t.Errorf("Load error: %v", err)
			case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("Load error = %v, want it to say %q", err, tt.problem)
			case err != nil && strings.Contains(err.Error(), "c2VjcmV0"):
				t.Errorf("Load error shows a secret: %v", err)
			}
		})
	}
}

func TestConfig_17_FlatFileEqualsItsTwin(t *testing.T) {
	flat := load(t, Source{Dir: app(t, "host.json", `{"durableTask":{"hubName":"DevHub","partitionCount":8,"maxConcurrentActivityFunctions":3}}`)})
	nested := load(t, Source{Dir: app(t, "host.json", durable(`"hubName":"DevHub","storageProvider":{"partitionCount":8},"maxConcurrentActivityFunctions":3`))})
	for _, c := range []*Config{flat, nested} {
		c.Root, c.HostFile, c.DataDir, c.Settings = "", "", "", nil
	}
	if diff := cmp.Diff(nested, flat); diff != "" {
		t.Errorf("flat file differs from its twin (-nested +flat):\n%s", diff)
	}
	both := load(t, Source{Dir: app(t, "host.json", durable(`"partitionCount":8,"storageProvider":{"partitionCount":9}`))})
	if both.Partitions != 9 || len(both.Warnings) != 1 {
		t.Errorf("Partitions, Warnings = %d, %q; want 9 and one warning", both.Partitions, both.Warnings)
	}
}

func TestConfig_18_UnknownKeysAreListed(t *testing.T) {
	dir := app(t, "host.json", durable(`"useAppLease":false,"tracing":{"version":"V2"}`))
	c := load(t, Source{Dir: dir})
	file := filepath.Join(dir, "host.json")
	want := []string{file + ": extensions.durableTask.tracing.version", file + ": extensions.durableTask.useAppLease"}
	if diff := cmp.Diff(want, c.Unused); diff != "" {
		t.Errorf("Unused (-want +got):\n%s", diff)
	}
}

func TestConfig_19_Encrypted(t *testing.T) {
	wantProblem(t, Source{Dir: app(t, "local.settings.json", `{"IsEncrypted":true,"Values":{"A":"x"}}`)}, "IsEncrypted", "not supported")
	load(t, Source{Dir: app(t, "local.settings.json", `{"IsEncrypted":true,"Values":{}}`)})
}

func TestConfig_20_NestedValueIsNamed(t *testing.T) {
	wantProblem(t, Source{Dir: app(t, "local.settings.json", `{"Values":{"Deep":{"a":1}}}`)}, "Values.Deep")
}

func TestArraysAndScalarsAreNoObjects(t *testing.T) {
	for _, key := range []string{"Values", "Host", "ConnectionStrings"} {
		for _, value := range []string{`[]`, `[{"a":"b"}]`, `"a"`, `1`} {
			wantProblem(t, Source{Dir: app(t, "local.settings.json", `{"`+key+`":`+value+`}`)}, key+": must be an object")
		}
	}
	for _, text := range []string{`{"version":"2.0","extensions":[]}`, `{"version":"2.0","extensions":{"durableTask":[1]}}`} {
		wantProblem(t, Source{Dir: app(t, "host.json", text)}, "must be an object")
	}
	wantProblem(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":[]`))}, "storageProvider: must be an object")
}

func TestConfig_21_OverridableStates(t *testing.T) {
	c := load(t, Source{Dir: app(t, "host.json", durable(`"overridableExistingInstanceStates":"anystate","throwStatusExceptionsOnRaiseEvent":"FALSE","defaultVersion":"1.2"`))})
	if !c.ReplaceAnyState || c.RaiseChecks || c.DefaultVersion != "1.2" {
		t.Errorf("ReplaceAnyState, RaiseChecks, DefaultVersion = %v, %v, %q; want true, false, 1.2", c.ReplaceAnyState, c.RaiseChecks, c.DefaultVersion)
	}
}

func TestConfig_22_Providers(t *testing.T) {
	for name, want := range map[string]string{
		"mine": "known are embedded, postgres, azureStorage", "Postgres": "not in this build yet", "azurestorage": "not in this build yet",
		"mssql": "MSSQL storage provider is not yet supported", "NETHERITE": "Netherite storage provider is not yet supported", "azureManaged": "azureManaged",
	} {
		wantProblem(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":{"type":"`+name+`"}`))}, want, "storageProvider.type")
	}
	wantProblem(t, Source{Dir: app(t, "host.json", durable(`"storageProvider":"embedded"`))}, "extensions.durableTask.storageProvider: must be an object")
	wantProblem(t, Source{Dir: app(t, "host.json", `{"durableTask":3}`)}, "durableTask: must be an object")
}

func TestConfig_25_SubdirectoriesResolveAlike(t *testing.T) {
	dir := app(t, "host.json", durable(`"hubName":"DevHub"`), "local.settings.json", `{"Host":{"LocalHttpPort":7099,"LocalHttpAddress":"127.0.0.1"}}`)
	sub := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(load(t, Source{Dir: dir}), load(t, Source{Dir: sub})); diff != "" {
		t.Errorf("from the root and from below (-root +below):\n%s", diff)
	}
	if c := load(t, Source{Dir: sub, DataDir: "data"}); c.DataDir != filepath.Join(sub, "data") || c.LocalHTTPPort != 7099 {
		t.Errorf("DataDir, LocalHTTPPort = %q, %d; want the flag's below the working directory, 7099", c.DataDir, c.LocalHTTPPort)
	}
}

func TestConfig_26_FilesAreNotModified(t *testing.T) {
	const hostText, localText = `{}`, `{"Values":{}}`
	dir := app(t, "host.json", hostText, "local.settings.json", localText)
	load(t, Source{Dir: dir})
	for name, want := range map[string]string{"host.json": hostText, "local.settings.json": localText} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", name, got, err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("folder holds %v, want the two files", entries)
	}
}

func TestLoadNamesThePlaceOfASyntaxError(t *testing.T) {
	wantProblem(t, Source{Dir: app(t, "host.json", "{\n  \"a\": oops\n}")}, "host.json", "line 2")
	wantProblem(t, Source{Dir: app(t, "host.json", "")}, "empty")
	wantProblem(t, Source{Dir: app(t, "host.json", "{} {}")}, "more text")
	wantProblem(t, Source{Dir: app(t, "host.json", `{"a":`+strings.Repeat("[", 1000))}, "deeper")
}

func TestEverySettingHasASource(t *testing.T) {
	dir := app(t, "host.json", durable(`"maxOrchestrationActions":5`))
	sources := map[string]string{}
	for _, s := range load(t, Source{Dir: dir, TaskHub: "FlagHub"}).Settings {
		sources[s.Key] = s.Source
	}
	want := map[string]string{
		"hubName": "--task-hub-name", "data folder": "default", "storageProvider.type": "default", "storageProvider.partitionCount": "default",
		"maxOrchestrationActions":        filepath.Join(dir, "host.json") + ": extensions.durableTask.maxOrchestrationActions",
		"maxConcurrentActivityFunctions": "default", "maxConcurrentOrchestratorFunctions": "default",
		"httpSettings.useForwardedHost": "default", "management.requireKey": "default", "management.publicUrl": "default",
		"maxBacklogBytes": "default", "maxDeaths": "default", "management.maxBodyBytes": "default", "localRpcEndpointEnabled": "default",
		"management.allowPlainHttp": "default", "management.tls.certificate": "default", "management.tls.key": "default", "management.tls.clientCA": "default", "management.tls.clients": "default",
		"management.allowedHosts": "default", "management.links.scope": "default", "management.links.lifetime": "default",
		"management.audit.required": "default", "management.audit.keep": "default",
		"retention.completed": "default", "retention.failed": "default", "retention.terminated": "default", "retention.interval": "default",
		"overridableExistingInstanceStates": "default", "throwStatusExceptionsOnRaiseEvent": "default", "defaultVersion": "default",
	}
	if diff := cmp.Diff(want, sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(durable(`"hubName":"%A%"`)), []byte(`{"Values":{"A":"x"}}`), "A=1")
	f.Add([]byte(`{"durableTask":{"partitionCount":[]}}`), []byte(`{"Host":3}`), "AzureFunctionsJobHost__extensions__durableTask__hubName=x")
	f.Fuzz(func(t *testing.T, hostJSON, localJSON []byte, env string) {
		c, err := Load(Source{Dir: app(t, "host.json", string(hostJSON), "local.settings.json", string(localJSON)), Environ: []string{env}})
		if err == nil && wire.CheckHubName(c.HubName) != nil {
			t.Errorf("Load accepts hub %q", c.HubName)
		}
	})
}

// What manages an app finds its store upwards; the app itself has its own.
func TestTheStoreIsFoundUpwards(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "near", "a", "b")
	for _, dir := range []string{deep, filepath.Join(root, ".perdure"), filepath.Join(root, "near", ".perdure"), filepath.Join(root, "app", "sub")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// A file of that name is no store.
	if err := os.WriteFile(filepath.Join(deep, ".perdure"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "app", "local.settings.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		src  Source
		want string
	}{
		{Source{Dir: deep, FindStore: true}, filepath.Join(root, "near", ".perdure")},
		{Source{Dir: deep}, filepath.Join(deep, ".perdure")},
		{Source{Dir: deep, FindStore: true, DataDir: "mine"}, filepath.Join(deep, "mine")},
		{Source{Dir: filepath.Join(root, "app", "sub"), FindStore: true}, filepath.Join(root, "app", ".perdure")},
		{Source{Dir: root, FindStore: true}, filepath.Join(root, ".perdure")},
	} {
		if got := load(t, tt.src).DataDir; got != tt.want {
			t.Errorf("Load(%+v) has data folder %s, want %s", tt.src, got, tt.want)
		}
	}
}
