package client_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/advice"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/storetest"
)

func TestClient_Query(t *testing.T) {
	run(t, []row{
		{number: 15, says: "A missing instance is ErrNotFound", test: func(h *testHub) {
			_, err := h.Status(h.Context(), "nobody", client.StatusOptions{})
			h.refused("Status(nobody)", err, client.ErrNotFound)
			for _, o := range []client.HistoryOptions{{}, {Merged: true}} {
				for _, err := range h.History(h.Context(), "nobody", o) {
					h.refused("History(nobody)", err, client.ErrNotFound)
				}
			}
		}},
		{number: 16, says: "A status has all fields", test: func(h *testHub) {
			began := time.Now()
			h.beginWith("Status", 7, client.StartOptions{ID: "a b+é%2F", Version: "2", Tags: map[string]string{"k": "v"}})
			st := h.is("a b+é%2F", history.Running)
			if st.ID != "a b+é%2F" || st.Name != "Status" || string(st.Input) != "7" || st.Output != nil || string(st.CustomStatus) != `{"at":"work"}` ||
				st.CreatedAt.Sub(began).Abs() > time.Second || st.UpdatedAt.Before(st.CreatedAt) || !st.CompletedAt.IsZero() ||
				len(st.ExecutionID) != 32 || st.Version != "2" || st.Tags["k"] != "v" || st.ParentID != "" || st.Failure != nil {
				h.Errorf("status = %+v", st)
			}
			time.Sleep(time.Minute) // of virtual time
			h.done("Raise", h.Raise(h.Context(), st.ID, "go", "end"))
			if st = h.ended(string(st.ID), history.Completed); string(st.Output) != `"end"` || st.CompletedAt.Sub(st.CreatedAt) < time.Minute || !st.Terminal() {
				h.Errorf("status at the end = %+v", st)
			}
			body, err := json.Marshal(st)
			_, want := h.fetch("GET", h.Links(st.ID).StatusQueryGetURI)
			if err != nil || string(body) != want {
				h.Errorf("status as JSON = %s, %v; the HTTP API has %s", body, err, want)
			}
			h.begin("Parent", "p", nil)
			if got := h.is("p:child", history.Running).ParentID; got != "p" {
				h.Errorf("ParentID of a child = %q, want p", got)
			}
			page, err := h.List(h.Context(), client.Query{Parent: "p"})
			counts, countErr := h.Count(h.Context(), client.Query{Parent: "p"})
			if err != nil || len(page.Items) != 1 || page.Items[0].ID != "p:child" || countErr != nil || counts.Total() != 1 {
				h.Errorf("children of p: %+v, %v; %v, %v; want p:child", page, err, counts, countErr)
			}
			h.begin("Fail", "f", nil)
			if st := h.ended("f", history.Failed); st.Failure == nil || st.Failure.Message != "it broke" || st.Err() == nil {
				h.Errorf("status of a failed one = %+v", st)
			}
		}},
		{number: 17, says: "OmitInput hides the input only", test: func(h *testHub) {
			id := h.begin("Echo", "", 7)
			h.ended(id, history.Completed)
			st, err := h.Status(h.Context(), client.InstanceID(id), client.StatusOptions{OmitInput: true})
			if err != nil || st.Input != nil || string(st.Output) != "7" {
				h.Errorf("Status(OmitInput) = %+v, %v; want no input, output 7", st, err)
			}
			st, err = h.Status(h.Context(), client.InstanceID(id), client.StatusOptions{OmitInput: true, OmitOutput: true})
			if err != nil || st.Input != nil || st.Output != nil {
				h.Errorf("Status(OmitInput, OmitOutput) = %+v, %v; want neither", st, err)
			}
		}},
		{number: 18, says: "The history of a Pending one is empty", idle: true, test: func(h *testHub) {
			h.begin("Echo", "x", 1)
			for _, o := range []client.HistoryOptions{{}, {Merged: true, Inputs: true}} {
				if got := h.events("x", o); len(got) != 0 {
					h.Errorf("History(%+v) = %+v, want none", o, got)
				}
			}
			if st, err := h.Status(h.Context(), "x", client.StatusOptions{History: true}); err != nil || len(st.History) != 0 {
				h.Errorf("Status(History) = %+v, %v; want no history", st, err)
			}
		}},
		{number: 19, says: "Histories hide results, never failures", test: func(h *testHub) {
			h.begin("Steps", "x", time.Minute)
			h.ended("x", history.Failed)
			st, err := h.Status(h.Context(), "x", client.StatusOptions{History: true})
			h.done("Status", err)
			want := "ExecutionStarted Steps 60000000000; TaskCompleted of Step \"first\"; TimerCreated; TimerFired; TaskFailed of Step \"second\" not repaired; ExecutionCompleted not repaired"
			if got := describe(st.History); got != want {
				h.Errorf("merged history = %s, want %s", got, want)
			}
			st, err = h.Status(h.Context(), "x", client.StatusOptions{History: true, HistoryOutput: true, OmitInput: true})
			h.done("Status", err)
			want = "ExecutionStarted Steps; TaskCompleted \"first done\" of Step; TimerCreated; TimerFired; TaskFailed of Step not repaired; ExecutionCompleted not repaired"
			if got := describe(st.History); got != want {
				h.Errorf("merged history with results, without inputs = %s, want %s", got, want)
			}
		}},
		{number: 20, says: "Statuses keeps those that exist", test: func(h *testHub) {
			for _, id := range []string{"a", "b", "c"} {
				h.begin("Echo", id, id)
				h.ended(id, history.Completed)
			}
			got, err := h.Statuses(h.Context(), []client.InstanceID{"a", "nobody", "c", "a"}, client.StatusOptions{OmitInput: true})
			if err != nil || len(got) != 2 || got["a"] == nil || got["c"] == nil || got["c"].Input != nil || string(got["c"].Output) != `"c"` {
				h.Errorf("Statuses = %v, %v; want a and c without inputs", got, err)
			}
			_, err = h.Statuses(h.Context(), []client.InstanceID{"a", ""}, client.StatusOptions{})
			if h.transport == "http" { // in this process nothing has such an id
				h.refused("Statuses with an empty id", err, client.ErrInvalidArgument)
			}
		}},
		{number: 20, says: "Statuses takes any number of ids", idle: true, test: func(h *testHub) {
			var ids []client.InstanceID
			for i := range 3 * 16 {
				ids = append(ids, client.InstanceID(h.begin("Echo", fmt.Sprint(i), i)))
			}
			got, err := h.Statuses(h.Context(), ids, client.StatusOptions{})
			h.done("Statuses", err)
			for i, id := range ids {
				if got[client.InstanceID(id)] == nil || string(got[client.InstanceID(id)].Input) != fmt.Sprint(i) {
					h.Errorf("Statuses has %+v for %s", got[client.InstanceID(id)], id)
				}
			}
		}},
		{number: 0, says: "Lists tell failures without their outputs", test: func(h *testHub) {
			text := "it broke " + strings.Repeat("é", 1000)
			h.begin("Fail", "x", text)
			h.ended("x", history.Failed)
			h.begin("Echo", "y", text)
			h.ended("y", history.Completed)
			for _, q := range []client.Query{{OmitInput: true, OmitOutput: true}, {OmitOutput: true}, {}} {
				page, err := h.List(h.Context(), q)
				h.done("List", err)
				for _, st := range page.Items {
					want := map[string]string{"x": history.Brief(text), "y": ""}[string(st.ID)]
					if st.FailureText != want || q.OmitOutput && (st.Output != nil || st.Failure != nil) || q.OmitInput && st.Input != nil {
						h.Errorf("List(%+v) has %+v, want failure text %q", q, st, want)
					}
				}
				st, err := h.Status(h.Context(), "x", client.StatusOptions{OmitInput: q.OmitInput, OmitOutput: q.OmitOutput})
				if h.done("Status", err); st.FailureText != history.Brief(text) || len(st.FailureText) > 300 {
					h.Errorf("Status has failure text %q", st.FailureText)
				}
			}
			if st := h.status("x"); st.Failure == nil || st.Failure.Message != text {
				h.Errorf("Status has failure %+v, want all of it", st.Failure)
			}
		}},
		{number: 21, says: "List filters", test: func(h *testHub) {
			for i, id := range []string{"a1", "a2", "b1", "b2"} {
				o := client.StartOptions{ID: client.InstanceID(id), Tags: map[string]string{"n": fmt.Sprint(i % 2), "all": "x y"}}
				h.beginWith([]string{"Echo", "Wait", "Fail", "Echo"}[i], i, o)
				time.Sleep(time.Minute) // of virtual time
			}
			a2, b1 := h.status("a2").CreatedAt, h.status("b1").CreatedAt
			for _, tt := range []struct {
				what string
				q    client.Query
				want string
			}{
				{"nothing", client.Query{}, "b2 b1 a2 a1"},
				{"created from", client.Query{CreatedFrom: new(a2)}, "b2 b1 a2"},
				{"created after", client.Query{CreatedFrom: new(a2.Add(time.Microsecond))}, "b2 b1"},
				{"created to", client.Query{CreatedTo: new(b1)}, "b1 a2 a1"},
				{"created before", client.Query{CreatedTo: new(b1.Add(-time.Microsecond))}, "a2 a1"},
				{"completed", client.Query{CompletedTo: new(time.Now())}, "b2 b1 a1"},
				{"a status", client.Query{Statuses: []client.RuntimeStatus{history.Running}}, "a2"},
				{"statuses", client.Query{Statuses: []client.RuntimeStatus{history.Running, history.Failed}}, "b1 a2"},
				{"prefix", client.Query{IDPrefix: "b"}, "b2 b1"},
				{"prefix in another case", client.Query{IDPrefix: "B"}, ""},
				{"name", client.Query{Name: "ECHO"}, "b2 a1"},
				{"tag", client.Query{Tags: map[string]string{"n": "1"}}, "b2 a2"},
				{"tags", client.Query{Tags: map[string]string{"n": "1", "all": "x y"}}, "b2 a2"},
				{"all of them", client.Query{CreatedFrom: new(a2), IDPrefix: "b", Name: "Echo", Statuses: []client.RuntimeStatus{history.Completed}}, "b2"},
			} {
				if got := strings.Join(h.ids(tt.q), " "); got != tt.want {
					h.Errorf("List by %s = %q, want %q", tt.what, got, tt.want)
				}
				counts, err := h.Count(h.Context(), tt.q)
				if want := int64(len(strings.Fields(tt.want))); err != nil || counts.Total() != want {
					h.Errorf("Count by %s = %v, %v; want %d", tt.what, counts, err, want)
				}
			}
			counts, err := h.Count(h.Context(), client.Query{})
			if err != nil || counts[history.Completed] != 2 || counts[history.Running] != 1 || counts[history.Failed] != 1 {
				h.Errorf("Count = %v, %v; want 2 Completed, 1 Running, 1 Failed", counts, err)
			}
			page, err := h.List(h.Context(), client.Query{IDPrefix: "a1", OmitInput: true})
			if err != nil || len(page.Items) != 1 || page.Items[0].Input != nil || string(page.Items[0].Output) != "0" {
				h.Errorf("List(OmitInput) = %+v, %v; want the output only", page, err)
			}
		}},
		{number: 22, says: "Paging visits each once while others start", idle: true, test: func(h *testHub) {
			for i := range 10 {
				h.begin("Echo", fmt.Sprint("old", i), nil)
			}
			seen := map[string]int{}
			for token, n := "", 0; ; n++ {
				page, err := h.List(h.Context(), client.Query{PageSize: 3, Token: token})
				h.done("List", err)
				if len(page.Items) > 3 {
					h.Errorf("a page of 3 has %d", len(page.Items))
				}
				for _, st := range page.Items {
					seen[string(st.ID)]++
				}
				if token = page.Token; token == "" {
					break
				}
				h.begin("Echo", fmt.Sprint("new", n), nil)
			}
			for i := range 10 {
				if got := seen[fmt.Sprint("old", i)]; got != 1 {
					h.Errorf("old%d is on %d pages, want 1", i, got)
				}
			}
			if len(seen) != 10 {
				h.Errorf("the pages hold %v, want none of those that started meanwhile", seen)
			}
			_, err := h.List(h.Context(), client.Query{Token: "junk"})
			h.refused("List with a token of its own", err, client.ErrInvalidArgument)
			_, err = h.List(h.Context(), client.Query{PageSize: -1})
			h.refused("List with a negative page size", err, client.ErrInvalidArgument)
		}},
		{number: 23, says: "An empty hub is one empty page", idle: true, test: func(h *testHub) {
			page, err := h.List(h.Context(), client.Query{})
			if err != nil || len(page.Items) != 0 || page.Token != "" {
				h.Errorf("List = %+v, %v; want nothing", page, err)
			}
		}},
		{number: 24, says: "All yields 1050 of 1050", idle: true, test: func(h *testHub) {
			for range 1050 {
				h.begin("Echo", "", nil)
			}
			got := h.ids(client.Query{})
			slices.Sort(got)
			if n := len(slices.Compact(got)); n != 1050 {
				h.Errorf("All yields %d ids, want 1050", n)
			}
			n := 0
			for range h.All(h.Context(), client.Query{}) {
				if n++; n == 150 {
					break
				}
			}
			if n != 150 {
				h.Errorf("All ended after %d, want to stop at 150", n)
			}
		}},
		{number: 25, says: "ListIDs goes by the time of completion", test: func(h *testHub) {
			h.begin("Wait", "long", nil)
			h.begin("Wait", "live", nil)
			for _, id := range []string{"a", "b", "c"} {
				time.Sleep(time.Minute) // of virtual time
				h.begin("Echo", id, nil)
				h.ended(id, history.Completed)
			}
			from := h.status("b").CompletedAt
			time.Sleep(time.Minute)
			h.done("Terminate", h.Terminate(h.Context(), "long", client.TerminateOptions{Wait: true}))
			for _, tt := range []struct {
				what string
				q    client.IDQuery
				want string
			}{
				{"nothing", client.IDQuery{}, "a b c long"},
				{"from", client.IDQuery{CompletedFrom: new(from)}, "b c long"},
				{"to", client.IDQuery{CompletedTo: new(from)}, "a b"},
				{"status", client.IDQuery{CompletedFrom: new(from), Statuses: []client.RuntimeStatus{history.Terminated, history.Running}}, "long"},
			} {
				var got []string
				for tt.q.PageSize = 1; ; {
					page, err := h.ListIDs(h.Context(), tt.q)
					h.done("ListIDs", err)
					for _, id := range page.Items {
						got = append(got, string(id))
					}
					if tt.q.Token = page.Token; page.Token == "" {
						break
					}
				}
				slices.Sort(got)
				if got := strings.Join(got, " "); got != tt.want {
					h.Errorf("ListIDs by %s = %q, want %q", tt.what, got, tt.want)
				}
			}
			_, err := h.ListIDs(h.Context(), client.IDQuery{Statuses: []client.RuntimeStatus{history.Running}})
			h.refused("ListIDs(Running)", err, client.ErrInvalidArgument)
		}},
		{number: 26, says: "Entities are listed by prefix only", idle: true, test: func(h *testHub) {
			h.begin("Echo", "x", nil)
			h.stop()
			h.entity("@counter@k")
			h.start()
			if got := h.ids(client.Query{}); len(got) != 1 || got[0] != "x" {
				h.Errorf("All = %q, want x", got)
			}
			if got := h.ids(client.Query{IDPrefix: "@cou"}); len(got) != 1 || got[0] != "@counter@k" {
				h.Errorf("All(@cou) = %q, want the entity", got)
			}
		}},
	})
}

