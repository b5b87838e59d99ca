package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// Payloads that no door lets in.
var badPayloads = map[string]string{
	"too deep":  strings.Repeat("[", history.MaxDepth+1) + strings.Repeat("]", history.MaxDepth+1),
	"no UTF-8":  "\"\xff\"",
	"no JSON":   `{"a":`,
	"much deep": strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
}

var never = time.Unix(1<<63-62135596801, 999999999) // the largest time.Time

// Every door of a client, local and remote, refuses the same values as the caller's
// mistake, and nothing of them is stored.
func TestBadValuesAreRefusedAtEveryDoor(t *testing.T) {
	payload := map[string]func(h *testHub, bad json.RawMessage) error{
		"start": func(h *testHub, bad json.RawMessage) error {
			_, err := h.Start(h.Context(), "Echo", bad, client.StartOptions{})
			return err
		},
		"raise event": func(h *testHub, bad json.RawMessage) error { return h.Raise(h.Context(), "live", "go", bad) },
		"terminate": func(h *testHub, bad json.RawMessage) error {
			return h.engine.Terminate(h.Context(), "live", hub.TerminateRequest{Reason: bad})
		},
		"import": func(h *testHub, bad json.RawMessage) error {
			archive, err := h.engine.Export(h.Context(), "live")
			if err != nil {
				h.Fatal(err)
			}
			archive.Turns = slices.Clone(archive.Turns)
			archive.Turns[0].Events = slices.Clone(archive.Turns[0].Events)
			archive.Turns[0].Events[0].Payload = bad
			_, err = h.engine.Import(h.Context(), hub.ImportRequest{Archive: archive, ID: "imported"})
			return err
		},
	}
	start := func(name string, o client.StartOptions) func(h *testHub) error {
		return func(h *testHub) error {
			_, err := h.Start(h.Context(), name, nil, o)
			return err
		}
	}
	others := map[string]func(h *testHub) error{
		"start at never":          start("Echo", client.StartOptions{StartAt: never}),
		"start in the year 10000": start("Echo", client.StartOptions{StartAt: time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -5*3600))}),
		"start in the year -1":    start("Echo", client.StartOptions{StartAt: time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC)}),
		"id .":                    start("Echo", client.StartOptions{ID: "."}),
		"id ..":                   start("Echo", client.StartOptions{ID: ".."}),
		"long id":                 start("Echo", client.StartOptions{ID: client.InstanceID(strings.Repeat("x", 257))}),
		"long name":               start(strings.Repeat("x", history.MaxNameBytes+1), client.StartOptions{}),
		"tag without UTF-8":       start("Echo", client.StartOptions{Tags: map[string]string{"a": "\xff"}}),
		"version without UTF-8":   start("Echo", client.StartOptions{Version: "\xff"}),
		"event name without UTF-8": func(h *testHub) error {
			return h.Raise(h.Context(), "live", "go\xff", nil)
		},
		"long event name": func(h *testHub) error {
			return h.Raise(h.Context(), "live", strings.Repeat("x", history.MaxNameBytes+1), nil)
		},
	}
	for _, transport := range []string{"local", "http"} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub(t, transport, false)
			defer func() { h.stop() }()
			if _, err := h.Start(t.Context(), "Wait", nil, client.StartOptions{ID: "live"}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for _, door := range slices.Sorted(maps.Keys(payload)) {
				for name, bad := range badPayloads {
					if err := payload[door](h, json.RawMessage(bad)); !errors.Is(err, client.ErrInvalidArgument) {
						t.Errorf("%s: %s with a payload that is %s: %v, want ErrInvalidArgument", transport, door, name, err)
					}
				}
			}
			for _, name := range slices.Sorted(maps.Keys(others)) {
				if err := others[name](h); !errors.Is(err, client.ErrInvalidArgument) {
					t.Errorf("%s: %s: %v, want ErrInvalidArgument", transport, name, err)
				}
			}
			page, err := h.List(t.Context(), client.Query{})
			if err != nil || len(page.Items) != 1 || page.Items[0].ID != "live" || page.Items[0].RuntimeStatus != client.Running {
				t.Errorf("%s: the list holds %d instances afterwards, %v; want the one that was there, Running", transport, len(page.Items), err)
			}
		})
	}
}

