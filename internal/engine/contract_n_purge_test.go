package engine_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// purge purges an instance and returns how many went.
func (w *world) purge(id string, o client.PurgeOptions) int {
	w.Helper()
	result, err := w.Purge(context.Background(), history.InstanceID(id), o)
	if err != nil || !result.Complete {
		w.Fatalf("Purge(%s, %+v) = %+v, %v", id, o, result, err)
	}
	return result.Deleted
}

// purgeBy purges by a filter, which must succeed.
func (w *world) purgeBy(f hub.PurgeFilter) hub.PurgeResult {
	w.Helper()
	result, err := w.engine.PurgeBy(context.Background(), f)
	if err != nil {
		w.Fatalf("PurgeBy(%+v) = %+v, %v", f, result, err)
	}
	return result
}

// gone checks that nothing is left of an instance that had the number.
func (w *world) gone(id string, number history.Number) {
	w.Helper()
	if s, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
		w.Errorf("Status(%s) after the purge = %+v, %v; want %v", id, s, err, client.ErrNotFound)
	}
	for rec, err := range w.inner.Records(context.Background(), number) {
		w.Errorf("record %d of %s (%v) is left after the purge", rec.Seq, id, err)
	}
	for _, row := range w.rows() {
		if row.Number == number {
			w.Errorf("the row of %s is listed after the purge", id)
		}
	}
}

// rows returns all rows.
func (w *world) rows() []history.Instance {
	w.Helper()
	page, err := w.inner.ListInstances(context.Background(), history.Query{Limit: 1_000_000})
	if err != nil {
		w.Fatalf("ListInstances = %v", err)
	}
	return page.Rows
}

// number returns the number of an instance.
func (w *world) number(id string) history.Number {
	w.Helper()
	row, ok, err := w.inner.FindInstance(context.Background(), history.InstanceID(id))
	if err != nil || !ok {
		w.Fatalf("FindInstance(%s) = %t, %v", id, ok, err)
	}
	return row.Number
}

func TestN160_PurgedInstanceIsGone(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%t", crash), func(t *testing.T) {
			contract(t, addBasics, func(w *world) {
				id := w.mustStart("Echo", "in", client.StartOptions{})
				w.completed(id)
				number := w.number(id)
				result, err := w.Purge(context.Background(), history.InstanceID(id), client.PurgeOptions{})
				if want := (hub.PurgeResult{Deleted: 1, Events: 2, Complete: true}); err != nil || result != want {
					w.Errorf("Purge = %+v, %v; want %+v", result, err, want)
				}
				if crash {
					w.crash()
				}
				w.gone(id, number)
				if n := w.purge(id, client.PurgeOptions{}); n != 0 {
					w.Errorf("a second Purge deletes %d, want 0", n)
				}
				if err := w.Raise(context.Background(), history.InstanceID(id), "Go", 1); !errors.Is(err, client.ErrNotFound) {
					w.Errorf("Raise after the purge = %v, want %v", err, client.ErrNotFound)
				}
				w.idle()
			})
		})
	}
}

func TestN161_LiveInstanceIsNotPurgedByItsID(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "Running"})
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "Pending", StartAt: time.Now().Add(time.Hour)})
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "Suspended"})
		w.settle()
		w.suspend("Suspended", "")
		w.settle()
		for _, id := range []string{"Running", "Pending", "Suspended"} {
			before := w.json(id)
			if result, err := w.Purge(context.Background(), history.InstanceID(id), client.PurgeOptions{}); !errors.Is(err, client.ErrInvalidState) || result.Deleted != 0 {
				w.Errorf("Purge(%s) = %+v, %v; want %v", id, result, err, client.ErrInvalidState)
			}
			if now := w.json(id); now != before {
				w.Errorf("%s changed from %s to %s", id, before, now)
			}
		}
	})
}

