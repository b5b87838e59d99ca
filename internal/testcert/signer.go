// Package testcert makes certificates for the tests of TLS.
package testcert

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"time"
)

// Signer signs certificates, which are good for an hour.
type Signer struct {
	Certificate *x509.Certificate // its own
	key         *ecdsa.PrivateKey
}

// NewSigner returns a signer of that name with a key of its own.
func NewSigner(name string) (Signer, error) {
	key, err := newKey()
	if err != nil {
		return Signer{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	s := Signer{template, key} // it signs itself
	der, err := s.sign(template, key)
	if err != nil {
		return Signer{}, err
	}
	s.Certificate, err = x509.ParseCertificate(der)
	return s, err
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// sign returns a certificate for the public half of key.
func (s Signer) sign(template *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	return x509.CreateCertificate(rand.Reader, template, s.Certificate, &key.PublicKey, s.key)
}

// PEM is the signer's own certificate.
func (s Signer) PEM() []byte { return encode("CERTIFICATE", s.Certificate.Raw) }

// Issue returns a certificate for a server on 127.0.0.1, or for a client, and
// its key, both in PEM. uri is a name besides name, if it is not empty.
func (s Signer) Issue(name, uri string) (certificate, key []byte, err error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if uri != "" {
		u, err := url.Parse(uri)
		if err != nil {
			return nil, nil, err
		}
		template.URIs = []*url.URL{u}
	}
	k, err := newKey()
	if err != nil {
		return nil, nil, err
	}
	leaf, err := s.sign(template, k)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, err
	}
	return encode("CERTIFICATE", leaf), encode("PRIVATE KEY", der), nil
}

func encode(what string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: what, Bytes: der})
}
