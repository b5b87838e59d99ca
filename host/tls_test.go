package host_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/testcert"
)

func newSigner(t *testing.T, name string) testcert.Signer {
	t.Helper()
	s, err := testcert.NewSigner(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func issue(t *testing.T, s testcert.Signer, name, uri string) (certificate, key []byte) {
	t.Helper()
	certificate, key, err := s.Issue(name, uri)
	if err != nil {
		t.Fatal(err)
	}
	return certificate, key
}

// withTLS returns a folder with a host.json that has TLS, by a certificate of s.
func withTLS(t *testing.T, s testcert.Signer, more string) string {
	t.Helper()
	dir := withHostJSON(t, `"management":{"requireKey":true,"tls":{"certificate":"server.pem","key":"server.key"`+more+`}}`)
	certificate, key := issue(t, s, "server", "")
	write(t, dir, "server.pem", certificate)
	write(t, dir, "server.key", key)
	write(t, dir, "ca.pem", s.PEM())
	return dir
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// secure returns a client that trusts s and shows a certificate, if there is one.
func secure(t *testing.T, s testcert.Signer, certificate, key []byte) *http.Client {
	t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AddCert(s.Certificate)
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
	if _, err := remote.Start(t.Context(), "Echo", 1, client.StartOptions{ID: "x"}); err != nil {
		t.Errorf("Start by TLS error: %v", err)
	}
	c, release, err := connect(t, dir, "", false) // the command line knows nothing of certificates
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := c.Wait(t.Context(), "x"); err != nil {
		t.Errorf("Wait by the command line error: %v", err)
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
		by          testcert.Signer
		look, start int // 0: the connection is refused
	}{
		{"ci", "", ca, 200, 202},
		{"whoever", "spiffe://example.org/look", ca, 200, 403},
		{"nobody", "spiffe://example.org/other", ca, 401, 401},
		{"ci", "", stranger, 0, 0},
	} {
		certificate, key := issue(t, tt.by, tt.name, tt.uri)
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
