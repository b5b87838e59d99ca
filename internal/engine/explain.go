package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file tells why an instance does not move, or how it ended. It reads what
// is stored first and asks memory afterwards for what no history shows: what
// runs, what is held, what code waits for.

// maxExplained bounds how many instances of a tree one explanation looks at.
const maxExplained = 64

// Explain tells why an instance is where it is, and the one action that would
// move it; of an instance that waits for a child, the one that moves the child.
// It changes nothing. Errors: ErrNotFound, or what reading the store led to.
func (e *Engine) Explain(ctx context.Context, id history.InstanceID) (hub.Explanation, error) {
	if _, err := e.owner(ctx); ctx.Err() != nil { // else what is stored tells enough
		return hub.Explanation{}, err
	}
	budget := maxExplained
	x, err := e.explain(ctx, id, &budget)
	if t := e.current(); t != nil {
		x.LeftBehind = t.watch.leftBehind()
	}
	return x, err
}

// explain is Explain within a budget of instances to look at: trees can be
// large, and their children wait for each other.
func (e *Engine) explain(ctx context.Context, id history.InstanceID, budget *int) (hub.Explanation, error) {
	*budget--
	a, err := picture(ctx, e.store, id)
	if err != nil {
		return hub.Explanation{}, err
	}
	s := situation{row: a.Instance, turns: a.Turns, now: e.options.Now(), hosted: e.exec.runs && e.current() != nil, children: make(map[history.InstanceID]child)}
	for i := range a.Turns {
		s.state.Apply(&a.Turns[i])
	}
	if s.row.Status == history.Failed {
		if err := e.explainFailure(ctx, &s, budget); err != nil {
			return hub.Explanation{}, err
		}
	}
	if s.row.Status.Terminal() {
		return e.unwinding(s.ended()), nil
	}
	if err := e.dropCancelled(ctx, &s); err != nil {
		return hub.Explanation{}, err
	}
	e.look(&s)
	for _, ev := range decide.InOrder(s.state.Open) {
		if ev.Kind == history.SubOrchestrationInstanceCreated && *budget > 0 {
			why, err := e.explain(ctx, ev.Instance, budget)
			if err != nil && !errors.Is(err, hub.ErrNotFound) {
				return hub.Explanation{}, err
			}
			s.children[ev.Instance] = child{found: err == nil || e.starting(ev.Instance), why: why}
		}
	}
	if s.hosted && s.state.Turns > 0 && len(s.state.Waiting) == 0 {
		turns := a.Turns
		s.awaits, s.kept, s.unknown = e.exec.Awaits(ctx, history.Work{
			Instance: s.row, PastTurns: s.state.Turns,
			Past: func(context.Context) iter.Seq2[history.Turn, error] {
				return history.Turns(func(yield func(history.Turn, error) bool) {
					for i := range turns {
						if !yield(turns[i], nil) {
							return
						}
					}
				})
			},
		})
	}
	x := s.explain()
	x.Summary += s.died()
	return x, nil
}

// died tells of the times that the program died while the instance was running.
func (s *situation) died() string {
	var told strings.Builder
	for _, c := range s.deaths {
		if c.What>>63 == 1 && s.aside != nil {
			continue // that has been told
		}
		what := "Its code"
		if ev := s.state.Open[int32(uint32(c.What))]; c.What>>63 == 0 {
			if ev == nil {
				continue
			}
			what = fmt.Sprintf("The activity %q", ev.Name)
		}
		fmt.Fprintf(&told, " %s was running each of the last %d times that the program died.", what, c.Deaths)
	}
	return told.String()
}

// unwinding adds to what is told of an instance that has ended that its
// deferred functions have not.
func (e *Engine) unwinding(x hub.Explanation) hub.Explanation {
	if t := e.current(); t != nil {
		if since, place, ok := t.watch.unwinds(x.Instance); ok {
			x.Summary += fmt.Sprintf(" Its deferred functions have not come back since %s%s.", stamp(since), at(place))
		}
	}
	return x
}