func TestN161_ForcedPurgeEndsALiveInstanceWithoutATrace(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash=%t", crash), func(t *testing.T) {
			contract(t, func(w *world, app *perdure.App) {
				perdure.AddActivity(app, "Slow", func(ctx context.Context, _ int) (int, error) {
					select {
					case <-time.After(time.Hour):
						return 1, nil
					case <-ctx.Done(): // nobody wants the result any more
						w.mark("abandoned")
						return 0, context.Cause(ctx)
					}
				})
				perdure.AddOrchestrator(app, "Busy", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
					ctx.CreateTimer(time.Minute)
					return perdure.ActivityRef[int, int]("Slow").Call(ctx, 0).Await()
				})
				perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
					_, err := perdure.OrchestratorRef[int, int]("Busy").Call(ctx, 0, perdure.WithInstanceID("kid")).Await()
					task, ok := errors.AsType[*perdure.TaskFailedError](err)
					if !ok {
						return "", fmt.Errorf("child ended with %T %w, want a *perdure.TaskFailedError", err, err)
					}
					return task.Failure.Type + ": " + task.Failure.Message, nil
				})
			}, func(w *world) {
				parent := w.mustStart("Parent", 0, client.StartOptions{})
				w.mustStart("Busy", 0, client.StartOptions{ID: "scheduled", StartAt: time.Now().Add(time.Hour)})
				w.settle()
				number := w.number("kid")
				w.suspend("kid", "a message that the turn has taken in")
				if n := w.purge("kid", client.PurgeOptions{Force: true}); n != 1 {
					w.Errorf("forced purge deletes %d, want 1", n)
				}
				w.purge("scheduled", client.PurgeOptions{Force: true})
				if crash {
					w.crash()
				}
				if got, want := w.completed(parent), `"`+history.FailureTerminated+`: purged"`; got != want {
					w.Errorf("output of the parent = %s, want %s", got, want)
				}
				if !crash && w.marked("abandoned") != 1 {
					w.Errorf("its activity was abandoned %d times, want 1", w.marked("abandoned"))
				}
				time.Sleep(2 * time.Hour)
				w.settle()
				w.gone("kid", number)
				w.gone("scheduled", 0)
				w.idle()
			})
		})
	}
}

// addOutcomes adds orchestrators that end in every way.
func addOutcomes(w *world, app *perdure.App) {
	addBasics(w, app)
	perdure.AddOrchestrator(app, "Fail", func(*perdure.OrchestrationContext, int) (int, error) { return 0, errors.New("as asked") })
}