// What orchestrators and activities ask for is refused where they ask, as an error that
// their code sees; a timer that is never due is one that waits.
func TestBadValuesAreRefusedInCode(t *testing.T) {
	app := perdure.New()
	perdure.AddActivity(app, "Return", func(_ context.Context, name string) (json.RawMessage, error) {
		return json.RawMessage(badPayloads[name]), nil
	})
	perdure.AddOrchestrator(app, "Return", func(_ *perdure.OrchestrationContext, name string) (json.RawMessage, error) {
		return json.RawMessage(badPayloads[name]), nil
	})
	perdure.AddOrchestrator(app, "Ask", func(ctx *perdure.OrchestrationContext, _ any) (map[string]string, error) {
		const child = perdure.OrchestratorRef[json.RawMessage, any]("Return")
		const activity = perdure.ActivityRef[json.RawMessage, any]("Return")
		errs := map[string]string{}
		note := func(what string, err error) {
			errs[what] = "nothing was wrong"
			if err != nil {
				errs[what] = ""
			}
		}
		for name, text := range badPayloads {
			bad := json.RawMessage(text)
			_, err := activity.Call(ctx, bad).Await()
			note("activity input "+name, err)
			_, err = perdure.ActivityRef[string, any]("Return").Call(ctx, name).Await()
			note("activity result "+name, err)
			_, err = child.Call(ctx, bad).Await()
			note("child input "+name, err)
			_, err = perdure.OrchestratorRef[string, any]("Return").Call(ctx, name).Await()
			note("child result "+name, err)
			_, err = child.Start(ctx, bad)
			note("start input "+name, err)
			note("custom status "+name, ctx.SetCustomStatus(bad))
			note("event payload "+name, perdure.SendEvent(ctx, "other", "go", bad))
			note("next input "+name, ctx.ContinueAsNew(bad))
		}
		long := strings.Repeat("x", history.MaxNameBytes+1)
		_, err := perdure.ActivityRef[any, any](long).Call(ctx, nil).Await()
		note("long activity name", err)
		_, err = perdure.ActivityRef[any, any]("\xff").Call(ctx, nil).Await()
		note("activity name", err)
		_, err = perdure.OrchestratorRef[any, any]("\xff").Call(ctx, nil).Await()
		note("child name", err)
		_, err = perdure.OrchestratorRef[any, any]("Return").Call(ctx, nil, perdure.WithInstanceID("..")).Await()
		note("child id", err)
		_, err = perdure.OrchestratorRef[any, any]("Return").Call(ctx, nil, perdure.WithTags(map[string]string{"a": "\xff"})).Await()
		note("child tag", err)
		_, err = perdure.OrchestratorRef[any, any]("Return").Call(ctx, nil, perdure.WithVersion("\xff")).Await()
		note("child version", err)
		note("event name", perdure.SendEvent(ctx, "other", long, nil))
		maps.DeleteFunc(errs, func(_, text string) bool { return text == "" })
		return errs, nil
	})
	perdure.AddOrchestrator(app, "Never", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		if _, err := ctx.CreateTimerAt(time.Time{}).Await(); err != nil {
			return nil, err
		}
		_, err := ctx.CreateTimerAt(never).Await()
		return nil, err
	})
	synctest.Test(t, func(t *testing.T) {
		w, err := worker.New(app, worker.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		store := memory.New(4)
		run := func() (*client.Client, *engine.Engine, func()) {
			e := engine.New(store, w, engine.Options{})
			ctx, stop := context.WithCancel(t.Context())
			var running sync.WaitGroup
			running.Go(func() {
				if err := e.Run(ctx); err != nil {
					t.Errorf("engine: %v", err)
				}
			})
			return client.Local(e), e, func() { stop(); running.Wait() }
		}
		c, _, stop := run()
		id, err := c.Start(t.Context(), "Ask", nil, client.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		st, err := c.Wait(t.Context(), id)
		if err != nil || st.RuntimeStatus != client.Completed || string(st.Output) != "{}" {
			t.Fatalf("%v: %s %s, want {}: a door that refuses nothing is in it", err, st.RuntimeStatus, st.Output)
		}
		if _, err := c.Start(t.Context(), "Never", nil, client.StartOptions{ID: "never"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		c, e, stop := run() // it must not fire after a restart either
		defer stop()
		synctest.Wait()
		time.Sleep(time.Hour)
		if st, err := c.Status(t.Context(), "never", client.StatusOptions{}); err != nil || st.RuntimeStatus != client.Running {
			t.Errorf("the instance that waits for ever is %s, %v", st.RuntimeStatus, err)
		}
		archive, err := e.Export(t.Context(), "never")
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(archive)
		if err != nil {
			t.Fatalf("write the archive: %v", err)
		}
		var back hub.Archive
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("read the archive: %v", err)
		}
		if _, err := e.Import(t.Context(), hub.ImportRequest{Archive: back, ID: "again"}); err != nil {
			t.Errorf("import what was exported: %v", err)
		}
		if _, err := e.Explain(t.Context(), "never"); err != nil {
			t.Errorf("explain: %v", err)
		}
	})
}
