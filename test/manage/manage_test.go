package manage

import (
	"context"
	"encoding/json"
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
	clients   = 50
	instances = 200
	duration  = time.Minute
	kills     = 2
)

// TestConcurrentManagement: every answer was true, and every end is explained by
// a serial order of what was acknowledged.
func TestConcurrentManagement(t *testing.T) {
	program, folder := process.Build(t, "./program"), t.TempDir()
	log := newLog()
	for range kills + 1 {
		p := process.Begin(t, program, folder)
		life := duration / (kills + 1)
		log.drive(p, time.Now().Add(life-rand.N(life/4)))
		p.Kill()
		log.close()
		verifyAudit(t, folder)
	}
	p := process.Begin(t, program, folder)
	for i := range instances {
		log.settle(t, p.Client, i)
	}
	p.Stop(t)
	log.checkAudit(t, folder)

	total, lost := 0, 0
	var failures int
	for i, ops := range log.operations {
		total += len(ops)
		for _, op := range ops {
			if op.answer == unknown {
				lost++
			}
		}
		if text := explain(ops); text != "" {
			if failures++; failures <= 3 {
				t.Errorf("instance %s: %s", id(i), text)
			}
		}
	}
	t.Logf("%d operations, %d without an answer, %d instances not explained", total, lost, failures)
}

// TestCheckerFindsLies: an answer that cannot be true is not explained.
func TestCheckerFindsLies(t *testing.T) {
	const ms = time.Millisecond
	op := func(k kind, reason, answer string, called, answered time.Duration) operation {
		return operation{k, reason, answer, called, answered}
	}
	for name, tt := range map[string]struct {
		ops  []operation
		true bool
	}{
		"a start is lost":               {[]operation{op(start, "", ok, 0, ms), op(status, "", absent, 2*ms, 3*ms)}, false},
		"a start was not seen yet":      {[]operation{op(start, "", ok, 0, 3*ms), op(status, "", absent, ms, 2*ms)}, true},
		"two starts of one id":          {[]operation{op(start, "", ok, 0, 3*ms), op(start, "", ok, 0, 3*ms)}, false},
		"one of two starts":             {[]operation{op(start, "", ok, 0, 3*ms), op(start, "", conflict, 0, 3*ms)}, true},
		"an event is lost":              {[]operation{op(start, "", ok, 0, ms), op(done, "", ok, 2*ms, 3*ms), op(settled, "", live, 4*ms, 5*ms)}, false},
		"an event arrives":              {[]operation{op(start, "", ok, 0, ms), op(done, "", ok, 2*ms, 3*ms), op(settled, "", completed, 4*ms, 5*ms)}, true},
		"an event that may be lost":     {[]operation{op(start, "", ok, 0, ms), op(done, "", unknown, 2*ms, 3*ms), op(settled, "", live, 4*ms, 5*ms)}, true},
		"an event that may arrive":      {[]operation{op(start, "", ok, 0, ms), op(done, "", unknown, 2*ms, 3*ms), op(settled, "", completed, 4*ms, 5*ms)}, true},
		"an event of a dead program":    {[]operation{op(start, "", ok, 0, ms), op(done, "", unknown, 2*ms, 3*ms), op(settled, "", live, 4*ms, 5*ms), op(settled, "", completed, 6*ms, 7*ms)}, false},
		"a purge did not remove it":     {[]operation{op(start, "", ok, 0, ms), op(done, "", ok, 2*ms, 3*ms), op(purge, "", ok, 4*ms, 5*ms), op(status, "", completed, 6*ms, 7*ms)}, false},
		"the first reason counts":       {[]operation{op(start, "", ok, 0, ms), op(terminate, "a", ok, 2*ms, 3*ms), op(terminate, "b", ok, 4*ms, 5*ms), op(settled, "", "Terminated b", 6*ms, 7*ms)}, false},
		"a suspended instance goes on":  {[]operation{op(start, "", ok, 0, ms), op(suspend, "", ok, 2*ms, 3*ms), op(done, "", ok, 4*ms, 5*ms), op(settled, "", completed, 6*ms, 7*ms)}, false},
		"a failed one is completed":     {[]operation{op(start, "", ok, 0, ms), op(fail, "", ok, 2*ms, 3*ms), op(settled, "", failed, 4*ms, 5*ms), op(status, "", completed, 6*ms, 7*ms)}, false},
		"a rewound one keeps its event": {[]operation{op(start, "", ok, 0, ms), op(fail, "", ok, 2*ms, 3*ms), op(done, "", ok, 2*ms, 3*ms), op(settled, "", failed, 4*ms, 5*ms), op(rewind, "", ok, 6*ms, 7*ms), op(settled, "", live, 8*ms, 9*ms)}, false},
	} {
		if got := explain(tt.ops); (got == "") != tt.true {
			t.Errorf("%s: explained: %t, want %t\n%s", name, got == "", tt.true, got)
		}
	}
}