// dropCancelled takes timers out of the fold that are no longer set: no history
// tells that a timer was cancelled.
func (e *Engine) dropCancelled(ctx context.Context, s *situation) error {
	partition := history.PartitionOf(s.row.ID, e.store.Partitions())
	for id, ev := range s.state.Open {
		if ev.Kind != history.TimerCreated {
			continue
		}
		timer := decide.TimerOf(&s.row, ev)
		before := store.Timer{Due: timer.Due, Number: timer.Number, ID: timer.ID - 1}
		found, err := e.store.Timers(ctx, partition, before, timer.Due.Add(time.Microsecond), 1)
		if err != nil {
			return fmt.Errorf("look up timer %d of instance %s: %w", id, s.row.ID, err)
		}
		if len(found) == 0 || keyOf(&found[0]) != keyOf(&timer) {
			delete(s.state.Open, id)
		}
	}
	return nil
}

// starting reports whether a message, such as the start of a child, waits for
// id.
func (e *Engine) starting(id history.InstanceID) bool {
	t := e.current()
	if t == nil {
		return false
	}
	p := t.partition(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	inst := p.instances[id]
	return inst != nil && len(inst.inbox)+len(inst.taken)+inst.deltas > 0
}

// look adds what only the owner of the instance knows.
func (e *Engine) look(s *situation) {
	t := e.current()
	if t == nil {
		return
	}
	taken, _ := t.activities.taken()
	s.slots, s.holders = t.options.MaxActivities, holders(taken)
	p := t.partition(s.row.ID)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.deaths, s.aside = t.deaths.remembered(s.row.Number), t.deaths.putAside(s.row.Number)
	inst := p.instances[s.row.ID]
	if inst == nil {
		return
	}
	s.held, s.busy, s.inbox = inst.held, inst.running || inst.queued || inst.inFlight, len(inst.inbox)+len(inst.taken)
	if inst.stuck != nil {
		s.stuck = new(*inst.stuck)
	}
	for i := range inst.inbox {
		switch inst.inbox[i].Event.Kind {
		case history.ExecutionResumed:
			s.resumed = true
		case history.ExecutionSuspended:
			s.resumed = false
		}
	}
	s.tasks = make(map[int32]attempt, len(inst.tasks))
	for id, a := range inst.tasks {
		s.tasks[id] = attempt{held: a.held, running: a.running.Load(), slow: a.slow}
	}
}

// situation is all that an explanation is made of.
type situation struct {
	row    history.Instance
	turns  []history.Turn
	state  history.State
	now    time.Time
	hosted bool // something runs the hub's code

	busy     bool  // it is being decided about
	inbox    int   // events that no turn has taken in
	resumed  bool  // they resume it
	held     *Hold // of its orchestrator; nil: none
	tasks    map[int32]attempt
	deaths   []deathCount // of what was running when the program died
	aside    *deathError  // why its turn is put aside; nil: it is not
	stuck    *stuck       // its turn does not come back; nil: it may
	slots    int          // activities that run at a time
	holders  string       // what holds them all while others wait
	children map[history.InstanceID]child
	awaits   []history.Await
	kept     []history.Kept
	unknown  error // why awaits and kept are not known

	// Of a Failed instance:
	fault  *fault           // the call behind its failure; nil: its own code
	broken string           // the orchestrator whose own code failed, and would again; empty: of none
	top    history.Instance // the topmost one whose rewind rewinds it: itself, or above
	vain   string           // why a rewind would be of no use; empty: it may be
	deaf   string           // the parent of top, when a rewind of that would not; empty: it has none
}

// attempt is where a scheduled activity stands.
type attempt struct {
	held    *Hold
	running bool
	slow    *slow // once it has run for long
}

// child is what is known of an instance that another waits for.
type child struct {
	found bool
	why   hub.Explanation
}

// stuck reports whether the child needs an action. One that has ended does not:
// the news is on its way.
func (c *child) stuck() bool {
	return c.why.Action != "" && c.why.Action != "wait" && !c.why.Status.Terminal()
}

// explain tells about a live instance.
func (s *situation) explain() hub.Explanation {
	x := hub.Explanation{Instance: s.row.ID, Status: s.row.Status, Target: s.row.ID, Waits: s.waits(), Kept: s.keeps()}
	say := func(action, summary, advice string) hub.Explanation {
		x.Action, x.Summary, x.Advice = action, summary, advice
		return x
	}
	switch {
	case !s.hosted:
		return s.unhosted(x)
	case s.held != nil && errors.Is(s.held.cause, history.ErrUnregistered), errors.Is(s.unknown, history.ErrUnregistered):
		return say("deploy", fmt.Sprintf("The host does not know the orchestrator %q.", s.row.Name), fmt.Sprintf("Deploy a host that registers the orchestrator %q.", s.row.Name))
	case s.held != nil && errors.Is(s.held.cause, history.ErrParked):
		return say("deploy", "It is parked because its code no longer fits its history: "+sentence(s.held.Reason), "Deploy the code that the instance began with.")
	case s.held != nil && aside(s.held.cause):
		return say("resume", "Its turn is put aside: "+sentence(s.held.Reason), "Deploy a build that does not take the program down, or let it run once more: "+hub.TheAction)
	case s.held != nil:
		return say("wait", "Its turn could not run: "+sentence(s.held.Reason), fmt.Sprintf("Wait: it is tried again at %s; look into the host's log if that does not help.", stamp(s.held.RetryAt)))
	case s.stuck != nil:
		return say("terminate", fmt.Sprintf("Its code does not come back: %s.", s.stuck),
			hub.TheAction+" ends it and leaves its code behind. An orchestrator must not block, sleep or loop: let it wait with timers and Await, do the rest in activities, and deploy that.")
	case s.suspended():
		return say("resume", "It is suspended"+because(s.row.Reason), hub.TheAction)
	case s.state.Turns == 0 && s.now.Before(s.row.ScheduledAt):
		return say("wait", fmt.Sprintf("It is scheduled to start at %s.", stamp(s.row.ScheduledAt)), "Wait until then.")
	case s.inbox > 0 || s.busy || len(s.state.Waiting) > 0:
		return say("wait", "Its next turn is about to run.", "Wait a moment.")
	}
	return s.blocked(x)
}

// unhosted tells about an instance of a hub whose functions no host runs.
func (s *situation) unhosted(x hub.Explanation) hub.Explanation {
	switch nobody := " Nor does a host run this hub's functions."; {
	case s.suspended(): // the one can be done without the other
		x.Action, x.Summary = "resume", "It is suspended"+because(s.row.Reason)+nobody
		x.Advice = hub.TheAction + ", and start the function app of this hub."
	case s.aside != nil:
		x.Action, x.Summary = "resume", "Its turn is put aside: "+sentence(s.aside.Error())+nobody
		x.Advice = "Start a build of the function app that does not take the program down, or let it run once more: " + hub.TheAction + ", and start the app."
	default:
		x.Action, x.Summary, x.Advice = "start", "No host runs this hub's functions, so nothing moves.", "Start the function app of this hub."
	}
	return x
}

// blocked tells what the code of a running instance waits for, the least likely
// to move by itself first.
func (s *situation) blocked(x hub.Explanation) hub.Explanation {
	open := decide.InOrder(s.state.Open)
	for _, ev := range open {
		if h := s.tasks[ev.ID].held; h != nil && errors.Is(h.cause, history.ErrUnregistered) {
			x.Action, x.Summary = "deploy", fmt.Sprintf("It waits for the activity %q, which the host does not know.", ev.Name)
			x.Advice = fmt.Sprintf("Deploy a host that registers the activity %q.", ev.Name)
			return x
		}
	}
	for _, ev := range open {
		c, looked := s.children[ev.Instance]
		switch {
		case ev.Kind != history.SubOrchestrationInstanceCreated || !looked:
		case !c.found:
			x.Action, x.Summary = "terminate", fmt.Sprintf("It waits for its child %q, which is not in this hub.", ev.Instance)
			x.Advice = hub.TheAction
			return x
		case c.stuck():
			x.Action, x.Target, x.Event, x.Advice = c.why.Action, c.why.Target, c.why.Event, c.why.Advice
			x.Summary = fmt.Sprintf("It waits for its child %q (%s). %s", ev.Instance, c.why.Status, c.why.Summary)
			return x
		}
	}
	x.Action, x.Advice = "wait", "Wait."
	for _, ev := range open {
		switch ev.Kind {
		case history.TaskScheduled:
			x.Summary = fmt.Sprintf("It waits for the activity %q.", ev.Name)
			if h := s.tasks[ev.ID].held; h != nil {
				x.Summary = fmt.Sprintf("It waits for the activity %q, which could not run: %s", ev.Name, sentence(h.Reason))
				x.Advice = fmt.Sprintf("Wait: it is tried again at %s; look into the host's log if that does not help.", stamp(h.RetryAt))
			}
			return x
		case history.SubOrchestrationInstanceCreated:
			x.Summary = fmt.Sprintf("It waits for its child %q.", ev.Instance)
			return x
		}
	}
	if len(s.awaits) > 0 {
		return s.awaiting(x)
	}
	for _, ev := range open {
		if ev.Kind != history.TimerCreated {
			continue
		}
		x.Summary, x.Advice = fmt.Sprintf("It waits for a timer that is due at %s.", stamp(ev.FireAt)), "Wait until then."
		if after, ok := decide.Setbacks(s.turns)[ev.ID]; ok {
			x.Summary = fmt.Sprintf("It waits for the timer, due at %s, that was set when %s", stamp(ev.FireAt), sentence(tellSetback(&after)))
		}
		return x
	}
	if s.unknown != nil {
		x.Summary = "It waits, most likely for an external event; which one is not known: " + sentence(s.unknown.Error())
		x.Advice = "Try again in a moment, or deploy code that fits its history."
		return x
	}
	x.Action, x.Summary = "terminate", "Its code waits for something that nothing can end."
	x.Advice = hub.TheAction
	return x
}

// awaiting tells of the events that the code waits for, each with its limit if
// it has one.
func (s *situation) awaiting(x hub.Explanation) hub.Explanation {
	names := make([]string, len(s.awaits))
	for i := range s.awaits {
		names[i] = fmt.Sprintf("%q", s.awaits[i].Event)
		if until := s.awaits[i].Until; !until.IsZero() {
			names[i] += " until " + stamp(until)
		}
	}
	x.Action, x.Summary = "raise-event", "It waits for the external event "+strings.Join(names, " or ")+"."
	x.Event, x.Advice = s.awaits[0].Event, hub.TheAction
	return x
}

// suspended reports whether the instance is suspended and nobody has resumed
// it.
func (s *situation) suspended() bool { return s.row.Status == history.Suspended && !s.resumed }

// ownWaits are for what no call of its code has asked for: a host, its next
// turn, a resume, the time of its start.
func (s *situation) ownWaits() []hub.Wait {
	waits := []hub.Wait{}
	if !s.hosted {
		waits = append(waits, hub.Wait{Kind: "worker", Task: history.NoID, Since: s.state.At, Problem: "no host runs"})
	}
	if h := s.held; h != nil {
		waits = append(waits, hub.Wait{Kind: "worker", Name: s.row.Name, Task: history.NoID, Since: h.Since, Due: h.RetryAt, Attempts: h.Attempts, Problem: h.Reason})
	}
	if s.stuck != nil {
		waits = append(waits, hub.Wait{Kind: "turn", Name: s.row.Name, Task: history.NoID, Since: s.stuck.since, Running: true, Problem: "its code does not come back" + at(s.stuck.place)})
	}
	if s.suspended() {
		waits = append(waits, hub.Wait{Kind: "resume", Task: history.NoID, Since: s.suspendedAt(), Problem: decide.ReasonText(s.row.Reason)})
	}
	if s.state.Turns == 0 && s.now.Before(s.row.ScheduledAt) {
		waits = append(waits, hub.Wait{Kind: "start", Task: history.NoID, Since: s.row.CreatedAt, Due: s.row.ScheduledAt})
	} else if s.stuck == nil && (s.inbox > 0 || len(s.state.Waiting) > 0) {
		waits = append(waits, hub.Wait{Kind: "turn", Task: history.NoID, Since: s.state.At})
	}
	return waits
}

// waits lists what the instance waits for, oldest first.
func (s *situation) waits() []hub.Wait {
	waits := s.ownWaits()
	deadlines, after := make(map[int32]bool), decide.Setbacks(s.turns)
	for _, await := range s.awaits {
		waits = append(waits, hub.Wait{Kind: "event", Name: await.Event, Task: history.NoID, Since: await.Since, Due: await.Until})
		deadlines[await.Timer] = true
	}
	for _, ev := range decide.InOrder(s.state.Open) {
		w := hub.Wait{Name: ev.Name, Task: ev.ID, Since: ev.At, Due: ev.FireAt}
		switch ev.Kind {
		case history.TaskScheduled:
			w.Kind = "activity"
			s.task(&w, ev)
		case history.TimerCreated:
			if w.Kind = "timer"; deadlines[ev.ID] {
				continue // the event's own
			}
			if before, ok := after[ev.ID]; ok {
				w.Name, w.Attempts, w.Problem = before.Call.Name, int(before.Attempt), tellSetback(&before)
			}
		case history.SubOrchestrationInstanceCreated:
			w.Kind, w.Instance = "child", ev.Instance
			if c, looked := s.children[ev.Instance]; looked && !c.found {
				w.Problem = "it is not in this hub"
			} else if looked && c.stuck() {
				w.Problem = c.why.Summary
			}
		}
		waits = append(waits, w)
	}
	slices.SortStableFunc(waits, func(a, b hub.Wait) int { return a.Since.Compare(b.Since) })
	return waits
}

// keeps lists the events that have come and that nobody waits for.
func (s *situation) keeps() []hub.Kept {
	kept := make([]hub.Kept, len(s.kept))
	for i, k := range s.kept {
		kept[i] = hub.Kept{Event: k.Event, Count: k.Count, Since: k.Since}
	}
	return kept
}

// task fills in where an activity stands.
func (s *situation) task(w *hub.Wait, ev *history.Event) {
	a, known := s.tasks[ev.ID]
	w.Attempts, w.Running = int(max(ev.Attempt, 1)-1), a.running
	switch {
	case a.held != nil:
		w.Attempts += a.held.Attempts
		w.Due, w.Problem = a.held.RetryAt, a.held.Reason
	case known && !a.running:
		w.Problem = fmt.Sprintf("it waits for one of %d slots to get free", s.slots)
		if s.holders != "" {
			w.Problem += "; held by " + s.holders
		}
	case a.running && a.slow != nil:
		w.Problem = fmt.Sprintf("it has run since %s%s", stamp(a.slow.since), at(a.slow.place))
	}
}

// suspendedAt is when the newest suspension was taken in.
func (s *situation) suspendedAt() time.Time {
	for i := range slices.Backward(s.turns) {
		for _, ev := range s.turns[i].Events {
			if ev.Kind == history.ExecutionSuspended {
				return ev.At
			}
		}
	}
	return s.row.UpdatedAt
}

// ended tells about an instance that has ended.
func (s *situation) ended() hub.Explanation {
	x := hub.Explanation{Instance: s.row.ID, Status: s.row.Status, Target: s.row.ID, Waits: []hub.Wait{}, Kept: []hub.Kept{}}
	at := stamp(s.row.CompletedAt)
	switch end := s.state.Completed; {
	case s.row.Status == history.Completed:
		x.Action, x.Summary, x.Advice = "none", "It completed at "+at+".", "There is nothing to do."
	case s.row.Status == history.Failed:
		return s.failure(x)
	default:
		x.Action, x.Summary, x.Advice = "restart", "It was terminated at "+at+".", hub.TheAction
		if end != nil {
			x.Summary = "It was terminated at " + at + because(end.Payload)
		}
	}
	return x
}

// stamp is a time as people read it in a sentence: to the second, in UTC.
func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// because ends a sentence with a reason, if there is one.
func because(reason []byte) string {
	if len(reason) == 0 {
		return "."
	}
	return ": " + sentence(decide.ReasonText(reason))
}

// sentence ends a text that may end like one already.
func sentence(text string) string {
	if text = strings.TrimSpace(text); text != "" && strings.ContainsRune(".!?", rune(text[len(text)-1])) {
		return text
	}
	return text + "."
}
