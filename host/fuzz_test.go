package host

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/perdure/perdure/internal/config"
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
		if err := os.WriteFile(endpointPath(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ep, err := readEndpoint(dir)
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

// Whatever the files of the system hold, there is no limit or one to work with.
func FuzzCgroup(f *testing.F) {
	f.Add("0::/app/web\n", "sys/fs/cgroup/app/memory.max", "1073741824\n")
	f.Add("5:cpu:/a\n4:memory:/docker/a\n", "sys/fs/cgroup/memory/memory.limit_in_bytes", "-1")
	f.Add("0::/../..\n:::\n", "sys/fs/cgroup/memory.max", "1")
	f.Fuzz(func(t *testing.T, groups, file, limit string) {
		root := fstest.MapFS{file: {Data: []byte(limit)}, "proc/self/cgroup": {Data: []byte(groups)}}
		if bytes, ok := cgroupMemory(root); ok && (bytes <= 0 || goMemory(bytes) < 0 || goMemory(bytes) > bytes) {
			t.Errorf("limit %d, of which Go may have %d", bytes, goMemory(bytes))
		}
	})
}

// Files of TLS are used or refused, without a word of the key.
func FuzzTLSFiles(f *testing.F) {
	dir := f.TempDir()
	files := config.TLS{Certificate: filepath.Join(dir, "pem"), Key: filepath.Join(dir, "key"), ClientCA: filepath.Join(dir, "ca")}
	writePair(f, files, "x")
	var whole [2]string
	for i, path := range []string{files.Certificate, files.Key} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		whole[i] = string(text)
	}
	secret := rand.Text()
	f.Add(whole[0], whole[1], whole[0])
	f.Add(whole[0], "-----BEGIN PRIVATE KEY-----\nTUlJ\n-----END PRIVATE KEY-----\n", "")
	f.Add(whole[1], whole[0], whole[1])
	f.Fuzz(func(t *testing.T, certificate, key, ca string) {
		dir := t.TempDir()
		files := config.TLS{Certificate: filepath.Join(dir, "pem"), Key: filepath.Join(dir, "key"), ClientCA: filepath.Join(dir, "ca")}
		for path, text := range map[string]string{files.Certificate: certificate, files.Key: key + secret, files.ClientCA: ca} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := readTLS(files)
		switch {
		case err != nil && strings.Contains(err.Error(), secret):
			t.Errorf("readTLS error = %v", err)
		case err == nil && (len(c.Certificates) != 1 || c.ClientCAs == nil):
			t.Errorf("readTLS = %+v", c)
		}
	})
}
