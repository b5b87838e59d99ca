package host

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/perdure/perdure/internal/private"
)

// endpoint is what a host leaves beside its store, readable by its owner only,
// so that the command line finds the process that holds the store.
type endpoint struct {
	URL string `json:"url"`
	PID int    `json:"pid"`     // the same as in the store's lock: else the file is a stale one
	Hub string `json:"taskHub"` // whose functions run there; clients reach the others by the same address; empty: an older build does not say
	Key string `json:"key"`     // opens everything; another one after each start
}

func endpointPath(dataDir string) string { return filepath.Join(dataDir, "endpoint") }

// writeEndpoint leaves the endpoint; remove takes it away again.
func writeEndpoint(dataDir, url, hub, key string) (remove func(), err error) {
	text, err := json.Marshal(endpoint{URL: url, PID: os.Getpid(), Hub: hub, Key: key})
	if err != nil {
		return nil, err
	}
	path := endpointPath(dataDir)
	if err := private.Write(path, text); err != nil {
		return nil, fmt.Errorf("write endpoint: %w", err)
	}
	return func() { os.Remove(path) }, nil // one that stays is recognised as stale
}

// findEndpoint returns the endpoint that process pid left in dataDir.
func findEndpoint(dataDir string, pid int) (endpoint, bool) {
	text, err := os.ReadFile(endpointPath(dataDir))
	if err != nil {
		return endpoint{}, false
	}
	var ep endpoint
	if json.Unmarshal(text, &ep) != nil || ep.URL == "" || ep.PID != pid {
		return endpoint{}, false
	}
	return ep, true
}
