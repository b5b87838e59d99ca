package embedded_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/storetest"
)

func TestHubs(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	db := mustOpen(t, "store", embedded.Options{FS: disk})
	if _, err := db.Hub("Orders", store.HubOptions{}); !errors.Is(err, store.ErrHubNotFound) || err.Error() != `hub "Orders" in store: hub not found` {
		t.Errorf("Hub(Orders) = error %v, want %v", err, store.ErrHubNotFound)
	}
	orders, err := db.Hub("Orders", store.HubOptions{Create: true})
	if err != nil || orders.Partitions() != embedded.DefaultPartitions || orders.Name() != "Orders" {
		t.Fatalf("Hub(Orders, create) = %v, error %v, want %d partitions", orders, err, embedded.DefaultPartitions)
	}
	if _, err := db.Hub("Mail", store.HubOptions{Create: true, Partitions: 3}); err != nil {
		t.Errorf("Hub(Mail, 3 partitions): %v", err)
	}
	if again, err := db.Hub("ORDERS", store.HubOptions{Create: true}); again != orders || err != nil {
		t.Errorf("Hub(ORDERS) = %p, error %v, want the same as Orders, %p", again, err, orders)
	}
	for _, partitions := range []int{-1, history.MaxPartitions + 1} {
		if _, err := db.Hub("Wrong", store.HubOptions{Create: true, Partitions: partitions}); err == nil {
			t.Errorf("Hub(Wrong, %d partitions) = no error", partitions)
		}
	}
	if _, err := db.Hub("", store.HubOptions{Create: true}); err == nil {
		t.Errorf("Hub(no name) = no error")
	}
	for range 2 {
		if got, want := db.Hubs(), []string{"Mail", "Orders"}; !slices.Equal(got, want) {
			t.Errorf("Hubs() = %v, want %v", got, want)
		}
		want := `hub "Mail" has 3 partitions, not 64: they are fixed when a hub is made; ask for 3, or for another hub`
		if _, err := db.Hub("mail", store.HubOptions{Create: true, Partitions: 64}); err == nil || err.Error() != want {
			t.Errorf("Hub(mail, 64 partitions) = error %v, want %s", err, want)
		}
		if mail, err := db.Hub("mail", store.HubOptions{}); err != nil || mail.Partitions() != 3 || mail.Name() != "Mail" {
			t.Errorf("Hub(mail) = error %v, want hub Mail of 3 partitions", err)
		}
		mustClose(t, db)
		db = mustOpen(t, "store", embedded.Options{FS: disk})
	}
	mustClose(t, db)
}

func TestHubsAreApart(t *testing.T) {
	t.Parallel()
	db := mustOpen(t, "store", embedded.Options{FS: vfs.NewMem()})
	defer mustClose(t, db)
	for i, name := range []string{"a", "b"} {
		hub, err := db.Hub(name, store.HubOptions{Create: true, Partitions: 1})
		if err != nil {
			t.Fatalf("Hub(%s): %v", name, err)
		}
		var owner store.Tenure
		for epoch := range store.Epoch(i + 1) {
			var grants []store.Grant
			if owner, grants = storetest.Own(t, hub); grants[0].Epoch != epoch+1 {
				t.Errorf("hub %s has epoch %d, want %d", name, grants[0].Epoch, epoch+1)
			}
		}
		d := &store.Delta{Number: 1024, ID: "i", Row: &history.Instance{Number: 1024, ID: "i", Name: name}, OldStatus: history.Unknown}
		if err := owner.Commit(t.Context(), 0, []*store.Delta{d}); err != nil {
			t.Fatalf("Commit to %s: %v", name, err)
		}
	}
	for _, name := range []string{"a", "b"} {
		hub, err := db.Hub(name, store.HubOptions{})
		if err != nil {
			t.Fatalf("Hub(%s): %v", name, err)
		}
		if row, ok, err := hub.FindInstance(t.Context(), "i"); err != nil || !ok || row.Name != name {
			t.Errorf("FindInstance(i) in hub %s = %v, %t, error %v", name, row, ok, err)
		}
	}
}

func TestNoSpace(t *testing.T) {
	t.Parallel()
	free := uint64(1 << 40)
	db := mustOpen(t, "store", embedded.Options{FS: vfs.NewMem(), MinFreeBytes: 1 << 20, FreeBytes: func() (uint64, error) { return free, nil }})
	defer mustClose(t, db)
	hub, err := db.Hub("h", store.HubOptions{Create: true, Partitions: 1})
	if err != nil {
		t.Fatalf("Hub(h): %v", err)
	}
	owner, _ := storetest.Own(t, hub)
	var stored history.Number
	commit := func() error {
		number := stored + 1
		row := &history.Instance{Number: number, ID: "i"}
		err := owner.Commit(t.Context(), 0, []*store.Delta{{Number: number, ID: "i", Row: row, OldStatus: history.Unknown}})
		if err == nil {
			stored = number
		}
		return err
	}
	// The disk is not asked each time, but soon.
	free = 1 << 19
	for i := 0; ; i++ {
		if err := commit(); err != nil {
			if !errors.Is(err, store.ErrNoSpace) {
				t.Fatalf("Commit(nearly full disk) = error %v, want %v", err, store.ErrNoSpace)
			}
			break
		}
		if i == 100 {
			t.Fatalf("Commit(nearly full disk) = no error, 100 times")
		}
	}
	if err := commit(); !errors.Is(err, store.ErrNoSpace) {
		t.Errorf("Commit(nearly full disk) = error %v, want %v again", err, store.ErrNoSpace)
	}
	if last, err := hub.LastNumber(t.Context()); last != stored || err != nil {
		t.Errorf("LastNumber() = %d, error %v, want %d", last, err, stored)
	}
	free = 1 << 30
	if err := commit(); err != nil {
		t.Errorf("Commit(space again): %v", err)
	}
}
