package host_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// signer makes certificates.
type signer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newSigner(t *testing.T, name string) signer {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	s := signer{template, newKey(t)}
	s.certificate = s.sign(t, template, s.key)
	return s
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s signer) sign(t *testing.T, template *x509.Certificate, of *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, s.certificate, &of.PublicKey, s.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// issue returns a certificate for a server on the loopback, or a client, and its key in PEM.
func (s signer) issue(t *testing.T, name, uri string) (certificate, key []byte) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = []*url.URL{u}
	}
	k := newKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return encode("CERTIFICATE", s.sign(t, template, k).Raw), encode("PRIVATE KEY", der)
}

func encode(what string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der})
}

// withTLS returns a folder with a host.json that has TLS, by a certificate of s.
func withTLS(t *testing.T, s signer, more string) string {
	t.Helper()
	dir := withHostJSON(t, `"management":{"requireKey":true,"tls":{"certificate":"server.pem","key":"server.key"`+more+`}}`)
	certificate, key := s.issue(t, "server", "")
	write(t, dir, "server.pem", certificate)
	write(t, dir, "server.key", key)
	write(t, dir, "ca.pem", encode("CERTIFICATE", s.certificate.Raw))
	return dir
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure returns a client that trusts s and shows a certificate, if there is one.
func secure(t *testing.T, s signer, certificate, key []byte) *http.Client {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AddCert(s.certificate)
	if certificate != nil {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}
	return &http.Client{Transport: transport}
}

func TestTLS(t *testing.T) {
	ca := newSigner(t, "ca")
	dir := withTLS(t, ca, "")
	var out strings.Builder
	r := start(t, dir, host.Options{Stdout: &out})
	defer r.stop(t)
	if !strings.HasPrefix(r.URL, "https://127.0.0.1:") || !strings.HasPrefix(r.Client.Links("x").StatusQueryGetURI, r.URL) || !strings.Contains(out.String(), r.URL) {
		t.Errorf("URL = %s, link = %s, stdout:\n%s\nwant https in all", r.URL, r.Client.Links("x").StatusQueryGetURI, out.String())
	}
	remote := client.Remote(r.URL, client.RemoteOptions{Key: theKey(t, dir), HTTPClient: secure(t, ca, nil, nil)})
	if _, err := remote.StartNew(t.Context(), "Echo", 1, client.StartOptions{ID: "x"}); err != nil {
		t.Errorf("StartNew by TLS error: %v", err)
	}
	c, release, err := connect(t, dir, "", false) // the command line knows nothing of certificates
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := c.WaitForCompletion(t.Context(), "x"); err != nil {
		t.Errorf("WaitForCompletion by the command line error: %v", err)
	}
	if link := c.Links("x").StatusQueryGetURI; !strings.HasPrefix(link, r.URL) {
		t.Errorf("link of the command line = %s, want one to %s", link, r.URL)
	}
	if res, err := http.Get(strings.Replace(r.URL, "https", "http", 1)); err != nil || res.StatusCode != 400 {
		t.Errorf("plain HTTP: %v, %v; want 400", res, err)
	}
	old := &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(r.URL, "https://"), old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestClientCertificatesAreCallers(t *testing.T) {
	ca, stranger := newSigner(t, "ca"), newSigner(t, "ca")
	var log journal
	r := start(t, withTLS(t, ca, `,"clientCA":"ca.pem","clients":[{"name":"ci"},{"name":"spiffe://example.org/look","role":"read"}]`), host.Options{Logger: log.logger()})
	defer r.stop(t)
	for _, tt := range []struct {
		name, uri   string
		by          signer
		look, start int // 0: the connection is refused
	}{
		{"ci", "", ca, 200, 202},
		{"whoever", "spiffe://example.org/look", ca, 200, 403},
		{"nobody", "spiffe://example.org/other", ca, 401, 401},
		{"ci", "", stranger, 0, 0},
	} {
		certificate, key := tt.by.issue(t, tt.name, tt.uri)
		c := secure(t, ca, certificate, key)
		code := func(res *http.Response, err error) int {
			if err != nil {
				return 0
			}
			res.Body.Close()
			return res.StatusCode
		}
		if got := code(c.Get(r.URL + list)); got != tt.look {
			t.Errorf("%s %s looks: %d, want %d", tt.name, tt.uri, got, tt.look)
		}
		if got := code(c.Post(r.URL+"/runtime/webhooks/durabletask/orchestrators/Echo", "application/json", nil)); got != tt.start {
			t.Errorf("%s %s starts: %d, want %d", tt.name, tt.uri, got, tt.start)
		}
	}
}

func TestTLSSettingsThatAreRefused(t *testing.T) {
	ca := newSigner(t, "ca")
	for _, tt := range []struct{ more, damage, want string }{
		{"", "server.pem", "server.pem"},
		{"", "server.key", "server.key"},
		{`,"clientCA":"none.pem"`, "", "none.pem"},
		{`,"clientCA":"server.key"`, "", "holds no certificate"},
	} {
		dir := withTLS(t, ca, tt.more)
		if tt.damage != "" {
			write(t, dir, tt.damage, []byte("-----BEGIN"))
		}
		err := host.Run(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "management.tls") {
			t.Errorf("Run with %q, %s damaged error = %v, want it to say management.tls and %s", tt.more, tt.damage, err, tt.want)
		}
	}
}
