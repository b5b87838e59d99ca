package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// This file remembers what ran when a process died, so that code which takes
// the process down again and again does not take everything else with it.
//
// While user code runs, a note of the store's [store.CrashNotes] says so. The
// process that finds notes counts a death for each of them; a process that
// stops in good order leaves none. What ran at one death only goes on as ever:
// an operator's kill -9 makes everything that ran a suspect. From the second
// death on a suspect waits for a pause that grows, and of several one runs at a
// time, the one with the fewest deaths first, until it is clear: it has ended,
// or has run clearly longer than when the process died. So the killer soon dies
// alone, and only its own count grows. At MaxDeaths it is put aside: an
// activity fails ([history.FailurePoison]), a turn waits for a command or for
// another build.

// runID identifies a turn or an activity of an instance.
type runID struct {
	Number history.Number `json:"number"`
	What   uint64         `json:"what"` // see turnRun and activityRun
}

// turnRun names the turn of an instance. The highest bit keeps it apart from
// activities.
func turnRun(number history.Number, seq uint32) runID {
	return runID{number, 1<<63 | uint64(seq)}
}

// activityRun names the task of an execution by its generation: the numbers of
// tasks begin anew with each.
func activityRun(number history.Number, generation, task int32) runID {
	return runID{number, uint64(uint32(generation)&(1<<31-1))<<32 | uint64(uint32(task))}
}

// deathCount is what is known of something that ran when a process died. It is
// stored as JSON.
type deathCount struct {
	runID
	Deaths  int    `json:"deaths"`
	Seconds uint64 `json:"seconds"` // it had run when the process died, about
}

// deathTable is the form in which the counts are stored.
type deathTable struct {
	Build string       `json:"build"` // of the program that died: another one begins anew
	Life  uint64       `json:"life"`  // of which the notes have been counted
	Runs  []deathCount `json:"runs"`
}

// note is where a slot writes down what it runs. The nil note takes everything.
type note []atomic.Uint64

// A note's words. The first is written last and cleared first.
const (
	noteNumber = iota
	noteWhat
	noteSeconds
	noteWords
)

// begin notes what runs from now on. The number is written last: a reader that
// finds it finds the rest.
func (n note) begin(run runID) {
	if n != nil {
		n[noteWhat].Store(run.What)
		n[noteSeconds].Store(0)
		n[noteNumber].Store(uint64(run.Number))
	}
}

// age notes for how long it has run. What ran for long and was killed is less
// of a suspect than what had just begun.
func (n note) age(d time.Duration) {
	if n != nil {
		n[noteSeconds].Store(uint64(d / time.Second))
	}
}

// run returns what the note says.
func (n note) run() runID {
	if n == nil {
		return runID{}
	}
	return runID{history.Number(n[noteNumber].Load()), n[noteWhat].Load()}
}

// end notes that nothing runs.
func (n note) end() {
	if n != nil {
		n[noteNumber].Store(0)
	}
}

// deaths are the counts of a process, and who of the suspects may run.
type deaths struct {
	log     *slog.Logger
	after   func(d time.Duration, ring func()) // of the timers of the tenure
	notes   store.CrashNotes                   // nil: nothing is remembered
	build   string
	max     int
	began   time.Time
	counted uint64          // the life of which the notes have been counted last
	words   []atomic.Uint64 // the first tells the life, 0: ended in good order; then notes
	some    atomic.Bool     // counts is not empty

	mu      sync.Mutex // guards the rest
	free    []note
	counts  map[runID]*deathCount
	waiting map[runID]heldRun // those that want to run
	trial   runID             // the one that may; zero: none
	dirty   bool              // counts is not as it is stored
}

// maxNotes is how many slots besides the regular ones have a note.
const maxNotes = 256

// maxCounted bounds the table.
const maxCounted = 1000

// newDeaths reads what the process before left. Whatever goes wrong with it is
// no reason not to run.
func newDeaths(ctx context.Context, kept store.Store, runs bool, o *Options) *deaths {
	d := &deaths{
		log: o.Logger, max: o.MaxDeaths, began: time.Now(),
		counts: make(map[runID]*deathCount), waiting: make(map[runID]heldRun),
	}
	notes, ok := kept.(store.CrashNotes)
	if !ok {
		return d
	}
	if err := d.read(ctx, notes, kept, runs, o); err != nil {
		o.Logger.Warn("what ran when a process died is not remembered", "cause", err)
		d.words, d.free, d.notes = nil, nil, nil
	}
	return d
}

