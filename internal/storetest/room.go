package storetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

const partitions = 4

// reporter is what testing.T and rapid.T have in common.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Context() context.Context
}

// room is a store with somebody in it who owns all partitions.
type room struct {
	reporter
	Fixture
	owner  store.Tenure
	epochs []store.Epoch // of the partitions
}

func enter(t reporter, f Fixture) *room {
	t.Helper()
	r := &room{reporter: t, Fixture: f, epochs: make([]store.Epoch, partitions)}
	r.takeOver()
	return r
}

func (r *room) leave() {
	if r.Close != nil {
		r.Close()
	}
}

// takeOver makes another tenure the owner of all partitions, and returns the
// one before.
func (r *room) takeOver() (before store.Tenure) {
	r.Helper()
	owner, grants := Own(r, r.Store)
	if len(grants) != partitions {
		r.Fatalf("Acquire(all) = %d grants, want %d", len(grants), partitions)
	}
	for _, g := range grants {
		if g.Epoch <= r.epochs[g.Partition] {
			r.Errorf("Acquire granted partition %d with epoch %d, want more than %d", g.Partition, g.Epoch, r.epochs[g.Partition])
		}
		r.epochs[g.Partition] = g.Epoch
	}
	before, r.owner = r.owner, owner
	return before
}

// reopen closes the store and goes on with what is left; it returns false if
// the store leaves nothing.
func (r *room) reopen() bool {
	if r.Reopen == nil {
		return false
	}
	r.Store = r.Reopen()
	r.takeOver()
	return true
}

// commit stores deltas as the owner.
func (r *room) commit(deltas ...*store.Delta) {
	r.Helper()
	if err := r.owner.Commit(r.Context(), 0, deltas); err != nil {
		r.Fatalf("Commit: %v", err)
	}
}

// start returns a delta that makes an instance, created at the microsecond
// micros, and the row that it stores.
func start(micros int64, id history.InstanceID, status history.RuntimeStatus) *store.Delta {
	number := history.NewNumber(micros, history.PartitionOf(id, partitions))
	return &store.Delta{
		Partition: number.Partition(), Number: number, ID: id,
		Row: &history.Instance{
			Number: number, ID: id, Name: "Hello", ExecutionID: history.ExecutionID(fmt.Sprintf("%032x", uint64(number))),
			Status: status, CreatedAt: number.CreatedAt(), UpdatedAt: number.CreatedAt(),
		},
		OldStatus: history.Unknown,
	}
}

// update returns a delta that takes the instance that d made, or changed, to
// another status.
func update(d *store.Delta, status history.RuntimeStatus) *store.Delta {
	row := *d.Row
	row.Status = status
	row.UpdatedAt = row.UpdatedAt.Add(time.Second)
	return &store.Delta{Partition: d.Partition, Number: d.Number, ID: d.ID, Row: &row, OldStatus: d.Row.Status}
}

// erase returns a delta that removes the instance that d made or changed.
func erase(d *store.Delta) *store.Delta {
	return &store.Delta{Partition: d.Partition, Erase: d.Row}
}

// about returns a delta with no change for the instance that d made.
func about(d *store.Delta) *store.Delta {
	return &store.Delta{Partition: d.Partition, Number: d.Number, ID: d.ID}
}

func (r *room) find(id history.InstanceID) (history.Instance, bool) {
	r.Helper()
	row, ok, err := r.Store.FindInstance(r.Context(), id)
	if err != nil {
		r.Fatalf("FindInstance(%s): %v", id, err)
	}
	return row, ok
}

// list returns what q matches, in as many pages as it takes.
func (r *room) list(q history.Query) []history.Instance {
	r.Helper()
	limit := cmp.Or(q.Limit, 100)
	var rows []history.Instance
	for {
		q.Limit = limit - len(rows)
		page := r.page(q)
		rows = append(rows, page.Rows...)
		if q.Before = page.Next; page.Next == 0 || len(rows) == limit {
			return rows
		}
	}
}

// page returns one page, and checks what holds for each.
func (r *room) page(q history.Query) store.Page {
	r.Helper()
	page, err := r.Store.ListInstances(r.Context(), q)
	if err != nil {
		r.Fatalf("ListInstances(%+v): %v", q, err)
	}
	if limit := cmp.Or(q.Limit, 100); len(page.Rows) > limit {
		r.Errorf("ListInstances(%+v) = %d rows", q, len(page.Rows))
	}
	above := q.Before
	for i := range page.Rows {
		if n := page.Rows[i].Number; above != 0 && n >= above {
			r.Errorf("ListInstances(%+v) has number %d after %d", q, n, above)
		}
		above = page.Rows[i].Number
	}
	if page.Next != 0 && (len(page.Rows) > 0 && page.Next > above || q.Before != 0 && page.Next >= q.Before) {
		r.Errorf("ListInstances(%+v) goes on below %d, its last row is %d", q, page.Next, above)
	}
	return page
}

