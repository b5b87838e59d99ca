package host

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/config"
)

// writePair writes a certificate of that name and its key.
func writePair(t testing.TB, files config.TLS, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, files.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	replace(t, files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
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