func TestN162_FilterPurgesExactlyWhatMatches(t *testing.T) {
	contract(t, addOutcomes, func(w *world) {
		type kind struct {
			id     string
			status history.RuntimeStatus
		}
		var all []kind
		created := make(map[string]time.Time)
		fill := func() {
			for day := range 3 {
				for _, k := range []kind{
					{"completed", history.Completed}, {"failed", history.Failed}, {"terminated", history.Terminated},
					{"running", history.Running}, {"pending", history.Pending}, {"suspended", history.Suspended},
				} {
					k.id = fmt.Sprintf("%s %d", k.id, day)
					o := client.StartOptions{ID: history.InstanceID(k.id), Reuse: client.ReplaceAny, Tags: map[string]string{"day": fmt.Sprint(day)}}
					switch k.status {
					case history.Completed:
						w.mustStart("Echo", 0, o)
					case history.Failed:
						w.mustStart("Fail", 0, o)
					case history.Pending:
						o.StartAt = time.Now().Add(1000 * time.Hour)
						w.mustStart("Echo", 0, o)
					default:
						w.mustStart("UntilGo", 0, o)
						w.settle()
						switch k.status {
						case history.Terminated:
							w.terminate(k.id, client.TerminateOptions{})
						case history.Suspended:
							w.suspend(k.id, "")
						}
					}
					w.is(k.id, k.status)
					all = append(all, k)
					created[k.id] = w.status(k.id).CreatedAt
				}
				time.Sleep(time.Minute)
			}
		}
		for _, test := range []struct {
			name   string
			filter func() history.Query
			match  func(kind) bool
		}{
			{"everything", func() history.Query { return history.Query{} }, func(kind) bool { return true }},
			{"status", func() history.Query { return history.Query{Statuses: []history.RuntimeStatus{history.Failed}} }, func(k kind) bool { return k.status == history.Failed }},
			{"live and ended statuses", func() history.Query {
				return history.Query{Statuses: []history.RuntimeStatus{history.Running, history.Completed, history.Pending, history.Terminated}}
			}, func(k kind) bool { return k.status == history.Completed || k.status == history.Terminated }},
			{"created", func() history.Query {
				return history.Query{CreatedFrom: new(created["completed 1"]), CreatedTo: new(created["terminated 1"])}
			}, func(k kind) bool {
				at := created[k.id]
				return !at.Before(created["completed 1"]) && !at.After(created["terminated 1"])
			}},
			{"prefix, name and tag", func() history.Query {
				return history.Query{IDPrefix: "c", Name: "echo", Tags: map[string]string{"day": "2"}}
			}, func(k kind) bool { return k.id == "completed 2" }},
			{"nothing", func() history.Query { return history.Query{IDPrefix: "other"} }, func(kind) bool { return false }},
		} {
			all = nil
			fill()
			q := test.filter()
			var want, left []string
			for _, k := range all {
				if k.status.Terminal() && test.match(k) {
					want = append(want, k.id)
				} else {
					left = append(left, k.id)
				}
			}
			dry := w.purgeBy(hub.PurgeFilter{Query: q, DryRun: true})
			if n := len(w.rows()); n != len(all) {
				w.Errorf("%s: a dry run leaves %d instances, want all %d", test.name, n, len(all))
			}
			result := w.purgeBy(hub.PurgeFilter{Query: q})
			if result != dry || result.Deleted != len(want) || !result.Complete || result.Skipped != 0 || result.Events < len(want) {
				w.Errorf("%s: PurgeBy = %+v, dry run %+v; want %d deleted, complete", test.name, result, dry, len(want))
			}
			var ids []string
			for _, row := range w.rows() {
				ids = append(ids, string(row.ID))
			}
			slices.Sort(ids)
			slices.Sort(left)
			if diff := cmp.Diff(left, ids); diff != "" {
				w.Errorf("%s: instances left (-want +got):\n%s", test.name, diff)
			}
			if again := w.purgeBy(hub.PurgeFilter{Query: q}); again.Deleted != 0 || !again.Complete {
				w.Errorf("%s: PurgeBy again = %+v, want nothing to be left", test.name, again)
			}
		}
	})
}

func TestN162_FilterOfLiveStatusesOnlyIsRefused(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.completed(w.mustStart("Echo", 0, client.StartOptions{}))
		w.mustStart("UntilGo", 0, client.StartOptions{})
		w.settle()
		live := []history.RuntimeStatus{history.Running, history.Pending, history.Suspended, history.ContinuedAsNew}
		result, err := w.engine.PurgeBy(context.Background(), hub.PurgeFilter{Query: history.Query{Statuses: live}})
		if !errors.Is(err, hub.ErrInvalidArgument) || result != (hub.PurgeResult{}) {
			w.Errorf("PurgeBy(%v) = %+v, %v; want %v", live, result, err, hub.ErrInvalidArgument)
		}
		if n := len(w.rows()); n != 2 {
			w.Errorf("%d instances are left, want both", n)
		}
	})
}

// many starts n instances of Echo and lets them end.
func (w *world) many(n int) {
	w.Helper()
	for i := range n {
		w.mustStart("Echo", i, client.StartOptions{ID: history.InstanceID(fmt.Sprintf("many %d", i))})
	}
	w.settle()
	for _, row := range w.rows() {
		if !row.Status.Terminal() {
			w.Fatalf("%s is %s, want it to have ended", row.ID, row.Status)
		}
	}
}

