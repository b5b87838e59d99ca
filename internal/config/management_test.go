package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestManagement(t *testing.T) {
	c := load(t, Source{
		Dir: app(t, "host.json", durable(`"httpSettings":{"useForwardedHost":true},
			"management":{"requireKey":true,"allowedHosts":["orders.example","[::1]"],"publicUrl":"https://orders.example:8443/durable/","maxBodyBytes":1024,
			"links":{"scope":"Instance","lifetime":"01:00:00"},"audit":{"required":false,"keep":"30.00:00:00"}},
			"retention":{"completed":"30.00:00:00","failed":"90.00:00:00","terminated":"24h","interval":"00:10:00"}`),
			"local.settings.json", `{"Host":{"CORS":"https://a.example, http://localhost:3000","CORSCredentials":true}}`),
	})
	want := Management{
		RequireKey: new(true), AllowedHosts: []string{"orders.example", "::1"}, MaxBodyBytes: 1024,
		PublicURL: "https://orders.example:8443/durable", UseForwarded: true, LinkScope: InstanceLinks, LinkLifetime: time.Hour, AuditKeep: 30 * 24 * time.Hour,
		AllowedOrigins: []string{"https://a.example", "http://localhost:3000"}, AllowCredentials: true,
	}
	if diff := cmp.Diff(want, c.Management); diff != "" {
		t.Errorf("Management (-want +got):\n%s", diff)
	}
	const day = 24 * time.Hour
	if want := (Retention{Completed: 30 * day, Failed: 90 * day, Terminated: day, Interval: 10 * time.Minute}); c.Retention != want {
		t.Errorf("Retention = %+v, want %+v", c.Retention, want)
	}
	if len(c.Unused)+len(c.Warnings) > 0 {
		t.Errorf("Unused, Warnings = %q, %q; want none", c.Unused, c.Warnings)
	}
}

func TestManagementIsOffByDefault(t *testing.T) {
	c := load(t, Source{Dir: app(t)})
	if diff := cmp.Diff(Management{LinkScope: HubLinks, AuditRequired: true, AuditKeep: 400 * 24 * time.Hour}, c.Management); diff != "" {
		t.Errorf("Management (-want +got):\n%s", diff)
	}
	if want := (Retention{Interval: time.Hour}); c.Retention != want {
		t.Errorf("Retention = %+v, want nothing purged", c.Retention)
	}
}

func TestManagementOverrides(t *testing.T) {
	const prefix = "AzureFunctionsJobHost__extensions__durableTask__management__"
	c := load(t, Source{Dir: app(t), Environ: []string{prefix + "allowedHosts__0=a.example", prefix + "allowedHosts__1=b.example", prefix + "requireKey=false"}})
	if diff := cmp.Diff([]string{"a.example", "b.example"}, c.Management.AllowedHosts); diff != "" || c.Management.RequireKey == nil || *c.Management.RequireKey {
		t.Errorf("AllowedHosts (-want +got):\n%s\nRequireKey = %v, want false", diff, c.Management.RequireKey)
	}
	c = load(t, Source{Dir: app(t), Environ: []string{prefix + "allowedHosts=a.example, b.example"}})
	if diff := cmp.Diff([]string{"a.example", "b.example"}, c.Management.AllowedHosts); diff != "" {
		t.Errorf("AllowedHosts of one text (-want +got):\n%s", diff)
	}
}

func TestManagementRefuses(t *testing.T) {
	for members, want := range map[string]string{
		`"management":{"requireKey":"maybe"}`:                       `requireKey: "maybe" is not true or false`,
		`"management":{"allowedHosts":["https://a"]}`:               "allowedHosts.0",
		`"management":{"allowedHosts":["a:80"]}`:                    "leave scheme, port and path out",
		`"management":{"allowedHosts":[["a"]]}`:                     "allowedHosts.0: is not a text",
		`"management":{"allowedHosts":["*"]}`:                       `"*"`,
		`"management":{"publicUrl":"orders.example"}`:               "publicUrl",
		`"management":{"publicUrl":"https://orders.example?a=b"}`:   "of the form https://host",
		`"management":{"publicUrl":"https://u:secret@orders"}`:      "publicUrl",
		`"management":{"maxBodyBytes":0}`:                           "maxBodyBytes",
		`"management":{"links":{"scope":"world"}}`:                  `"world" is not hub, instance or none`,
		`"management":{"links":{"lifetime":"01:00:00"}}`:            `needs "scope": "instance"`,
		`"management":{"links":{"scope":"instance","lifetime":-1}}`: "lifetime",
		`"management":{"audit":{"required":"perhaps"}}`:             `"perhaps" is not true or false`,
		`"management":{"audit":{"keep":"00:00:00"}}`:                "management.audit.keep",
		`"retention":{"completed":"30d"}`:                           `"30d" is not a duration`,
		`"retention":{"interval":"00:00:00"}`:                       "interval",
		`"httpSettings":{"useForwardedHost":1}`:                     "useForwardedHost",
	} {
		src := Source{Dir: app(t, "host.json", durable(members))}
		wantProblem(t, src, want)
		if _, err := Load(src); strings.Contains(err.Error(), "secret") {
			t.Errorf("Load error shows a password: %v", err)
		}
	}
	for hostSection, want := range map[string]string{
		`{"CORS":"*","CORSCredentials":true}`: "list the origins",
		`{"CORS":"a.example"}`:                `"a.example" is not of the form`,
		`{"CORS":"*","CORSCredentials":"x"}`:  "Host.CORSCredentials",
	} {
		wantProblem(t, Source{Dir: app(t, "local.settings.json", `{"Host":`+hostSection+`}`)}, want)
	}
}

func TestSlipsInOurOwnSectionsAreWarnedOf(t *testing.T) {
	c := load(t, Source{Dir: app(t, "host.json", durable(`"management":{"requireKeys":true},"retention":{"complete":"1.00:00:00"}`))})
	warnings := strings.Join(c.Warnings, "\n")
	for _, want := range []string{"management.requireKeys is not a setting", "retention.complete is not a setting"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("Warnings:\n%s\nwant %q", warnings, want)
		}
	}
}
