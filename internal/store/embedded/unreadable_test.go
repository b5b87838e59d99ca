package embedded

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// A row that cannot be decoded is named on its page, is counted, and keeps nobody
// from seeing the others.
func TestUnreadableRowIsNamed(t *testing.T) {
	t.Parallel()
	h, owner := openHub(t, "store", Options{FS: vfs.NewMem()})
	for n := history.Number(1); n <= 3; n++ {
		id := history.InstanceID([]string{"a", "b", "c"}[n-1])
		delta := &store.Delta{Number: n, ID: id, OldStatus: history.Unknown, Row: &history.Instance{Number: n, ID: id, Name: "N", Status: history.Running}}
		if err := owner.Commit(t.Context(), 0, []*store.Delta{delta}); err != nil {
			t.Fatal(err)
		}
	}
	row := history.AppendInstance(nil, &history.Instance{Number: 2, ID: "b"})
	if err := h.db.pebble.Set(h.rowKey(2), append(row, 0xff), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	q := history.Query{Limit: 2}
	page, err := h.ListInstances(t.Context(), q)
	if err != nil || len(page.Rows) != 1 || page.Rows[0].ID != "c" || len(page.Unreadable) != 1 || page.Next != 2 {
		t.Fatalf("first page: %+v, %v; want c, b as unreadable, and more", page, err)
	}
	if bad := page.Unreadable[0]; bad.Number != 2 || bad.ID != "b" || bad.Problem == "" {
		t.Errorf("unreadable: %+v, want number 2, id b and why", bad)
	}
	q.Before = page.Next
	if page, err = h.ListInstances(t.Context(), q); err != nil || len(page.Rows) != 1 || page.Rows[0].ID != "a" || page.Next != 0 {
		t.Errorf("second page: %+v, %v; want a", page, err)
	}
	counts, err := h.CountInstances(t.Context(), history.Query{IDPrefix: "b", CompletedTo: new(time.Now())})
	if err != nil || counts[history.Unknown] != 1 {
		t.Errorf("counts %v, %v; want one Unknown", counts, err)
	}
}
