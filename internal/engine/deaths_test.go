package engine

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// ground is a store of a hub whose instances live, with what outlives a process.
type ground struct {
	store.Store
	words []atomic.Uint64
	memo  []byte
	fault func(memo []byte) error // of SetMemo, if any
}

func (g *ground) Notes(n int) (words []atomic.Uint64, before []uint64, err error) {
	for i := range g.words {
		before = append(before, g.words[i].Load())
	}
	if n == 0 {
		return nil, before, nil
	}
	g.words = make([]atomic.Uint64, n)
	for i := range min(n, len(before)) {
		g.words[i].Store(before[i])
	}
	return g.words, before, nil
}

func (g *ground) Memo(context.Context) ([]byte, error) { return g.memo, nil }

func (g *ground) SetMemo(_ context.Context, memo []byte) error {
	if g.fault != nil {
		return g.fault(memo)
	}
	g.memo = slices.Clone(memo)
	return nil
}

func (g *ground) LastRecord(context.Context, history.Number) (store.Record, bool, error) {
	turn := history.Turn{Seq: 1, Events: []history.Event{{Kind: history.ExecutionStarted, ID: history.NoID, Started: &history.Started{}}}}
	return store.Record{Seq: 1, Bytes: history.AppendTurn(nil, &turn)}, true, nil
}

// life begins a life of a process at second at, of the build of that name.
func (g *ground) life(at int64, build string) *deaths {
	o := Options{Now: func() time.Time { return time.Unix(at, 0) }, Build: func() string { return build }}
	o.setDefaults()
	d := newDeaths(context.Background(), g, true, &o)
	d.restart(func(time.Duration, func()) {})
	return d
}

var suspect = activityRun(7, 0, 1)

// dies is a life in which suspect runs and the process dies.
func (g *ground) dies(at int64, build string) {
	g.life(at, build).take().begin(suspect)
}

func TestADeathIsCountedOnceWhateverIsLost(t *testing.T) {
	refused := errors.New("no memo is stored")
	for name, test := range map[string]struct {
		between func(g *ground) // two deaths, and then a life that looks
		want    int
	}{
		"nothing is lost": {func(*ground) {}, 2},
		"the notes are": {func(g *ground) { // with the power
			for i := range g.words {
				g.words[i].Store(0)
			}
		}, 1},
		"a note is torn": {func(g *ground) {
			for at := 1; at < len(g.words); at += noteWords {
				g.words[at+noteNumber].Store(0) // written last, cleared first
			}
		}, 1},
		"the process dies before the counts are stored": {func(g *ground) {
			g.fault = func([]byte) error { return refused }
			g.life(25, "")
			g.fault = nil
		}, 2},
		"the process dies when the counts are stored and the notes still stand": {func(g *ground) {
			g.fault = func(memo []byte) error { g.memo = slices.Clone(memo); return refused }
			g.life(25, "")
			g.fault = nil
		}, 2},
		"the process dies when something else was cleared": {func(g *ground) {
			g.memo = nil
			for i := range g.words {
				g.words[i].Store(0)
			}
			other := activityRun(8, 0, 1)
			first := g.life(21, "")
			first.take().begin(other)
			first.take().begin(suspect)
			second := g.life(22, "")
			second.clear(other)
			second.keep(context.Background()) // while it lives
			second.take().begin(suspect)
		}, 2},
		"somebody looks on where no app runs": {func(g *ground) {
			o := Options{Now: func() time.Time { return time.Unix(25, 0) }}
			o.setDefaults()
			if c := newDeaths(context.Background(), g, false, &o).remembered(7); len(c) != 1 || c[0].Deaths != 2 {
				t.Errorf("who looks on sees %+v, want both deaths", c)
			}
		}, 2},
		"a stop in good order": {func(g *ground) { g.life(25, "").end(context.Background()) }, 2},
		"another build":        {func(g *ground) { g.life(25, "mended").end(context.Background()) }, 1}, // the last may be its own
	} {
		t.Run(name, func(t *testing.T) {
			g := new(ground)
			g.dies(10, "")
			g.dies(20, "")
			test.between(g)
			got, build := 0, ""
			if name == "another build" {
				build = "mended"
			}
			for _, c := range g.life(30, build).remembered(7) {
				got += c.Deaths
			}
			if got != test.want {
				t.Errorf("%d deaths are counted, want %d", got, test.want)
			}
		})
	}
}

// heldFunc is a run that is nothing else.
type heldFunc func()

func (f heldFunc) runAgain() { f() }

func TestALongSuspectKeepsNobodyWaiting(t *testing.T) {
	d := &deaths{
		after: func(time.Duration, func()) {}, began: time.Now(), max: 9,
		counts: make(map[runID]*deathCount), waiting: make(map[runID]heldRun),
	}
	d.some.Store(true)
	var order []history.Number
	admit := func(number history.Number, deaths int, seconds uint64) {
		run := activityRun(number, 0, 1)
		d.counts[run] = &deathCount{runID: run, Deaths: deaths, Seconds: seconds}
		if err := d.admit(run, heldFunc(func() { order = append(order, number) })); err == nil {
			t.Fatalf("a suspect of %d deaths may run at once", deaths)
		}
	}
	admit(1, 2, 7200) // innocent: it has run for hours
	admit(2, 2, 3600)
	admit(3, 3, 5)
	admit(4, 2, 8)
	if d.pick(); len(order) > 0 {
		t.Fatalf("%v runs at once, want a pause", order)
	}
	for d.began = d.began.Add(-time.Minute); len(order) < 4; d.clear(activityRun(order[len(order)-1], 0, 1)) {
		n := len(order)
		if d.pick(); len(order) != n+1 {
			t.Fatalf("after %v nobody runs", order)
		}
	}
	if want := []history.Number{4, 3, 2, 1}; !slices.Equal(order, want) {
		t.Errorf("suspects run in the order %v, want %v: fewest deaths first, those that take long last", order, want)
	}

	long := activityRun(1, 0, 1)
	d.counts[long] = &deathCount{runID: long, Deaths: 2, Seconds: 7200}
	d.some.Store(true)
	if d.outlived(long, 2*time.Hour+30*time.Minute); d.counts[long] == nil {
		t.Error("a suspect is clear before it has run clearly longer than when the process died")
	}
	if d.outlived(long, 2*time.Hour+31*time.Minute); d.counts[long] != nil {
		t.Error("a suspect is not clear although it has run clearly longer than when the process died")
	}
}
