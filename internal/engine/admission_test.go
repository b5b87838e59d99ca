package engine

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/internal/hub"
)

// waitingCalls calls admit for each payload, in this order, and returns the results
// by their place, in the order they came.
type waitingCalls struct {
	mu      sync.Mutex // guards the rest
	order   []int
	results map[int]error
}

func (as *waitingCalls) apply(ctx context.Context, a *admission, payloads ...int) {
	for i, payload := range payloads {
		go func() { // ends with the bubble of the test
			err := a.admit(ctx, payload)
			as.mu.Lock()
			defer as.mu.Unlock()
			if as.results == nil {
				as.results = make(map[int]error)
			}
			as.order = append(as.order, i)
			as.results[i] = err
		}()
		synctest.Wait() // they come one after another
	}
}

func (as *waitingCalls) admitted() (places []int) {
	as.mu.Lock()
	defer as.mu.Unlock()
	for _, i := range as.order {
		if as.results[i] == nil {
			places = append(places, i)
		}
	}
	return places
}

func TestAdmissionHasRoomUpToTheLimitAndThenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(&Options{Hub: "Orders", MaxBacklogBytes: 4 * messageBytes}, false)
		var as waitingCalls
		as.apply(t.Context(), a, 0, 0, 0, 0, messageBytes, 0)
		if got, want := as.admitted(), []int{0, 1, 2, 3}; !slices.Equal(got, want) {
			t.Fatalf("admitted at once: %v, want %v", got, want)
		}
		for i, want := range [][]int{
			{0, 1, 2, 3, 4}, // although there is not room for all of it
			{0, 1, 2, 3, 4},
			{0, 1, 2, 3, 4, 5},
		} {
			a.release(0)
			synctest.Wait()
			if got := as.admitted(); !slices.Equal(got, want) {
				t.Fatalf("admitted after %d releases: %v, want %v", i+1, got, want)
			}
		}
		a.release(0)
		a.release(0)
		a.release(messageBytes)
		if got := a.used.Load(); got != 0 || a.bytes != 0 || a.crowded.Load() {
			t.Errorf("at hand when all are done: %d bytes, %d waiting, crowded %t; want nothing", got, a.bytes, a.crowded.Load())
		}
	})
}

func TestAdmissionRefusesAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(&Options{Hub: "Orders", MaxBacklogBytes: 1}, false)
		a.add(5)
		began := time.Now()
		err := a.admit(t.Context(), 10)
		if took := time.Since(began); took != patience {
			t.Errorf("admit took %v, want %v", took, patience)
		}
		const want = "resource exhausted: task hub Orders has 5 bytes of work at hand, the limit is 1 (maxBacklogBytes); nothing was stored, try again in a moment"
		if !errors.Is(err, hub.ErrResourceExhausted) || err.Error() != want {
			t.Errorf("admit error = %v, want %s", err, want)
		}
		a.add(-5)
		if err := a.admit(t.Context(), 10); err != nil {
			t.Errorf("admit once there is room: %v", err)
		}
	})
}

func TestAdmissionEndsWithTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(&Options{Hub: "", MaxBacklogBytes: 1}, true)
		a.add(1)
		ctx, cancel := context.WithTimeout(t.Context(), patience/2)
		defer cancel()
		err := a.admit(ctx, 0)
		if !errors.Is(err, hub.ErrResourceExhausted) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("admit error = %v, want ErrResourceExhausted and the context's", err)
		}
		a.add(-1)
		if got := a.used.Load(); got != 0 || len(a.waiting) != 0 || a.crowded.Load() {
			t.Errorf("who gave up left %d bytes and %d waiting, want nothing", got, len(a.waiting))
		}
	})
}

func TestAdmissionBoundsThoseWhoWait(t *testing.T) {
	for _, tt := range []struct {
		name     string
		payloads []int
		limit    int
		waiting  int
	}{
		{"by number", slices.Repeat([]int{0}, maxAdmissionWaiters+10), 1 << 30, maxAdmissionWaiters},
		{"by bytes", slices.Repeat([]int{1 << 10}, 10), 4 * (1<<10 + messageBytes), 4},
		{"but for one", []int{1 << 20, 0}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAdmission(&Options{Hub: "Orders", MaxBacklogBytes: tt.limit}, false)
				a.add(int64(tt.limit))
				var as waitingCalls
				as.apply(t.Context(), a, tt.payloads...)
				if refused := len(as.results); refused != len(tt.payloads)-tt.waiting || len(a.waiting) != tt.waiting {
					t.Errorf("%d are refused at once and %d wait, want %d to wait", refused, len(a.waiting), tt.waiting)
				}
			})
		})
	}
}

func TestAdmissionWithoutALimit(t *testing.T) {
	a := newAdmission(&Options{Hub: "", MaxBacklogBytes: -1}, false)
	a.add(1 << 60)
	if err := a.admit(t.Context(), 1<<30); err != nil {
		t.Errorf("admit error = %v, want none: there is no limit", err)
	}
}
