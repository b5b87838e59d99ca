package host

import (
	"bytes"
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/testcert"
)

// writePair writes a certificate of that name and its key.
func writePair(t testing.TB, files config.TLS, name string) {
	t.Helper()
	signer, err := testcert.NewSigner("ca")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := signer.Issue(name, "")
	if err != nil {
		t.Fatal(err)
	}
	replace(t, files.Certificate, certificate)
	replace(t, files.Key, key)
}

// replace puts another file at path.
func replace(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestCertificatesAreReadAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	files := config.TLS{Certificate: filepath.Join(dir, "pem"), Key: filepath.Join(dir, "key")}
	writePair(t, files, "first")
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c, err := loadCertificates(files, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		want := func(name string) {
			t.Helper()
			served, err := c.current(nil)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := x509.ParseCertificate(served.Certificates[0].Certificate[0])
			if err != nil || leaf.Subject.CommonName != name {
				t.Errorf("served is %v, %v; want %s", leaf.Subject, err, name)
			}
		}
		want("first")
		writePair(t, files, "second")
		want("first") // it was looked at a moment ago
		time.Sleep(lookPause)
		want("second")

		replace(t, files.Certificate, []byte("nonsense"))
		for range 3 {
			time.Sleep(lookPause)
			want("second")
		}
		if told := strings.Count(log.String(), "cannot be used"); told != 1 {
			t.Errorf("the log tells %d times of files that cannot be used, want once:\n%s", told, &log)
		}
		if err := os.Remove(files.Key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lookPause)
		want("second")
		writePair(t, files, "third")
		time.Sleep(lookPause)
		want("third")
	})
}
