package corrupt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
	"github.com/perdure/perdure/internal/worker"
)

// Hubs of the folders, and how many partitions they have.
var hubSizes = map[string]int{"Orders": 4, "Mail": 2}

// folders are the same store as it was at some times. Nobody writes to them.
type folders struct {
	early   string // with a few instances, ended in good order
	clean   string // with all, ended in good order
	unclean string // with more in the log, as a process that was killed leaves it
	logs    string // the same with several logs, since tables could not be written
}

// build makes a store and runs the app on it. name is in all that it stores, so that
// two stores differ.
func build(t *testing.T, name string) folders {
	root := t.TempDir()
	work := filepath.Join(root, "work")
	f := folders{filepath.Join(root, "early"), filepath.Join(root, "clean"), filepath.Join(root, "unclean"), filepath.Join(root, "logs")}
	session(t, work, App, func(on engines, db *embedded.DB) {
		on.everything(t, name)
		eraseHub(t, db)
	})
	copyFolder(t, work, f.early)
	// The next session puts what this one stores into a table above those of the lowest level.
	session(t, work, App, func(on engines, _ *embedded.DB) { on.chains(t, name+"-above", 20, 1000) })
	session(t, work, nil, func(on engines, _ *embedded.DB) { on.waiting(t, name) })
	copyFolder(t, work, f.clean)
	session(t, work, nil, func(on engines, _ *embedded.DB) {
		on.large(t, name+"-flushed", 30, 12<<10) // more than the first memtable takes
		on.pending(t, name+"-unclean", 20)
		copyRunning(t, work, f.unclean)
	})
	session(t, work, nil, func(on engines, _ *embedded.DB) {
		free := refuseTables(t, work)
		on.pileUp(t, work, name+"-logs")
		copyFolder(t, work, f.logs)
		free()
	})
	return f
}

