package hubs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file of keys is refused without a word of it that may be a key, or is the same when it is written anew.
func FuzzKeys(f *testing.F) {
	const secret = "SECRETSECRETSECRET"
	f.Add(`{"systemKeys":[{"name":"a","value":"SECRETSECRETSECRET","role":"read"}]}`)
	f.Add(`{"systemKeys":[{"name":"a","value":"SECRETSECRETSECRET"},{"name":"b","value":"SECRETSECRETSECRET"}]}`)
	f.Add(`{"systemKeys":[{"name":"a","SECRETSECRETSECRET":1}]} x`)
	f.Add(`{"SYSTEMKEYS":[{"role":"SECRETSECRETSECRET"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeys([]byte(text))
		if err != nil {
			var file keyFile
			json.Unmarshal([]byte(text), &file) // as far as it goes
			named := slices.ContainsFunc(file.SystemKeys, func(k storedKey) bool { return strings.Contains(k.Name, secret) })
			if strings.Contains(err.Error(), secret) && !named {
				t.Errorf("parseKeys(%q) error = %v", text, err)
			}
			return
		}
		again, err := json.Marshal(keyFile{keys})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseKeys(again); err != nil || !slices.Equal(got, keys) {
			t.Errorf("parseKeys(%q) = %v, then %v, error %v", text, keys, got, err)
		}
	})
}

// An endpoint is refused, or leads to this machine.
func FuzzEndpoint(f *testing.F) {
	f.Add(`{"url":"http://127.0.0.1:7071","pid":1,"taskHub":"h","key":"k"}`)
	f.Add(`{"url":"http://example.org","local":"http://[::1]:1"}`)
	f.Add(`{"url":"http://127.0.0.1@example.org/"}`)
	f.Add(`{"url":"x","socket":"../socket"}`)
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(EndpointPath(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ep, err := ReadEndpoint(dir)
		if err == nil && !filepath.IsAbs(ep.Socket) && !thisMachine(ep.address()) {
			t.Errorf("readEndpoint(%q) = %+v", text, ep)
		}
	})
}

// The secret that signs links is what was written, or an error.
func FuzzLinkSecret(f *testing.F) {
	f.Add(string(sealed(strings.Repeat("A", 52))))
	f.Add(strings.Repeat("A", 52) + " 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "link-secret"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if secret, err := loadLinkSecret(dir); err == nil && (text != string(sealed(string(secret))) || len(secret) < 52) {
			t.Errorf("loadLinkSecret of %q = %q", text, secret)
		}
	})
}
