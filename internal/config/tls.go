package config

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// TLS says how the HTTP API is encrypted. The zero value does not.
type TLS struct {
	Certificate, Key string      // PEM files, absolute; the certificate's may hold its chain
	ClientCA         string      // PEM file of those who sign clients' certificates; empty: nobody is asked for one
	Clients          []TLSClient // whose certificates open the API
}

// TLSClient is a caller that a certificate proves.
type TLSClient struct {
	Name string // a URI among the certificate's alternative names, or the common name of its subject
	Role string // metadata, read or operate
}

// Enabled reports whether there is TLS.
func (t TLS) Enabled() bool { return t.Certificate != "" }

// roles are the values of [TLSClient.Role], the first is the default.
var roles = []string{"operate", "read", "metadata"}

// tlsFile is the rule of a file of management.tls.
func tlsFile(name string, field func(*TLS) *string) rule {
	return rule{"management.tls." + name,
		func(c *Config, text string) error {
			if text != "" && !filepath.IsAbs(text) {
				text = filepath.Join(c.Root, text)
			}
			*field(&c.Management.TLS) = text
			return nil
		},
		func(c *Config) string { return *field(&c.Management.TLS) }}
}

// tls reads the list of clients, and checks what belongs together.
func (c *Config) tls(settings tree, report func(Problem)) {
	t := &c.Management.TLS
	source := "default"
	for i := 0; ; i++ {
		place := "management:tls:clients:" + strconv.Itoa(i)
		name, named := settings[place+":name"]
		role, given := settings[place+":role"]
		if !named && !given {
			break
		}
		client := TLSClient{Name: strings.TrimSpace(name.text), Role: roles[0]}
		if given {
			client.Role = strings.ToLower(strings.TrimSpace(role.text))
		}
		switch {
		case client.Name == "":
			report(Problem{Source: cmp.Or(name.source, role.source), Key: "management.tls.clients", Text: fmt.Sprintf("client %d has no name: the common name or a URI of its certificate is needed", i+1)})
		case slices.ContainsFunc(t.Clients, func(o TLSClient) bool { return o.Name == client.Name }):
			report(Problem{Source: name.source, Key: name.path, Text: fmt.Sprintf("client %s is there twice", client.Name)})
		case !slices.Contains(roles, client.Role):
			report(Problem{Source: role.source, Key: role.path, Text: fmt.Sprintf("%q is not metadata, read or operate", role.text)})
		}
		t.Clients, source = append(t.Clients, client), name.origin()
	}
	var names []string
	for _, client := range t.Clients {
		names = append(names, client.Name+" ("+client.Role+")")
	}
	c.note("management.tls.clients", strings.Join(names, ", "), source)
	problem := func(key, text string) {
		l := settings[key]
		report(Problem{Source: l.source, Key: l.path, Text: text})
	}
	switch {
	case t.Certificate != "" && t.Key == "":
		problem("management:tls:certificate", "needs management.tls.key, the file with the certificate's key")
	case t.Certificate == "" && t.Key != "":
		problem("management:tls:key", "needs management.tls.certificate, the file with the key's certificate")
	case t.Certificate == "" && t.ClientCA != "":
		problem("management:tls:clientca", "needs management.tls.certificate and management.tls.key: without TLS no client shows a certificate")
	case t.ClientCA == "" && len(t.Clients) > 0:
		problem("management:tls:clients:0:name", "needs management.tls.clientCA, the file with the certificates of those who sign the clients'")
	}
}