// entity stores the row of one, as a later version may have left it.
func (h *testHub) entity(id history.InstanceID) {
	h.Helper()
	partition := history.PartitionOf(id, h.store.Partitions())
	owner, _ := storetest.Own(h, h.store)
	now := history.Truncate(time.Now())
	row := &history.Instance{Number: history.NewNumber(now.UnixMicro(), partition), ID: id, ExecutionID: history.NewExecutionID(), Name: "@counter", CreatedAt: now, UpdatedAt: now}
	turn := history.Turn{Seq: 1, At: now, Events: []history.Event{{Kind: history.ExecutionStarted, ID: history.NoID, At: now, Name: "@counter", Started: &history.Started{ExecutionID: row.ExecutionID}}}}
	h.done("Commit", owner.Commit(h.Context(), 0, []*store.Delta{{
		Partition: partition, Number: row.Number, ID: id, Row: row, OldStatus: history.Unknown,
		Record: &store.Record{Seq: 1, Bytes: history.AppendTurn(nil, &turn)},
	}}))
}

// describe writes down what events tell.
func describe(events []client.Event) string {
	var all []string
	for _, ev := range events {
		words := []string{ev.Kind.String(), ev.Name, string(ev.Payload)}
		if s := ev.Scheduled; s != nil {
			words = append(words, "of", s.Name, string(s.Payload))
		}
		if ev.Failure != nil {
			words = append(words, ev.Failure.Message)
		}
		all = append(all, strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " "))
	}
	return strings.Join(all, "; ")
}

