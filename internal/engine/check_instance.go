package engine

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/ledger"
	"github.com/perdure/perdure/internal/store"
)

// This file looks at one instance of a store that is being checked: its row,
// its history, and the rows elsewhere that its open work asks for.

// duty is a row that sees to it that an instance goes on when nothing comes for
// it: a timer, or a work flag. The first come in the order in which they are
// due, so they are compared by a ledger.
type duty struct {
	number    history.Number
	instance  history.InstanceID
	partition int
	work      bool // a work flag; else a timer:
	timer     int32
	due       int64 // in µs since 1970
}

// timerDuty is the duty that a row of the timer index stands for.
func timerDuty(partition int, t *store.Timer) duty {
	return duty{number: t.Number, instance: t.Instance, partition: partition, timer: t.ID, due: t.Due.UnixMicro()}
}

// duties looks at all instances, and whether there is exactly what lets them go
// on.
func (c *checker) duties() error {
	l := ledger.New[duty]()
	for round := range l.Rounds() {
		for stored, err := range c.view.Instances(c.ctx) {
			if err == nil {
				err = c.step()
			}
			if err != nil {
				return err
			}
			if !l.Asks(uint64(stored.Number)) {
				continue
			}
			duties, err := c.instance(&stored, round == 1)
			if err != nil {
				return err
			}
			for _, d := range duties {
				l.Should(uint64(d.number), d)
			}
		}
		if err := c.storedDuties(l, round == 1); err != nil {
			return err
		}
	}
	c.compareDuties(l)
	return nil
}

// storedDuties tells l the timers and work flags that there are.
func (c *checker) storedDuties(l *ledger.Ledger[duty], first bool) error {
	const page = 4096
	for p := range c.view.Partitions() {
		var last store.Timer
		for more := true; more; {
			timers, err := c.view.Timers(c.ctx, p, last, time.UnixMicro(math.MaxInt64), page)
			if err != nil {
				return err
			}
			for i := range timers {
				if err := c.step(); err != nil {
					return err
				}
				d := timerDuty(p, &timers[i])
				l.Is(uint64(d.number), d)
				last = timers[i]
			}
			if first {
				c.report.Timers += int64(len(timers))
			}
			more = len(timers) == page
		}
		for ref, err := range c.view.Working(c.ctx, p) {
			if err == nil {
				err = c.step()
			}
			if err != nil {
				return err
			}
			l.Is(uint64(ref.Number), duty{number: ref.Number, instance: ref.ID, partition: p, work: true})
		}
	}
	return nil
}

// compareDuties tells of what is too much and too little. Of an instance whose
// history cannot be read nobody knows what it needs.
func (c *checker) compareDuties(l *ledger.Ledger[duty]) {
	missing := make(map[duty]bool)
	for d, should := range l.Differing() {
		if !c.unknown[d.number] {
			missing[d] = should
		}
	}
	for _, d := range slices.SortedFunc(maps.Keys(missing), func(a, b duty) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.due, b.due), cmp.Compare(a.timer, b.timer))
	}) {
		c.tell(d.disagreement(missing[d]))
	}
	c.report.More += int64(l.More())
}

// disagreement tells of a duty that only one side knows: missing says that it
// is the store that lacks its row.
func (d *duty) disagreement(missing bool) history.Disagreement {
	due := time.UnixMicro(d.due).UTC().Format(time.RFC3339Nano)
	t := history.Disagreement{Instance: d.instance, Rule: "timer", Rows: fmt.Sprintf("timer row of partition %d, due %s, of instance number %d, and its history", d.partition, due, d.number)}
	switch {
	case d.work:
		t.Rule, t.Rows = "work", fmt.Sprintf("work flag of partition %d, of instance number %d, and its history", d.partition, d.number)
		t.Says, t.Do = "its history leaves something to run, but the flag is missing: nobody looks for it when the app starts", exportAndImport
		if !missing {
			t.Says, t.Do = "the flag is set, but its history leaves nothing to run", noHarm
		}
	case d.timer == history.NoID:
		t.Says, t.Do = "it is to start then, but the row is missing: it never starts", exportAndImport
		if !missing {
			t.Says, t.Do = "the row starts it then, but its history is not that of a start that waits", noHarm
		}
	default:
		t.Says, t.Do = fmt.Sprintf("its timer %d is open, but the row is missing: it never fires", d.timer), exportAndImport
		if !missing {
			t.Says, t.Do = fmt.Sprintf("the row is there, but no timer %d that is due then is open", d.timer), noHarm
		}
	}
	return t
}