// read takes over what the process before has left, and the counts of those
// before that. Without an app nothing runs, so nothing can have died of it: all
// is left as it is.
func (d *deaths) read(ctx context.Context, notes store.CrashNotes, store store.Reader, runs bool, o *Options) error {
	n := 0 // else what is there stays as it is, for the one that runs
	if runs {
		n = 1 + (o.MaxActivities+o.MaxOrchestrators+maxNotes)*noteWords
	}
	words, before, err := notes.Notes(n)
	if err != nil || runs && words == nil {
		return err
	}
	stored, err := notes.Memo(ctx)
	if err != nil {
		return err
	}
	var table deathTable
	if stored != nil {
		if err := json.Unmarshal(stored, &table); err != nil {
			return err
		}
	}
	unclean := len(before) > 0 && before[0] != 0 && before[0] != table.Life
	if (unclean || len(table.Runs) > 0) && o.Build != nil {
		d.build = o.Build()
	}
	if runs && table.Build != d.build {
		d.dirty = len(table.Runs) > 0
		table.Runs = nil
	}
	d.counted = table.Life
	for _, c := range table.Runs {
		d.counts[c.runID] = &c
	}
	if unclean {
		d.count(before[1:])
		d.counted, d.dirty = before[0], true
	}
	if err := d.prune(ctx, store); err != nil {
		return err
	}
	d.some.Store(len(d.counts) > 0)
	if !runs {
		return nil // only looks on
	}
	d.notes = notes
	if d.dirty {
		if err := d.save(ctx); err != nil {
			return err
		}
	}
	for i := range words {
		words[i].Store(0)
	}
	d.words = words
	words[0].Store(uint64(max(o.Now().UnixNano(), 1))) // another one than counted: time has passed
	for at := 1; at+noteWords <= len(words); at += noteWords {
		d.free = append(d.free, note(words[at:at+noteWords:at+noteWords]))
	}
	if unclean {
		o.Logger.Warn("the process before ended without letting go of the hub", "remembered", len(d.counts), "suspects", d.suspects())
	}
	return nil
}

// count adds a death to what the notes name.
func (d *deaths) count(notes []uint64) {
	for at := 0; at+noteWords <= len(notes) && len(d.counts) < maxCounted; at += noteWords {
		n := notes[at : at+noteWords]
		if n[noteNumber] == 0 {
			continue
		}
		run := runID{history.Number(n[noteNumber]), n[noteWhat]}
		if d.counts[run] == nil {
			d.counts[run] = &deathCount{runID: run}
		}
		d.counts[run].Deaths++
		d.counts[run].Seconds = n[noteSeconds]
	}
}

// prune forgets what belongs to instances that have gone or ended.
func (d *deaths) prune(ctx context.Context, store store.Reader) error {
	for run := range d.counts {
		last, ok, err := store.LastRecord(ctx, run.Number)
		if err != nil {
			return err
		}
		if ok {
			turn, err := history.DecodeTurn(last.Seq, last.Bytes)
			if err != nil {
				return err
			}
			ok = len(turn.Events) == 0 || turn.Events[len(turn.Events)-1].Kind != history.ExecutionCompleted
		}
		if !ok {
			delete(d.counts, run)
			d.dirty = true
		}
	}
	return nil
}

// suspects returns how many wait for their turn to run. mu is held, or nobody
// else knows d yet.
func (d *deaths) suspects() (n int) {
	for _, c := range d.counts {
		if c.Deaths >= suspectAt {
			n++
		}
	}
	return n
}

// save stores the counts. mu is held, or nobody else knows d yet.
func (d *deaths) save(ctx context.Context) error {
	table := deathTable{Build: d.build, Life: d.counted, Runs: []deathCount{}}
	for _, c := range d.counts {
		table.Runs = append(table.Runs, *c)
	}
	stored, err := json.Marshal(table)
	if err == nil {
		err = d.notes.SetMemo(ctx, stored)
	}
	if err == nil {
		d.dirty = false
	}
	return err
}

// keep stores the counts if they have changed.
func (d *deaths) keep(ctx context.Context) {
	if !d.some.Load() && d.words == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.dirty || d.notes == nil {
		return
	}
	if err := d.save(ctx); err != nil {
		d.log.Warn("what ran when a process died is not remembered", "cause", err)
		d.dirty = false // until the next change
	}
}

// end notes that the process lets go of the hub in good order.
func (d *deaths) end(ctx context.Context) {
	d.keep(ctx)
	for i := range d.words {
		d.words[i].Store(0)
	}
}

// take returns a note for a slot, nil when there is none.
func (d *deaths) take() note {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.free) == 0 {
		return nil
	}
	n := d.free[len(d.free)-1]
	d.free = d.free[:len(d.free)-1]
	return n
}

// put takes a note back.
func (d *deaths) put(n note) {
	if n == nil {
		return
	}
	n.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, n)
}

// suspectAt is the count of deaths from which on a run is held back.
const suspectAt = 2

// deathError tells why something is held back.
type deathError struct {
	deaths int
	aside  bool          // for good
	pause  time.Duration // else at least so long
}

