package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

func testPartitions(r *room) {
	if got := r.Store.Partitions(); got != partitions {
		r.Errorf("Partitions() = %d, want %d", got, partitions)
	}
}

func testEmpty(r *room) {
	r.commit()
	r.same("contents of an empty store", r.contents([]history.InstanceID{"a", ""}, []history.Number{0, 1}), contents{})
}

// testCanceled: a call whose context has ended returns its error.
func testCanceled(r *room) {
	a := start(1, "a", history.Pending)
	a.Record, a.Work, a.Sent = &store.Record{Seq: 1}, store.Set, []store.Message{message(a.Partition, 0, 1, "m")}
	r.commit(a)
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	for call, err := range map[string]error{
		"Join":                   second(r.Store.Join(ctx, store.Node{})),
		"Acquire":                second(r.owner.Acquire(ctx, 0)),
		"Commit":                 r.owner.Commit(ctx, 0, []*store.Delta{update(a, history.Running)}),
		"Beat":                   second(r.owner.Beat(ctx, nil)),
		"Fence":                  r.owner.Fence(ctx, r.owner.ID()),
		"Leave":                  r.owner.Leave(ctx),
		"FindInstance":           third(r.Store.FindInstance(ctx, "a")),
		"ReadInstance":           second(r.Store.ReadInstance(ctx, "a", func(store.Snapshot) error { return nil })),
		"ListInstances":          second(r.Store.ListInstances(ctx, history.Query{})),
		"CountInstances of all":  second(r.Store.CountInstances(ctx, history.Query{})),
		"CountInstances by name": second(r.Store.CountInstances(ctx, history.Query{Name: "Hello"})),
		"LastRecord":             third(r.Store.LastRecord(ctx, a.Number)),
		"LastNumber":             second(r.Store.LastNumber(ctx)),
		"Timers":                 second(r.Store.Timers(ctx, 0, store.Timer{}, farFuture, 1)),
		"Records":                first(r.Store.Records(ctx, a.Number)),
		"Working":                first(r.Store.Working(ctx, a.Partition)),
		"Inbox":                  first(r.Store.Inbox(ctx, a.Partition)),
	} {
		if !errors.Is(err, context.Canceled) {
			r.Errorf("%s(canceled context) = error %v, want %v", call, err, context.Canceled)
		}
	}
}

func second[A any](_ A, err error) error { return err }

func third[A, B any](_ A, _ B, err error) error { return err }

// first returns the error that comes with the first item.
func first[T any](seq iter.Seq2[T, error]) error {
	for _, err := range seq {
		return err
	}
	return nil
}

// testStopEarly: leaving a sequence early leaves the store usable.
func testStopEarly(r *room) {
	a := start(1, "a", history.Pending)
	a.Record = &store.Record{Seq: 1, Bytes: []byte("one")}
	b := about(a)
	b.Record = &store.Record{Seq: 2, Bytes: []byte("two")}
	r.commit(a, b)
	for rec, err := range r.Store.Records(r.Context(), a.Number) {
		if err != nil || rec.Seq != 1 {
			r.Errorf("Records yields seq %d, error %v, want 1", rec.Seq, err)
		}
		break
	}
	for range r.Store.Records(r.Context(), a.Number) {
		r.commit(update(a, history.Running)) // also from within a sequence
		break
	}
	if row, _ := r.find("a"); row.Status != history.Running {
		r.Errorf("FindInstance(a) has status %s, want Running", row.Status)
	}
}

// testCopies: what was handed over, or out, can be changed afterwards.
func testCopies(r *room) {
	a := start(1, "a", history.Pending)
	a.Row.CustomStatus, a.Row.Tags, a.Row.Parent = []byte(`"x"`), map[string]string{"k": "v"}, &history.Parent{Name: "p"}
	a.Record = &store.Record{Seq: 1, Bytes: []byte("record")}
	a.Sent = []store.Message{message(a.Partition, 0, 1, "message")}
	r.commit(a)
	want := *a.Row
	want.CustomStatus, want.Tags, want.Parent = []byte(`"x"`), map[string]string{"k": "v"}, &history.Parent{Name: "p"}

	spoil := func(row history.Instance) {
		row.CustomStatus[0], row.Tags["k"], row.Parent.Name = '!', "!", "!"
	}
	spoil(*a.Row)
	a.Record.Bytes[0], a.Sent[0].Bytes[0] = '!', '!'
	for range 2 {
		found, _ := r.find("a")
		listed := r.list(history.Query{})
		records, inbox := r.records(a.Number), r.inbox(a.Partition)
		r.same("FindInstance(a)", found, want)
		r.same("ListInstances", listed, []history.Instance{want})
		r.same("Records", records, []store.Record{{Seq: 1, Bytes: []byte("record")}})
		r.same("Inbox", inbox, []store.Message{message(a.Partition, 0, 1, "message")})
		spoil(found)
		spoil(listed[0])
		records[0].Bytes[0], inbox[0].Bytes[0] = '!', '!'
	}
}