// count returns how many instances q matches in those statuses that have any.
func (r *room) count(q history.Query) history.Counts {
	r.Helper()
	counts, err := r.Store.CountInstances(r.Context(), q)
	if err != nil {
		r.Fatalf("CountInstances(%+v): %v", q, err)
	}
	maps.DeleteFunc(counts, func(_ history.RuntimeStatus, n int64) bool { return n == 0 })
	return counts
}

// tally counts rows as a store should.
func tally(rows []history.Instance) history.Counts {
	counts := history.Counts{}
	for i := range rows {
		counts[rows[i].Status]++
	}
	return counts
}

func (r *room) records(number history.Number) []store.Record {
	r.Helper()
	var records []store.Record
	for rec, err := range r.Store.Records(r.Context(), number) {
		if err != nil {
			r.Fatalf("Records(%d): %v", number, err)
		}
		records = append(records, rec)
	}
	last, ok, err := r.Store.LastRecord(r.Context(), number)
	if err != nil {
		r.Fatalf("LastRecord(%d): %v", number, err)
	}
	switch {
	case ok != (len(records) > 0):
		r.Errorf("LastRecord(%d) = ok %t, but Records yields %d", number, ok, len(records))
	case ok:
		r.same(fmt.Sprintf("LastRecord(%d)", number), last, records[len(records)-1])
	}
	return records
}

// working returns the flagged instances by number; a store may yield them in
// any order.
func (r *room) working(partition int) []store.Ref {
	r.Helper()
	var refs []store.Ref
	for ref, err := range r.Store.Working(r.Context(), partition) {
		if err != nil {
			r.Fatalf("Working(%d): %v", partition, err)
		}
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b store.Ref) int { return cmp.Compare(a.Number, b.Number) })
	return refs
}

// inbox returns the messages by sender; a store may mix the senders, but not
// the order of one.
func (r *room) inbox(partition int) []store.Message {
	r.Helper()
	var messages []store.Message
	for m, err := range r.Store.Inbox(r.Context(), partition) {
		if err != nil {
			r.Fatalf("Inbox(%d): %v", partition, err)
		}
		messages = append(messages, m)
	}
	slices.SortStableFunc(messages, func(a, b store.Message) int { return cmp.Compare(a.From, b.From) })
	return messages
}

var farFuture = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (r *room) timers(partition int, after store.Timer, until time.Time, limit int) []store.Timer {
	r.Helper()
	timers, err := r.Store.Timers(r.Context(), partition, after, until, limit)
	if err != nil {
		r.Fatalf("Timers(%d, %v, %v, %d): %v", partition, after, until, limit, err)
	}
	return timers
}

// contents is all that a store shows.
type contents struct {
	Rows       []history.Instance
	Found      map[history.InstanceID]history.Instance
	Records    map[history.Number][]store.Record
	LastNumber history.Number
	Working    [partitions][]store.Ref
	Inbox      [partitions][]store.Message
	Timers     [partitions][]store.Timer
}

// contents reads the store; numbers and ids are those that may be in it. It
// checks that counts and indexes agree with the rows.
func (r *room) contents(ids []history.InstanceID, numbers []history.Number) contents {
	r.Helper()
	c := contents{
		Rows:  r.list(history.Query{Limit: 1 << 20}),
		Found: make(map[history.InstanceID]history.Instance), Records: make(map[history.Number][]store.Record),
	}
	r.same("CountInstances of all", r.count(history.Query{}), tally(c.Rows))
	for status := range tally(c.Rows) {
		rows := slices.DeleteFunc(slices.Clone(c.Rows), func(row history.Instance) bool { return row.Status != status })
		r.same("ListInstances of "+status.String(), r.list(history.Query{Limit: 1 << 20, Statuses: []history.RuntimeStatus{status}}), rows)
	}
	for _, id := range ids {
		if row, ok := r.find(id); ok {
			c.Found[id] = row
		}
	}
	for _, number := range numbers {
		if records := r.records(number); len(records) > 0 {
			c.Records[number] = records
		}
	}
	var err error
	if c.LastNumber, err = r.Store.LastNumber(r.Context()); err != nil {
		r.Fatalf("LastNumber: %v", err)
	}
	for p := range partitions {
		c.Working[p], c.Inbox[p], c.Timers[p] = r.working(p), r.inbox(p), r.timers(p, store.Timer{}, farFuture, 1<<20)
	}
	return c
}

// wholeBytes compares bytes at once: one by one takes seconds for a big record.
var wholeBytes = gocmp.FilterValues(func(a, b []byte) bool { return len(a) > 0 || len(b) > 0 }, gocmp.Comparer(bytes.Equal))

// same compares what a call returned with what was wanted; no bytes and nil
// bytes are the same to it.
func (r *room) same(call string, got, want any) {
	r.Helper()
	if reflect.DeepEqual(want, got) {
		return // the usual case, many times faster
	}
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty(), wholeBytes); diff != "" {
		r.Errorf("%s: -want +got\n%s", call, diff)
	}
}
