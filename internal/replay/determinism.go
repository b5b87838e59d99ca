package replay

import (
	"fmt"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// match checks that the code asked for what the turn recorded: each scheduling
// event has a pending action of its sequence id, of the same kind and, where
// the kind has a name, of the same name ignoring case. Nothing else is compared
// (docs/contracts/runtime.md 3.4). What matches is no longer pending.
func (s *Session) match(t *history.Turn) {
	rest, next := s.pending[:0], 0
	rewound, before := false, s.recorded
	for i := range t.Events {
		ev := &t.Events[i]
		rewound = rewound || ev.Kind == history.ExecutionRewound
		if !ev.Kind.Scheduling() || rewound && ev.Kind == history.SubOrchestrationInstanceCreated && ev.ID <= before {
			continue // the latter is a call of an earlier turn, whose child was started again
		}
		s.recorded = max(s.recorded, ev.ID)
		for next < len(s.pending) && s.pending[next].ID < ev.ID {
			rest = append(rest, s.pending[next])
			next++
		}
		var did *history.Action
		if next < len(s.pending) && s.pending[next].ID == ev.ID {
			did = &s.pending[next]
			next++
		}
		if did == nil || !fits(did, ev) {
			s.fatal = s.misfit(t, ev, did)
			return
		}
	}
	s.pending = append(rest, s.pending[next:]...)
}

func fits(a *history.Action, ev *history.Event) bool {
	recorded, _ := a.Event(ev.At)
	return recorded.Kind == ev.Kind && (ev.Kind == history.TimerCreated || strings.EqualFold(a.Name, ev.Name))
}

// misfit says what was recorded and what the code did instead.
func (s *Session) misfit(t *history.Turn, ev *history.Event, did *history.Action) *history.Failure {
	instead := "nothing"
	if did != nil {
		instead = describe(did.Kind.String(), did.ID, did.Name)
	}
	return &history.Failure{
		Type: history.FailureNonDeterministic,
		Message: fmt.Sprintf("turn %d (%s) recorded %s, but in replay the code did %s: "+
			"the orchestrator's code has changed since the instance started, or it does not do the same each time it runs",
			s.turns, t.At.UTC().Format(time.RFC3339), describe(ev.Kind.String(), ev.ID, ev.Name), instead),
		NonRetriable: true,
	}
}

func describe(kind string, id int32, name string) string {
	if name == "" {
		return fmt.Sprintf("%s #%d", kind, id)
	}
	return fmt.Sprintf("%s #%d %q", kind, id, name)
}