func testRow(r *room) {
	a := start(1, "a", history.Pending)
	parent := &history.Parent{InstanceID: "p", ExecutionID: "e", Name: "Parent", Version: "1", TaskID: 3}
	a.Row.Version, a.Row.Parent, a.Row.Tags, a.Row.ScheduledAt = "2", parent, map[string]string{"k": "v", "": ""}, time.Unix(7, 100).UTC()
	r.commit(a)
	if got, ok := r.find("a"); !ok {
		r.Errorf("FindInstance(a) = not found")
	} else {
		r.same("FindInstance(a)", got, *a.Row)
	}
	if got, ok := r.find("A"); ok {
		r.Errorf("FindInstance(A) = %v, want none: ids differ in case", got)
	}
	b := update(a, history.Completed)
	b.Row.CustomStatus, b.Row.CompletedAt, b.Row.Generation = []byte(`{"a":1}`), time.Unix(9, 0).UTC(), 4
	r.commit(b)
	got, _ := r.find("a")
	r.same("FindInstance(a) after the update", got, *b.Row)
	for status, want := range map[history.RuntimeStatus]int{history.Pending: 0, history.Completed: 1} {
		if page := r.list(history.Query{Statuses: []history.RuntimeStatus{status}}); len(page) != want {
			r.Errorf("ListInstances(%s) = %d rows, want %d", status, len(page), want)
		}
	}
}

// testSameInstanceInOneCommit: deltas take effect one after the other.
func testSameInstanceInOneCommit(r *room) {
	a := start(1, "a", history.Pending)
	a.Record, a.Work = &store.Record{Seq: 1, Bytes: []byte("start")}, store.Set
	b := update(a, history.Running)
	b.Record = &store.Record{Seq: 2, Bytes: []byte("turn 1")}
	c := about(a)
	c.Record = &store.Record{Seq: 3, Bytes: []byte("turn 2")}
	d := update(b, history.Completed)
	d.Record, d.Work = &store.Record{Seq: 4, Bytes: []byte("turn 3")}, store.Clear
	r.commit(a, b, c, d)
	want := contents{
		Rows: []history.Instance{*d.Row}, Found: map[history.InstanceID]history.Instance{"a": *d.Row},
		Records:    map[history.Number][]store.Record{a.Number: {*a.Record, *b.Record, *c.Record, *d.Record}},
		LastNumber: a.Number,
	}
	r.same("contents", r.contents([]history.InstanceID{"a"}, []history.Number{a.Number}), want)
	for _, status := range history.Statuses() {
		want := 0
		if status == history.Completed {
			want = 1
		}
		if page := r.list(history.Query{Statuses: []history.RuntimeStatus{status}}); len(page) != want {
			r.Errorf("ListInstances(%s) = %d rows, want %d", status, len(page), want)
		}
	}
}

// sizes of records: none, small, around where a store may begin to keep a
// record elsewhere, and large.
var sizes = []int{0, 1, 100, 16<<10 - 1, 16 << 10, 16<<10 + 1, 1 << 20}

func testRecords(r *room) {
	a, b := start(1, "a", history.Running), start(2, "b", history.Running)
	r.commit(a, b)
	var want []store.Record
	for i, size := range sizes {
		d := about(a)
		d.Record = &store.Record{Seq: uint32(i + 1), Bytes: []byte(strings.Repeat(string(rune('a'+i)), size))}
		want = append(want, *d.Record)
		r.commit(d)
	}
	r.same("Records(a)", r.records(a.Number), want)
	r.same("Records(b)", r.records(b.Number), []store.Record(nil))
}