func TestN162_PurgeStopsAtItsLimitsAndGoesOn(t *testing.T) {
	const n = 2500 // more than two pages
	contract(t, addBasics, func(w *world) {
		w.many(n)
		newest := w.rows()[0].ID
		if result := w.purgeBy(hub.PurgeFilter{Max: 7}); result.Deleted != 7 || result.Complete {
			w.Errorf("PurgeBy(Max: 7) = %+v, want 7 deleted, not complete", result)
		}
		if _, err := w.Status(context.Background(), newest, client.StatusOptions{}); !errors.Is(err, client.ErrNotFound) {
			w.Errorf("the newest instance is there (%v) after the first part, want it gone", err)
		}
		if result := w.purgeBy(hub.PurgeFilter{Until: time.Now()}); result.Deleted != 0 || result.Complete {
			w.Errorf("PurgeBy(Until: now) = %+v, want nothing deleted, not complete", result)
		}

		// A caller that leaves learns how far it came.
		ctx, cancel := context.WithCancel(context.Background())
		var told []int
		result, err := w.engine.PurgeBy(ctx, hub.PurgeFilter{Progress: func(r hub.PurgeResult) {
			told = append(told, r.Deleted)
			cancel()
		}})
		if !errors.Is(err, context.Canceled) || result.Complete || result.Deleted == 0 {
			w.Errorf("PurgeBy(a context that ends) = %+v, %v; want a part and %v", result, err, context.Canceled)
		}
		if left := len(w.rows()); left != n-7-result.Deleted {
			w.Errorf("%d are left after %d of %d were reported as deleted", left, result.Deleted, n-7)
		}
		if !slices.IsSorted(told) || told[len(told)-1] != result.Deleted {
			w.Errorf("progress was told as %v, want it to grow up to %d", told, result.Deleted)
		}

		rest := n - 7 - result.Deleted
		if result := w.purgeBy(hub.PurgeFilter{Max: rest, Until: time.Now().Add(time.Hour)}); result.Deleted != rest || !result.Complete {
			w.Errorf("the last PurgeBy = %+v, want the %d that are left, complete", result, rest)
		}
		w.idle()
	})
}

func TestN162_PurgeIsRefusedWhenTheHubIsGone(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.completed(w.mustStart("Echo", 0, client.StartOptions{}))
		w.store.kill()
		result, err := w.engine.PurgeBy(context.Background(), hub.PurgeFilter{})
		if !errors.Is(err, hub.ErrUnavailable) || result != (hub.PurgeResult{}) {
			w.Errorf("PurgeBy without a store = %+v, %v; want %v", result, err, hub.ErrUnavailable)
		}
		w.crash()
		if n := len(w.rows()); n != 1 {
			w.Errorf("%d instances are left, want the one", n)
		}
	})
}

// grow runs a family to its end.
func (w *world) grow(id string, depth int) {
	w.Helper()
	w.mustStart("Family", depth, client.StartOptions{ID: history.InstanceID(id)})
	w.settle()
	for _, member := range w.instances(id) {
		if w.status(member).Input != nil && string(w.status(member).Input) == "0" {
			w.raise(member, "Go", 0)
		}
	}
	w.ended(id, history.Completed)
}

func TestN163_RecursivePurgeRemovesTheTree(t *testing.T) {
	contract(t, addFamily, func(w *world) {
		w.grow("family", 3)
		w.grow("other", 1)
		// One child has become somebody else's: it stays.
		w.purge("family.1.1.1", client.PurgeOptions{})
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "family.1.1.1"})
		// One is gone already.
		w.purge("family.0.0.0", client.PurgeOptions{})
		result, err := w.Purge(context.Background(), "family", client.PurgeOptions{Recursive: true})
		if err != nil || result.Deleted != 13 || !result.Complete || result.Events < 13 {
			w.Errorf("Purge(recursive) = %+v, %v; want 13 deleted", result, err)
		}
		w.are("family", 1, history.Running)
		w.are("other", 3, history.Completed)
		w.are("loose", 8, history.Running)
		if n := w.purge("family", client.PurgeOptions{Recursive: true}); n != 0 {
			w.Errorf("again it deletes %d, want 0", n)
		}
	})
}

