package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

func testListOrder(r *room) {
	var want []history.Instance
	for i := range 120 {
		d := start(int64(i+1)*10, history.InstanceID(fmt.Sprintf("id-%03d", i)), history.Statuses()[i%8])
		r.commit(d)
		want = append(want, *d.Row)
	}
	slices.Reverse(want) // newest first
	r.same("ListInstances, limit 0", r.list(history.Query{}), want[:100])
	r.same("ListInstances, limit 1000", r.list(history.Query{Limit: 1000}), want)

	statuses := []history.RuntimeStatus{history.Failed, history.Running, history.Failed}
	for _, q := range []history.Query{{Limit: 7}, {Limit: 7, Statuses: statuses}} {
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

// A page ends at so many bytes of rows, with one at least; the pages that
// follow hold the others.
func testListBytes(r *room) {
	var want []history.Instance
	for i, size := range []int{history.PageBytes + 1, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1, 1} {
		d := start(int64(i+1)*10, history.InstanceID(fmt.Sprintf("id-%03d", i)), history.Running)
		d.Row.CustomStatus = []byte(`"` + strings.Repeat("x", size-1) + `"`)
		r.commit(d)
		want = append(want, *d.Row)
	}
	slices.Reverse(want)
	var got []history.Instance
	for q := (history.Query{}); ; {
		page := r.page(q)
		bytes := 0
		for i := range page.Rows {
			bytes += history.RowBytes(&page.Rows[i])
		}
		if n := len(page.Rows); n == 0 || n > 1 && bytes-history.RowBytes(&page.Rows[n-1]) >= history.PageBytes {
			r.Errorf("a page of %d rows has %d bytes", n, bytes)
		}
		got = append(got, page.Rows...)
		if q.Before = page.Next; page.Next == 0 || len(got) > len(want) {
			break
		}
	}
	r.same("ListInstances page by page, by bytes", got, want)
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
		q    history.Query
		want []history.InstanceID
	}{
		{"all", history.Query{}, []history.InstanceID{"A1", "é", "b2", "b1", "a2", "a1"}},
		{"from, inclusive", history.Query{CreatedFrom: new(at(3))}, []history.InstanceID{"A1", "é", "b2"}},
		{"from, between", history.Query{CreatedFrom: new(at(3.5))}, []history.InstanceID{"A1", "é"}},
		{"to, inclusive", history.Query{CreatedTo: new(at(1))}, []history.InstanceID{"a2", "a1"}},
		{"to, between", history.Query{CreatedTo: new(at(0.5))}, []history.InstanceID{"a1"}},
		{"from and to", history.Query{CreatedFrom: new(at(1)), CreatedTo: new(at(2))}, []history.InstanceID{"b1", "a2"}},
		{"from after to", history.Query{CreatedFrom: new(at(2)), CreatedTo: new(at(1))}, nil},
		{"to the zero time", history.Query{CreatedTo: new(time.Time{})}, nil},
		{"from the zero time", history.Query{CreatedFrom: new(time.Time{}), Limit: 1}, []history.InstanceID{"A1"}},
		{"ended before the zero time", history.Query{CompletedTo: new(time.Time{})}, nil},
		{"before 1970", history.Query{CreatedTo: new(time.Unix(-1, 0))}, nil},
		{"from before 1970", history.Query{CreatedFrom: new(time.Unix(-1, 0)), Limit: 1}, []history.InstanceID{"A1"}},
		{"to the end of time", history.Query{CreatedTo: new(farFuture), Limit: 1}, []history.InstanceID{"A1"}},
		{"from the end of time", history.Query{CreatedFrom: new(farFuture)}, nil},
		{"in another zone", history.Query{CreatedFrom: new(at(5).In(time.FixedZone("", 3600)))}, []history.InstanceID{"A1"}},
		{"one status", history.Query{Statuses: []history.RuntimeStatus{history.Running}}, []history.InstanceID{"b1", "a1"}},
		{"two statuses", history.Query{Statuses: []history.RuntimeStatus{history.Running, history.Failed}}, []history.InstanceID{"b2", "b1", "a1"}},
		{"a status twice", history.Query{Statuses: []history.RuntimeStatus{history.Failed, history.Failed}}, []history.InstanceID{"b2"}},
		{"a status nobody has", history.Query{Statuses: []history.RuntimeStatus{history.Canceled}}, nil},
		{"status and time", history.Query{Statuses: []history.RuntimeStatus{history.Running}, CreatedFrom: new(at(1))}, []history.InstanceID{"b1"}},
		{"prefix", history.Query{IDPrefix: "a"}, []history.InstanceID{"a2", "a1"}},
		{"prefix that is an id", history.Query{IDPrefix: "é"}, []history.InstanceID{"é"}},
		{"prefix and limit", history.Query{IDPrefix: "a", Limit: 1}, []history.InstanceID{"a2"}},
		{"prefix and status", history.Query{IDPrefix: "a", Statuses: []history.RuntimeStatus{history.Running}}, []history.InstanceID{"a1"}},
		{"before", history.Query{Before: numbers["b1"]}, []history.InstanceID{"a2", "a1"}},
		{"before and status", history.Query{Before: numbers["b1"], Statuses: []history.RuntimeStatus{history.Running}}, []history.InstanceID{"a1"}},
		{"before the first", history.Query{Before: numbers["a1"]}, nil},
	} {
		var got []history.InstanceID
		for _, row := range r.list(tt.q) {
			got = append(got, row.ID)
		}
		r.same(tt.name, got, tt.want)
	}
}

// testListCombined: all filters at once mean what [engine.Query.Matches] says.
func testListCombined(r *room) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	names := []string{"Hello", "hello", "HELLO", "Goodbye", "Stra\u1e9ee"}
	var all []history.Instance
	for i := range 300 {
		d := start(base.Add(time.Duration(i)*time.Second).UnixMicro(), history.InstanceID(fmt.Sprintf("%c-%03d", 'a'+i%3, i)), history.Statuses()[i%7])
		d.Row.Name, d.Row.Tags = names[i%5], map[string]string{"region": fmt.Sprint(i % 4), "": "empty name"}
		if i%11 == 0 {
			d.Row.Tags["vip"] = ""
		}
		complete(d)
		r.commit(d)
		all = append(all, *d.Row)
	}
	slices.Reverse(all)
	at := func(i int) time.Time { return base.Add(time.Duration(i) * time.Second) }
	few := []history.RuntimeStatus{history.Completed, history.Failed}
	for _, q := range []history.Query{
		{},
		{Name: "HeLLo"},
		{Name: "STRA\u00dfE"}, // folds to the same
		{Name: "Hell"},
		{Tags: map[string]string{"region": "2"}},
		{Tags: map[string]string{"region": "2", "vip": ""}},
		{Tags: map[string]string{"regio": "n2"}},
		{Tags: map[string]string{"": "empty name"}, Statuses: few},
		{Name: "hello", Statuses: few, Tags: map[string]string{"region": "1"}},
		{Name: "hello", Statuses: few, CreatedFrom: new(at(50)), CreatedTo: new(at(250))},
		{Name: "goodbye", IDPrefix: "b-", CreatedTo: new(at(250))},
		{IDPrefix: "c-1", Statuses: few, Tags: map[string]string{"region": "3"}},
		{CompletedFrom: new(at(100))},
		{CompletedTo: new(at(100)), Name: "hello"},
		{CompletedFrom: new(at(40)), CompletedTo: new(at(200)), IDPrefix: "a", Statuses: few},
		{Statuses: []history.RuntimeStatus{history.Running}, CompletedFrom: new(at(0))},
	} {
		want := slices.DeleteFunc(slices.Clone(all), func(row history.Instance) bool { return !q.Matches(&row) })
		r.same(fmt.Sprintf("CountInstances(%+v)", q), r.count(q), tally(want))
		for _, limit := range []int{1, 7, 1000} {
			q.Limit = limit
			var got []history.Instance
			for p := q; ; {
				page := r.page(p)
				got = append(got, page.Rows...)
				if p.Before = page.Next; page.Next == 0 {
					break
				}
			}
			r.same(fmt.Sprintf("ListInstances(%+v), all pages", q), got, want)
		}
	}
}