// testReadInstance: row and records are of one moment, whatever is committed
// while they are read.
func testReadInstance(r *room) {
	a := start(1, "a", history.Running)
	a.Record = &store.Record{Seq: 1, Bytes: []byte("one")}
	b := about(a)
	b.Record = &store.Record{Seq: 2, Bytes: []byte(strings.Repeat("two", sizes[len(sizes)-1]))}
	r.commit(a, b)
	stop := errors.New("stop")
	ok, err := r.Store.ReadInstance(r.Context(), "a", func(at store.Snapshot) error {
		ended := update(a, history.Completed)
		ended.Record = &store.Record{Seq: 3, Bytes: []byte("three")}
		ended.DropRecords.End = 2
		r.commit(ended)
		r.same("the row", at.Row, *a.Row)
		for range 2 { // they can be read again
			var got []store.Record
			for rec, err := range at.Records {
				if err != nil {
					return err
				}
				got = append(got, rec)
			}
			r.same("the records", got, []store.Record{*a.Record, *b.Record})
		}
		last, ok, err := at.Last()
		if r.same("the last record", last, *b.Record); !ok || err != nil {
			r.Errorf("Last() = ok %t, error %v", ok, err)
		}
		return stop
	})
	if !ok || !errors.Is(err, stop) {
		r.Errorf("ReadInstance(a) = %t, %v; want true, and the error of read", ok, err)
	}
	again := start(2, "a", history.Pending)
	again.Erase, again.Record = update(a, history.Completed).Row, &store.Record{Seq: 1, Bytes: []byte("anew")}
	r.commit(again)
	ok, err = r.Store.ReadInstance(r.Context(), "a", func(at store.Snapshot) error {
		row := at.Row
		for rec, err := range at.Records {
			if err != nil || row.Number != again.Number || string(rec.Bytes) != "anew" {
				r.Errorf("ReadInstance(a) shows record %q, error %v, of number %d; want %q of %d", rec.Bytes, err, row.Number, "anew", again.Number)
			}
		}
		return nil
	})
	if !ok || err != nil {
		r.Errorf("ReadInstance(a) = %t, %v; want true", ok, err)
	}
	ok, err = r.Store.ReadInstance(r.Context(), "b", func(store.Snapshot) error {
		return errors.New("read was called")
	})
	if ok || err != nil {
		r.Errorf("ReadInstance(b) = %t, %v; want false", ok, err)
	}
}

func testDropRecords(r *room) {
	a := start(1, "a", history.Running)
	r.commit(a)
	for i, size := range sizes {
		d := about(a)
		d.Record = &store.Record{Seq: uint32(i + 1), Bytes: make([]byte, size)}
		r.commit(d)
	}
	// What continues as new drops the records so far and appends one, at once.
	d := about(a)
	d.DropRecords.First, d.DropRecords.End = 2, uint32(len(sizes)+1)
	d.Record = &store.Record{Seq: uint32(len(sizes) + 1), Bytes: []byte("new")}
	r.commit(d)
	want := []store.Record{{Seq: 1}, *d.Record}
	r.same("Records(a)", r.records(a.Number), want)

	// Three executions within one commit.
	var deltas []*store.Delta
	for i := range uint32(3) {
		e := about(a)
		seq := d.Record.Seq + 1 + i
		e.DropRecords.First, e.DropRecords.End = 0, seq
		e.Record = &store.Record{Seq: seq, Bytes: []byte("newer")}
		deltas = append(deltas, e)
	}
	r.commit(deltas...)
	r.same("Records(a)", r.records(a.Number), []store.Record{*deltas[2].Record})

	// None there.
	e := about(a)
	e.DropRecords.First, e.DropRecords.End = 1000, 2000
	r.commit(e)
	r.same("Records(a)", r.records(a.Number), []store.Record{*deltas[2].Record})
}

func testErase(r *room) {
	a, b := start(1, "a", history.Completed), start(2, "b", history.Completed)
	for _, d := range []*store.Delta{a, b} {
		d.Record, d.Work = &store.Record{Seq: 1, Bytes: make([]byte, 20<<10)}, store.Set
		r.commit(d)
	}
	r.commit(erase(a))
	want := contents{
		Rows: []history.Instance{*b.Row}, Found: map[history.InstanceID]history.Instance{"b": *b.Row},
		Records: map[history.Number][]store.Record{b.Number: {*b.Record}}, LastNumber: b.Number,
	}
	want.Working[b.Partition] = []store.Ref{{Number: b.Number, ID: "b"}}
	ids, numbers := []history.InstanceID{"a", "b"}, []history.Number{a.Number, b.Number}
	r.same("contents", r.contents(ids, numbers), want)
	r.same("ListInstances(Completed)", r.list(history.Query{Statuses: []history.RuntimeStatus{history.Completed}}), want.Rows)
	r.commit(erase(b))
	r.same("contents", r.contents(ids, numbers), contents{})
}