func TestN163_RecursivePurgeIsRefusedWhileAChildLives(t *testing.T) {
	contract(t, addFamily, func(w *world) {
		w.mustStart("Family", 2, client.StartOptions{ID: "family"})
		w.settle()
		w.terminate("family", client.TerminateOptions{})
		w.raise("family.0.0", "Go", 0)
		w.settle()
		_, err := w.Purge(context.Background(), "family", client.PurgeOptions{Recursive: true})
		if !errors.Is(err, client.ErrInvalidState) || !strings.Contains(err.Error(), `"family.0" is Running`) {
			w.Errorf("Purge(recursive) = %v, want %v that names the child", err, client.ErrInvalidState)
		}
		if n := len(w.instances("family")); n != 7 {
			w.Errorf("%d of the family are left, want all 7", n)
		}
		if n := w.purge("family", client.PurgeOptions{}); n != 1 {
			w.Errorf("a purge without the children deletes %d, want 1", n)
		}
	})
}

func TestN163_ForcedRecursivePurgeTakesLiveTreesAsAWhole(t *testing.T) {
	contract(t, addFamily, func(w *world) {
		w.mustStart("Family", 3, client.StartOptions{ID: "family"})
		w.are("family", 15, history.Running)
		if n := w.purge("family", client.PurgeOptions{Recursive: true, Force: true}); n != 15 {
			w.Errorf("it deletes %d, want 15", n)
		}
		w.settle()
		if ids := w.instances("family"); len(ids) != 0 {
			w.Errorf("left are %v, want none", ids)
		}
		if n := w.unconsumed(); n != 0 {
			w.Errorf("%d messages are left, want none", n)
		}

		// Trees that are just growing: whatever the purge meets, no child comes back.
		for i := range 20 {
			id := fmt.Sprintf("late %d", i)
			w.mustStart("LateFamily", 2, client.StartOptions{ID: history.InstanceID(id)})
			w.raise(id, "Go", 0)
			for range i % 7 {
				w.status(id)
			}
			w.purge(id, client.PurgeOptions{Recursive: true, Force: true})
		}
		w.settle()
		if ids := w.instances("late"); len(ids) != 0 {
			w.Errorf("left of the growing trees are %v, want none", ids)
		}
	})
}

func TestN164_LateResultForAPurgedIDIsDropped(t *testing.T) {
	contract(t, func(w *world, app *perdure.App) {
		addBasics(w, app)
		perdure.AddActivity(app, "Stubborn", func(context.Context, int) (int, error) {
			time.Sleep(time.Hour) // it does not heed that nobody wants its result
			w.mark("returned")
			return 1, nil
		})
		perdure.AddOrchestrator(app, "Waits", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
			return perdure.ActivityRef[int, int]("Stubborn").Call(ctx, 0).Await()
		})
	}, func(w *world) {
		w.mustStart("Waits", 0, client.StartOptions{ID: "forced"})
		w.mustStart("Waits", 0, client.StartOptions{ID: "ended"})
		w.mustStart("Waits", 0, client.StartOptions{ID: "again"})
		w.settle()
		forced, ended := w.number("forced"), w.number("ended")
		w.purge("forced", client.PurgeOptions{Force: true})
		w.terminate("ended", client.TerminateOptions{})
		w.ended("ended", history.Terminated)
		w.purge("ended", client.PurgeOptions{})
		w.purge("again", client.PurgeOptions{Force: true})
		w.mustStart("UntilGo", 0, client.StartOptions{ID: "again"})
		time.Sleep(2 * time.Hour)
		w.settle()
		if n := w.marked("returned"); n != 3 {
			w.Fatalf("%d activities returned, want 3", n)
		}
		w.gone("forced", forced)
		w.gone("ended", ended)
		w.is("again", history.Running)
		if n := w.count("again", history.TaskCompleted); n != 0 {
			w.Errorf("the next instance has %d results in its history, want 0", n)
		}
	})
}