// testListLabels: labels are found from the start of a row to its end, whatever
// else of it changes, and mean themselves only.
func testListLabels(r *room) {
	labelled := func(micros int64, id history.InstanceID, labels ...string) *store.Delta {
		d := start(micros, id, history.Running)
		d.Row.Labels = labels
		return d
	}
	a, b, c := labelled(1, "a", "parent:1"), labelled(2, "b", "parent:1", "x"), labelled(3, "c", "parent:12")
	r.commit(a, b, c, labelled(4, "d"))
	check := func(step string, labels []string, want ...*store.Delta) {
		r.Helper()
		rows, counts := []history.Instance(nil), history.Counts{}
		for _, d := range want {
			rows = append(rows, *d.Row)
			counts[d.Row.Status]++
		}
		q := history.Query{Labels: labels}
		r.same(fmt.Sprintf("ListInstances of %q %s", labels, step), r.list(q), rows)
		r.same(fmt.Sprintf("CountInstances of %q %s", labels, step), r.count(q), counts)
	}
	check("at first", []string{"parent:1"}, b, a)
	check("at first", []string{"parent:12"}, c)
	check("at first", []string{"parent:1", "x"}, b)
	check("at first", []string{"parent:"})
	b2, a2 := update(b, history.Completed), update(a, history.Failed)
	b2.Row.Labels, a2.Row.Labels = b.Row.Labels, a.Row.Labels
	r.commit(b2, a2)
	check("when they have ended", []string{"parent:1"}, b2, a2)
	taken := start(5, "a", history.Pending) // the id is used again
	taken.Erase = erase(a2).Erase
	r.commit(taken, erase(b2))
	check("when they have gone", []string{"parent:1"})
	check("when others have gone", []string{"parent:12"}, c)
	brief := labelled(6, "e", "parent:1")
	r.commit(brief, erase(brief))
	check("of one that was there within a commit", []string{"parent:1"})
	if r.reopen() {
		check("after Reopen", []string{"parent:1"})
		check("after Reopen", []string{"parent:12"}, c)
	}
}