// testEraseBig: an instance with many records leaves none, and its neighbours
// keep theirs.
func testEraseBig(r *room) {
	var all []*store.Delta
	for i, id := range []history.InstanceID{"a", "b", "c"} {
		d := start(int64(i+1), id, history.Completed)
		all = append(all, d)
		r.commit(d)
		var turns []*store.Delta
		for seq := range uint32(200) {
			turn := about(d)
			turn.Record = &store.Record{Seq: seq + 1, Bytes: []byte{byte(seq)}}
			if seq%50 == 0 {
				turn.Record.Bytes = make([]byte, 20<<10)
			}
			turns = append(turns, turn)
		}
		r.commit(turns...)
	}
	before := r.records(all[2].Number)
	r.commit(erase(all[1]))
	if records := r.records(all[1].Number); len(records) > 0 {
		r.Errorf("Records(b) = %d records after Erase, want none", len(records))
	}
	r.same("Records(c)", r.records(all[2].Number), before)
	if records := r.records(all[0].Number); len(records) != 200 {
		r.Errorf("Records(a) = %d records, want 200", len(records))
	}
}

// testTakeover: a new instance takes the id of the one that its delta erases.
func testTakeover(r *room) {
	a := start(1, "a", history.Completed)
	a.Record = &store.Record{Seq: 1, Bytes: []byte("old")}
	r.commit(a)
	b := start(2, "a", history.Pending)
	b.Erase, b.Record = erase(a).Erase, &store.Record{Seq: 1, Bytes: []byte("new")}
	r.commit(b)
	ids, numbers := []history.InstanceID{"a"}, []history.Number{a.Number, b.Number}
	r.same("contents", r.contents(ids, numbers), contents{
		Rows: []history.Instance{*b.Row}, Found: map[history.InstanceID]history.Instance{"a": *b.Row},
		Records: map[history.Number][]store.Record{b.Number: {*b.Record}}, LastNumber: b.Number,
	})
	// Replaced twice in one commit, then gone.
	c, d := start(3, "a", history.Pending), start(4, "a", history.Pending)
	c.Erase, d.Erase = erase(b).Erase, erase(c).Erase
	r.commit(c, d, erase(d))
	numbers = append(numbers, c.Number, d.Number)
	r.same("contents", r.contents(ids, numbers), contents{})
}

func testEraseWithinOneCommit(r *room) {
	a := start(1, "a", history.Pending)
	a.Record, a.Work = &store.Record{Seq: 1, Bytes: []byte("1")}, store.Set
	r.commit(a)
	b := update(a, history.Running)
	b.Record = &store.Record{Seq: 2, Bytes: []byte("2")}
	c := update(b, history.Completed)
	r.commit(b, c, erase(c))
	ids, numbers := []history.InstanceID{"a"}, []history.Number{a.Number}
	r.same("contents", r.contents(ids, numbers), contents{})
	for _, status := range history.Statuses() {
		if page := r.list(history.Query{Statuses: []history.RuntimeStatus{status}}); len(page) > 0 {
			r.Errorf("ListInstances(%s) = %v, want none", status, page)
		}
	}
}

func testWork(r *room) {
	a := start(1, "a", history.Pending)
	a.Work = store.Set
	r.commit(a)
	set := []store.Ref{{Number: a.Number, ID: "a"}}
	for i, step := range []struct {
		flags []store.Flag
		want  []store.Ref
	}{
		{[]store.Flag{store.Keep}, set},
		{[]store.Flag{store.Set}, set},
		{[]store.Flag{store.Clear}, nil},
		{[]store.Flag{store.Clear}, nil},
		{[]store.Flag{store.Set, store.Clear}, nil},
		{[]store.Flag{store.Clear, store.Set}, set},
		{[]store.Flag{store.Set, store.Clear}, nil},
	} {
		var deltas []*store.Delta
		for _, flag := range step.flags {
			d := about(a)
			d.Work = flag
			deltas = append(deltas, d)
		}
		r.commit(deltas...)
		r.same(fmt.Sprintf("Working after step %d", i), r.working(a.Partition), step.want)
	}
	r.same("Working of another partition", r.working((a.Partition+1)%partitions), []store.Ref(nil))
}

