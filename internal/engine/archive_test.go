package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// export exports an instance, by way of its JSON.
func (w *world) export(id string) hub.Archive {
	w.Helper()
	a, err := w.engine.Export(context.Background(), history.InstanceID(id))
	if err != nil {
		w.Fatalf("Export(%s) = %v", id, err)
	}
	text, err := json.Marshal(a)
	if err != nil {
		w.Fatalf("Marshal: %v", err)
	}
	var back hub.Archive
	if err := json.Unmarshal(text, &back); err != nil {
		w.Fatalf("Unmarshal(%s) = %v", text, err)
	}
	if !reflect.DeepEqual(a, back) { // cmp would take minutes for a large one
		w.Fatalf("the JSON of %s lost something (-exported +read):\n%s", id, cmp.Diff(a, back))
	}
	return back
}

// mustImport imports an archive as id.
func (w *world) mustImport(a hub.Archive, id string) {
	w.Helper()
	got, err := w.engine.Import(context.Background(), hub.ImportRequest{Archive: a, ID: history.InstanceID(id)})
	if err != nil || string(got) != id {
		w.Fatalf("Import(%s) = %s, %v", id, got, err)
	}
}

func TestExportOfAnInstanceThatIsNotThere(t *testing.T) {
	contract(t, nil, func(w *world) {
		if a, err := w.engine.Export(context.Background(), "nobody"); !errors.Is(err, hub.ErrNotFound) {
			w.Errorf("Export(nobody) = %+v, %v, want ErrNotFound", a, err)
		}
	})
}

func TestImportOfAnEndedInstanceShowsWhatItWas(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		for in, status := range map[string]history.RuntimeStatus{"ok": history.Completed, "fail": history.Failed} {
			id := "shape-" + in
			w.mustStart("Shapes", in, client.StartOptions{ID: history.InstanceID(id), Tags: map[string]string{"team": "blue"}})
			time.Sleep(2 * time.Second)
			w.raise(id, "Go", nil)
			w.ended(id, status)
			a := w.export(id)
			w.mustImport(a, "copy-"+in)
			w.crash()
			again := w.export("copy-" + in)
			if again.Instance.Number == a.Instance.Number {
				w.Errorf("the copy has the number of the original")
			}
			again.Instance.Number, again.Instance.ID = a.Instance.Number, a.Instance.ID
			if diff := cmp.Diff(a, again); diff != "" {
				w.Errorf("imported %s (-exported +imported):\n%s", id, diff)
			}
			got, want := w.status("copy-"+in), w.status(id)
			if string(got.Output) != string(want.Output) || got.RuntimeStatus != want.RuntimeStatus || got.Tags["team"] != "blue" {
				w.Errorf("status of the copy = %+v, want that of %+v", got, want)
			}
		}
		page, err := w.engine.List(context.Background(), hub.ListRequest{Query: history.Query{IDPrefix: "copy-", Statuses: []history.RuntimeStatus{history.Failed}}}, hub.StatusOptions{})
		if err != nil || len(page.Items) != 1 || page.Items[0].ID != "copy-fail" {
			w.Errorf("List(copy-, Failed) = %+v, %v, want copy-fail", page.Items, err)
		}
	})
}

func TestImportOfAChildThatHasEndedTellsNobody(t *testing.T) {
	register := func(w *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Child", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		})
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) (string, error) {
			return perdure.OrchestratorRef[string, string]("Child").Call(ctx, in, perdure.WithInstanceID("child")).Await()
		})
	}
	contract(t, register, func(w *world) {
		id := w.mustStart("Parent", "x", client.StartOptions{})
		w.settle()
		w.raise("child", "Go", "first")
		w.completed(id)
		ended := w.export("child")
		w.mustImport(ended, "other")
		if got := w.export("other").Instance.Parent; got == nil || string(got.InstanceID) != id {
			w.Errorf("parent of the imported child = %+v, want %s", got, id)
		}
	})
}

