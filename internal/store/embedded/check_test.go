package embedded

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// newCheckedHub makes a hub with an instance that has every kind of row.
func newCheckedHub(t *testing.T) (*Hub, store.Tenure, *history.Instance) {
	t.Helper()
	db, err := Open("store", Options{FS: vfs.NewMem(), CacheBytes: 1 << 20, FreeBytes: func() (uint64, error) { return 1 << 40, nil }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	hub, err := db.Hub("Hub", store.HubOptions{Partitions: 4, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	p := history.PartitionOf("x", 4)
	owner, _ := storetest.Own(t, hub)
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	row := &history.Instance{
		Number: history.NewNumber(at.UnixMicro(), p), ID: "x", ExecutionID: history.NewExecutionID(), Name: "Hello", Status: history.Pending,
		CreatedAt: at, UpdatedAt: at, Tags: map[string]string{"team": "blue"}, Events: 1,
		Parent: &history.Parent{InstanceID: "p", Number: history.NewNumber(1000, history.PartitionOf("p", 4))},
	}
	row.Labels = []string{history.ParentLabel(row.Parent.Number)}
	start := history.Turn{Seq: 1, Events: []history.Event{{
		Kind: history.ExecutionStarted, ID: history.NoID, At: at, Name: "Hello", Payload: []byte(`"` + strings.Repeat("x", bigRecord) + `"`),
		Started: &history.Started{ExecutionID: row.ExecutionID, Tags: row.Tags, Parent: row.Parent},
	}}}
	err = owner.Commit(t.Context(), 0, []*store.Delta{{
		Partition: p, Number: row.Number, ID: "x", Row: row, OldStatus: history.Unknown, Work: store.Set,
		Record: &store.Record{Seq: 1, Bytes: history.AppendTurn(nil, &start)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return hub, owner, row
}

func checkHub(t *testing.T, h *Hub) (found []history.Disagreement) {
	t.Helper()
	view, err := h.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := engine.Check(context.Background(), view, hub.CheckOptions{Tell: func(d history.Disagreement) { found = append(found, d) }}); err != nil {
		t.Fatalf("Check: %v", err)
	}
	return found
}

// TestCheckFindsDamagedRows plants what the engine cannot see.
func TestCheckFindsDamagedRows(t *testing.T) {
	type plant = func(h *Hub, row *history.Instance, b *pebble.Batch)
	remove := func(k func(h *Hub, row *history.Instance) key) plant {
		return func(h *Hub, row *history.Instance, b *pebble.Batch) { _ = b.Delete(k(h, row), nil) }
	}
	set := func(value []byte, k func(h *Hub, row *history.Instance) key) plant {
		return func(h *Hub, row *history.Instance, b *pebble.Batch) { _ = b.Set(k(h, row), value, nil) }
	}
	big := func(h *Hub, row *history.Instance) key { return bigOf(h.recordKey(row.Number, 1)) }
	for name, tt := range map[string]struct {
		rule, rows, says string
		plant            plant
	}{
		"id missing":      {"index", "id row", "not found by its id", remove(func(h *Hub, _ *history.Instance) key { return h.idKey("x") })},
		"id too much":     {"index", "id row", "the id cannot be used", set(make([]byte, 8), func(h *Hub, _ *history.Instance) key { return h.idKey("y") })},
		"id damaged":      {"key", "", "number of 3 bytes", set(make([]byte, 3), func(h *Hub, _ *history.Instance) key { return h.idKey("x") })},
		"status missing":  {"index", "status index of Pending", "it is missing", remove(func(h *Hub, row *history.Instance) key { return h.statusStretch(history.Pending).number(row.Number) })},
		"status too much": {"index", "status index of Failed", "it is there", set(nil, func(h *Hub, row *history.Instance) key { return h.statusStretch(history.Failed).number(row.Number) })},
		"name":            {"index", `name index of ["hello"]`, "it is missing", remove(func(h *Hub, row *history.Instance) key { return h.nameStretch("Hello").number(row.Number) })},
		"tag":             {"index", `tag index of ["team" "blue"]`, "it is missing", remove(func(h *Hub, row *history.Instance) key { return h.tagStretch("team", "blue").number(row.Number) })},
		"label":           {"index", "label index", "it is missing", remove(func(h *Hub, row *history.Instance) key { return h.labelStretch(row.Labels[0]).number(row.Number) })},
		"count": {"count", "count of Pending", "7 are counted, but 1 rows are Pending", set(binary.BigEndian.AppendUint64(nil, 7), func(h *Hub, _ *history.Instance) key {
			return newKey(h.id, spaceCounts).uint8(uint8(history.Pending))
		})},
		"big record missing":  {"record", "records of instance", "is missing", remove(big)},
		"big record too much": {"record", "record 2", "stored apart", set([]byte("x"), func(h *Hub, row *history.Instance) key { return bigOf(h.recordKey(row.Number, 2)) })},
		"unknown rows":        {"key", "", "none that this build knows", set(nil, func(h *Hub, _ *history.Instance) key { return newKey(h.id, 'z') })},
		"key's length":        {"key", "", "the key of a record", set(nil, func(h *Hub, row *history.Instance) key { return h.recordKey(row.Number, 1).uint8(1) })},
		"partition": {"key", "", "but the hub has 4", set([]byte("x"), func(h *Hub, row *history.Instance) key {
			return newKey(h.id, spaceWork).partition(4).number(row.Number)
		})},
		"row damaged": {"record", "status row", "codec version", set([]byte("x"), func(h *Hub, row *history.Instance) key { return h.rowKey(row.Number) })},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub, _, row := newCheckedHub(t)
			if found := checkHub(t, hub); len(found) > 0 {
				t.Fatalf("before: %+v", found)
			}
			batch := hub.db.pebble.NewBatch()
			tt.plant(hub, row, batch)
			if err := hub.db.apply(batch); err != nil {
				t.Fatal(err)
			}
			found := checkHub(t, hub)
			if !slices.ContainsFunc(found, func(d history.Disagreement) bool {
				return d.Rule == tt.rule && strings.Contains(d.Rows, tt.rows) && strings.Contains(d.Says, tt.says) && d.Do != ""
			}) {
				t.Errorf("found %+v, want one of rule %s about %q that says %q", found, tt.rule, tt.rows, tt.says)
			}
		})
	}
}

// TestCheckReadsEveryTable flips a byte of a table.
func TestCheckReadsEveryTable(t *testing.T) {
	hub, _, _ := newCheckedHub(t)
	db := hub.db
	if err := db.pebble.Flush(); err != nil {
		t.Fatal(err)
	}
	name, at := tableWith(t, db, []byte("Hello"))
	flip(t, db, name, at)
	found := checkHub(t, hub)
	if !slices.ContainsFunc(found, func(d history.Disagreement) bool {
		return d.Rule == "table" && strings.Contains(d.Rows, name) && strings.Contains(d.Says, "checksum")
	}) {
		t.Errorf("found %+v, want table %s", found, name)
	}
}
