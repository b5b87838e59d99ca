package client

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/perdure/perdure/internal/private"
)

// throughSocket sends every request through the Unix socket at path, where this
// user or root must listen. Nobody can listen in there, so it takes no TLS,
// also for https.
func throughSocket(path string) http.RoundTripper {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) { return private.Dial(ctx, path) }
	return &http.Transport{DialContext: dial, DialTLSContext: dial, IdleConnTimeout: 90 * time.Second}
}