// testListEntities: entities are listed and counted only if they are asked for.
func testListEntities(r *room) {
	a, entity := start(1, "a", history.Completed), start(2, "@counter@a", history.Running)
	r.commit(a, entity)
	for _, q := range []history.Query{{}, {Name: "Hello"}, {Statuses: []history.RuntimeStatus{history.Running, history.Completed}}, {CreatedFrom: new(time.Unix(0, 0))}} {
		r.same(fmt.Sprintf("ListInstances(%+v)", q), r.list(q), []history.Instance{*a.Row})
		r.same(fmt.Sprintf("CountInstances(%+v)", q), r.count(q), history.Counts{history.Completed: 1})
	}
	for _, q := range []history.Query{{IDPrefix: "@"}, {IDPrefix: "@counter@", Name: "hello", Statuses: []history.RuntimeStatus{history.Running}}} {
		r.same(fmt.Sprintf("ListInstances(%+v)", q), r.list(q), []history.Instance{*entity.Row})
		r.same(fmt.Sprintf("CountInstances(%+v)", q), r.count(q), history.Counts{history.Running: 1})
	}
	ended := update(entity, history.Completed)
	r.commit(ended)
	r.same("CountInstances", r.count(history.Query{}), history.Counts{history.Completed: 1})
	r.commit(erase(ended))
	r.same("contents", r.contents([]history.InstanceID{"@counter@a"}, []history.Number{entity.Number}).Rows, []history.Instance{*a.Row})
}

// testListWhileWriting: what is there all the time is on exactly one page, and
// what is created after the first page is on none.
func testListWhileWriting(r *room) {
	const count = 60
	deltas := make(map[history.Number]*store.Delta)
	for i := range count {
		d := start(int64(i+1)*10, history.InstanceID(fmt.Sprint("id-", i)), history.Running)
		deltas[d.Number] = d
		r.commit(d)
	}
	for _, q := range []history.Query{{}, {Name: "HELLO"}, {IDPrefix: "id-"}, {Statuses: []history.RuntimeStatus{history.Running, history.Completed}}} {
		q.Limit = 7
		must := make(map[history.Number]bool)
		for n := range deltas {
			must[n] = true
		}
		seen := make(map[history.Number]bool)
		var newest int64
		for n := range deltas {
			newest = max(newest, n.Micros())
		}
		for first := true; ; first = false {
			page := r.page(q)
			for i := range page.Rows {
				n := page.Rows[i].Number
				if seen[n] || n.Micros() > newest && !first {
					r.Errorf("ListInstances(%+v) shows number %d: again %t, or it is new", q, n, seen[n])
				}
				seen[n] = true
			}
			if q.Before = page.Next; page.Next == 0 {
				break
			}
			// Below the page one ends and one goes, and another begins.
			var lower []history.Number
			for n := range deltas {
				if n < page.Next {
					lower = append(lower, n)
				}
			}
			slices.Sort(lower)
			if len(lower) > 3 {
				gone, changed := deltas[lower[0]], deltas[lower[1]]
				delete(deltas, gone.Number)
				delete(must, gone.Number)
				deltas[changed.Number] = update(changed, history.Completed)
				r.commit(erase(gone), deltas[changed.Number])
			}
			d := start(newest+int64(len(seen))*10, history.InstanceID(fmt.Sprint("id-new-", newest, "-", len(seen))), history.Running)
			deltas[d.Number] = d
			r.commit(d)
		}
		for n := range must {
			if !seen[n] {
				r.Errorf("ListInstances(%+v) never shows number %d", q, n)
			}
		}
	}
}

