package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

func testListOrder(r *room) {
	var want []history.Instance
	for i := range 120 {
		d := start(int64(i+1)*10, history.InstanceID(fmt.Sprintf("id-%03d", i)), history.Statuses()[i%8])
		r.commit(d)
		want = append(want, *d.Row)
	}
	slices.Reverse(want) // newest first
	r.same("ListInstances, limit 0", r.list(engine.Query{}), want[:100])
	r.same("ListInstances, limit 1000", r.list(engine.Query{Limit: 1000}), want)

	statuses := []history.RuntimeStatus{history.Failed, history.Running, history.Failed}
	for _, q := range []engine.Query{{Limit: 7}, {Limit: 7, Statuses: statuses}} {
		filtered := slices.Clone(want)
		if q.Statuses != nil {
			filtered = slices.DeleteFunc(filtered, func(row history.Instance) bool { return !slices.Contains(statuses, row.Status) })
		}
		var paged []history.Instance
		for {
			page := r.list(q)
			paged = append(paged, page...)
			if len(page) < q.Limit {
				break
			}
			q.Before = page[len(page)-1].Number
		}
		r.same(fmt.Sprintf("ListInstances(%v) page by page", q.Statuses), paged, filtered)
	}
}

func testListFilters(r *room) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ids := []history.InstanceID{"a1", "a2", "b1", "b2", "é", "A1"}
	statuses := []history.RuntimeStatus{history.Running, history.Completed, history.Running, history.Failed, history.Suspended, history.Pending}
	numbers := make(map[history.InstanceID]history.Number)
	for i, id := range ids {
		d := start(base.Add(time.Duration(i)*time.Second).UnixMicro(), id, statuses[i])
		numbers[id] = d.Number
		r.commit(d)
	}
	at := func(seconds float64) time.Time { return base.Add(time.Duration(seconds * float64(time.Second))) }
	for _, tt := range []struct {
		name string
		q    engine.Query
		want []history.InstanceID
	}{
		{"all", engine.Query{}, []history.InstanceID{"A1", "é", "b2", "b1", "a2", "a1"}},
		{"from, inclusive", engine.Query{CreatedFrom: at(3)}, []history.InstanceID{"A1", "é", "b2"}},
		{"from, between", engine.Query{CreatedFrom: at(3.5)}, []history.InstanceID{"A1", "é"}},
		{"to, inclusive", engine.Query{CreatedTo: at(1)}, []history.InstanceID{"a2", "a1"}},
		{"to, between", engine.Query{CreatedTo: at(0.5)}, []history.InstanceID{"a1"}},
		{"from and to", engine.Query{CreatedFrom: at(1), CreatedTo: at(2)}, []history.InstanceID{"b1", "a2"}},
		{"from after to", engine.Query{CreatedFrom: at(2), CreatedTo: at(1)}, nil},
		{"before 1970", engine.Query{CreatedTo: time.Unix(-1, 0)}, nil},
		{"from before 1970", engine.Query{CreatedFrom: time.Unix(-1, 0), Limit: 1}, []history.InstanceID{"A1"}},
		{"to the end of time", engine.Query{CreatedTo: farFuture, Limit: 1}, []history.InstanceID{"A1"}},
		{"from the end of time", engine.Query{CreatedFrom: farFuture}, nil},
		{"in another zone", engine.Query{CreatedFrom: at(5).In(time.FixedZone("", 3600))}, []history.InstanceID{"A1"}},
		{"one status", engine.Query{Statuses: []history.RuntimeStatus{history.Running}}, []history.InstanceID{"b1", "a1"}},
		{"two statuses", engine.Query{Statuses: []history.RuntimeStatus{history.Running, history.Failed}}, []history.InstanceID{"b2", "b1", "a1"}},
		{"a status twice", engine.Query{Statuses: []history.RuntimeStatus{history.Failed, history.Failed}}, []history.InstanceID{"b2"}},
		{"a status nobody has", engine.Query{Statuses: []history.RuntimeStatus{history.Canceled}}, nil},
		{"status and time", engine.Query{Statuses: []history.RuntimeStatus{history.Running}, CreatedFrom: at(1)}, []history.InstanceID{"b1"}},
		{"prefix", engine.Query{IDPrefix: "a"}, []history.InstanceID{"a2", "a1"}},
		{"prefix that is an id", engine.Query{IDPrefix: "é"}, []history.InstanceID{"é"}},
		{"prefix and limit", engine.Query{IDPrefix: "a", Limit: 1}, []history.InstanceID{"a2"}},
		{"prefix and status", engine.Query{IDPrefix: "a", Statuses: []history.RuntimeStatus{history.Running}}, []history.InstanceID{"a1"}},
		{"before", engine.Query{Before: numbers["b1"]}, []history.InstanceID{"a2", "a1"}},
		{"before and status", engine.Query{Before: numbers["b1"], Statuses: []history.RuntimeStatus{history.Running}}, []history.InstanceID{"a1"}},
		{"before the first", engine.Query{Before: numbers["a1"]}, nil},
	} {
		var got []history.InstanceID
		for _, row := range r.list(tt.q) {
			got = append(got, row.ID)
		}
		r.same(tt.name, got, tt.want)
	}
}
