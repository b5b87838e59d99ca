package engine_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
)

// shelf is a store on a disk in memory, with hubs beside each other.
type shelf struct {
	*testing.T
	disk vfs.FS
	db   *embedded.DB
}

func withShelf(t *testing.T, test func(s *shelf)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{T: t, disk: vfs.NewMem()}
		var err error
		if s.db, err = embedded.Open("store", embedded.Options{FS: s.disk, FreeBytes: func() (uint64, error) { return 1 << 40, nil }}); err != nil {
			t.Fatalf("open store: %v", err)
		}
		test(s)
	})
}

// world begins a process on a hub of the shelf; the caller stops it.
func (s *shelf) world(name string) *world {
	s.Helper()
	hub, err := s.db.Hub(name, store.HubOptions{Partitions: 4, Create: true})
	if err != nil {
		s.Fatalf("Hub(%s) = %v", name, err)
	}
	w := &world{T: s.T, register: addCarriers, inner: hub, options: engine.Options{}}
	w.start()
	return w
}

// traces closes the store and counts keys and values on its disk that hold text.
func (s *shelf) traces(text string) (n int) {
	s.Helper()
	if err := s.db.Close(); err != nil {
		s.Fatalf("close store: %v", err)
	}
	db, err := pebble.Open("store/data", &pebble.Options{FS: s.disk, ReadOnly: true, Logger: silent{s.T}})
	if err != nil {
		s.Fatalf("open what the store left: %v", err)
	}
	defer db.Close()
	it, err := db.NewIter(nil)
	if err != nil {
		s.Fatal(err)
	}
	defer it.Close()
	for it.First(); it.Valid(); it.Next() {
		if bytes.Contains(it.Key(), []byte(text)) || bytes.Contains(it.Value(), []byte(text)) {
			n++
		}
	}
	return n
}

// silent keeps to itself what a database tells.
type silent struct{ *testing.T }

func (silent) Infof(string, ...any) {}

// addCarriers adds functions that leave a word in every place of a store.
func addCarriers(w *world, app *perdure.App) {
	addBasics(w, app)
	perdure.AddActivity(app, "Grow", func(_ context.Context, word string) (string, error) { return strings.Repeat(word+" ", 100_000), nil })
	perdure.AddOrchestrator(app, "Carry", func(ctx *perdure.OrchestrationContext, word string) (string, error) {
		if err := ctx.SetCustomStatus(word); err != nil {
			return "", err
		}
		large, err := perdure.ActivityRef[string, string]("Grow").Call(ctx, word).Await()
		if err != nil {
			return "", err
		}
		if _, err := perdure.OrchestratorRef[any, any]("Echo").Call(ctx, word, perdure.WithInstanceID(ctx.InstanceID()+" child")).Await(); err != nil {
			return "", err
		}
		ctx.CreateTimer(time.Hour)
		_, err = perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		return large, err
	})
}

// carry leaves word in the hub: in ids, tags, payloads large and small, in an
// instance that has ended and in one that still runs.
func (w *world) carry(word string) {
	w.Helper()
	tags := map[string]string{word: word}
	w.mustStart("Carry", word, client.StartOptions{ID: history.InstanceID(word), Tags: tags})
	w.settle()
	w.raise(word, "Go", word)
	w.completed(word)
	w.mustStart("UntilGo", word, client.StartOptions{ID: history.InstanceID(word + " waits"), Tags: tags})
	w.mustStart("UntilGo", word, client.StartOptions{ID: history.InstanceID(word + " pends"), StartAt: time.Now().Add(time.Hour)})
	w.settle()
	w.raise(word+" waits", "Other", word)
	w.settle()
}

