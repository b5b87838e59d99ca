package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// listed returns the ids on all pages of a query, in order; between is called
// after each page.
func (w *world) listed(q client.Query, between func()) []string {
	w.Helper()
	ids := []string{}
	for {
		page, err := w.List(context.Background(), q)
		if err != nil {
			w.Fatalf("List(%+v) = %v", q, err)
		}
		for _, s := range page.Items {
			ids = append(ids, string(s.ID))
		}
		if q.Token = page.Token; q.Token == "" {
			return ids
		}
		between()
	}
}

func TestP183_FiltersReturnExactlyTheMatchingSetOverAllPages(t *testing.T) {
	contract(t, addOutcomes, func(w *world) {
		var all []*client.Status // newest first
		for i := range 30 {
			name := []string{"Echo", "Fail", "UntilGo"}[i%3]
			id := w.mustStart(name, i, client.StartOptions{ID: history.InstanceID(fmt.Sprintf("%c %d", 'a'+i%2, i))})
			time.Sleep(time.Second)
			w.settle()
			all = slices.Insert(all, 0, w.status(id))
		}
		first, last := all[20].CreatedAt, all[10].CreatedAt
		for _, test := range []struct {
			name  string
			query client.Query
			match func(*client.Status) bool
		}{
			{"all", client.Query{}, func(*client.Status) bool { return true }},
			{"created, inclusive", client.Query{CreatedFrom: new(first), CreatedTo: new(last)}, func(s *client.Status) bool {
				return !s.CreatedAt.Before(first) && !s.CreatedAt.After(last)
			}},
			{"statuses", client.Query{Statuses: []client.RuntimeStatus{history.Failed, history.Running}}, func(s *client.Status) bool {
				return s.RuntimeStatus == history.Failed || s.RuntimeStatus == history.Running
			}},
			{"prefix", client.Query{IDPrefix: "b"}, func(s *client.Status) bool { return strings.HasPrefix(string(s.ID), "b") }},
			{"all of these", client.Query{CreatedFrom: new(first), Statuses: []client.RuntimeStatus{history.Completed}, IDPrefix: "a"}, func(s *client.Status) bool {
				return !s.CreatedAt.Before(first) && s.RuntimeStatus == history.Completed && strings.HasPrefix(string(s.ID), "a")
			}},
			{"no status", client.Query{Statuses: []client.RuntimeStatus{history.Suspended}}, func(*client.Status) bool { return false }},
		} {
			want := []string{}
			for _, s := range all {
				if test.match(s) {
					want = append(want, string(s.ID))
				}
			}
			for _, size := range []int{1, 4, 100} {
				test.query.PageSize = size
				if diff := cmp.Diff(want, w.listed(test.query, func() {})); diff != "" {
					w.Errorf("%s, pages of %d (-want +got):\n%s", test.name, size, diff)
				}
			}
		}
	})
}

func TestP184_PagingWhileInstancesAreAddedReturnsEachOnce(t *testing.T) {
	contract(t, addOutcomes, func(w *world) {
		var want []string
		for i := range 20 {
			want = slices.Insert(want, 0, w.mustStart("Echo", i, client.StartOptions{ID: history.InstanceID(fmt.Sprintf("old %d", i))}))
			time.Sleep(time.Millisecond) // so that the order is known
		}
		w.settle()
		added := 0
		got := w.listed(client.Query{PageSize: 3}, func() {
			for range 5 {
				w.completed(w.mustStart("Echo", 0, client.StartOptions{ID: history.InstanceID(fmt.Sprintf("new %d", added))}))
				added++
			}
		})
		if diff := cmp.Diff(want, got); diff != "" || added == 0 {
			w.Errorf("listed while %d were added (-want +got):\n%s", added, diff)
		}
	})
}

func TestP185_StatusAfterTheWaitIsTerminalWithTheOutput(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		for i := range 20 {
			id := w.mustStart("Echo", i, client.StartOptions{})
			if _, err := w.engine.Wait(context.Background(), history.InstanceID(id)); err != nil {
				w.Fatalf("Wait = %v", err)
			}
			if s := w.status(id); s.RuntimeStatus != history.Completed || string(s.Output) != fmt.Sprint(i) || s.CompletedAt.IsZero() {
				w.Errorf("status after the wait = %s with %s, ended at %s; want Completed with %d", s.RuntimeStatus, s.Output, s.CompletedAt, i)
			}
		}
	})
}

