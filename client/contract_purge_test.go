package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

func TestClient_Restart(t *testing.T) {
	run(t, []row{
		{number: 46, says: "Restart runs it anew under a new id", test: func(h *testHub) {
			h.begin("Echo", "x", 7)
			old := h.ended("x", history.Completed)
			id, err := h.Restart(h.Context(), "x", client.RestartOptions{})
			h.done("Restart", err)
			st := h.ended(string(id), history.Completed)
			if id == "x" || st.Name != "Echo" || string(st.Input) != "7" || h.status("x").ExecutionID != old.ExecutionID {
				h.Errorf("Restart = %s: %+v; the old one is %+v", id, st, h.status("x"))
			}
			h.begin("Wait", "live", nil)
			synctest.Wait()
			h.done("Restart of a live one", ignore(h.Restart(h.Context(), "live", client.RestartOptions{})))
			h.is("live", history.Running)
		}},
		{number: 47, says: "SameID takes the place of an ended one", test: func(h *testHub) {
			h.begin("Echo", "x", 7)
			old := h.ended("x", history.Completed)
			id, err := h.Restart(h.Context(), "x", client.RestartOptions{SameID: true})
			h.done("Restart", err)
			if st := h.ended("x", history.Completed); id != "x" || st.ExecutionID == old.ExecutionID || string(st.Output) != "7" || h.marked("Echo") != 2 {
				h.Errorf("Restart = %s: %+v", id, st)
			}
		}},
		{number: 48, says: "SameID of an active one is refused", test: func(h *testHub) {
			h.begin("Wait", "x", nil)
			old := h.is("x", history.Running)
			h.refused("Restart", ignore(h.Restart(h.Context(), "x", client.RestartOptions{SameID: true})), client.ErrAlreadyExists)
			if h.is("x", history.Running).ExecutionID != old.ExecutionID {
				h.Errorf("the refused restart has replaced it")
			}
		}},
		{number: 49, says: "A missing instance is ErrNotFound", test: func(h *testHub) {
			for _, same := range []bool{false, true} {
				h.refused("Restart(nobody)", ignore(h.Restart(h.Context(), "nobody", client.RestartOptions{SameID: same})), client.ErrNotFound)
			}
		}},
	})
}

