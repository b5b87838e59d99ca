package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// Clocks that are set wrong and right again. Whatever happened meanwhile: what is due by a
// clock that is right happens within seconds, by time that really passes.

// setClock has the clock go ahead by so much from now on; 0: right.
func (w *world) setClock(ahead time.Duration) { w.skew.Store(int64(ahead)) }

// within fails unless what began at that time has ended by now, and took so long, or some
// seconds more.
func (w *world) within(what string, began time.Time, want time.Duration) {
	w.Helper()
	if took := time.Since(began); took < want || took > want+3*time.Second {
		w.Errorf("%s: took %v, want %v", what, took, want)
	}
}

func addClocks(w *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Sleep", func(ctx *perdure.OrchestrationContext, d time.Duration) (int, error) {
		_, err := ctx.CreateTimer(d).Await()
		return 0, err
	})
	perdure.AddOrchestrator(app, "Later", func(ctx *perdure.OrchestrationContext, d time.Duration) (int, error) {
		if _, err := perdure.WaitForExternalEvent[int](ctx, "Go").Await(); err != nil {
			return 0, err
		}
		if _, err := ctx.CreateTimer(d).Await(); err != nil {
			return 0, err
		}
		_, err := perdure.WaitForExternalEvent[int](ctx, "Never", perdure.WithTimeout(d)).Await()
		if late := new(perdure.TimeoutError); !errors.As(err, &late) {
			return 0, err
		}
		return callFlaky.Call(ctx, 0, perdure.WithRetry(perdure.RetryPolicy{MaxAttempts: 2, FirstInterval: d})).Await()
	})
	perdure.AddActivity(app, "Flaky", func(context.Context, int) (int, error) {
		if w.mark("flaky")%2 == 1 {
			return 0, errors.New("first")
		}
		return 0, nil
	})
}

const callFlaky = perdure.ActivityRef[int, int]("Flaky")

func TestClock_TimersAndStartsAfterAClockThatWasBehind(t *testing.T) {
	contract(t, addClocks, func(w *world) {
		began := time.Now()
		w.mustStart("Sleep", 20*time.Second, client.StartOptions{ID: "a"})
		w.mustStart("Sleep", time.Duration(0), client.StartOptions{ID: "b", StartAt: began.Add(20 * time.Second)})
		w.settle()
		w.setClock(-time.Hour)
		w.mustStart("Sleep", time.Second, client.StartOptions{ID: "c"}) // the engine looks at the clock
		w.completed("c")
		w.within("a timer of a clock that is behind", began, time.Second)
		w.setClock(0)
		w.completed("a")
		w.within("a timer from before", began, 20*time.Second)
		w.completed("b")
		w.within("a start from before", began, 20*time.Second)
		w.idle()
	})
}

func TestClock_WhatIsSetWhileTheClockIsAhead(t *testing.T) {
	contract(t, addClocks, func(w *world) {
		w.mustStart("Later", 10*time.Second, client.StartOptions{ID: "l"})
		w.settle()
		w.setClock(24 * time.Hour)
		w.raise("l", "Other", 1) // a turn in that time
		w.settle()
		w.setClock(0)
		began := time.Now()
		w.raise("l", "Go", 1)
		w.completed("l")
		w.within("a timer, a limit and a retry", began, 30*time.Second)
		w.idle()
	})
}

func TestClock_AheadFiresWithinSeconds(t *testing.T) {
	contract(t, addClocks, func(w *world) {
		began := time.Now()
		w.mustStart("Sleep", 24*time.Hour, client.StartOptions{ID: "a"})
		w.settle()
		w.setClock(24 * time.Hour)
		w.completed("a")
		w.within("a timer of a day", began, 0)
		w.idle()
	})
}

// What is held is tried again after its pause, whatever the clock does.
func TestClock_HeldWorkIsTriedAgain(t *testing.T) {
	contract(t, addClocks, func(w *world) {
		w.mustStart("Sleep", time.Hour, client.StartOptions{ID: "a"})
		w.settle()
		w.deploy(func(*world, *perdure.App) {}) // nobody has its code
		w.raise("a", "Go", 0)
		w.settle()
		if held := w.engine.Held(); len(held) != 1 || held[0].Attempts != 1 {
			w.Fatalf("held: %+v, want a", held)
		}
		w.setClock(-time.Hour)
		time.Sleep(10 * time.Second) // after 1, 2 and 4 s
		if held := w.engine.Held(); len(held) != 1 || held[0].Attempts != 4 {
			w.Errorf("with a clock that went back: %+v, want four attempts", held)
		}
		w.terminate("a", client.TerminateOptions{})
		w.ended("a", history.Terminated)
	})
}

// Instances tell when they were created, also those that follow a clock that was ahead,
// and after a restart.
func TestClock_InstancesTellWhenTheyWereCreated(t *testing.T) {
	contract(t, addClocks, func(w *world) {
		start := func(id string) {
			w.Helper()
			w.mustStart("Sleep", time.Duration(0), client.StartOptions{ID: history.InstanceID(id)})
			w.completed(id)
			right := time.Now().Add(time.Duration(w.skew.Load()))
			if at := w.status(id).CreatedAt; at.Before(right.Add(-3*time.Second)) || at.After(right.Add(time.Second)) {
				w.Errorf("%s tells that it was created at %v, want %v", id, at, right)
			}
		}
		start("a")
		w.setClock(24 * time.Hour)
		start("b")
		w.setClock(0)
		time.Sleep(time.Second)
		start("c")
		w.crash()
		start("d")
		w.crash()
		start("e")
		page, err := w.List(context.Background(), client.Query{})
		if err != nil || len(page.Items) != 5 {
			w.Errorf("List = %d instances, error %v, want 5", len(page.Items), err)
		}
		w.idle()
	})
}