func TestHistory(t *testing.T) {
	run(t, []row{{number: 8, says: "3.4 The recorded form loses nothing", test: func(h *testHub) {
		h.begin("Steps", "x", time.Minute)
		h.ended("x", history.Failed)
		got := h.events("x", client.HistoryOptions{Inputs: true, Outputs: true})
		st, err := h.engine.Status(h.Context(), "x", hub.StatusOptions{History: true})
		h.done("Status", err)
		if len(got) != len(st.History) || len(got) == 0 {
			h.Fatalf("History has %d events, the engine %d", len(got), len(st.History))
		}
		for i, ev := range got {
			want, _ := json.Marshal(st.History[i])
			if text, _ := json.Marshal(ev.RecordedEvent); string(text) != string(want) || ev.Position != int64(i+1) || ev.Scheduled != nil {
				h.Errorf("event %d = %s at %d, want %s", i, text, ev.Position, want)
			}
		}
		after := h.events("x", client.HistoryOptions{After: 3, Types: []client.EventType{history.TaskFailed, history.OrchestratorStarted}})
		if len(after) == 0 || after[0].Position <= 3 || after[len(after)-1].Kind != history.TaskFailed {
			h.Errorf("History(After 3, Types) = %+v", after)
		}
		for _, ev := range h.events("x", client.HistoryOptions{}) {
			if ev.Payload != nil {
				h.Errorf("History without inputs and outputs has %+v", ev)
			}
		}
		for _, err := range h.History(h.Context(), "x", client.HistoryOptions{Merged: true, After: 1}) {
			h.refused("History(Merged, After)", err, client.ErrInvalidArgument)
		}
	}}})
}

