package storetest

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/memory"
)

// testRandom does the same random things to the store and to store/memory, and
// looks for a difference.
func testRandom(t *testing.T, open Open) {
	if raceDetector {
		if err := flag.Set("rapid.checks", "10"); err != nil { // of 100
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := enter(rt, open(t, partitions))
		defer r.leave()
		plain := enter(rt, Fixture{Store: memory.New(partitions)})
		w := &walk{live: make(map[history.InstanceID]*store.Delta), seqs: make(map[history.Number]uint32)}
		compare := func(rt *rapid.T) {
			got, want := r.contents(w.ids(), w.numbers), plain.contents(w.ids(), w.numbers)
			r.same("contents", got, want)
			for _, q := range w.queries(rt) {
				r.same(fmt.Sprintf("ListInstances(%+v)", q), r.list(q), plain.list(q))
				r.same(fmt.Sprintf("CountInstances(%+v)", q), r.count(q), plain.count(q))
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"commit": func(rt *rapid.T) {
				deltas := w.deltas(rt)
				r.commit(deltas...)
				plain.commit(deltas...)
			},
			"crowd": func(rt *rapid.T) {
				deltas := w.crowd(rt)
				r.commit(deltas...)
				plain.commit(deltas...)
			},
			"purge": func(rt *rapid.T) {
				deltas := append(w.purge(rt), w.deltas(rt)...)
				r.commit(deltas...)
				plain.commit(deltas...)
			},
			"fenced": func(rt *rapid.T) {
				before := r.takeOver()
				deltas := []*store.Delta{start(w.micros+1, "never", history.Pending), {Partition: rapid.IntRange(0, partitions-1).Draw(rt, "partition")}}
				if err := before.Commit(r.Context(), 0, deltas); !errors.Is(err, store.ErrFenced) {
					rt.Errorf("Commit(by a tenure that is over) = error %v, want %v", err, store.ErrFenced)
				}
			},
			"reopen": func(rt *rapid.T) {
				if rapid.IntRange(0, 4).Draw(rt, "reopen") == 0 {
					r.reopen()
				}
			},
			"compare": compare, // not after each step: reading everything takes much longer than writing
		})
		compare(rt)
	})
}

// walk draws deltas as an engine might make them, and remembers what they lead
// to.
type walk struct {
	micros  int64                               // of the last instance
	live    map[history.InstanceID]*store.Delta // with the row as it is
	seqs    map[history.Number]uint32           // of the last record
	numbers []history.Number                    // all there ever were
	inbox   []store.MessageKey
	timers  []timerRow
	message uint64 // last Seq
}

type timerRow struct {
	partition int
	store.Timer
}

func (w *walk) ids() []history.InstanceID { return slices.Sorted(maps.Keys(w.live)) }

func (w *walk) deltas(rt *rapid.T) []*store.Delta {
	deltas := make([]*store.Delta, rapid.IntRange(1, 6).Draw(rt, "deltas"))
	for i := range deltas {
		d := w.instance(rt)
		w.messages(rt, d)
		w.setTimers(rt, d)
		deltas[i] = d
	}
	return deltas
}

var drawStatus = rapid.SampledFrom(history.Statuses())

// instance draws what happens to one instance: start, takeover, change, end.
func (w *walk) instance(rt *rapid.T) *store.Delta {
	id := rapid.SampledFrom([]history.InstanceID{"a", "b", "c", "aa", "ab", "@e@a"}).Draw(rt, "id")
	old := w.live[id]
	switch action := rapid.SampledFrom([]string{"start", "row", "turn", "erase"}).Draw(rt, "action"); {
	case old == nil || action == "start":
		d := w.start(rt, id)
		if old != nil {
			d.Erase = erase(old).Erase
		}
		w.turn(rt, d)
		return d
	case action == "erase":
		delete(w.live, id)
		return erase(old)
	case action == "row":
		d := update(old, drawStatus.Draw(rt, "status"))
		complete(d)
		w.live[id] = d
		w.turn(rt, d)
		return d
	default:
		d := about(old)
		w.turn(rt, d)
		return d
	}
}

// start draws a new instance. Most have a higher number than all before; but a
// number may also be given out early and be stored late.
func (w *walk) start(rt *rapid.T, id history.InstanceID) *store.Delta {
	status := drawStatus.Draw(rt, "status")
	micros := w.micros + rapid.Int64Range(1, 3).Draw(rt, "micros")
	if w.micros > 0 && rapid.IntRange(0, 3).Draw(rt, "late") == 0 {
		micros = rapid.Int64Range(1, w.micros).Draw(rt, "early")
	}
	if slices.Contains(w.numbers, start(micros, id, status).Number) {
		micros = w.micros + 1
	}
	w.micros = max(w.micros, micros)
	d := start(micros, id, status)
	d.Row.Name, d.Row.Tags, d.Row.Labels = drawName.Draw(rt, "name"), drawTags.Draw(rt, "tags"), drawLabels.Draw(rt, "labels")
	if parent := drawParent.Draw(rt, "parent"); parent != "" {
		d.Row.Parent = &history.Parent{InstanceID: parent}
	}
	complete(d)
	w.numbers = append(w.numbers, d.Number)
	w.live[id] = d
	return d
}

var (
	drawName   = rapid.SampledFrom([]string{"Hello", "HELLO", "Hell", "", "strasse", "\u017ftra\u017f\u017fe"})
	drawLabels = rapid.SampledFrom([][]string{nil, {"parent:1"}, {"parent:1", "parent:12"}, {""}})
	drawParent = rapid.SampledFrom([]history.InstanceID{"", "a", "b"})
	drawTags   = rapid.SampledFrom([]map[string]string{nil, {"k": "v"}, {"k": "w"}, {"k": "v", "kv": ""}, {"kv": ""}})
)