func TestImportOfALiveInstanceGoesOn(t *testing.T) {
	register := func(w *world, app *perdure.App) {
		perdure.AddActivity(app, "Slow", func(ctx context.Context, in string) (string, error) {
			if w.mark("slow") == 1 {
				<-ctx.Done() // the original's: it never gets through
				return "", ctx.Err()
			}
			return in, nil
		})
		perdure.AddOrchestrator(app, "Live", func(ctx *perdure.OrchestrationContext, in string) ([]string, error) {
			first, err := perdure.WaitForExternalEvent[string](ctx, "First").Await()
			if err != nil {
				return nil, err
			}
			slow := perdure.ActivityRef[string, string]("Slow").Call(ctx, in)
			if _, err := ctx.CreateTimer(time.Hour).Await(); err != nil {
				return nil, err
			}
			last, err := perdure.WaitForExternalEvent[string](ctx, "Last").Await()
			if err != nil {
				return nil, err
			}
			result, err := slow.Await()
			return []string{first, result, last}, err
		})
	}
	contract(t, register, func(w *world) {
		id := w.mustStart("Live", "in", client.StartOptions{})
		w.raise(id, "First", "1")
		w.settle()
		a := w.export(id)
		w.mustImport(a, "copy")
		b := w.export("copy")
		if b.Instance.ExecutionID == a.Instance.ExecutionID {
			w.Errorf("the live copy has the execution id of the original: messages to the original may reach it")
		}
		if !b.Instance.CreatedAt.Equal(a.Instance.CreatedAt) {
			w.Errorf("the copy was created at %s, want %s", b.Instance.CreatedAt, a.Instance.CreatedAt)
		}
		if err := w.engine.Terminate(context.Background(), history.InstanceID(id), hub.TerminateRequest{}); err != nil {
			w.Fatalf("Terminate(%s) = %v", id, err)
		}
		w.ended(id, history.Terminated)
		w.raise("copy", "Last", "2")
		if got, want := w.completed("copy"), `["1","in","2"]`; got != want {
			w.Errorf("output of the copy = %s, want %s", got, want)
		}
		if got := w.count("copy", history.TimerFired); got != 1 {
			w.Errorf("%d timers fired in the copy, want 1", got)
		}
		// And after a restart of the hub that took it in.
		w.mustImport(a, "copy2")
		w.crashFor(2 * time.Hour)
		w.raise("copy2", "Last", "3")
		if got, want := w.completed("copy2"), `["1","in","3"]`; got != want {
			w.Errorf("output of the copy that was restarted = %s, want %s", got, want)
		}
	})
}

func TestImportOfAScheduledStartWaitsForItsTime(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		at := time.Now().Add(time.Hour)
		id := w.mustStart("Child", "x", client.StartOptions{StartAt: at})
		a := w.export(id)
		w.mustImport(a, "copy")
		w.settle()
		if got := w.status("copy").RuntimeStatus; got != history.Pending {
			w.Errorf("status = %s, want Pending", got)
		}
		w.completed("copy")
		if time.Now().Before(at) {
			w.Errorf("it ran at %s, before %s", time.Now(), at)
		}
	})
}

func TestImportOfASuspendedInstanceStaysSuspended(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		id := w.mustStart("Collector", 1, client.StartOptions{})
		w.settle()
		if err := w.Suspend(context.Background(), history.InstanceID(id), "audit"); err != nil {
			w.Fatalf("Suspend = %v", err)
		}
		w.raise(id, "Go", nil)
		w.raise(id, "Item", "while suspended")
		w.settle()
		w.mustImport(w.export(id), "copy")
		w.settle()
		if got := w.status("copy"); got.RuntimeStatus != history.Suspended {
			w.Errorf("status = %s, want Suspended", got.RuntimeStatus)
		}
		if err := w.Resume(context.Background(), "copy", ""); err != nil {
			w.Fatalf("Resume = %v", err)
		}
		if got, want := w.completed("copy"), `["while suspended"]`; got != want {
			w.Errorf("output = %s, want %s", got, want)
		}
	})
}

