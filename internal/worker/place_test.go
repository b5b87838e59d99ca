package worker

import (
	"runtime"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

// A turn that gets hold of a place just as it is forgotten unloads its session:
// whoever forgets it cannot, since the turn has the place.
func TestWhoeverMeetsAForgottenPlaceEmptiesIt(t *testing.T) {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		return perdure.WaitForExternalEvent[any](ctx, "Go").Await()
	})
	w, err := New(app, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	row := history.Instance{Number: 1, ID: "i", ExecutionID: "e", Name: "Main", Status: history.Running}
	start := history.Event{Kind: history.ExecutionStarted, ID: history.NoID, Name: "Main", Started: &history.Started{ExecutionID: "e"}}
	if _, err := w.Orchestrate(t.Context(), history.Work{Instance: row, Turn: history.Turn{Seq: 1, Events: []history.Event{start}}}); err != nil {
		t.Fatal(err)
	}

	p := w.place(1)
	p.vacated.Store(true) // as Forget does, which has not yet taken it out
	next := make(chan *place)
	go func() { // received from below
		p, err := w.occupy(t.Context(), 1)
		if err != nil {
			t.Errorf("occupy = %v", err)
		}
		next <- p
	}()
	for p.session.Load() != nil {
		runtime.Gosched() // the turn unloads it, sooner or later
	}
	w.mu.Lock()
	delete(w.places, 1)
	w.mu.Unlock()
	other := <-next
	if other == p {
		t.Error("the turn has the forgotten place")
	}
	w.release(other)
}
