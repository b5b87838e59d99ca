package config

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestTLS(t *testing.T) {
	dir := app(t, "host.json", durable(`"management":{"allowPlainHttp":true,"tls":{"certificate":"tls/pem","key":"/etc/key","clientCA":"ca",
		"clients":[{"name":"ci"},{"name":"spiffe://example.org/look","role":"Read"}]}}`))
	c := load(t, Source{Dir: dir})
	got := c.Management.TLS
	if got.Certificate != filepath.Join(dir, "tls", "pem") || got.ClientCA != filepath.Join(dir, "ca") || !filepath.IsAbs(got.Key) || !got.Enabled() || !c.Management.AllowPlainHTTP {
		t.Errorf("TLS = %+v, allowPlainHttp %v", got, c.Management.AllowPlainHTTP)
	}
	if want := []TLSClient{{"ci", "operate"}, {"spiffe://example.org/look", "read"}}; !slices.Equal(got.Clients, want) {
		t.Errorf("clients = %v, want %v", got.Clients, want)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings = %v", c.Warnings)
	}
	for members, want := range map[string]string{
		`"certificate":"pem"`: "needs management.tls.key",
		`"key":"key"`:         "needs management.tls.certificate",
		`"clientCA":"ca"`:     "needs management.tls.certificate",
		`"certificate":"pem","key":"key","clients":[{"name":"ci"}]`:                                "needs management.tls.clientCA",
		`"certificate":"pem","key":"key","clientCA":"ca","clients":[{"role":"read"}]`:              "has no name",
		`"certificate":"pem","key":"key","clientCA":"ca","clients":[{"name":"ci","role":"admin"}]`: "is not metadata, read or operate",
		`"certificate":"pem","key":"key","clientCA":"ca","clients":[{"name":"ci"},{"name":"ci"}]`:  "is there twice",
	} {
		wantProblem(t, Source{Dir: app(t, "host.json", durable(`"management":{"tls":{`+members+`}}`))}, want)
	}
}