func message(to, from int, seq uint64, text string) store.Message {
	return store.Message{MessageKey: store.MessageKey{Partition: to, From: from, Seq: seq}, Bytes: []byte(text)}
}

func testInbox(r *room) {
	all := []store.Message{message(1, 0, 1, "a"), message(1, 0, 2, ""), message(1, 0, 1<<40, "c"), message(1, 3, 1, "d"), message(1, 3, 300, "e")}
	other := message(2, 0, 3, "f")
	r.commit(&store.Delta{Partition: 0, Sent: []store.Message{all[2], all[0], other, all[1]}},
		&store.Delta{Partition: 3, Sent: []store.Message{all[4], all[3]}})
	r.same("Inbox(1)", r.inbox(1), all)
	r.same("Inbox(2)", r.inbox(2), []store.Message{other})
	r.same("Inbox(0)", r.inbox(0), []store.Message(nil))
	gone := store.MessageKey{Partition: 1, From: 0, Seq: 99}
	r.commit(&store.Delta{Partition: 1, Consumed: []store.MessageKey{all[1].MessageKey, all[3].MessageKey, gone}})
	r.same("Inbox(1)", r.inbox(1), []store.Message{all[0], all[2], all[4]})
}

func testInboxWithinOneCommit(r *room) {
	a, b := message(1, 0, 1, "a"), message(1, 0, 2, "b")
	r.commit(&store.Delta{Partition: 0, Sent: []store.Message{a, b}}, &store.Delta{Partition: 1, Consumed: []store.MessageKey{a.MessageKey}})
	r.same("Inbox(1)", r.inbox(1), []store.Message{b})
}

func testTimers(r *room) {
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	timer := func(micros int, number history.Number, id int32) store.Timer {
		return store.Timer{Due: base.Add(time.Duration(micros) * time.Microsecond), Number: number, ID: id, Instance: "i"}
	}
	all := []store.Timer{
		{Due: time.Unix(-5, 0).UTC(), Number: 9, ID: 9, Instance: "before 1970"},
		timer(0, 1, history.NoID), timer(0, 1, 0), timer(0, 1, 7), timer(0, 2, 0), timer(1, 1, 0), timer(2, 1, 0), timer(1_000_000, 1, 0),
		{Due: farFuture.Add(-time.Microsecond), Number: 1, ID: 1, Instance: "far"},
	}
	shuffled := []store.Timer{all[6], all[1], all[8], all[0], all[5], all[3], all[2], all[7], all[4]}
	r.commit(&store.Delta{Partition: 1, SetTimers: shuffled})
	r.same("all timers", r.timers(1, store.Timer{}, farFuture, 100), all)
	r.same("timers of another partition", r.timers(2, store.Timer{}, farFuture, 100), []store.Timer(nil))
	r.same("timers due before a timer", r.timers(1, store.Timer{}, all[5].Due, 100), all[:5])
	r.same("timers due before a time between microseconds", r.timers(1, store.Timer{}, all[5].Due.Add(100), 100), all[:6])
	r.same("limit 0", r.timers(1, store.Timer{}, farFuture, 0), []store.Timer(nil))
	var paged []store.Timer
	var after store.Timer
	for {
		page := r.timers(1, after, farFuture, 2)
		if len(page) == 0 || len(page) > 2 {
			break
		}
		paged = append(paged, page...)
		after = page[len(page)-1]
	}
	r.same("timers page by page", paged, all)
	r.same("timers after one that is gone", r.timers(1, timer(0, 1, 3), farFuture, 1), all[3:4])
	cleared := all[2]
	cleared.Instance = ""
	r.commit(&store.Delta{Partition: 1, ClearTimers: []store.Timer{cleared, timer(77, 1, 0)}})
	r.same("timers after one was cleared", r.timers(1, store.Timer{}, farFuture, 100), slices.Delete(slices.Clone(all), 2, 3))
	set := timer(50, 1, 0)
	r.commit(&store.Delta{Partition: 0, SetTimers: []store.Timer{set}}, &store.Delta{Partition: 0, ClearTimers: []store.Timer{set}})
	r.same("timers set and cleared in one commit", r.timers(0, store.Timer{}, farFuture, 100), []store.Timer(nil))
}