func TestImportOfAParentThatWaitsFailsItsChild(t *testing.T) {
	register := func(w *world, app *perdure.App) {
		addCollector(w, app)
		perdure.AddOrchestrator(app, "Parent", func(ctx *perdure.OrchestrationContext, in string) ([]string, error) {
			return perdure.OrchestratorRef[int, []string]("Collector").Call(ctx, 0).Await()
		})
	}
	contract(t, register, func(w *world) {
		id := w.mustStart("Parent", "", client.StartOptions{})
		w.settle()
		w.mustImport(w.export(id), "copy")
		if got := w.ended("copy", history.Failed); !strings.Contains(string(got.Output), history.FailureMissing) {
			w.Errorf("output = %s, want %s in it", got.Output, history.FailureMissing)
		}
		child := string(w.export(id).Turns[1].Events[len(w.export(id).Turns[1].Events)-1].Instance)
		// A live child that is imported has no parent, and tells nobody.
		w.mustImport(w.export(child), "orphan")
		if got := w.export("orphan").Instance.Parent; got != nil {
			w.Errorf("parent of the live child that was imported = %+v, want none", got)
		}
		w.raise("orphan", "Go", nil)
		w.completed("orphan")
		if got := w.status(id).RuntimeStatus; got != history.Running {
			w.Errorf("the original's parent is %s, want it to wait still", got)
		}
		w.raise(child, "Go", nil)
		w.completed(id)
	})
}

func TestImportFollowsTheReusePolicy(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		ctx := context.Background()
		id := w.mustStart("Collector", 0, client.StartOptions{})
		w.settle()
		a := w.export(id)
		for _, tt := range []struct {
			name  string
			reuse hub.Reuse
			want  error
		}{{"if active", hub.RefuseIfActive, hub.ErrAlreadyExists}, {"if exists", hub.RefuseIfExists, hub.ErrAlreadyExists}, {"return", hub.ReturnExisting, nil}} {
			if got, err := w.engine.Import(ctx, hub.ImportRequest{Archive: a, Reuse: tt.reuse}); !errors.Is(err, tt.want) {
				w.Errorf("Import over a live instance, refuse %s = %s, %v, want %v", tt.name, got, err, tt.want)
			}
			if got := w.export(id); got.Instance.ExecutionID != a.Instance.ExecutionID {
				w.Errorf("refuse %s: it was replaced", tt.name)
			}
		}
		if _, err := w.engine.Import(ctx, hub.ImportRequest{Archive: a, Reuse: hub.ReplaceAny}); err != nil {
			w.Fatalf("Import, replace any = %v", err)
		}
		if got := w.export(id); got.Instance.ExecutionID == a.Instance.ExecutionID || got.Instance.Number == a.Instance.Number {
			w.Errorf("replace any: it was not replaced")
		}
		w.raise(id, "Go", nil)
		w.completed(id)
		if _, err := w.engine.Import(ctx, hub.ImportRequest{Archive: a}); err != nil {
			w.Fatalf("Import over an ended instance = %v", err)
		}
		w.settle()
		if got := w.status(id).RuntimeStatus; got != history.Running {
			w.Errorf("after the import: %s, want Running", got)
		}
		counts, err := w.engine.Count(ctx, history.Query{})
		if err != nil || counts.Total() != 1 {
			w.Errorf("Count = %v, %v, want one instance", counts, err)
		}
	})
}

func TestImportOfALargeHistoryIsOneCommit(t *testing.T) {
	contract(t, addCollector, func(w *world) {
		const n = 4 // together more than a commit takes otherwise
		id := w.mustStart("Collector", n, client.StartOptions{})
		w.raise(id, "Go", nil)
		for range n - 1 {
			w.raise(id, "Item", strings.Repeat("x", 1_000_000))
		}
		w.settle()
		w.mustImport(w.export(id), "copy")
		w.crash()
		w.raise("copy", "Item", "last")
		if got := w.completed("copy"); !strings.HasSuffix(got, `"last"]`) {
			w.Errorf("output ends with %s", got[max(0, len(got)-100):])
		}
	})
}

