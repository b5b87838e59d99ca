package engine

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// This file holds work that cannot run here and now, and tries it again later
// and later.

// Hold tells why an instance does not go on although it could: its code is
// missing here, or cannot run now. Work that is held is tried again by itself,
// after 1 s, 2 s, ... up to 60 s (docs/contracts/runtime.md 6.6).
type Hold struct {
	Instance history.InstanceID
	Task     int32 // the activity that is held; history.NoID when it is the orchestrator
	Reason   string
	Since    time.Time
	Attempts int
	RetryAt  time.Time // by the clock as it was

	cause error         // behind Reason
	delay time.Duration // until it is tried again
	over  bool          // it is time to; mu of the partition guards it
}

const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// hold returns the hold that follows last (nil: none).
func (t *tenure) hold(last *Hold, id history.InstanceID, task int32, function string, err error) *Hold {
	now := t.now()
	h := &Hold{Instance: id, Task: task, Reason: err.Error(), Since: now, cause: err}
	if last != nil {
		h.Since, h.Attempts = last.Since, last.Attempts
	}
	delay := lastRetry
	if h.Attempts < 6 {
		delay = firstRetry << h.Attempts
	}
	h.Attempts++
	if d := new(deathError); errors.As(err, &d) {
		delay = max(delay, d.pause)
	}
	h.delay, h.RetryAt = delay, now.Add(delay)
	t.listener.Hold(HoldInfo{h, function, last != nil && last.Reason == h.Reason})
	return h
}

// Performing returns how many activities run now.
func (e *Engine) Performing() int {
	t := e.current()
	if t == nil {
		return 0
	}
	n := 0
	for _, p := range t.partitions {
		p.mu.Lock()
		for _, inst := range p.instances {
			for _, a := range inst.tasks {
				if a.running.Load() {
					n++
				}
			}
		}
		p.mu.Unlock()
	}
	return n
}

// Held lists what is held now, by instance and task.
func (e *Engine) Held() []Hold {
	t := e.current()
	if t == nil {
		return nil
	}
	var holds []Hold
	for _, p := range t.partitions {
		p.mu.Lock()
		for _, inst := range p.instances {
			if inst.held != nil {
				holds = append(holds, *inst.held)
			}
			for _, a := range inst.tasks {
				if a.held != nil {
					holds = append(holds, *a.held)
				}
			}
		}
		p.mu.Unlock()
	}
	slices.SortFunc(holds, func(a, b Hold) int {
		if c := strings.Compare(string(a.Instance), string(b.Instance)); c != 0 {
			return c
		}
		return int(a.Task) - int(b.Task)
	})
	return holds
}
