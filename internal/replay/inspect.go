package replay

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/perdure/perdure/internal/history"
)

// Awaits returns the events that would end or advance the look in which the
// code is parked after w.Past, and those that are kept though it does not look
// for their names, each by name. A session that is new replays the past. The
// session must not be running.
func (s *Session) Awaits(ctx context.Context, w history.Work) ([]history.Await, []history.Kept, error) {
	if s.turns == 0 && w.PastTurns > 0 {
		if err := s.replay(ctx, w); err != nil {
			return nil, nil, err
		}
	}
	if s.fatal != nil {
		return nil, nil, errors.New(s.fatal.Message)
	}
	names := make(map[string]bool) // that the look is for
	var awaits []history.Await
	if t := s.parked.task; t != nil {
		eachWait(t, func(w *eventWait) { names[w.key] = true })
		awaits = s.awaited(t)
	}
	return awaits, s.kept(names), nil
}

// eachWait calls do for the waits in t that have not ended.
func eachWait(t *Task, do func(*eventWait)) {
	switch {
	case t.done:
	case t.wait != nil:
		do(t.wait)
	case t.members != nil:
		for _, m := range t.members.of {
			eachWait(m, do)
		}
	}
}

func (s *Session) awaited(t *Task) []history.Await {
	found := make(map[string]history.Await)
	s.lacking(t, func(t *Task) {
		if _, ok := found[t.wait.key]; ok {
			return // the one before gets the event
		}
		a := history.Await{Event: t.Name, Since: t.wait.since, Timer: history.NoID}
		if t.wait.limit != nil {
			a.Until, a.Timer = t.wait.until, t.wait.limit.ID
		}
		found[t.wait.key] = a
	})
	s.undo(0)
	return slices.SortedFunc(maps.Values(found), func(a, b history.Await) int { return cmp.Compare(a.Event, b.Event) })
}

// lacking calls do for the waits in t that cannot end. What can end has, until
// it is undone: an event is for the first.
func (s *Session) lacking(t *Task, do func(*Task)) {
	switch {
	case s.try(t):
	case t.wait != nil:
		do(t)
	case t.members != nil:
		start := len(s.journal)
		for _, m := range t.members.of {
			if s.lacking(m, do); t.members.one {
				s.undo(start) // the others are as good
			}
		}
	}
}

// kept returns what queues hold under other names than these. Events that came
// while the instance is suspended are on their way there, those that came after
// the code had ended are for the next execution.
func (s *Session) kept(names map[string]bool) []history.Kept {
	found := make(map[string]history.Kept)
	add := func(ev *history.Event) {
		key := fold(ev.Name)
		if names[key] {
			return
		}
		k, ok := found[key]
		if !ok {
			k = history.Kept{Event: ev.Name, Since: ev.At}
		}
		k.Count++
		found[key] = k
	}
	for _, ev := range s.rest() {
		add(&ev)
	}
	for i := range s.late {
		add(&s.late[i])
	}
	for _, ev := range s.held {
		if ev.Kind == history.EventRaised {
			add(ev)
		}
	}
	return slices.SortedFunc(maps.Values(found), func(a, b history.Kept) int { return cmp.Compare(a.Event, b.Event) })
}
