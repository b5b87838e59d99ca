package embedded_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/storetest"
)

func TestStoreOnDisk(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, partitions int) storetest.Fixture {
		return fixture(t, t.TempDir(), partitions, embedded.Options{})
	})
}

func TestStoreInMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, partitions int) storetest.Fixture {
		return fixture(t, "store", partitions, embedded.Options{FS: vfs.NewMem()})
	})
}

// fixture opens a hub between two others, whose keys must not mix with its own.
func fixture(t *testing.T, dir string, partitions int, opts embedded.Options) storetest.Fixture {
	opts.CacheBytes = 1 << 20
	var db *embedded.DB
	closeStore := func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	openStore := func() store.Store {
		var err error
		if db, err = embedded.Open(dir, opts); err != nil {
			t.Fatalf("Open(%s): %v", dir, err)
		}
		var hub *embedded.Hub
		for _, name := range []string{"before", "Hub", "after"} {
			h, err := db.Hub(name, store.HubOptions{Partitions: partitions, Create: true})
			if err != nil {
				t.Fatalf("Hub(%s): %v", name, err)
			}
			if name == "Hub" {
				hub = h
			}
		}
		return hub
	}
	return storetest.Fixture{
		Store:  openStore(),
		Reopen: func() store.Store { closeStore(); return openStore() },
		Close:  closeStore,

		OneTenure: true,
	}
}
