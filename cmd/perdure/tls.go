package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
)

// tlsFiles are the files for hosts elsewhere that are reached by https.
type tlsFiles struct{ ca, cert, certKey string }

// httpClient is what reaches a host elsewhere; nil for the usual one.
func (t *tool) httpClient() (*http.Client, error) {
	f := tlsFiles{
		cmp.Or(t.tls.ca, t.variable("PERDURE_CA_FILE")),
		cmp.Or(t.tls.cert, t.variable("PERDURE_CERT")),
		cmp.Or(t.tls.certKey, t.variable("PERDURE_CERT_KEY")),
	}
	if f == (tlsFiles{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		text, err := os.ReadFile(t.path(f.ca))
		if err != nil {
			return nil, usage("--ca-file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, usage("--ca-file: %s holds no certificate in PEM", f.ca)
		}
	}
	if (f.cert == "") != (f.certKey == "") {
		return nil, usage("--cert and --cert-key go together")
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.path(f.cert), t.path(f.certKey))
		if err != nil {
			return nil, usage("--cert, --cert-key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = c
	return &http.Client{Transport: transport}, nil
}

// signedBy adds to the error about a certificate of an unknown signer what to
// do.
func signedBy(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return fmt.Errorf("%w; name who signed it by --ca-file", err)
	}
	return err
}