func TestN167_PurgedIDBehavesAsNew(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		w.completed(w.mustStart("Echo", "old", client.StartOptions{ID: "id", Tags: map[string]string{"old": "yes"}}))
		w.completed(w.mustStart("Echo", "old", client.StartOptions{ID: "id"})) // generation 1
		old := w.number("id")
		w.purge("id", client.PurgeOptions{})
		w.mustStart("UntilGo", "new", client.StartOptions{ID: "id", Reuse: client.RefuseIfExists})
		w.settle()
		s, err := w.engine.Status(context.Background(), "id", hub.StatusOptions{Input: true, Output: true, History: true})
		if err != nil || s.Status != history.Running || string(s.Input) != `"new"` || s.Generation != 0 || s.Number == old || len(s.Tags) != 0 || s.Output != nil {
			w.Errorf("status of the next use = %+v, %v; want a new one", s, err)
		}
		w.crash()
		w.raise("id", "Go", 1)
		if got := w.completed("id"); got != "1" {
			w.Errorf("output = %s, want 1", got)
		}
	})
}

// What is purged is used again at once, by id and by filter, while it runs and
// ends: nothing that was started may be lost, and nothing comes back.
func TestN167_PurgeRacesWithReuse(t *testing.T) {
	const ids, rounds = 8, 40
	contract(t, addBasics, func(w *world) {
		ctx := context.Background()
		var wg sync.WaitGroup
		for i := range ids {
			id := fmt.Sprintf("id %d", i)
			wg.Go(func() {
				for round := range rounds {
					input := fmt.Sprintf("%d", round)
					if _, err := w.Start(ctx, "UntilGo", nil, client.StartOptions{ID: history.InstanceID(id), Reuse: client.RefuseIfActive}); err != nil {
						w.Errorf("round %d: start %s = %v, want it to be free", round, id, err)
						return
					}
					if err := w.Raise(ctx, history.InstanceID(id), "Go", round); err != nil {
						w.Errorf("round %d: raise = %v: a live instance is missing", round, err)
						return
					}
					s, err := w.Wait(ctx, history.InstanceID(id))
					switch {
					case errors.Is(err, client.ErrNotFound): // purged as soon as it ended
					case err != nil || string(s.Output) != input:
						w.Errorf("round %d: %s ended with %+v, %v; want %s", round, id, s, err, input)
					}
					if round%3 == 0 {
						if _, err := w.Restart(ctx, history.InstanceID(id), client.RestartOptions{SameID: true}); err == nil {
							if _, err := w.Purge(ctx, history.InstanceID(id), client.PurgeOptions{Force: true}); err != nil {
								w.Errorf("round %d: forced purge = %v", round, err)
							}
						} else if !errors.Is(err, client.ErrNotFound) {
							w.Errorf("round %d: restart = %v", round, err)
						}
					}
				}
			})
		}
		done := make(chan struct{})
		var purging sync.WaitGroup
		deleted := 0
		purging.Go(func() {
			for {
				result, err := w.engine.PurgeBy(ctx, hub.PurgeFilter{})
				if err != nil || !result.Complete {
					w.Errorf("PurgeBy = %+v, %v", result, err)
				}
				deleted += result.Deleted
				select {
				case <-done:
					return
				default:
				}
			}
		})
		wg.Wait()
		close(done)
		purging.Wait()
		if deleted == 0 {
			w.Error("the filter met no ended instance, want some")
		}
		w.purgeBy(hub.PurgeFilter{})
		w.idle()
		if rows := w.rows(); len(rows) != 0 {
			w.Errorf("left are %d rows, %+v; want none", len(rows), rows[0])
		}
		w.crash()
		w.idle()
	})
}

