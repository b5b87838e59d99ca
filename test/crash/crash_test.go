package crash

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/test/process"
)

const (
	instances = 1000
	kills     = 50
	drivers   = 8 // clients at work at the same time
)

// TestKilledFiftyTimes has clients start 1,000 orchestrations of all kinds, and
// raise events, while the program is killed fifty times at random moments.
func TestKilledFiftyTimes(t *testing.T) {
	program, folder := process.Build(t, "./program"), t.TempDir()
	work := newWork()
	for kill := range kills {
		p := process.Begin(t, program, folder)
		// Each life gets its share of the starts, so that every kill hits a
		// program under load; the moment is anywhere in and after it.
		ctx, cancel := context.WithCancel(p.Gone)
		time.AfterFunc(2*time.Millisecond+rand.N(100*time.Millisecond), p.Kill)
		work.drive(ctx, p.Client, (kill+1)*instances/(kills+2))
		<-p.Gone.Done()
		cancel()
		t.Logf("kill %d: %d of %d started, %d events raised", kill+1, work.next, instances, len(work.raised))
	}

	p := process.Begin(t, program, folder)
	work.drive(t.Context(), p.Client, instances)
	for i := range instances {
		checkEnded(t, p, work, i)
	}
	p.Stop(t)
	checkStore(t, folder, withChildren(instances))
}

// checkEnded waits for instance i, and checks its output.
func checkEnded(t *testing.T, p *process.Process, work *work, i int) {
	t.Helper()
	status, err := p.Wait(t.Context(), client.InstanceID(work.id(i)))
	if err != nil {
		t.Fatalf("Wait(%s) = %v", work.id(i), err)
	}
	if want := Kinds[i%len(Kinds)].Output(i); status.RuntimeStatus != history.Completed || string(status.Output) != want {
		t.Errorf("%s ended %s with %s, want Completed with %s", work.id(i), status.RuntimeStatus, status.Output, want)
	}
}

// withChildren is how many instances there are when so many were started.
func withChildren(started int) int { return started + 2*(started/len(Kinds)) }

// work is what the clients have to do, and how far they are.
type work struct {
	mu     sync.Mutex // guards the rest
	next   int        // instances below it are taken by a client or done
	redo   []int      // taken, and not known to be done
	raised map[int]bool
}

func newWork() *work { return &work{raised: make(map[int]bool)} }

func (w *work) id(i int) string { return fmt.Sprintf("%s-%d", Kinds[i%len(Kinds)].Name, i) }

// drive starts instances up to until, until ctx ends.
func (w *work) drive(ctx context.Context, c *client.Client, until int) {
	var clients sync.WaitGroup
	for range drivers {
		clients.Go(func() {
			for ctx.Err() == nil {
				i, ok := w.take(until)
				if !ok {
					return
				}
				if err := w.start(ctx, c, i); err != nil {
					w.giveBack(i)
				}
			}
		})
	}
	clients.Wait()
}

// start starts instance i and, if it waits for an event, raises it. Done twice
// it does no harm.
func (w *work) start(ctx context.Context, c *client.Client, i int) error {
	kind := Kinds[i%len(Kinds)]
	_, err := c.Start(ctx, kind.Name, Input(kind.Name, i), client.StartOptions{ID: client.InstanceID(w.id(i)), Reuse: client.RefuseIfExists})
	if err != nil && !errors.Is(err, client.ErrAlreadyExists) {
		return err
	}
	if kind.Name != "Event" {
		return nil
	}
	err = c.Raise(ctx, client.InstanceID(w.id(i)), "go", i)
	if err != nil && !errors.Is(err, client.ErrTerminal) { // ended: an earlier raise that got no answer arrived
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.raised[i] = true
	return nil
}

func (w *work) take(until int) (i int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.redo); n > 0 {
		i = w.redo[n-1]
		w.redo = w.redo[:n-1]
		return i, true
	}
	if w.next >= until {
		return 0, false
	}
	w.next++
	return w.next - 1, true
}

func (w *work) giveBack(i int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.redo = append(w.redo, i)
}