func TestExplainOverEveryTransport(t *testing.T) {
	run(t, []row{{number: 8, says: "an explanation names what is awaited and the action that helps", test: func(h *testHub) {
		h.begin("Parent", "p", nil)
		synctest.Wait()
		for _, id := range []string{"p", "p:child"} {
			got, err := h.Explain(h.Context(), client.InstanceID(id))
			h.done("Explain", err)
			want, err := h.engine.Explain(h.Context(), history.InstanceID(id))
			advice.Render(&want)
			h.done("Explain", err)
			if got.Action != "raise-event" || got.Target != "p:child" || got.Summary != want.Summary || got.Advice != want.Advice || len(got.Waits) != len(want.Waits) {
				h.Errorf("Explain(%s) = %+v, want %+v", id, got, want)
			}
		}
		_, err := h.Explain(h.Context(), "nobody")
		h.refused("Explain(nobody)", err, client.ErrNotFound)
	}}})
}

func TestArchive(t *testing.T) {
	run(t, []row{{number: 8, says: "an archive is imported as it was", test: func(h *testHub) {
		h.begin("Steps", "x", time.Minute)
		want := h.ended("x", history.Failed)
		archive, err := h.Export(h.Context(), "x")
		h.done("Export", err)
		id, err := h.Import(h.Context(), archive, client.ImportOptions{ID: "y"})
		h.done("Import", err)
		got := h.status("y")
		if id != "y" || got.Name != want.Name || got.RuntimeStatus != want.RuntimeStatus || string(got.Input) != string(want.Input) || got.Failure == nil || got.Failure.Message != want.Failure.Message {
			h.Errorf("Import = %s: %+v, want the like of %+v", id, got, want)
		}
		all := client.HistoryOptions{Inputs: true, Outputs: true, Merged: true}
		if got, want := describe(h.events("y", all)), describe(h.events("x", all)); got != want {
			h.Errorf("history of the import = %s, want %s", got, want)
		}
		_, err = h.Import(h.Context(), archive, client.ImportOptions{Reuse: client.RefuseIfExists})
		h.refused("Import in place of itself", err, client.ErrAlreadyExists)
		_, err = h.Import(h.Context(), archive, client.ImportOptions{ID: "@x"})
		h.refused("Import as an entity", err, client.ErrInvalidArgument)
	}}})
}