// testListManyIDs: a prefix that many ids have, and filters that few rows pass,
// lead to all that match, in the end.
func testListManyIDs(r *room) {
	const count = 5000
	var want []history.Instance
	deltas := make([]*store.Delta, count)
	for i := range deltas {
		d := start(int64(i+1), history.InstanceID(fmt.Sprintf("many-%05d", (i*7919)%count)), history.Completed)
		complete(d)
		if i == 3 || i == 2500 {
			d.Row.CompletedAt = farFuture
			want = append(want, *d.Row)
		}
		deltas[i] = d
	}
	r.commit(deltas...)
	slices.Reverse(want)
	rare := history.Query{IDPrefix: "many-", CompletedFrom: new(farFuture)}
	r.same("ListInstances of a rare completion time", r.list(rare), want)
	r.same("CountInstances of a rare completion time", r.count(rare), history.Counts{history.Completed: 2})
	r.same("CountInstances of a prefix", r.count(history.Query{IDPrefix: "many-0"}), history.Counts{history.Completed: count})
	if got := r.list(history.Query{IDPrefix: "many-", Limit: 2 * count}); len(got) != count {
		r.Errorf("ListInstances(many-) = %d rows, want %d", len(got), count)
	}
	if got := r.list(history.Query{IDPrefix: "many-0000", Limit: 20}); len(got) != 10 {
		r.Errorf("ListInstances(many-0000) = %d rows, want 10", len(got))
	}
}

// testCounts: counts follow every change of status, within one commit too.
func testCounts(r *room) {
	check := func(step string, want history.Counts) {
		r.Helper()
		r.same("CountInstances after "+step, r.count(history.Query{}), want)
		for _, status := range history.Statuses() {
			one := history.Counts{status: want[status]}
			if want[status] == 0 {
				one = history.Counts{}
			}
			r.same(fmt.Sprintf("CountInstances of %s after %s", status, step), r.count(history.Query{Statuses: []history.RuntimeStatus{status}}), one)
		}
	}
	check("nothing", history.Counts{})
	a, b := start(1, "a", history.Pending), start(2, "b", history.Pending)
	r.commit(a, b)
	check("two starts", history.Counts{history.Pending: 2})
	a2 := update(a, history.Running)
	a3 := update(a2, history.Completed)
	r.commit(a2, a3)
	check("a run", history.Counts{history.Pending: 1, history.Completed: 1})
	c := start(3, "c", history.Pending)
	c2 := update(c, history.Failed)
	r.commit(c, c2)
	check("a start that ends at once", history.Counts{history.Pending: 1, history.Completed: 1, history.Failed: 1})
	again := update(c2, history.Failed)
	r.commit(again)
	check("a row without a change", history.Counts{history.Pending: 1, history.Completed: 1, history.Failed: 1})
	taken := start(4, "a", history.Pending)
	taken.Erase = erase(a3).Erase
	r.commit(taken)
	check("a takeover", history.Counts{history.Pending: 2, history.Failed: 1})
	gone := start(5, "gone", history.Pending)
	r.commit(gone, erase(gone), erase(again))
	check("ends", history.Counts{history.Pending: 2})
	b2 := update(b, history.Running)
	r.commit(b2, erase(b2), erase(taken))
	check("all ends", history.Counts{})
}

// testCountsAfterFaults: counts and indexes hold what the rows hold, however a
// commit fails.
func testCountsAfterFaults(r *room) {
	faulty := Faulty(r.Store)
	owner, _ := Own(r, faulty)
	all := make([]*store.Delta, 40)
	for i := range all {
		all[i] = start(int64(i+1), history.InstanceID(fmt.Sprint("i", i)), history.Completed)
	}
	erasing := func() []*store.Delta {
		deltas := []*store.Delta{start(100, "new", history.Pending)}
		for _, d := range all {
			deltas = append(deltas, erase(d))
		}
		return deltas
	}
	commit := func(deltas []*store.Delta) error {
		return owner.Commit(r.Context(), 0, deltas)
	}
	faulty.FailCommit(2, NotStored)
	faulty.FailCommit(3, StoredButFailed)
	for i, want := range []history.Counts{{history.Completed: 40}, {history.Completed: 40}, {history.Pending: 1}} {
		deltas := all
		if i > 0 {
			deltas = erasing()
		}
		if err := commit(deltas); (err != nil) != (i > 0) {
			r.Errorf("Commit %d: %v", i+1, err)
		}
		r.same(fmt.Sprintf("CountInstances after commit %d", i+1), r.count(history.Query{}), want)
		r.contents(nil, nil)
	}
	if err := commit([]*store.Delta{start(101, "newer", history.Pending)}); err != nil {
		r.Errorf("Commit 4: %v", err)
	}
	r.same("CountInstances after commit 4", r.count(history.Query{}), history.Counts{history.Pending: 2})
}