func id(i int) string { return fmt.Sprint("gate-", i) }

// log is what the clients asked and what they were told.
type log struct {
	began   time.Time
	answers sync.WaitGroup // clients at work

	mu         sync.Mutex // guards operations
	operations [instances][]operation
}

func newLog() *log { return &log{began: time.Now()} }

// drive lets the clients work until the time until.
func (l *log) drive(p *process.Process, until time.Time) {
	for range clients {
		l.answers.Go(func() { // ends soon after until, or when the program is killed
			for time.Now().Before(until.Add(100*time.Millisecond)) && p.Gone.Err() == nil {
				l.ask(p, rand.N(instances), wish())
			}
		})
	}
	time.Sleep(time.Until(until)) // the program is killed while they are at it
}

// wish draws an operation.
func wish() kind {
	often := []kind{start, start, start, done, fail, fail, terminate, suspend, resume, resume, resume, rewind, rewind, restart, purge, status, status}
	return often[rand.N(len(often))]
}

// close waits for the clients of a program that is gone: what has no answer by
// now has happened, or it never will.
func (l *log) close() {
	l.answers.Wait()
	for _, ops := range l.operations {
		for i := range ops {
			if ops[i].answered == pending {
				ops[i].answered = time.Since(l.began)
			}
		}
	}
}

// pending stands for the time of an answer until there is one.
const pending = time.Duration(-1)

// ask does one operation and notes it.
func (l *log) ask(p *process.Process, i int, k kind) {
	op := operation{kind: k, called: time.Since(l.began), answered: pending}
	if k == terminate {
		op.reason = fmt.Sprint("r", op.called)
	}
	l.mu.Lock()
	at := len(l.operations[i])
	l.operations[i] = append(l.operations[i], op)
	l.mu.Unlock()
	answer := do(p.Gone, p.Client, id(i), op)
	l.mu.Lock()
	defer l.mu.Unlock()
	noted := &l.operations[i][at]
	if noted.answer = answer; answer != unknown {
		noted.answered = time.Since(l.began)
	}
}

// do calls the client and puts the answer into the words of the model.
func do(ctx context.Context, c *client.Client, id string, op operation) string {
	var err error
	switch op.kind {
	case start:
		_, err = c.Start(ctx, "Gate", nil, client.StartOptions{ID: client.InstanceID(id)})
	case done:
		err = c.Raise(ctx, client.InstanceID(id), "go", "done")
	case fail:
		err = c.Raise(ctx, client.InstanceID(id), "go", "fail")
	case terminate:
		err = c.Terminate(ctx, client.InstanceID(id), client.TerminateOptions{Reason: op.reason})
	case suspend:
		err = c.Suspend(ctx, client.InstanceID(id), "")
	case resume:
		err = c.Resume(ctx, client.InstanceID(id), "")
	case rewind:
		err = c.Rewind(ctx, client.InstanceID(id), client.RewindOptions{})
	case restart:
		_, err = c.Restart(ctx, client.InstanceID(id), client.RestartOptions{SameID: true})
	case purge:
		_, err = c.Purge(ctx, client.InstanceID(id), client.PurgeOptions{MustExist: true})
	case status:
		return look(ctx, c, id)
	}
	return word(err)
}

// word is an error in the words of the model.
func word(err error) string {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, client.ErrNotFound):
		return absent
	case errors.Is(err, client.ErrAlreadyExists):
		return conflict
	case errors.Is(err, client.ErrTerminal):
		return ended
	case errors.Is(err, client.ErrInvalidState):
		return wrong
	case errors.Is(err, client.ErrUnavailable), errors.Is(err, context.Canceled):
		return unknown
	}
	return err.Error() // nothing explains it
}

func look(ctx context.Context, c *client.Client, id string) string {
	status, err := c.Status(ctx, client.InstanceID(id), client.StatusOptions{})
	switch {
	case err != nil:
		return word(err)
	case !status.Terminal():
		return live
	case status.RuntimeStatus == history.Terminated:
		var reason string
		if err := json.Unmarshal(status.Output, &reason); err != nil {
			return "Terminated without a reason"
		}
		return stopped + " " + reason
	}
	return status.RuntimeStatus.String()
}

// settle notes the status of an instance once it waits for nothing but clients.
func (l *log) settle(t *testing.T, c *client.Client, i int) {
	op := operation{kind: settled, called: time.Since(l.began)}
	for {
		why, err := c.Explain(t.Context(), client.InstanceID(id(i)))
		if errors.Is(err, client.ErrNotFound) {
			break
		}
		if err != nil {
			t.Fatalf("Explain(%s): %v", id(i), err)
		}
		moving := false
		for _, wait := range why.Waits {
			moving = moving || wait.Kind != "event" && wait.Kind != "resume"
		}
		if !moving {
			break
		}
	}
	op.answer = look(t.Context(), c, id(i))
	op.answered = time.Since(l.began)
	l.operations[i] = append(l.operations[i], op)
}