func TestN166_NothingOfPurgedInstancesStaysInTheStore(t *testing.T) {
	for _, purge := range []bool{false, true} {
		withShelf(t, func(s *shelf) {
			w := s.world("Hub")
			w.carry("secret")
			if purge {
				w.purge("secret", client.PurgeOptions{Recursive: true})
				w.purge("secret waits", client.PurgeOptions{Force: true})
				w.purge("secret pends", client.PurgeOptions{Force: true})
			}
			w.settle()
			w.stop()
			if n := s.traces("secret"); purge && n != 0 || !purge && n < 10 {
				t.Errorf("%d entries of the store hold the word, purged: %t", n, purge)
			}
		})
	}
}

func TestN168_DeletedHubLeavesNothingAndOthersAlone(t *testing.T) {
	withShelf(t, func(s *shelf) {
		first, other := s.world("First"), s.world("Other")
		first.carry("secret")
		other.carry("public")
		before := other.json("public") + other.json("public waits")
		first.stop()
		if err := s.db.DeleteHub("First"); err != nil {
			t.Fatalf("DeleteHub = %v", err)
		}
		if _, err := s.db.Hub("First", store.HubOptions{}); !errors.Is(err, store.ErrHubNotFound) {
			t.Errorf("Hub after DeleteHub = %v, want %v", err, store.ErrHubNotFound)
		}
		if after := other.json("public") + other.json("public waits"); after != before {
			t.Errorf("instances of the other hub are\n%s\nwant\n%s", after, before)
		}
		other.raise("public waits", "Go", 1)
		other.completed("public waits")
		again := s.world("First")
		if rows := again.rows(); len(rows) != 0 {
			t.Errorf("the hub made anew has %v, want nothing", rows)
		}
		again.stop()
		other.stop()
		if n := s.traces("secret"); n != 0 {
			t.Errorf("%d entries of the store are of the deleted hub", n)
		}
	})
}

func TestN169_SameIDInTwoHubsIsIndependent(t *testing.T) {
	withShelf(t, func(s *shelf) {
		ctx := context.Background()
		worlds := []*world{s.world("First"), s.world("Other")}
		for i, w := range worlds {
			w.mustStart("UntilGo", i, client.StartOptions{ID: "id"})
		}
		first, other := worlds[0], worlds[1]
		first.settle()
		executions := []client.ExecutionID{first.status("id").ExecutionID, other.status("id").ExecutionID}
		if executions[0] == executions[1] {
			t.Errorf("both have execution %s", executions[0])
		}
		first.raise("id", "Go", "first")
		if got := first.completed("id"); got != `"first"` {
			t.Errorf("output in the first hub = %s, want what was raised there", got)
		}
		for _, change := range []struct {
			what string
			do   func() error
		}{
			{"an event", func() error { return nil }}, // the one above
			{"a restart", func() error {
				_, err := first.Restart(ctx, "id", client.RestartOptions{SameID: true})
				return err
			}},
			{"a suspension", func() error { first.settle(); return first.Suspend(ctx, "id", "") }},
			{"a termination", func() error { return first.Terminate(ctx, "id", client.TerminateOptions{Wait: true}) }},
			{"a purge", func() error { return ignored(first.Purge(ctx, "id", client.PurgeOptions{MustExist: true})) }},
			{"a purge of all", func() error { return ignored(first.PurgeBy(ctx, client.PurgeFilter{All: true})) }},
			{"a new start", func() error {
				return ignored(first.Start(ctx, "Echo", 1, client.StartOptions{ID: "id", Reuse: client.RefuseIfExists}))
			}},
		} {
			if err := change.do(); err != nil {
				t.Fatalf("%s in the first hub: %v", change.what, err)
			}
			first.settle()
			if st := other.status("id"); st.RuntimeStatus != history.Running || st.ExecutionID != executions[1] || string(st.Input) != "1" {
				t.Errorf("after %s in the first hub the other's is %+v", change.what, st)
			}
		}
		other.raise("id", "Go", "other")
		if got := other.completed("id"); got != `"other"` {
			t.Errorf("output in the other hub = %s, want what was raised there", got)
		}
		for _, w := range worlds {
			w.stop()
		}
		if err := s.db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
}

func ignored[T any](_ T, err error) error { return err }