// addProgress adds an orchestrator that shows how far it is, after each event.
func addProgress(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Progress", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
		for i := range 3 {
			if err := ctx.SetCustomStatus(map[string]int{"step": i}); err != nil {
				return "", err
			}
			if _, err := perdure.WaitForExternalEvent[int](ctx, "Go").Await(); err != nil {
				return "", err
			}
		}
		return "done", nil
	})
}

func TestP186_CustomStatusIsVisibleAfterTheTurnThatSetIt(t *testing.T) {
	contract(t, addProgress, func(w *world) {
		id := w.mustStart("Progress", 0, client.StartOptions{})
		for i := range 3 {
			w.is(id, history.Running)
			if got, want := string(w.status(id).CustomStatus), fmt.Sprintf(`{"step":%d}`, i); got != want {
				w.Errorf("custom status = %s, want %s", got, want)
			}
			w.raise(id, "Go", 0)
		}
		if s := w.ended(id, history.Completed); string(s.CustomStatus) != `{"step":2}` {
			w.Errorf("custom status at the end = %s, want the last one", s.CustomStatus)
		}
	})
}

func TestP187_CustomStatusAboveTheLimitIsAnErrorAndLeavesTheOldOne(t *testing.T) {
	contract(t, func(_ *world, app *perdure.App) {
		perdure.AddOrchestrator(app, "Long", func(ctx *perdure.OrchestrationContext, _ int) (string, error) {
			longest := strings.Repeat("x", perdure.MaxCustomStatusBytes/2-2) // two bytes each, and two quotes
			if err := ctx.SetCustomStatus(longest); err != nil {
				return "", err
			}
			err := ctx.SetCustomStatus(longest + "y")
			return fmt.Sprint(err), nil
		})
	}, func(w *world) {
		id := w.mustStart("Long", 0, client.StartOptions{})
		if got := w.completed(id); !strings.Contains(got, "custom status") {
			w.Errorf("the call returned %s, want an error about the custom status", got)
		}
		var status string
		if err := json.Unmarshal(w.status(id).CustomStatus, &status); err != nil || len(status) != perdure.MaxCustomStatusBytes/2-2 || strings.Contains(status, "y") {
			w.Errorf("custom status has %d characters, %v; want the %d that fit", len(status), err, perdure.MaxCustomStatusBytes/2-2)
		}
	})
}

func TestP188_LastUpdatedTimeAdvancesWithEachTurn(t *testing.T) {
	contract(t, addProgress, func(w *world) {
		id := w.mustStart("Progress", 0, client.StartOptions{})
		w.settle()
		last := w.status(id).UpdatedAt
		for range 3 { // no time passes between the turns
			w.raise(id, "Go", 0)
			w.settle()
			now := w.status(id).UpdatedAt
			if !now.After(last) {
				w.Errorf("last updated at %s after a turn, at %s before; want it to advance", now, last)
			}
			last = now
		}
		w.settle()
		if now := w.status(id).UpdatedAt; !now.Equal(last) {
			w.Errorf("last updated at %s without a turn, want %s", now, last)
		}
	})
}

func TestP189_InputIsShownUnlessLeftOut(t *testing.T) {
	contract(t, addBasics, func(w *world) {
		id := w.mustStart("Echo", "in", client.StartOptions{})
		w.completed(id)
		for omit, want := range map[bool]string{false: `"in"`, true: ""} {
			s, err := w.Status(context.Background(), history.InstanceID(id), client.StatusOptions{OmitInput: omit})
			if err != nil || string(s.Input) != want || string(s.Output) != `"in"` {
				w.Errorf("Status(OmitInput: %t) = input %s, output %s, %v; want input %s", omit, s.Input, s.Output, err, want)
			}
			page, err := w.List(context.Background(), client.Query{OmitInput: omit})
			if err != nil || len(page.Items) != 1 || string(page.Items[0].Input) != want {
				w.Errorf("List(OmitInput: %t) = %+v, %v; want input %s", omit, page.Items, err, want)
			}
		}
	})
}
