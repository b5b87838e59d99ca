package engine_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

// checked checks the hub in a store, and wants nothing to disagree.
func checked(t testing.TB, store store.Store) hub.CheckReport {
	t.Helper()
	report, found := check(t, store)
	for _, d := range found {
		t.Errorf("the hub does not agree: %s of %q: %s: %s", d.Rule, d.Instance, d.Rows, d.Says)
	}
	return report
}

// check checks the hub in a store and returns what does not agree.
func check(t testing.TB, kept store.Store) (report hub.CheckReport, found []history.Disagreement) {
	t.Helper()
	view, err := kept.View(context.Background())
	if errors.Is(err, store.ErrBroken) {
		return report, nil // the hub was deleted
	}
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	defer view.Close()
	report, err = engine.Check(context.Background(), view, hub.CheckOptions{Tell: func(d history.Disagreement) { found = append(found, d) }})
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	if int64(len(found)) != report.Disagreements {
		t.Errorf("Check reports %d disagreements and tells %d", report.Disagreements, len(found))
	}
	return report, found
}

// keeping is a hub with all kinds of instances, at rest.
func keeping(t *testing.T, store store.Store) store.Store {
	w := &world{T: t, inner: store, register: func(_ *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Wait", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
			canceled := ctx.CreateTimer(time.Hour)
			canceled.Cancel()
			return perdure.WaitForExternalEvent[any](ctx, "Go", perdure.WithTimeout(24*time.Hour)).Await()
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
			return perdure.OrchestratorRef[any, any]("Wait").Call(ctx, nil, perdure.WithInstanceID("child")).Await()
		})
		perdure.AddActivity(app, "Hello", func(_ context.Context, _ any) (any, error) { return "hello", nil })
		perdure.AddOrchestrator(app, "Done", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
			return perdure.ActivityRef[any, any]("Hello").Call(ctx, nil).Await()
		})
	}}
	w.start()
	tags := map[string]string{"team": "blue"}
	w.mustStart("Wait", nil, client.StartOptions{ID: "waiting", Tags: tags})
	w.mustStart("Parent", nil, client.StartOptions{ID: "parent"})
	w.mustStart("Wait", nil, client.StartOptions{ID: "scheduled", StartAt: time.Now().Add(48 * time.Hour)})
	w.completed(w.mustStart("Done", nil, client.StartOptions{ID: "done", Version: "1", Tags: tags}))
	w.settle()
	checked(t, store) // while it runs
	w.stop()

	idle := engine.New(store, nil, engine.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- idle.Run(ctx) }()
	if _, err := idle.Start(ctx, hub.StartRequest{Name: "Wait", ID: "pending"}); err != nil {
		t.Fatalf("Start(pending) = %v", err)
	}
	if err := idle.Raise(ctx, "pending", hub.RaiseRequest{Name: "Go"}); err != nil {
		t.Fatalf("Raise(pending) = %v", err)
	}
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Fatalf("Run = %v", err)
	}
	if report := checked(t, store); report.Instances != 6 || report.Messages != 1 || report.Timers != 3 || report.Records < 9 {
		t.Errorf("Check = %+v, want 6 instances, 1 message, 3 timers", report)
	}
	return store
}

// storedTimer returns the timer row of the same instance and id.
func storedTimer(t *testing.T, kept store.Store, partition int, like store.Timer) store.Timer {
	t.Helper()
	timers, err := kept.Timers(t.Context(), partition, store.Timer{}, history.MaxTime, 100)
	at := slices.IndexFunc(timers, func(t store.Timer) bool { return t.Number == like.Number && t.ID == like.ID })
	if err != nil || at < 0 {
		t.Fatalf("timers of partition %d are %+v, %v; want %+v among them", partition, timers, err, like)
	}
	return timers[at]
}

