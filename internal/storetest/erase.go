package storetest

import (
	"fmt"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// crowd starts count instances with records, small and big, and one or two
// tags, whose numbers leave room between them. All have ended.
func crowd(r *room, count int) []*store.Delta {
	all := make([]*store.Delta, count)
	for i := range all {
		d := start(int64(i+1)*10, history.InstanceID(fmt.Sprintf("i%03d", i)), []history.RuntimeStatus{history.Completed, history.Failed}[i%2])
		d.Row.Name = []string{"Hello", "Goodbye", "HELLO"}[i%3]
		d.Row.Tags = map[string]string{"own": fmt.Sprint(i), "all": "x"}
		d.Row.Labels = []string{"all", fmt.Sprint("own:", i)}
		d.Record = &store.Record{Seq: 1, Bytes: []byte{byte(i)}}
		if i%10 == 0 {
			d.Record.Bytes, d.Work = make([]byte, 20<<10), store.Set
		}
		all[i] = d
	}
	r.commit(all...)
	return all
}

// testEraseMany: erasing most of what there is leaves the rest, whole.
func testEraseMany(r *room) {
	all := crowd(r, 200)
	ids, numbers := make([]history.InstanceID, len(all)), make([]history.Number, len(all))
	for i, d := range all {
		ids[i], numbers[i] = d.ID, d.Number
	}
	want := r.contents(ids, numbers)
	var deltas []*store.Delta
	for i, d := range all {
		if i == 30 || i == 31 || i == 120 { // between long runs
			continue
		}
		deltas = append(deltas, erase(d))
		delete(want.Found, d.ID)
		delete(want.Records, d.Number)
		p := d.Partition
		want.Working[p] = slices.DeleteFunc(want.Working[p], func(ref store.Ref) bool { return ref.Number == d.Number })
	}
	want.Rows = []history.Instance{*all[120].Row, *all[31].Row, *all[30].Row}
	want.LastNumber = all[120].Number
	r.commit(deltas...)
	r.same("contents", r.contents(ids, numbers), want)
	for _, i := range []int{29, 30, 120, 199} {
		var rows []history.Instance
		if i == 30 || i == 120 {
			rows = []history.Instance{*all[i].Row}
		}
		r.same(fmt.Sprintf("ListInstances by the tag of %d", i), r.list(history.Query{Tags: map[string]string{"own": fmt.Sprint(i)}}), rows)
	}
	r.same("ListInstances by a common tag", r.list(history.Query{Tags: map[string]string{"all": "x"}}), want.Rows)
	r.same("ListInstances by a common label", r.list(history.Query{Labels: []string{"all"}}), want.Rows)
	r.same("ListInstances by the label of 29", r.list(history.Query{Labels: []string{"own:29"}}), []history.Instance(nil))
	r.same("ListInstances by the label of 30", r.list(history.Query{Labels: []string{"own:30"}}), []history.Instance{*all[30].Row})
	r.same("ListInstances by name", r.list(history.Query{Name: "hello"}), named(want.Rows, "hello"))
	if r.reopen() {
		r.same("contents after Reopen", r.contents(ids, numbers), want)
	}
}

// named returns those rows that have a name, in any letter case.
func named(rows []history.Instance, name string) []history.Instance {
	q := history.Query{Name: name}
	return slices.DeleteFunc(slices.Clone(rows), func(row history.Instance) bool { return !q.Matches(&row) })
}

// testEraseManyWhileWriting: among what goes, in the same commit and in those
// after it, instances appear whose numbers were given out before, ids are taken
// over and instances change.
func testEraseManyWhileWriting(r *room) {
	all := crowd(r, 100)
	between := start(505, "between", history.Pending)
	between.Record, between.Work = &store.Record{Seq: 1, Bytes: make([]byte, 30<<10)}, store.Set
	taken := start(5000, all[7].ID, history.Pending)
	taken.Erase = erase(all[7]).Erase
	changed := update(all[60], history.Terminated)
	changed.Record = &store.Record{Seq: 2, Bytes: []byte("end")}
	deltas := []*store.Delta{between, taken, changed}
	for i, d := range all {
		switch i {
		case 7:
		case 60:
			deltas = append(deltas, erase(changed))
		default:
			deltas = append(deltas, erase(d))
		}
	}
	again := start(5001, all[8].ID, history.Running)
	deltas = append(deltas, again)
	r.commit(deltas...)
	rows := []history.Instance{*again.Row, *taken.Row, *between.Row}
	check := func(step string) {
		r.Helper()
		var ids []history.InstanceID
		var numbers []history.Number
		for _, d := range all {
			ids, numbers = append(ids, d.ID), append(numbers, d.Number)
		}
		got := r.contents(ids, append(numbers, between.Number))
		r.same("rows after "+step, got.Rows, rows)
		r.same("found after "+step, got.Found, map[history.InstanceID]history.Instance{taken.ID: *taken.Row, again.ID: *again.Row})
		r.same("records after "+step, got.Records, map[history.Number][]store.Record{between.Number: {*between.Record}})
		r.same("ListInstances by name after "+step, r.list(history.Query{Name: "hello"}), rows)
	}
	check("the purge")
	late := start(707, "late", history.Pending)
	r.commit(late)
	rows = append(rows[:2:2], *late.Row, *between.Row)
	check("a late start")
	if r.reopen() {
		check("Reopen")
	}
}
