package host

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/perdure/perdure/internal/config"
)

// address is where a host listens.
type address struct {
	ip       net.IP
	port     int
	loopback bool // only this machine can connect
	keyed    bool // a key is needed
	tls      bool
	none     bool // it does not: the program serves the handler
}

// listenAddress resolves where to listen. Where others than this machine can
// connect a key is needed, whatever anyone says.
func listenAddress(o Options, cfg *config.Config) (address, error) {
	name := cmp.Or(o.Address, cfg.LocalHTTPAddress, "127.0.0.1")
	if o.Port == NoPort {
		demand := cfg.Management.RequireKey
		return address{none: true, keyed: demand == nil || *demand}, nil
	}
	at := address{ip: net.ParseIP(name), port: o.Port}
	if name == "localhost" {
		at.ip = net.IPv4(127, 0, 0, 1)
	}
	if at.ip == nil {
		return address{}, fmt.Errorf("address %q is not an IP address or localhost", name)
	}
	if at.port == ConfiguredPort {
		at.port = cmp.Or(cfg.LocalHTTPPort, DefaultPort)
	}
	if at.port < 0 || at.port > 65535 {
		return address{}, fmt.Errorf("port %d is not between 0 and 65535", at.port)
	}
	at.loopback, at.tls = at.ip.IsLoopback(), cfg.Management.TLS.Enabled()
	demand := cfg.Management.RequireKey
	at.keyed = !at.loopback || demand != nil && *demand
	if !at.loopback && demand != nil && !*demand {
		return address{}, fmt.Errorf("address %s: others than this machine can connect, so the HTTP API needs a key; take management.requireKey, which is false, out of the configuration, or listen on 127.0.0.1", name)
	}
	if !at.loopback && !at.tls && !o.PlainHTTP && !cfg.Management.AllowPlainHTTP {
		return address{}, fmt.Errorf("address %s: others than this machine can connect, and what is sent, keys too, could be read on the way: name a certificate and its key in management.tls; or, where a proxy or the like encrypts, say --plain-http or management.allowPlainHttp; or listen on 127.0.0.1", name)
	}
	return at, nil
}

func (a address) listen() (net.Listener, error) {
	text := net.JoinHostPort(a.ip.String(), strconv.Itoa(a.port))
	listener, err := net.Listen("tcp", text)
	switch {
	case err == nil:
		return listener, nil
	case addressInUse(err):
		return nil, fmt.Errorf("%s is in use by another program: stop it, or choose another port with --port (0 takes a free one)", text)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("no permission to listen on %s: choose a port above 1023 with --port", text)
	}
	return nil, fmt.Errorf("listen on %s: %w", text, err)
}

// url is how this machine reaches what listens at addr: one that takes every
// address is reached by the loopback's.
func (a address) url(addr net.Addr) string {
	ip := a.ip
	switch {
	case ip.Equal(net.IPv4zero):
		ip = net.IPv4(127, 0, 0, 1)
	case ip.Equal(net.IPv6unspecified):
		ip = net.IPv6loopback
	}
	_, port, _ := net.SplitHostPort(addr.String()) // as a listener has it
	scheme := "http://"
	if a.tls {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(ip.String(), port)
}