// TestCheckFindsWhatDoesNotAgree plants one disagreement after the other.
func TestCheckFindsWhatDoesNotAgree(t *testing.T) {
	changed := func(change func(*history.Instance)) func(*history.Instance, *store.Delta) {
		return func(row *history.Instance, d *store.Delta) {
			d.OldStatus = row.Status
			d.Row = row
			change(row)
		}
	}
	timer := func(row *history.Instance, id int32, after time.Duration) store.Timer {
		return store.Timer{Due: row.CreatedAt.Add(after), Number: row.Number, ID: id, Instance: row.ID}
	}
	message := func(m history.Message, key func(*store.MessageKey)) func(*history.Instance, *store.Delta) {
		return func(row *history.Instance, d *store.Delta) {
			sent := store.Message{MessageKey: store.MessageKey{Partition: d.Partition, From: d.Partition, Seq: 1 << 40}, Bytes: []byte("no message")}
			if m.To != "" {
				sent.Bytes = history.AppendMessage(nil, &m)
			}
			if key != nil {
				key(&sent.MessageKey)
			}
			d.Sent = []store.Message{sent}
		}
	}
	raised := history.Event{Kind: history.EventRaised, ID: history.NoID, Name: "Go"}
	for name, tt := range map[string]struct {
		id, rule, says string
		about          string // if not id
		plant          func(row *history.Instance, d *store.Delta)
	}{
		"status":       {"done", "history", "it is Failed, but its history ends as Completed", "", changed(func(r *history.Instance) { r.Status = history.Failed })},
		"suspended":    {"waiting", "history", "it is Suspended, which its history contradicts", "", changed(func(r *history.Instance) { r.Status = history.Suspended })},
		"pending":      {"waiting", "history", "its history says that it ran", "", changed(func(r *history.Instance) { r.Status = history.Pending })},
		"name":         {"done", "history", "ExecutionStarted names", "", changed(func(r *history.Instance) { r.Name = "Other" })},
		"events":       {"done", "history", "it counts 7 events", "", changed(func(r *history.Instance) { r.Events = 7 })},
		"execution":    {"done", "history", "but the history is that of", "", changed(func(r *history.Instance) { r.ExecutionID = history.NewExecutionID() })},
		"version":      {"done", "history", `its version is "2"`, "", changed(func(r *history.Instance) { r.Version = "2" })},
		"generation":   {"done", "history", "it is generation 3", "", changed(func(r *history.Instance) { r.Generation = 3 })},
		"tags":         {"done", "history", "its tags are", "", changed(func(r *history.Instance) { r.Tags = map[string]string{"team": "red"} })},
		"scheduled at": {"scheduled", "history", "it is to start at", "", changed(func(r *history.Instance) { r.ScheduledAt = r.ScheduledAt.Add(time.Second) })},
		"completed at": {"done", "history", "it was completed at", "", changed(func(r *history.Instance) { r.CompletedAt = r.CompletedAt.Add(time.Second) })},
		"updated at":   {"done", "history", "no turn of its history was then", "", changed(func(r *history.Instance) { r.UpdatedAt = r.UpdatedAt.Add(time.Second) })},

		"custom status":   {"waiting", "row", "custom status", "", changed(func(r *history.Instance) { r.CustomStatus = json.RawMessage("{") })},
		"negative events": {"waiting", "row", "it has -1 events", "", changed(func(r *history.Instance) { r.Events = -1 })},
		"number":          {"waiting", "row", "it says that its number is", "", changed(func(r *history.Instance) { r.Number++ })},
		"partition":       {"waiting", "row", "but \"elsewhere", "elsewhere", changed(func(r *history.Instance) { r.ID = "elsewhere" })},

		"no records":     {"done", "record", "has no history", "", func(_ *history.Instance, d *store.Delta) { d.DropRecords.End = 100 }},
		"record missing": {"done", "record", "a turn is missing", "", func(_ *history.Instance, d *store.Delta) { d.DropRecords.First, d.DropRecords.End = 2, 3 }},
		"codec":          {"done", "record", "codec version", "", func(_ *history.Instance, d *store.Delta) { d.Record = &store.Record{Seq: 9, Bytes: []byte("x")} }},
		"no row": {"", "record", "there are records, but no row", "", func(row *history.Instance, d *store.Delta) {
			d.Number, d.Record = row.Number+1<<20, &store.Record{Seq: 1, Bytes: []byte("x")}
		}},

		"timer missing": {"waiting", "timer", "it never fires", "", func(row *history.Instance, d *store.Delta) {
			d.ClearTimers = []store.Timer{timer(row, 1, 24*time.Hour)}
		}},
		"timer too much": {"waiting", "timer", "no timer 0 that is due then is open", "", func(row *history.Instance, d *store.Delta) { d.SetTimers = []store.Timer{timer(row, 0, time.Hour)} }},
		"wake missing": {"scheduled", "timer", "it never starts", "", func(row *history.Instance, d *store.Delta) {
			d.ClearTimers = []store.Timer{timer(row, history.NoID, 48*time.Hour)}
		}},
		"wake too much": {"done", "timer", "not that of a start that waits", "", func(row *history.Instance, d *store.Delta) {
			d.SetTimers = []store.Timer{timer(row, history.NoID, time.Hour)}
		}},
		"work missing":  {"pending", "work", "the flag is missing", "", func(_ *history.Instance, d *store.Delta) { d.Work = store.Clear }},
		"work too much": {"done", "work", "leaves nothing to run", "", func(_ *history.Instance, d *store.Delta) { d.Work = store.Set }},
		"child missing": {"child", "child", "instance child is not there", "parent", func(row *history.Instance, d *store.Delta) {
			d.Erase = row
			d.ClearTimers = []store.Timer{timer(row, 1, 24*time.Hour)}
		}},
		"child of another": {"child", "child", "was started by another call", "parent", changed(func(r *history.Instance) { p := *r.Parent; p.ExecutionID = "x"; r.Parent = &p })},
		"label missing":    {"child", "tree", "its labels are", "", changed(func(r *history.Instance) { r.Labels = nil })},
		"parent missing":   {"child", "tree", "its parent is none", "", changed(func(r *history.Instance) { r.Parent, r.Labels = nil, nil })},
		"parent's number":  {"child", "tree", "is not one that", "", changed(func(r *history.Instance) { p := *r.Parent; p.Number ^= 1; r.Parent = &p })},

		"message":          {"waiting", "message", "codec version", "-", message(history.Message{}, nil)},
		"message's home":   {"waiting", "message", "whose inbox is that of partition", "elsewhere", message(history.Message{To: "elsewhere", Event: raised}, nil)},
		"message's epoch":  {"waiting", "message", "was sent in epoch 99", "", message(history.Message{To: "waiting", Event: raised}, func(k *store.MessageKey) { k.Seq = 99 << 40 })},
		"message's start":  {"waiting", "message", "it has no started", "", message(history.Message{To: "waiting", Event: history.Event{Kind: history.ExecutionStarted, Name: "Wait"}}, nil)},
		"message's parent": {"waiting", "message", "it names no parent", "", message(history.Message{To: "waiting", Event: history.Event{Kind: history.ExecutionRewound}}, nil)},
		"message's kind":   {"waiting", "message", "sent to nobody", "", message(history.Message{To: "waiting", Event: history.Event{Kind: history.TimerFired}}, nil)},
		"message's name":   {"waiting", "message", "it has no name", "", message(history.Message{To: "waiting", Event: history.Event{Kind: history.EventRaised}}, nil)},
	} {
		for _, open := range []struct {
			name  string
			store func(*testing.T) store.Store
		}{{"memory", openMemory}, {"embedded", openEmbedded}} {
			t.Run(name+"/"+open.name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					kept := keeping(t, open.store(t))
					row, _, err := kept.FindInstance(t.Context(), history.InstanceID(cmp.Or(tt.id, "done")))
					if err != nil {
						t.Fatal(err)
					}
					d := store.Delta{Partition: history.PartitionOf(row.ID, kept.Partitions()), Number: row.Number, ID: row.ID}
					owner, _ := storetest.Own(t, kept)
					tt.plant(&row, &d)
					for i := range d.ClearTimers {
						d.ClearTimers[i] = storedTimer(t, kept, d.Partition, d.ClearTimers[i])
					}
					if err := owner.Commit(t.Context(), 0, []*store.Delta{&d}); err != nil {
						t.Fatalf("Commit: %v", err)
					}
					about := strings.TrimPrefix(cmp.Or(tt.about, tt.id), "-")
					_, found := check(t, kept)
					if !slices.ContainsFunc(found, func(d history.Disagreement) bool {
						return d.Rule == tt.rule && string(d.Instance) == about && strings.Contains(d.Says, tt.says) && d.Rows != "" && d.Do != ""
					}) {
						t.Errorf("found %+v, want one of rule %s about %q that says %q", found, tt.rule, about, tt.says)
					}
				})
			})
		}
	}
}