func TestClient_Purge(t *testing.T) {
	run(t, []row{
		{number: 50, says: "Purge removes an ended one", test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			got, err := h.Purge(h.Context(), "x", client.PurgeOptions{})
			if err != nil || got.Deleted != 1 || !got.Complete {
				h.Errorf("Purge = %+v, %v; want 1 and complete", got, err)
			}
			_, err = h.Status(h.Context(), "x", client.StatusOptions{})
			h.refused("Status after it", err, client.ErrNotFound)
		}},
		{number: 51, says: "A missing one is none removed", test: func(h *testHub) {
			got, err := h.Purge(h.Context(), "nobody", client.PurgeOptions{})
			if err != nil || got.Deleted != 0 {
				h.Errorf("Purge(nobody) = %+v, %v; want none", got, err)
			}
			_, err = h.Purge(h.Context(), "nobody", client.PurgeOptions{MustExist: true})
			h.refused("Purge(nobody, MustExist)", err, client.ErrNotFound)
		}},
		{number: 52, says: "An active one is refused unless forced", test: func(h *testHub) {
			h.begin("Parent", "x", nil)
			synctest.Wait()
			h.refused("Purge", ignore(h.Purge(h.Context(), "x", client.PurgeOptions{})), client.ErrInvalidState)
			h.is("x", history.Running)
			got, err := h.Purge(h.Context(), "x", client.PurgeOptions{Force: true})
			if err != nil || got.Deleted != 1 {
				h.Errorf("Purge(Force) = %+v, %v; want 1", got, err)
			}
			h.is("x:child", history.Running)
			h.begin("Parent", "y", nil)
			synctest.Wait()
			got, err = h.Purge(h.Context(), "y", client.PurgeOptions{Force: true, Recursive: true})
			if err != nil || got.Deleted != 2 {
				h.Errorf("Purge(Force, Recursive) = %+v, %v; want 2", got, err)
			}
			if left := h.ids(client.Query{}); len(left) != 1 || left[0] != "x:child" {
				h.Errorf("left are %q, want the child of the first one", left)
			}
		}},
		{number: 52, says: "PurgeMany skips active ones", test: func(h *testHub) {
			var ids []client.InstanceID
			for i := range 40 {
				ids = append(ids, client.InstanceID(h.begin("Echo", fmt.Sprint(i), nil)))
				h.ended(string(ids[i]), history.Completed)
			}
			h.begin("Wait", "live", nil)
			synctest.Wait()
			got, err := h.PurgeMany(h.Context(), append(ids, "live", "nobody"), client.PurgeOptions{})
			if err != nil || got.Deleted != 40 || got.Skipped != 1 || got.Complete {
				h.Errorf("PurgeMany = %+v, %v; want 40, 1 skipped, not complete", got, err)
			}
			if left := h.ids(client.Query{}); len(left) != 1 {
				h.Errorf("left are %q, want the live one", left)
			}
			_, err = h.PurgeMany(h.Context(), []client.InstanceID{"nobody"}, client.PurgeOptions{MustExist: true})
			h.refused("PurgeMany(MustExist)", err, client.ErrNotFound)
		}},
		{number: 53, says: "PurgeBy touches ended ones in range only", test: func(h *testHub) {
			for i, id := range []string{"a1", "a2", "b1", "b2", "b3"} {
				o := client.StartOptions{ID: client.InstanceID(id), Tags: map[string]string{"n": fmt.Sprint(i)}}
				h.beginWith([]string{"Echo", "Wait", "Fail", "Echo", "Echo"}[i], i, o)
				time.Sleep(time.Minute) // of virtual time
			}
			b1 := h.status("b1")
			for _, tt := range []struct {
				what string
				f    client.PurgeFilter
				want string // those that go
			}{
				{"name", client.PurgeFilter{Name: new("wait")}, ""},
				{"created", client.PurgeFilter{CreatedFrom: new(b1.CreatedAt), CreatedTo: new(b1.CreatedAt)}, "b1"},
				{"completed before", client.PurgeFilter{CompletedBefore: new(b1.CompletedAt)}, "a1"},
				{"completed just before", client.PurgeFilter{CompletedBefore: new(b1.CompletedAt.Add(time.Microsecond))}, "a1 b1"},
				{"status", client.PurgeFilter{Statuses: []client.RuntimeStatus{history.Failed}}, "b1"},
				{"prefix", client.PurgeFilter{IDPrefix: new("b")}, "b1 b2 b3"},
				{"tag", client.PurgeFilter{Tags: map[string]string{"n": "3"}}, "b2"},
				{"all", client.PurgeFilter{All: true}, "a1 b1 b2 b3"},
			} {
				tt.f.DryRun = true
				got, err := h.PurgeBy(h.Context(), tt.f)
				if want := len(strings.Fields(tt.want)); err != nil || got.Deleted != want {
					h.Errorf("PurgeBy %s would remove %+v, %v; want %d", tt.what, got, err, want)
				}
			}
			got, err := h.PurgeBy(h.Context(), client.PurgeFilter{IDPrefix: new("b"), Limit: 1})
			if err != nil || got.Deleted != 1 || got.Complete {
				h.Errorf("PurgeBy(Limit 1) = %+v, %v; want 1, not complete", got, err)
			}
			var told client.PurgeResult
			got, err = h.PurgeBy(h.Context(), client.PurgeFilter{All: true, Progress: func(r client.PurgeResult) { told = r }})
			if err != nil || got.Deleted != 3 || !got.Complete || told.Deleted != 3 {
				h.Errorf("PurgeBy = %+v, %v, told %+v; want 3 and complete", got, err, told)
			}
			if left := h.ids(client.Query{}); len(left) != 1 || left[0] != "a2" {
				h.Errorf("left are %q, want the live one", left)
			}
		}},
		{number: 54, says: "Active statuses are ignored or refused", test: func(h *testHub) {
			h.begin("Wait", "live", nil)
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			_, err := h.PurgeBy(h.Context(), client.PurgeFilter{Statuses: []client.RuntimeStatus{history.Running, history.Suspended}})
			h.refused("PurgeBy(Running, Suspended)", err, client.ErrInvalidArgument)
			if left := h.ids(client.Query{}); len(left) != 2 {
				h.Errorf("left are %q, want both", left)
			}
			got, err := h.PurgeBy(h.Context(), client.PurgeFilter{Statuses: []client.RuntimeStatus{history.Running, history.Completed}})
			if err != nil || got.Deleted != 1 {
				h.Errorf("PurgeBy(Running, Completed) = %+v, %v; want 1", got, err)
			}
			h.is("live", history.Running)
		}},
		{number: 55, says: "DryRun removes nothing", test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.ended("x", history.Completed)
			got, err := h.PurgeBy(h.Context(), client.PurgeFilter{All: true, DryRun: true})
			if err != nil || got.Deleted != 1 {
				h.Errorf("PurgeBy(DryRun) = %+v, %v; want 1", got, err)
			}
			h.is("x", history.Completed)
		}},
		{number: 56, says: "Large payloads go too", test: func(h *testHub) {
			h.begin("Echo", "x", strings.Repeat("x", 1<<20))
			h.ended("x", history.Completed)
			number := h.row("x").Number
			h.done("Purge", ignore(h.Purge(h.Context(), "x", client.PurgeOptions{})))
			for rec, err := range h.store.Records(h.Context(), number) {
				h.Errorf("the store still has a record of %d bytes, %v", len(rec.Bytes), err)
			}
		}},
	})
}