// eraseHub makes a hub and deletes it, and has what was erased so far compacted.
func eraseHub(t *testing.T, db *embedded.DB) {
	_, err := db.Hub("Gone", store.HubOptions{Partitions: 1, Create: true})
	if err := errors.Join(err, db.DeleteHub("Gone"), db.Reclaim(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// engines run on an open store.
type engines map[string]*engine.Engine

// session opens the store in dir, runs an engine for each hub, with the app's functions if
// there is one, and ends everything in good order.
func session(t *testing.T, dir string, app func() *perdure.App, do func(engines, *embedded.DB)) {
	t.Helper()
	db, err := embedded.Open(dir, embedded.Options{MinFreeBytes: 1})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	on := engines{}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for name, partitions := range hubSizes {
		hub, err := db.Hub(name, store.HubOptions{Partitions: partitions, Create: true})
		if err != nil {
			t.Fatalf("open hub %s: %v", name, err)
		}
		exec := engine.Executor(nil)
		if app != nil {
			w, err := worker.New(app(), worker.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			exec = w
		}
		e := engine.New(hub, exec, engine.Options{})
		on[name] = e
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Errorf("the engine ended with %v", err)
			}
		})
	}
	do(on, db)
	cancel()
	running.Wait()
	if err := db.Close(); err != nil {
		t.Fatalf("close the store: %v", err)
	}
}

func (on engines) start(t *testing.T, in, name string, id string, input any, more func(*hub.StartRequest)) history.InstanceID {
	t.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	r := hub.StartRequest{Name: name, ID: history.InstanceID(id), Input: text}
	if more != nil {
		more(&r)
	}
	if _, err := on[in].Start(t.Context(), r); err != nil {
		t.Fatalf("start %s: %v", id, err)
	}
	return r.ID
}

func (on engines) wait(t *testing.T, hub string, ids ...history.InstanceID) {
	t.Helper()
	for _, id := range ids {
		if _, err := on[hub].Wait(t.Context(), id); err != nil {
			t.Fatalf("wait for %s: %v", id, err)
		}
	}
}

// everything has an instance of every kind.
func (on engines) everything(t *testing.T, name string) {
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for in, e := range on {
		begun := func(id history.InstanceID) history.InstanceID { must(e.WaitStarted(t.Context(), id)); return id }
		var ended []history.InstanceID
		for i := range 6 {
			tags := func(r *hub.StartRequest) { r.Tags = map[string]string{"customer": fmt.Sprint(i % 2), "store": name} }
			ended = append(ended, on.start(t, in, "Chain", fmt.Sprint(name, "-chain", i), strings.Repeat("a word ", 10*i), tags))
		}
		ended = append(ended,
			on.start(t, in, "Parent", name+"-parent", "hello", nil),
			on.start(t, in, "Generations", name+"-generations", 3, nil),
			on.start(t, in, "Fail", name+"-fail", nil, nil),
			on.start(t, in, "Chain", name+"-large", strings.Repeat("large", 3500), nil))
		on.wait(t, in, ended...)
		begun(on.start(t, in, "Wait", name+"-wait", nil, nil))
		begun(on.start(t, in, "Sleep", name+"-sleep", nil, nil))
		must(e.Suspend(t.Context(), begun(on.start(t, in, "Wait", name+"-suspended", nil, nil)), "a pause"))
		over := begun(on.start(t, in, "Wait", name+"-terminated", nil, nil))
		must(e.Terminate(t.Context(), over, hub.TerminateRequest{Reason: []byte(`"enough"`)}))
		on.wait(t, in, over)
		on.start(t, in, "Chain", name+"-later", "later", func(r *hub.StartRequest) { r.ScheduledAt = time.Now().Add(1000 * time.Hour) })
		// What is erased one by one, and by ranges.
		_, err := e.Purge(t.Context(), ended[1], hub.PurgeRequest{})
		must(err)
		on.chains(t, name+"-purged", 40, 10)
		_, err = e.PurgeBy(t.Context(), hub.PurgeFilter{Query: history.Query{IDPrefix: name + "-purged"}})
		must(err)
	}
}

// chains runs n Chains with inputs of so many bytes.
func (on engines) chains(t *testing.T, name string, n, bytes int) {
	var starting sync.WaitGroup
	for i := range n {
		starting.Go(func() {
			on.wait(t, "Orders", on.start(t, "Orders", "Chain", fmt.Sprint(name, "-", i), strings.Repeat("x", bytes), nil))
		})
	}
	starting.Wait()
}

// waiting leaves messages, work and timers for an app that does not run.
func (on engines) waiting(t *testing.T, name string) {
	for in, e := range on {
		for i := range 5 {
			r := hub.RaiseRequest{Name: "note", Payload: fmt.Appendf(nil, `"message %d"`, i), Key: fmt.Sprint("key", i)}
			if err := e.Raise(t.Context(), history.InstanceID(name+"-wait"), r); err != nil {
				t.Fatal(err)
			}
		}
		if err := e.Terminate(t.Context(), history.InstanceID(name+"-sleep"), hub.TerminateRequest{}); err != nil {
			t.Fatal(err)
		}
		on.start(t, in, "Chain", name+"-much-later", "", func(r *hub.StartRequest) { r.ScheduledAt = time.Now().Add(2000 * time.Hour) })
	}
	on.pending(t, name+"-pending", 5)
}

// pending starts n instances, each by a commit of its own, that nobody runs.
func (on engines) pending(t *testing.T, name string, n int) {
	for i := range n {
		on.start(t, "Orders", "Chain", fmt.Sprint(name, i), strings.Repeat("waiting ", 20), nil)
	}
}

// large starts n of them with large inputs.
func (on engines) large(t *testing.T, name string, n, bytes int) {
	for i := range n {
		on.start(t, "Orders", "Chain", fmt.Sprint(name, i), strings.Repeat("x", bytes), nil)
	}
}

// pileUp starts large ones until the folder has two logs with something in them.
func (on engines) pileUp(t *testing.T, dir, name string) {
	for round := range 20 {
		on.large(t, fmt.Sprint(name, round, "-"), 1, 200<<10)
		logs := 0
		for _, path := range glob(t, filepath.Join(dir, "data", "*.log")) {
			if info, err := os.Stat(path); err == nil && info.Size() > block {
				logs++
			}
		}
		if logs > 1 {
			on.pending(t, name+"-last", 5)
			return
		}
	}
	t.Fatal("there is one log only")
}

// refuseTables puts folders where the next tables would be, so that logs pile up.
func refuseTables(t *testing.T, dir string) (free func()) {
	last := 0
	for _, path := range glob(t, filepath.Join(dir, "data", "*")) {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(path), "%06d.", &n); err == nil {
			last = max(last, n)
		}
	}
	var made []string
	for n := last + 1; n < last+20_000; n++ {
		path := filepath.Join(dir, "data", fmt.Sprintf("%06d.sst", n))
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		made = append(made, path)
	}
	return func() {
		for _, path := range made {
			os.Remove(path)
		}
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(paths)
	return paths
}
