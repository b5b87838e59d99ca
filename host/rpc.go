package host

import (
	"math/rand/v2"
	"net"

	"github.com/perdure/perdure/internal/httpapi"
)

// Where the local RPC endpoint is: its own port, or if another program has that
// one, a random one of the range (docs/contracts/http-api.md 1.1).
const (
	rpcPort      = 17071
	rpcFirstPort = 30000
	rpcLastPort  = 31000
	rpcTries     = 9
)

// listenRPC listens for worker processes on this machine, which bring no key.
func listenRPC() (net.Listener, error) {
	listener, err := loopbackAt(rpcPort).listen()
	for try := 0; try < rpcTries && err != nil; try++ {
		listener, err = loopbackAt(rpcFirstPort + rand.N(rpcLastPort-rpcFirstPort+1)).listen()
	}
	return listener, err
}

func loopbackAt(port int) address {
	return address{ip: net.IPv4(127, 0, 0, 1), port: port, loopback: true}
}

// rpcBaseURL is what clients take as rpcBaseUrl; they want the slash.
func rpcBaseURL(listener net.Listener) string {
	return loopbackAt(0).url(listener.Addr()) + httpapi.RPCBasePath + "/"
}

// rpcOptions turns the options of the API at url into those of the local RPC
// endpoint: links lead to the API, never to the endpoint.
func rpcOptions(o httpapi.Options, url string) httpapi.Options {
	o.LocalRPC, o.Loopback, o.AllowedHosts, o.Other = true, true, nil, nil
	if o.PublicURL == "" {
		o.PublicURL = url
	}
	return o
}