// lateNews is a store whose commits take a moment, and whose lists arrive some moments
// after they were read.
type lateNews struct{ *disk }

func (s lateNews) ListInstances(ctx context.Context, q history.Query) (store.Page, error) {
	page, err := s.disk.ListInstances(ctx, q)
	time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
	return page, err
}

// Purges by filter, by id and restarts in place at one time: what ended goes once, what was
// started again stays.
func TestN162_PurgesAtOnceDeleteEachInstanceOnce(t *testing.T) {
	const n, again = 1200, 20 // two pages
	contract(t, addBasics, func(w *world) {
		w.stop()
		w.inner = lateNews{&disk{Store: w.inner}}
		w.start()
		ctx := context.Background()
		var wg sync.WaitGroup
		for caller := range 40 {
			wg.Go(func() {
				for i := range n / 40 {
					w.completed(w.mustStart("Echo", 1, client.StartOptions{ID: history.InstanceID(fmt.Sprintf("id %d", caller+40*i))}))
				}
			})
		}
		wg.Wait()
		var deleted, restarted atomic.Int64
		for purger := range 3 {
			wg.Go(func() {
				time.Sleep(time.Duration(purger) * 300 * time.Microsecond)
				deleted.Add(int64(w.purgeBy(hub.PurgeFilter{}).Deleted))
			})
		}
		wg.Go(func() {
			for i := range again {
				result, err := w.Purge(ctx, history.InstanceID(fmt.Sprintf("id %d", 7*i)), client.PurgeOptions{})
				if err != nil && !errors.Is(err, client.ErrInvalidState) { // it was restarted
					w.Errorf("Purge = %v", err)
				}
				deleted.Add(int64(result.Deleted))
			}
		})
		wg.Go(func() {
			for i := range again {
				switch _, err := w.Restart(ctx, history.InstanceID(fmt.Sprintf("id %d", 11*i)), client.RestartOptions{SameID: true}); {
				case err == nil:
					restarted.Add(1)
				case !errors.Is(err, client.ErrNotFound):
					w.Errorf("Restart = %v", err)
				}
			}
		})
		wg.Wait()
		left := int64(len(w.rows()))
		// A restarted one replaces the one that had ended, and may be purged like any other.
		if got := deleted.Load() + left; got != n {
			w.Errorf("%d were deleted and %d are left, of %d of which %d were restarted", deleted.Load(), left, n, restarted.Load())
		}
		w.purgeBy(hub.PurgeFilter{})
		w.idle()
	})
}

// A purge by filter while instances come, run and end takes only ended ones.
func TestN162_PurgeWhileInstancesEnd(t *testing.T) {
	const n = 300
	contract(t, func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Nap", func(ctx *perdure.OrchestrationContext, d time.Duration) (int, error) {
			_, err := ctx.CreateTimer(d).Await()
			w.mark("ended")
			return 1, err
		})
	}, func(w *world) {
		random := rand.New(rand.NewPCG(1, 2))
		for range n {
			w.mustStart("Nap", time.Duration(random.IntN(1000))*time.Millisecond, client.StartOptions{})
		}
		for deleted := 0; deleted < n; {
			result := w.purgeBy(hub.PurgeFilter{})
			if deleted += result.Deleted; !result.Complete {
				w.Fatalf("PurgeBy = %+v, want complete", result)
			}
			if len(w.rows()) < n-deleted {
				w.Fatalf("%d are left and %d deleted, of %d", len(w.rows()), deleted, n)
			}
			time.Sleep(10 * time.Millisecond)
		}
		w.idle()
	})
}