// complete gives the row of d the time that fits its status.
func complete(d *store.Delta) {
	d.Row.CompletedAt = time.Time{}
	if d.Row.Status.Terminal() {
		d.Row.CompletedAt = d.Row.UpdatedAt
	}
}

// crowd draws many new instances.
func (w *walk) crowd(rt *rapid.T) []*store.Delta {
	deltas := make([]*store.Delta, rapid.IntRange(20, 40).Draw(rt, "crowd"))
	for i := range deltas {
		deltas[i] = w.start(rt, history.InstanceID(fmt.Sprint("crowd-", len(w.numbers))))
		w.turn(rt, deltas[i])
	}
	return deltas
}

// purge draws a stretch of the instances, with or without gaps, and erases
// them.
func (w *walk) purge(rt *rapid.T) []*store.Delta {
	all := slices.SortedFunc(maps.Values(w.live), func(a, b *store.Delta) int { return cmp.Compare(a.Number, b.Number) })
	first := rapid.IntRange(0, len(all)).Draw(rt, "first")
	kept := rapid.IntRange(2, 50).Draw(rt, "kept") // one of so many stays
	var deltas []*store.Delta
	for i, d := range all[first:] {
		if i%kept == 1 {
			continue
		}
		delete(w.live, d.ID)
		deltas = append(deltas, erase(d))
	}
	return deltas
}

// turn draws records and the work flag.
func (w *walk) turn(rt *rapid.T, d *store.Delta) {
	last := w.seqs[d.Number]
	if rapid.IntRange(0, 3).Draw(rt, "drop") == 0 {
		d.DropRecords.First = rapid.Uint32Range(0, last+1).Draw(rt, "first")
		d.DropRecords.End = rapid.Uint32Range(d.DropRecords.First, last+1).Draw(rt, "end")
	}
	if rapid.Bool().Draw(rt, "record") {
		last++
		size := rapid.SampledFrom([]int{0, 10, 16<<10 - 1, 16 << 10, 40 << 10}).Draw(rt, "size")
		d.Record = &store.Record{Seq: last, Bytes: slices.Repeat([]byte{byte(last)}, size)}
		w.seqs[d.Number] = last
	}
	d.Work = rapid.SampledFrom([]store.Flag{store.Keep, store.Set, store.Clear}).Draw(rt, "work")
}

func (w *walk) messages(rt *rapid.T, d *store.Delta) {
	for range rapid.IntRange(0, 2).Draw(rt, "consumed") {
		if len(w.inbox) == 0 {
			break
		}
		i := rapid.IntRange(0, len(w.inbox)-1).Draw(rt, "message")
		d.Consumed = append(d.Consumed, w.inbox[i])
		w.inbox = slices.Delete(w.inbox, i, i+1)
	}
	for range rapid.IntRange(0, 2).Draw(rt, "sent") {
		w.message++
		m := message(rapid.IntRange(0, partitions-1).Draw(rt, "to"), d.Partition, w.message, fmt.Sprint(w.message))
		d.Sent = append(d.Sent, m)
		w.inbox = append(w.inbox, m.MessageKey)
	}
}

func (w *walk) setTimers(rt *rapid.T, d *store.Delta) {
	if i := slices.IndexFunc(w.timers, func(t timerRow) bool { return t.partition == d.Partition }); i >= 0 && rapid.Bool().Draw(rt, "clear") {
		d.ClearTimers = append(d.ClearTimers, w.timers[i].Timer)
		w.timers = slices.Delete(w.timers, i, i+1)
	}
	if rapid.Bool().Draw(rt, "set") {
		w.message++ // for an id that is new
		t := store.Timer{Due: time.UnixMicro(rapid.Int64Range(-2, 9).Draw(rt, "due")).UTC(), Number: d.Number, ID: int32(w.message), Instance: d.ID}
		d.SetTimers = append(d.SetTimers, t)
		w.timers = append(w.timers, timerRow{d.Partition, t})
	}
}

func (w *walk) queries(rt *rapid.T) []history.Query {
	drawTime := rapid.Custom(func(rt *rapid.T) *time.Time {
		switch rapid.IntRange(0, 5).Draw(rt, "kind") {
		case 0, 1, 2:
			return nil
		case 3:
			return new(time.Time{}) // is a time
		}
		return new(time.UnixMicro(rapid.Int64Range(-1, w.micros+1).Draw(rt, "at")).UTC())
	})
	q := history.Query{
		CreatedFrom: drawTime.Draw(rt, "from"), CreatedTo: drawTime.Draw(rt, "to"),
		IDPrefix: rapid.SampledFrom([]string{"", "a", "ab", "crowd", "@"}).Draw(rt, "prefix"),
		Limit:    rapid.IntRange(0, 3).Draw(rt, "limit"),
	}
	if rapid.Bool().Draw(rt, "what it is found by") {
		q.Name = rapid.SampledFrom([]string{"", "hELLO", "hell", "STRA\u1e9ee", "STRASSE", "none"}).Draw(rt, "name")
		q.Tags, q.Labels, q.Parent = drawTags.Draw(rt, "tags"), drawLabels.Draw(rt, "labels"), drawParent.Draw(rt, "parent")
	}
	if rapid.Bool().Draw(rt, "completed") {
		q.CompletedFrom, q.CompletedTo = drawTime.Draw(rt, "completed from"), drawTime.Draw(rt, "completed to")
	}
	if len(w.numbers) > 0 && rapid.Bool().Draw(rt, "paged") {
		q.Before = rapid.SampledFrom(w.numbers).Draw(rt, "before")
	}
	byStatus := q
	byStatus.Statuses = rapid.SliceOfN(drawStatus, 1, 4).Draw(rt, "statuses")
	return []history.Query{q, byStatus}
}