// testRefused: deltas about partitions that the hub does not have.
func testRefused(r *room) {
	good := start(1, "a", history.Pending)
	for _, d := range []*store.Delta{
		{Partition: -1},
		{Partition: partitions},
		{Sent: []store.Message{message(partitions, 0, 1, "")}},
		{Sent: []store.Message{message(0, -1, 1, "")}},
		{Consumed: []store.MessageKey{{Partition: 1 << 16}}},
	} {
		if err := r.owner.Commit(r.Context(), 0, []*store.Delta{good, d}); err == nil {
			r.Errorf("Commit(%+v) = no error, want one: the hub has %d partitions", d, partitions)
		}
	}
	if row, ok := r.find("a"); ok {
		r.Errorf("FindInstance(a) = %v, want none", row)
	}
	for _, p := range []int{-1, partitions} {
		if grants, err := r.owner.Acquire(r.Context(), 0, p); err == nil {
			r.Errorf("Acquire(0, %d) = %v, want an error: the hub has %d partitions", p, grants, partitions)
		}
	}
	if _, err := r.Store.Timers(r.Context(), partitions, store.Timer{}, farFuture, 1); err == nil {
		r.Errorf("Timers(%d) = no error", partitions)
	}
	for _, err := range r.Store.Inbox(r.Context(), partitions) {
		if err == nil {
			r.Errorf("Inbox(%d) = no error", partitions)
		}
	}
	for _, err := range r.Store.Working(r.Context(), -1) {
		if err == nil {
			r.Errorf("Working(-1) = no error")
		}
	}
}

func testReopen(r *room) {
	var ids []history.InstanceID
	var numbers []history.Number
	for i := range 20 {
		d := start(int64(i+1), history.InstanceID(fmt.Sprint("id-", i)), history.Statuses()[i%8])
		d.Record, d.Work = &store.Record{Seq: 1, Bytes: make([]byte, i<<10)}, store.Set
		d.Sent = []store.Message{message(i%partitions, d.Partition, uint64(i), "m")}
		d.SetTimers = []store.Timer{{Due: farFuture.Add(-time.Hour), Number: d.Number, ID: int32(i), Instance: d.ID}}
		r.commit(d)
		ids, numbers = append(ids, d.ID), append(numbers, d.Number)
	}
	before := r.contents(ids, numbers)
	old := r.owner
	if !r.reopen() { // checks that epochs go on
		return
	}
	r.same("contents after Reopen", r.contents(ids, numbers), before)
	if got := r.Store.Partitions(); got != partitions {
		r.Errorf("Partitions() = %d after Reopen, want %d", got, partitions)
	}
	if err := old.Commit(r.Context(), 0, []*store.Delta{start(100, "late", history.Pending)}); err == nil {
		r.Errorf("Commit(by a tenure from before Reopen) = no error")
	}
}

// testConcurrent: commits, reads and a change of owner at once. What was
// acknowledged is there, and once the tenure is fenced nothing of it comes any
// more.
func testConcurrent(r *room) {
	const writers, rounds, early = 4, 25, 20
	var group sync.WaitGroup
	var fenced atomic.Bool
	var acknowledged atomic.Int32
	some := make(chan struct{}) // closed when some commits are acknowledged
	before := r.owner
	for p := range writers { // each waited for by group
		group.Go(func() {
			for i := range rounds {
				id := history.InstanceID(fmt.Sprintf("%d-%d", p, i))
				number := history.NewNumber(int64(i+1), p)
				d := &store.Delta{Partition: p, Number: number, ID: id, OldStatus: history.Unknown,
					Row: &history.Instance{Number: number, ID: id, Status: history.Pending, CreatedAt: number.CreatedAt()}}
				over := fenced.Load()
				switch err := before.Commit(r.Context(), 0, []*store.Delta{d}); {
				case errors.Is(err, store.ErrFenced):
					return
				case err != nil || over:
					r.Errorf("Commit(partition %d) = %v; fenced before: %t", p, err, over)
					return
				}
				if acknowledged.Add(1) == early {
					close(some)
				}
				if _, ok, err := r.Store.FindInstance(r.Context(), id); err != nil || !ok {
					r.Errorf("FindInstance(%s) = %t, error %v after its commit", id, ok, err)
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { // ends with the writers
		group.Wait()
		close(ended)
	}()
	select {
	case <-some:
	case <-ended:
	}
	r.takeOver()
	fenced.Store(true)
	there := len(r.list(history.Query{Limit: 1000}))
	<-ended
	if got := len(r.list(history.Query{Limit: 1000})); got != there || got != int(acknowledged.Load()) {
		r.Errorf("there are %d instances, %d when the tenure was fenced; %d were acknowledged", got, there, acknowledged.Load())
	}
}