// Error is shown by explain and in the log while the run is held.
func (e *deathError) Error() string {
	if e.aside {
		return fmt.Sprintf("it was running each of the %d times that the program died; it does not run any more", e.deaths)
	}
	return fmt.Sprintf("it was running each of the last %d times that the program died; it is held back for a while, and then runs when no other suspect does", e.deaths)
}

// restart is for a new tenure, with timers of its own, which asks anew for all
// that is to run.
func (d *deaths) restart(after func(time.Duration, func())) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.after, d.trial = after, runID{}
	clear(d.waiting)
}

// putAside tells why a turn of an instance has been put aside; nil if none has.
func (d *deaths) putAside(number history.Number) *deathError {
	for _, c := range d.remembered(number) {
		if c.Deaths >= d.max && c.What>>63 == 1 {
			return &deathError{deaths: c.Deaths, aside: true}
		}
	}
	return nil
}

// aside reports whether err tells of something that is put aside.
func aside(err error) bool {
	var d *deathError
	return errors.As(err, &d) && d.aside
}

// heldRun is what had to wait because the process died twice while it ran.
type heldRun interface {
	// runAgain is called once it may run.
	runAgain()
}

// admit reports, as nil, that run may run now. Otherwise s runs again once it
// may.
func (d *deaths) admit(run runID, held heldRun) error {
	if !d.some.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.counts[run]
	switch {
	case c == nil || c.Deaths < suspectAt || d.trial == run:
		return nil
	case c.Deaths >= d.max:
		return &deathError{deaths: c.Deaths, aside: true}
	}
	d.waiting[run] = held
	pause := d.pause(c)
	d.after(pause, d.pick)
	return &deathError{deaths: c.Deaths, pause: pause}
}

// pause is how long it takes until a suspect may run: 1 s, 2 s, ... 60 s of
// this process's life have passed then.
func (d *deaths) pause(c *deathCount) time.Duration {
	return time.Until(d.began.Add(min(firstRetry<<min(c.Deaths-suspectAt, 6), lastRetry)))
}

// pick lets the first of the suspects run, if none does: the one with the
// fewest deaths. Those that take long to show that they do not kill come after
// all others, the longest last: nobody is to wait for them who need not.
func (d *deaths) pick() {
	d.mu.Lock()
	if d.trial != (runID{}) {
		d.mu.Unlock()
		return
	}
	var next *deathCount
	for run := range d.waiting {
		c := d.counts[run]
		if next == nil || cmp.Or(
			cmp.Compare(max(c.proof(), lastRetry), max(next.proof(), lastRetry)),
			cmp.Compare(c.Deaths, next.Deaths), cmp.Compare(c.Number, next.Number), cmp.Compare(c.What, next.What)) < 0 {
			next = c
		}
	}
	if next == nil || d.pause(next) > 0 { // then it comes again
		d.mu.Unlock()
		return
	}
	held := d.waiting[next.runID]
	delete(d.waiting, next.runID)
	d.trial = next.runID
	d.mu.Unlock()
	held.runAgain()
}

// clear forgets the deaths of run, which has shown that it does not kill.
func (d *deaths) clear(run runID) {
	if d.some.Load() {
		d.forget(func(other runID) bool { return other == run })
	}
}

// clearInstance forgets all about an instance.
func (d *deaths) clearInstance(number history.Number) {
	if d.some.Load() {
		d.forget(func(run runID) bool { return run.Number == number })
	}
}

// forget takes the suspicion from runs, and lets those that wait because of it
// go on.
func (d *deaths) forget(which func(runID) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	freed := false
	for run := range d.counts {
		if which(run) {
			delete(d.counts, run)
			delete(d.waiting, run)
			d.dirty = true
		}
	}
	if d.trial != (runID{}) && which(d.trial) {
		d.trial, freed = runID{}, true
	}
	d.some.Store(len(d.counts) > 0)
	if freed {
		d.after(0, d.pick) // not here: the caller may hold a partition's mutex
	}
}

// outlived clears what has run clearly longer than when the process died.
func (d *deaths) outlived(run runID, ran time.Duration) {
	if !d.some.Load() {
		return
	}
	d.mu.Lock()
	c := d.counts[run]
	longer := c != nil && ran > c.proof()
	d.mu.Unlock()
	if longer {
		d.clear(run)
	}
}

// provenAfter is how much longer at least than when the process died a suspect
// runs until it is clear without having ended.
const provenAfter = 10 * time.Second

// proof is how long a suspect runs until it is clear without having ended.
func (c *deathCount) proof() time.Duration {
	ran := time.Duration(c.Seconds) * time.Second
	return ran + max(provenAfter, ran/4)
}

// remembered lists the counts of an instance.
func (d *deaths) remembered(number history.Number) []deathCount {
	if !d.some.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []deathCount
	for run, c := range d.counts {
		if run.Number == number {
			list = append(list, *c)
		}
	}
	slices.SortFunc(list, func(a, b deathCount) int { return cmp.Compare(a.What, b.What) })
	return list
}
