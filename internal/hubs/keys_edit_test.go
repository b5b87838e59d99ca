package hubs

import (
	"fmt"
	"sync"
	"testing"

	"github.com/perdure/perdure/internal/config"
)

// Edits at one moment wait for each other, also those that meet no file yet.
func TestEditsOfKeysLoseNone(t *testing.T) {
	cfg := &config.Config{DataDir: t.TempDir()}
	const n = 20
	var edits sync.WaitGroup
	for i := range n {
		edits.Go(func() {
			if _, err := AddKey(cfg, fmt.Sprintf("key-%d", i), "read"); err != nil {
				t.Error(err)
			}
		})
	}
	edits.Wait()
	keys, err := Keys(cfg)
	if err != nil || len(keys) != n+1 {
		t.Fatalf("Keys() = %d keys %v, error %v, want %d and %s", len(keys), keys, err, n, systemKey)
	}
}