func TestImportRefusesWhatMakesNoSense(t *testing.T) {
	contract(t, addShapes, func(w *world) {
		id := w.mustStart("Shapes", "ok", client.StartOptions{})
		w.settle()
		live := w.export(id)
		time.Sleep(2 * time.Second)
		w.raise(id, "Go", nil)
		w.ended(id, history.Completed)
		done := w.export(id)
		for _, tt := range []struct {
			name  string
			spoil func(a *hub.Archive)
			want  string
		}{
			{"a turn after the end", func(a *hub.Archive) {
				last := done.Turns[len(done.Turns)-1]
				*a = hub.Archive{Instance: done.Instance, Turns: append(done.Turns[:len(done.Turns):len(done.Turns)], history.Turn{Seq: last.Seq + 1, At: last.At.Add(time.Second)})}
			}, "it comes after ExecutionCompleted"},
			{"an id", func(a *hub.Archive) { a.Instance.ID = "a/b" }, "instance: instance id"},
			{"no name", func(a *hub.Archive) { a.Instance.Name = "" }, "instance: its orchestrator's name"},
			{"another name", func(a *hub.Archive) { a.Instance.Name = "Other" }, `ExecutionStarted names "Shapes"`},
			{"no turns", func(a *hub.Archive) { a.Turns = nil }, "it has no turns"},
			{"no start", func(a *hub.Archive) { a.Turns = a.Turns[1:] }, "turn 1, event 1"},
			{"no event", func(a *hub.Archive) { a.Turns[0].Events = nil }, "turn 1: it has no events"},
			{"a gap", func(a *hub.Archive) { a.Turns[1].Seq++ }, "turn 2: its seq is"},
			{"seq 0", func(a *hub.Archive) { a.Turns = a.Turns[:1]; a.Turns[0].Seq = 0 }, "turn 1: its seq is 0"},
			{"two starts", func(a *hub.Archive) { a.Turns[1].Events[0] = a.Turns[0].Events[0] }, "turn 2, event 1 (ExecutionStarted)"},
			{"a start without more", func(a *hub.Archive) { a.Turns[0].Events[0].Started = nil }, "turn 1, event 1 (ExecutionStarted): it has no started"},
			{"a frame", func(a *hub.Archive) { a.Turns[1].Events[0] = history.Event{Kind: history.OrchestratorStarted} }, "turn 2, event 1 (OrchestratorStarted)"},
			{"a payload", func(a *hub.Archive) { a.Turns[0].Events[0].Payload = json.RawMessage("{") }, "turn 1, event 1 (ExecutionStarted): its payload cannot be stored: it is not valid JSON"},
			{"ids", func(a *hub.Archive) { a.Turns[1].Events[1].ID = 0 }, "turn 2, event 2"},
			{"an answer to nothing", func(a *hub.Archive) {
				a.Turns[1].Events = append(a.Turns[1].Events, history.Event{Kind: history.TaskCompleted, TaskID: 99})
			}, "nothing of that id waits for it"},
			{"time", func(a *hub.Archive) { a.Turns[1].At = a.Turns[1].At.AddDate(9000, 0, 0) }, "turn 2: its time"},
			{"time that stands", func(a *hub.Archive) {
				a.Turns = append(a.Turns[:2:2], a.Turns[1])
				a.Turns[2].Seq = a.Turns[1].Seq + 1
			}, "turn 3: its time"},
			{"ended without an end", func(a *hub.Archive) {
				a.Instance.Status, a.Instance.CompletedAt = history.Completed, a.Instance.CreatedAt
			}, "does not end with ExecutionCompleted"},
			{"suspended", func(a *hub.Archive) { a.Instance.Status = history.Suspended }, "which its history contradicts"},
			{"a status", func(a *hub.Archive) { a.Instance.Status = history.ContinuedAsNew }, "is none that an instance can have"},
			{"no creation", func(a *hub.Archive) { a.Instance.CreatedAt = time.Time{} }, "createdAt"},
			{"the key of an event", func(a *hub.Archive) {
				a.Turns[1].Events = append([]history.Event{{Kind: history.EventRaised, Name: "Go", Key: strings.Repeat("k", history.MaxKeyLength+1)}}, a.Turns[1].Events...)
			}, "turn 2, event 1 (EventRaised): its idempotency key cannot be stored: it has 301 bytes"},
			{"a key of earlier executions", func(a *hub.Archive) {
				a.Turns[0].Events[0].Started.Keys = []string{"k", strings.Repeat("k", history.MaxKeyLength+1)}
			}, "one of its idempotency keys cannot be stored: it has 301 bytes"},
			{"too many keys", func(a *hub.Archive) {
				a.Turns[0].Events[0].Started.Keys = slices.Repeat([]string{strings.Repeat("k", history.MaxKeyLength)}, history.MaxKeysBytes/history.MaxKeyLength+1)
			}, "its idempotency keys have 1048800 bytes"},
			{"the time of a key", func(a *hub.Archive) {
				a.Turns[0].Events[0].Started.Keys, a.Turns[0].Events[0].Started.KeyTimes = []string{"k"}, []time.Time{a.Turns[1].At.AddDate(9000, 0, 0)}
			}, "the time of one of its idempotency keys"},
			{"a custom status", func(a *hub.Archive) { a.Instance.CustomStatus = json.RawMessage("x") }, "custom status cannot be stored: it is not valid JSON"},
		} {
			text, err := json.Marshal(live)
			if err != nil {
				w.Fatal(err)
			}
			var a hub.Archive // a deep copy
			if err := json.Unmarshal(text, &a); err != nil {
				w.Fatal(err)
			}
			a.Instance.ID = "imported"
			tt.spoil(&a)
			_, err = w.engine.Import(context.Background(), hub.ImportRequest{Archive: a})
			if !errors.Is(err, hub.ErrInvalidArgument) || !strings.Contains(err.Error(), tt.want) {
				w.Errorf("%s: Import = %v, want ErrInvalidArgument with %q", tt.name, err, tt.want)
			}
		}
		if counts, err := w.engine.Count(context.Background(), history.Query{}); err != nil || counts.Total() != 2 {
			w.Errorf("Count = %v, %v, want nothing but the original and its child", counts, err)
		}
	})
}

