package decide

import "github.com/perdure/perdure/internal/history"

// An instance that has Failed may be rewound later. Events that come until then
// would be lost otherwise.

// maxRetained is how many events a Failed instance keeps for a rewind.
const maxRetained = 1000

// retain decides what a Failed instance keeps of inbox: events, which a rewind
// will deliver (docs/contracts/runtime.md 5.7, step 8). They go into the last
// record, before the end. It reports false when there is nothing to keep.
func retain(row history.Instance, records []history.Turn, inbox []Message) (d Decision, ok bool) {
	st := &history.State{}
	for i := range records {
		st.Apply(&records[i])
	}
	last := records[len(records)-1]
	end := len(last.Events) - 1
	room := maxRetained
	for i := end - 1; i >= 0 && last.Events[i].Kind == history.EventRaised; i-- {
		room--
	}
	events := last.Events[:end:end]
	var keys history.Keys
	for i := range inbox {
		ev := inbox[i].Event
		if ev.Kind != history.EventRaised || room <= 0 || keys.Taken(ev.Key, ev.At) || st.Keys.Taken(ev.Key, ev.At) {
			continue
		}
		keys.Take(ev.Key, ev.At)
		ev.ID = history.NoID
		events = append(events, ev)
		room--
	}
	if len(events) == end {
		return d, false
	}
	last.Events = append(events, last.Events[end])
	d = Decision{Row: row, RowKept: true, Record: last, Ended: true}
	d.Drop.First, d.Drop.End = last.Seq, last.Seq+1
	return d, true
}