// deletable is a hub that a host can delete.
type deletable struct {
	hub.Hub
	served bool
	calls  []string
}

func (d *deletable) DeleteHub(_ context.Context, force bool) error {
	d.calls = append(d.calls, fmt.Sprint(force))
	if d.served && !force {
		return fmt.Errorf("%w: a worker serves it", client.ErrInvalidState)
	}
	return nil
}

// The host's tests delete a real one.
func TestClient_DeleteHub(t *testing.T) {
	run(t, []row{{number: 75, says: "DeleteHub asks the host", test: func(h *testHub) {
		served := &deletable{Hub: h.engine, served: true}
		web := network(func(r *http.Request) (*http.Response, error) {
			q := r.URL.Query()
			if r.Method != "POST" || r.URL.Path != "/admin/perdure/delete-hub" || r.Header.Get("x-functions-key") != apiKey || q.Get("taskHub") != "TestHub" {
				return nil, fmt.Errorf("the host gets %s %s with key %q", r.Method, r.URL, r.Header.Get("x-functions-key"))
			}
			code := 204
			if served.DeleteHub(r.Context(), q.Get("force") == "true") != nil {
				code = http.StatusConflict
			}
			return &http.Response{StatusCode: code, Header: http.Header{"X-Perdure": {"1"}}, Body: http.NoBody}, nil
		})
		c := h.connect(served, web)
		h.refused("DeleteHub", c.DeleteHub(h.Context(), client.DeleteHubOptions{}), client.ErrInvalidState)
		h.done("DeleteHub(Force)", c.DeleteHub(h.Context(), client.DeleteHubOptions{Force: true}))
		if !slices.Equal(served.calls, []string{"false", "true"}) {
			h.Errorf("the host was asked %q", served.calls)
		}
		h.refused("DeleteHub of an engine", h.DeleteHub(h.Context(), client.DeleteHubOptions{}), client.ErrUnsupported)
	}}})
}

func TestPurgeByRefusesEmptyConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, "local", false)
		defer func() { h.stop() }()
		h.begin("Echo", "x", nil)
		h.ended("x", client.Completed)
		for what, f := range map[string]client.PurgeFilter{
			"nothing":              {},
			"nothing but a limit":  {Limit: 5, DryRun: true},
			"no status":            {Statuses: []client.RuntimeStatus{}},
			"an empty prefix":      {Statuses: []client.RuntimeStatus{client.Completed}, IDPrefix: new("")},
			"an empty name":        {Name: new("")},
			"no tag":               {Tags: map[string]string{}},
			"a tag without a name": {Tags: map[string]string{"": "x"}},
			"an empty tag":         {Tags: map[string]string{"tenant": ""}},
			"all and a condition":  {All: true, Name: new("Echo")},
		} {
			if got, err := h.PurgeBy(t.Context(), f); !errors.Is(err, client.ErrInvalidArgument) {
				t.Errorf("PurgeBy with %s = %+v, %v; want ErrInvalidArgument", what, got, err)
			}
		}
		for what, f := range map[string]client.PurgeFilter{
			"created before the zero time": {CreatedTo: new(time.Time{})},
			"ended before the zero time":   {CompletedBefore: new(time.Time{})},
		} {
			if got, err := h.PurgeBy(t.Context(), f); err != nil || got.Deleted != 0 {
				t.Errorf("PurgeBy with %s = %+v, %v; want none", what, got, err)
			}
		}
		h.is("x", client.Completed)
	})
}