// What to do about a row that an import writes anew, and about one that is too
// much.
const (
	exportAndImport = "restore a backup, or export the instance and import it in its own place: perdure export --id ID >FILE, then perdure import @FILE --on-conflict terminate"
	noHarm          = "nothing now: it does no harm. Restore a backup if there is more that does not agree"
)

// instance looks at one instance and returns what should be stored so that it
// goes on. Only the first look tells what it finds.
func (c *checker) instance(stored *store.Stored, first bool) ([]duty, error) {
	a := account{row: &stored.Row, check: decide.NewRecordCheck()}
	tell := func(rule, rows, do, format string, args ...any) {
		c.unknown[stored.Number] = c.unknown[stored.Number] || rule == "record"
		if first {
			c.tell(history.Disagreement{Instance: stored.Row.ID, Rule: rule, Rows: rows, Says: fmt.Sprintf(format, args...), Do: do})
		}
	}
	const restore = "restore a backup, or purge the instance and start it again"
	var records int64
	unread := false
	for rec, err := range stored.Records {
		if err == nil {
			records++
			err = a.read(&rec)
		}
		if err != nil {
			tell("record", fmt.Sprintf("records of instance number %d", stored.Number), restore, "%v", err)
			unread = true
			break
		}
	}
	if first {
		c.report.Instances++
		c.report.Records += records
	}
	switch {
	case stored.Problem != nil:
		tell("record", row(stored.Number), "restore a backup; a newer build may read it", "%v", stored.Problem)
		return nil, nil
	case unread:
		return nil, nil
	case records == 0:
		tell("record", fmt.Sprintf("%s and its records", row(stored.Number)), restore, "it is %s, but has no history", stored.Row.Status)
		return nil, nil
	}
	for problem := range c.place(stored) {
		tell("row", row(stored.Number), restore, "%s", problem)
	}
	for problem := range a.misfits() {
		tell("history", fmt.Sprintf("%s and its records", row(stored.Number)), exportAndImport, "%s", problem)
	}
	for problem := range a.strayed(c.view.Partitions()) {
		tell("tree", row(stored.Number), "restore a backup; what is done to the tree of its parent may pass it by", "%s", problem)
	}
	if stored.Row.Status.Terminal() {
		return nil, nil
	}
	return c.open(&a, first)
}

// open returns what a live instance needs so that it goes on, and looks for the
// children that it waits for.
func (c *checker) open(a *account, first bool) (duties []duty, err error) {
	row, st := a.row, &a.state
	home := history.PartitionOf(row.ID, c.view.Partitions())
	for _, ev := range decide.InOrder(st.Open) {
		switch ev.Kind {
		case history.TimerCreated:
			t := decide.TimerOf(row, ev)
			there, err := !a.vague, error(nil)
			if a.vague { // canceled, perhaps
				there, err = c.stored(home, &t)
			}
			if err != nil {
				return nil, err
			}
			if there {
				duties = append(duties, timerDuty(home, &t))
			}
		case history.SubOrchestrationInstanceCreated:
			if !first {
				continue
			}
			if err := c.waiting(row, ev); err != nil {
				return nil, err
			}
		}
	}
	if st.Turns == 0 && !row.ScheduledAt.IsZero() {
		duties = append(duties, timerDuty(home, new(decide.WakeTimer(row))))
	}
	if (&decide.Decision{Row: *row, State: st}).Work() {
		duties = append(duties, duty{number: row.Number, instance: row.ID, partition: home, work: true})
	}
	return duties, nil
}

// stored reports whether there is the row of a timer.
func (c *checker) stored(partition int, t *store.Timer) (bool, error) {
	before := *t
	before.ID--
	found, err := c.view.Timers(c.ctx, partition, before, t.Due.Add(time.Microsecond), 1)
	return len(found) > 0 && keyOf(&found[0]) == keyOf(t), err
}

// place yields what is wrong with where a row lies.
func (c *checker) place(stored *store.Stored) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		row := &stored.Row
		home := history.PartitionOf(row.ID, c.view.Partitions())
		if row.Number != stored.Number && !yield(fmt.Sprintf("it says that its number is %d", row.Number)) {
			return
		}
		if got := stored.Number.Partition(); got != home && !yield(fmt.Sprintf("its number is of partition %d, but %q belongs to %d", got, row.ID, home)) {
			return
		}
		if err := decide.CheckRow(row); err != nil && !yield(err.Error()) {
			return
		}
		if row.Events < 0 {
			yield(fmt.Sprintf("it has %d events", row.Events))
		}
	}
}
