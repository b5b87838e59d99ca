package host

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/perdure/perdure/internal/config"
)

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
