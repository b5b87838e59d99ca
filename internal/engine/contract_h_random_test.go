package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// This file runs random programs: orchestrators that do whatever a seed says, with
// a client that raises events and suspends and resumes at random times.

var seedFlag = flag.Uint64("seed", 0, "seed of the tests with random programs; 0: a random one")

func newSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to repeat: -seed=%d", seed)
	return seed
}

// script says what a random program does.
type script struct {
	Seed  uint64
	Depth int // parents above it
	Round int // executions before it
	// Crowded programs do many things at the same instant, so that the order of
	// what arrives is the scheduler's. The things other programs do each have an
	// instant of their own, so that all runs of them are the same.
	Crowded bool
	First   int // of the programs that run at this time, named after their numbers
}

// job is the input of the activity Job: how long it takes and at which attempt it
// succeeds.
type job struct {
	Takes     time.Duration
	Succeeds  int32
	NeverEver bool
}

const (
	doJob      = perdure.ActivityRef[job, string]("Job")
	runProgram = perdure.OrchestratorRef[script, string]("Program")
	runPatient = perdure.OrchestratorRef[script, string]("PatientProgram")
)

func addPrograms(_ *world, app *perdure.App) {
	perdure.AddActivity(app, "Job", func(ctx context.Context, j job) (string, error) {
		select {
		case <-time.After(j.Takes):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		if info, _ := perdure.ActivityInfoFrom(ctx); j.NeverEver || info.Attempt < j.Succeeds {
			return "", fmt.Errorf("attempt %d", info.Attempt)
		}
		return j.Takes.String(), nil
	})
	run := func(ctx *perdure.OrchestrationContext, s script) (string, error) {
		p := &program{ctx: ctx, script: s, rand: rand.New(rand.NewPCG(s.Seed, uint64(s.Depth<<8|s.Round)))}
		return p.run()
	}
	perdure.AddOrchestrator(app, "Program", run)
	perdure.AddOrchestrator(app, "PatientProgram", run, perdure.AwaitOutstanding())
}

// program is a random program while it runs. seen is what it has learnt so far:
// its output, so that a difference anywhere is a difference in the history.
type program struct {
	script
	ctx  *perdure.OrchestrationContext
	rand *rand.Rand
	seen string

	lastStart time.Time // when it last started an instance
}

func (p *program) run() (string, error) {
	p.pause() // a program never ends in its first turn: its end has an instant of its own
	steps := []func(){p.call, p.fanOut, p.race, p.retry, p.wait, p.cancel, p.note, p.send, p.startOther}
	for range 1 + p.rand.IntN(4) {
		steps[p.rand.IntN(len(steps))]()
	}
	switch p.rand.IntN(6) {
	case 0:
		return p.seen, errors.New(p.seen)
	case 1:
		if p.Round < 2 {
			next := p.script
			next.Round++
			var opts []perdure.ContinueOption
			if p.rand.IntN(2) == 0 {
				opts = append(opts, perdure.DiscardEvents())
			}
			return p.seen, p.ctx.ContinueAsNew(next, opts...)
		}
	}
	return p.seen, nil
}

func (p *program) learn(v any, err error) { p.seen += fmt.Sprint(v, err, ";") }

func (p *program) delay() time.Duration {
	if p.Crowded {
		return time.Duration(p.rand.IntN(3)) * time.Millisecond
	}
	return time.Duration(1+p.rand.IntN(1e8)) * time.Microsecond
}

func (p *program) job() job {
	return job{Takes: p.delay(), Succeeds: 1 + p.rand.Int32N(3), NeverEver: p.rand.IntN(5) == 0}
}

func (p *program) event() string { return fmt.Sprint("E", p.rand.IntN(3)) }

func (p *program) pause() { p.learn(p.ctx.CreateTimer(p.delay()).Await()) }

func (p *program) call() { p.learn(doJob.Call(p.ctx, p.job()).Await()) }

// start starts an activity or a child.
func (p *program) start() *perdure.Task[string] {
	if p.Depth >= 2 || p.rand.IntN(8) > 0 || !p.mayStart() {
		return doJob.Call(p.ctx, p.job())
	}
	return p.other().Call(p.ctx, p.child())
}

// mayStart reports whether the program can start an instance now. Of two that
// begin in one microsecond in one partition the second is dated one later, and
// which is the second is the scheduler's choice; so a program that is not crowded
// starts at most one in a turn.
func (p *program) mayStart() bool {
	if p.Crowded {
		return true
	}
	again := p.ctx.Now().Equal(p.lastStart)
	p.lastStart = p.ctx.Now()
	return !again
}

func (p *program) other() perdure.OrchestratorRef[script, string] {
	if p.rand.IntN(3) == 0 {
		return runPatient
	}
	return runProgram
}

func (p *program) child() script {
	s := p.script
	s.Seed, s.Depth, s.Round = p.rand.Uint64(), p.Depth+1, 0
	return s
}

func (p *program) fanOut() {
	tasks := make([]*perdure.Task[string], 2+p.rand.IntN(3))
	for i := range tasks {
		tasks[i] = p.start()
	}
	p.learn(perdure.WhenAll(p.ctx, tasks...).Await())
	for _, t := range tasks {
		p.learn(t.Await())
	}
}

func (p *program) race() {
	timer := p.ctx.CreateTimer(p.delay())
	winner, err := perdure.WhenAny(p.ctx, p.start(), timer, perdure.WaitForExternalEvent[int](p.ctx, p.event())).Await()
	if p.rand.IntN(2) == 0 {
		timer.Cancel()
	}
	p.learn(winner, err)
}

func (p *program) retry() {
	policy := perdure.RetryPolicy{FirstInterval: p.delay() + 1, MaxAttempts: 1 + p.rand.IntN(3), BackoffCoefficient: 1.5}
	p.learn(doJob.Call(p.ctx, p.job(), perdure.WithRetry(policy)).Await())
}

func (p *program) wait() {
	opts := []perdure.EventOption{perdure.WithTimeout(p.delay())}
	if p.rand.IntN(2) == 0 {
		opts = append(opts, perdure.WithDefault(-1))
	}
	p.learn(perdure.WaitForExternalEvent[int](p.ctx, p.event(), opts...).Await())
}

func (p *program) cancel() {
	timer := p.ctx.CreateTimer(p.delay())
	if p.rand.IntN(2) == 0 {
		p.pause()
	}
	timer.Cancel()
	p.learn(timer.Await())
}

func (p *program) note() {
	p.learn(len(p.ctx.NewGUID()), p.ctx.SetCustomStatus(p.rand.Uint64()))
	p.learn(p.ctx.Now().Format(time.RFC3339Nano), nil)
}

func (p *program) send() {
	to := perdure.InstanceID(fmt.Sprint("p", p.First+p.rand.IntN(maxPrograms)))
	p.learn("", perdure.SendEvent(p.ctx, to, p.event(), p.rand.IntN(100)))
	p.pause() // the next event for the same instance has an instant of its own
}

func (p *program) startOther() {
	if p.Depth == 0 && p.mayStart() {
		p.learn(p.other().Start(p.ctx, p.child()))
	}
}

// maxPrograms is how many programs run at a time: the race detector takes time in
// proportion to the goroutines there are.
const maxPrograms = 20

// runPrograms runs n random programs to their ends, with everything they start.
func (w *world) runPrograms(seed uint64, n int, crowded bool) {
	w.Helper()
	w.options.MaxActivities = 1 << 20 // an activity that has to wait for others has no instant of its own
	w.deploy(w.register)
	for first := 0; first < n; first += maxPrograms {
		var clients sync.WaitGroup
		for i := first; i < min(first+maxPrograms, n); i++ {
			p := &program{rand: rand.New(rand.NewPCG(seed, uint64(i)))}
			p.script = script{Seed: p.rand.Uint64(), Crowded: crowded, First: first}
			id := fmt.Sprint("p", i)
			w.mustStart("Program", p.script, client.StartOptions{ID: history.InstanceID(id), StartAt: time.Now().Add(p.delay())})
			clients.Go(func() { w.interfere(id, p) })
		}
		clients.Wait()
		w.waitForAll()
	}
}

// waitForAll waits until every instance has ended, those started meanwhile too.
func (w *world) waitForAll() {
	w.Helper()
	for before, ids := 0, w.instances(""); len(ids) > before; {
		for _, id := range ids {
			if _, err := w.engine.Wait(context.Background(), history.InstanceID(id)); err != nil {
				w.Fatalf("Wait(%s) = %v", id, err)
			}
		}
		w.settle() // those that the last one started have rows then
		before, ids = len(ids), w.instances("")
	}
}

// interfere is the client of a program. It does not mind when it is too late.
func (w *world) interfere(id string, p *program) {
	ctx := context.Background()
	for range 3 {
		time.Sleep(p.delay())
		var err error
		switch p.rand.IntN(4) {
		case 0:
			if err = w.Suspend(ctx, history.InstanceID(id), "because"); err == nil {
				time.Sleep(p.delay())
				err = w.Resume(ctx, history.InstanceID(id), "")
			}
		default:
			err = w.Raise(ctx, history.InstanceID(id), p.event(), p.rand.IntN(100))
		}
		if err != nil && !errors.Is(err, client.ErrTerminal) {
			w.Errorf("client of %s: %v", id, err)
		}
	}
}

// sameEvents makes events comparable that differ in execution ids, which are
// random, and in what depends on them: the id of a child, and so its partition, which
// is part of its number.
func sameEvents(events []history.Event) []history.Event {
	events = slices.Clone(events)
	for i := range events {
		if events[i].Started == nil {
			continue
		}
		started := *events[i].Started
		started.ExecutionID = ""
		if started.Parent != nil {
			parent := *started.Parent
			parent.ExecutionID, parent.Number = "", history.NewNumber(parent.Number.Micros(), 0)
			started.Parent = &parent
		}
		events[i].Started = &started
	}
	return events
}

// sameIDs names all instances in a way that does not depend on execution ids,
// which default ids of children hold: it numbers the executions of a parent that had
// children.
func (w *world) sameIDs() map[history.InstanceID]string {
	w.Helper()
	page, err := w.inner.ListInstances(context.Background(), history.Query{Limit: 1 << 20})
	if err != nil || page.Next != 0 {
		w.Fatalf("ListInstances = %v, %d", err, page.Next)
	}
	names, executions := make(map[history.InstanceID]string), make(map[history.InstanceID][]history.ExecutionID)
	numbers := make(map[history.InstanceID]history.Number)
	for _, row := range slices.Backward(page.Rows) { // parents come first
		names[row.ID], numbers[row.ID] = string(row.ID), row.Number
		if row.Parent != nil && row.Parent.Number != numbers[row.Parent.InstanceID] {
			w.Errorf("the parent of %s has the number %d, want that of %s, %d", row.ID, row.Parent.Number, row.Parent.InstanceID, numbers[row.Parent.InstanceID])
		}
		if row.Parent == nil || row.ID != history.ChildID(row.Parent.InstanceID, row.Parent.ExecutionID, row.Parent.TaskID) {
			continue
		}
		of := executions[row.Parent.InstanceID]
		if !slices.Contains(of, row.Parent.ExecutionID) {
			of = append(of, row.Parent.ExecutionID)
			executions[row.Parent.InstanceID] = of
		}
		names[row.ID] = fmt.Sprintf("%s:%d:%04x", names[row.Parent.InstanceID], slices.Index(of, row.Parent.ExecutionID), row.Parent.TaskID)
	}
	return names
}

// missingKinds lists the kinds of events that no history has although programs can
// cause them.
func missingKinds(histories map[string][]history.Event) []history.Kind {
	kinds := make(map[history.Kind]bool)
	for _, events := range histories {
		for i := range events {
			kinds[events[i].Kind] = true
		}
	}
	var missing []history.Kind
	for kind := history.ExecutionStarted; kind <= history.ExecutionResumed; kind++ {
		switch kind {
		case history.ExecutionTerminated, history.ContinueAsNew, history.GenericEvent, 2, 18: // not here, or never
		default:
			if !kinds[kind] {
				missing = append(missing, kind)
			}
		}
	}
	return missing
}

func TestH99_HistoriesDoNotDependOnTheCache(t *testing.T) {
	n := 1000 // make test runs all of them, and some once more under the race detector
	switch {
	case testing.Short():
		n = 100
	case raceDetector:
		n = 250
	}
	seed := newSeed(t)
	var mu sync.Mutex // guards first
	var first map[string][]history.Event
	contract(t, addPrograms, func(w *world) {
		w.runPrograms(seed, n, false)
		histories := make(map[string][]history.Event)
		names := w.sameIDs()
		for id, name := range names {
			events := sameEvents(w.history(string(id)))
			for i := range events {
				if name, ok := names[events[i].Instance]; ok {
					events[i].Instance = history.InstanceID(name)
				}
				if started := events[i].Started; started != nil && started.Parent != nil { // copies, see sameEvents
					started.Parent.InstanceID = history.InstanceID(names[started.Parent.InstanceID])
				}
			}
			histories[name] = events
		}
		mu.Lock()
		defer mu.Unlock()
		if first == nil {
			if missing := missingKinds(histories); len(missing) > 0 {
				w.Errorf("no program causes %v; the programs test less than they should", missing)
			}
			first = histories
			return
		}
		if len(histories) != len(first) {
			w.Errorf("there are %d instances here, %d in another mode", len(histories), len(first))
		}
		differ := 0
		for id, events := range histories {
			if diff := cmp.Diff(first[id], events); diff != "" {
				if differ++; differ <= 3 {
					w.Errorf("history of %s (-other mode +this):\n%s", id, diff)
				}
			}
		}
		if differ > 0 {
			w.Errorf("%d of %d histories differ", differ, len(histories))
		}
	})
}

func TestH100_ReplayReproducesTheActionsOfAnyInterleaving(t *testing.T) {
	seed := newSeed(t)
	contract(t, addPrograms, func(w *world) {
		w.runPrograms(seed, 150, true)
		turns := 0
		for _, id := range w.instances("") {
			turns += w.checkReplay(id)
		}
		if turns < 1000 {
			w.Errorf("only %d turns were replayed; the programs test less than they should", turns)
		}
	})
}

// checkReplay runs each turn of a recorded history again, in new sessions, and
// compares what the code asks for with what was recorded. It returns how many turns
// that were.
func (w *world) checkReplay(id string) int {
	w.Helper()
	ctx := context.Background()
	row, _, err := w.inner.FindInstance(ctx, history.InstanceID(id))
	if err != nil {
		w.Fatalf("FindInstance(%s) = %v", id, err)
	}
	var turns []history.Turn
	for turn, err := range history.Turns(w.turns(row.Number)) {
		if err != nil {
			w.Fatalf("read %s: %v", id, err)
		}
		turns = append(turns, turn)
	}
	for k, turn := range turns {
		past := func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) {
				for _, turn := range turns[:k] {
					if !yield(turn, nil) {
						return
					}
				}
			}
		}
		in, want := history.Turn{Seq: turn.Seq, At: turn.At}, []history.Event(nil)
		for _, ev := range turn.Events {
			if ev.Kind.Scheduling() || ev.Kind == history.ExecutionCompleted {
				want = append(want, ev)
			} else {
				in.Events = append(in.Events, ev)
			}
		}
		w.worker.Forget(row.Number)
		out, err := w.worker.Orchestrate(ctx, history.Work{Instance: row, Turn: in, PastTurns: k, Past: past})
		if err != nil {
			w.Errorf("replay of turn %d of %s: %v", k+1, id, err)
			continue
		}
		var got []history.Event
		for i := range out.Actions {
			if ev, ok := out.Actions[i].Event(turn.At); ok {
				got = append(got, ev)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			w.Errorf("turn %d of %s (-recorded +replayed):\n%s", k+1, id, diff)
		}
	}
	w.worker.Forget(row.Number)
	return len(turns)
}

// turns yields the records of an instance.
func (w *world) turns(number history.Number) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		for rec, err := range w.inner.Records(context.Background(), number) {
			var turn history.Turn
			if err == nil {
				turn, err = history.DecodeTurn(rec.Seq, rec.Bytes)
			}
			if !yield(turn, err) || err != nil {
				return
			}
		}
	}
}