// A rewound history has a start record in its midst. It is imported before its
// first turn, and after it.
func TestImportOfARewoundInstanceGoesOn(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		out, err := inOrder(ctx, step{Name: "A"}, step{Name: "B", Fails: 1})
		if err != nil {
			return "", err
		}
		last, err := perdure.WaitForExternalEvent[string](ctx, "Go").Await()
		return out + " " + last, err
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		w.end()
		w.startWith(nil)
		w.rewound(id)
		pending := w.export(id)
		w.crash()
		w.settle()
		running := w.export(id)
		for name, a := range map[string]hub.Archive{"pending": pending, "running": running} {
			if a.Instance.Status.String() != map[string]string{"pending": "Pending", "running": "Running"}[name] ||
				!slices.ContainsFunc(a.Turns[1:], func(turn history.Turn) bool {
					return turn.Start() && slices.ContainsFunc(turn.Events, func(ev history.Event) bool { return ev.Kind == history.ExecutionRewound })
				}) {
				w.Fatalf("the %s archive is %s and has the turns %+v, want a start record in their midst", name, a.Instance.Status, a.Turns)
			}
			w.mustImport(a, name)
			w.settle()
			w.explained(name, "raise-event", name, `"Go"`)
			if n := w.count(name, history.ExecutionRewound); n != 1 {
				w.Errorf("the %s copy shows %d rewinds, want 1", name, n)
			}
			w.raise(name, "Go", "on")
			w.output(name, `"A1 B2 on"`)
		}
		w.raise(id, "Go", "on")
		w.output(id, `"A1 B2 on"`)
		w.ran(map[string]int64{"A": 1, "B": 3}) // A never again
	})
}

// What was imported as Failed can be rewound here.
func TestImportOfAFailedInstanceCanBeRewound(t *testing.T) {
	contract(t, steps(func(ctx *perdure.OrchestrationContext, _ string) (string, error) {
		return inOrder(ctx, step{Name: "A"}, step{Name: "B", Fails: 1})
	}), func(w *world) {
		id := w.mustStart("Main", "", client.StartOptions{})
		w.ended(id, history.Failed)
		w.mustImport(w.export(id), "copy")
		w.explained("copy", "rewind", "copy", `because the activity "Step" failed`)
		w.rewound("copy")
		w.output("copy", `"A1 B2"`)
		w.ran(map[string]int64{"A": 1, "B": 2})
	})
}
