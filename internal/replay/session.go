package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/stacktrace"
)

// Func is the code of an orchestrator. It runs on the coroutine.
type Func func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure)

// DefaultMaxActions is how many actions an execution may ask for unless
// [Config.MaxActions] says otherwise (docs/contracts/runtime.md 2.1).
const DefaultMaxActions = 100_000

// Config is what a session needs to know besides the code.
type Config struct {
	Instance         history.Instance // as of the session's start
	AwaitOutstanding bool             // end only when all tasks have (docs/contracts/runtime.md 2.12)
	Park             bool             // answer code that no longer fits with [history.ErrParked] instead of failing the instance
	MaxActions       int              // 0 means DefaultMaxActions
	Logger           *slog.Logger     // nil discards
	Stacks           *Stacks          // nil: a new stack
}

// Session runs one execution. It is not safe for concurrent use. Whoever has
// one calls Unload before letting go of it.
//
//	New --first turn--> running --a look that cannot end--> parked --an event, or the end of a task--+
//	                     ^  |                                                                         |
//	                     +--|-------------------------------------------------------------------------+
//	                        +--the code returns, panics or continues as new--> finished
//
// Whatever it is doing, a history that its code does not fit parks or fails it,
// and Unload unwinds it: deferred functions run, and what they ask for has no
// effect.
type Session struct {
	config Config
	run    Func
	log    atomic.Pointer[slog.Logger] // nil until something is logged
	co     coroutine

	// Read by any goroutine, written while the driver has control.
	now       instant
	replaying atomic.Bool
	quiet     atomic.Bool // nothing is logged

	turns     int
	execution history.ExecutionID // as of the turn: a rewind changes it, and what was called before keeps its ids
	suspended bool
	held      []*history.Event // of turns that left the instance suspended

	// The rest belongs to whoever has control.
	started      bool
	parked       parkedLook        // the look in which the code is parked
	marks        uint32            // of parked looks so far
	justEnded    *Task             // what the newest event ended; nil: nothing
	open         map[int32]*Task   // tasks of actions that nothing has answered
	queues       map[string]*queue // events that no look has taken, by folded name
	places       int               // arrivals of events and ends of tasks, in history's order: each has the number that it brought about
	journal      []ending          // of the look under way
	guids        int
	nextID       int32
	pending      []history.Action // asked for, not recorded; ascending id
	canceled     []int32          // timers, in this turn
	customStatus *json.RawMessage // set in this turn
	following    *Next
	late         []history.Event  // raised after the code has ended
	result       json.RawMessage  // of the code
	failure      *history.Failure // of the code
	causes       []int32          // tasks whose failure is behind it
	fatal        *history.Failure // ends the execution, whatever the code does
	recorded     int32            // highest sequence id that history holds; NoID when none
}

// New returns a session that has seen no turn. The code starts with the first.
func New(run Func, config Config) *Session {
	if config.MaxActions == 0 {
		config.MaxActions = DefaultMaxActions
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Session{config: config, run: run, execution: config.Instance.ExecutionID, recorded: history.NoID}
	if s.co.stacks = config.Stacks; s.co.stacks == nil {
		s.co.stacks = &Stacks{closed: true}
	}
	s.co.guard.Store(gone)
	s.now.set(time.Time{})
	return s
}

// ExecutionID returns the execution that the session runs.
func (s *Session) ExecutionID() history.ExecutionID { return s.config.Instance.ExecutionID }

// Instance returns the instance's row as of the session's start.
func (s *Session) Instance() *history.Instance { return &s.config.Instance }

// Turns returns how many turns the session has seen.
func (s *Session) Turns() int { return s.turns }

// Run applies w.Turn, after w.Past if the session is new. After an error, which
// may be [history.ErrParked], and after an outcome that ends the execution the
// session is of no further use.
func (s *Session) Run(ctx context.Context, w history.Work) (history.Outcome, error) {
	if s.turns == 0 && w.PastTurns > 0 {
		if err := s.replay(ctx, w); err != nil {
			return history.Outcome{}, err
		}
	}
	if s.turns != w.PastTurns {
		return history.Outcome{}, fmt.Errorf("run turn %d of instance %s: the session has seen %d turns", w.PastTurns+1, s.config.Instance.ID, s.turns)
	}
	if s.fatal == nil {
		s.turn(&w.Turn, false)
	}
	if s.co.left.Load() {
		return history.Outcome{}, fmt.Errorf("instance %s: %w", s.config.Instance.ID, errLeft)
	}
	if s.fatal != nil && s.fatal.Type == history.FailureNonDeterministic && s.config.Park {
		return history.Outcome{}, fmt.Errorf("instance %s: %w: %s", s.config.Instance.ID, history.ErrParked, s.fatal.Message)
	}
	return s.outcome(), nil
}

// replay applies the recorded turns.
func (s *Session) replay(ctx context.Context, w history.Work) error {
	for turn, err := range w.Past(ctx) {
		if err != nil {
			return fmt.Errorf("read the history of instance %s: %w", s.config.Instance.ID, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		s.turn(&turn, true)
		if s.fatal != nil {
			s.turns = w.PastTurns
			return nil
		}
	}
	return nil
}

// Loaded reports whether there is code to unload.
func (s *Session) Loaded() bool { return s.co.stack != nil }

// Unload ends the code and does not wait: ended is called when its deferred
// functions have run.
func (s *Session) Unload(ended func()) {
	s.quiet.Store(true)
	s.co.unload(ended)
}

// Leave gives up a session whose code has control and does not give it back:
// what the code asks for from now on does nothing. It may be called from any
// goroutine, while Run runs, which then returns an error if ever the code comes
// back.
func (s *Session) Leave() {
	s.co.left.Store(true)
	s.quiet.Store(true)
}

// Location tells where the code of the session runs. It may be called from any
// goroutine.
func (s *Session) Location() Location { return Location{&s.co} }

// Location is where the code of a session runs.
type Location struct{ co *coroutine }

// In returns the place in the code, as of the trace; empty when it is not
// known.
func (l Location) In(trace *stacktrace.Trace) string {
	k := l.co.place.Load()
	if k == nil {
		return ""
	}
	return trace.Place(stackMethod, uintptr(unsafe.Pointer(k)))
}

// turn applies one turn. Events of a turn that leaves the instance suspended
// wait, in order, for the first turn that does not: suspension holds from the
// turn's start, so that what code sees does not depend on where in the turn the
// suspension stood.
func (s *Session) turn(t *history.Turn, replaying bool) {
	s.turns++
	s.now.set(t.At)
	s.replaying.Store(replaying)
	s.quiet.Store(replaying || s.co.left.Load())
	s.canceled, s.customStatus = nil, nil

	for i := range t.Events {
		ev := &t.Events[i]
		if ev.Kind.Class() == history.Beginning && ev.Started != nil && ev.Started.ExecutionID != "" {
			s.execution = ev.Started.ExecutionID
		}
		switch {
		case ev.Kind == history.ExecutionSuspended:
			s.suspended = true
		case ev.Kind == history.ExecutionResumed:
			s.suspended = false
		case ev.Kind.SeenByCode():
			s.held = append(s.held, ev)
		}
	}
	if !s.suspended {
		if !s.started {
			s.held = s.inherit(s.held)
		}
		for _, ev := range s.held {
			s.apply(ev)
			if s.checkFatal() {
				return
			}
		}
		clear(s.held)
		s.held = s.held[:0]
	}
	if replaying {
		s.match(t)
	}
}

// inherit puts the events that the execution before handed on into their
// queues, which they are in when the code begins, and returns the others. They
// came before this execution did.
func (s *Session) inherit(events []*history.Event) []*history.Event {
	start := slices.IndexFunc(events, func(ev *history.Event) bool { return ev.Kind == history.ExecutionStarted })
	if start < 0 || events[start].Started == nil || events[start].Started.Generation == 0 {
		return events
	}
	at := events[start].At
	return slices.DeleteFunc(events, func(ev *history.Event) bool {
		inherited := ev.Kind == history.EventRaised && !ev.At.After(at)
		if inherited {
			s.raise(ev)
		}
		return inherited
	})
}

// apply lets the code see one event.
func (s *Session) apply(ev *history.Event) {
	switch ev.Kind {
	case history.ExecutionStarted:
		s.start(ev.Payload)
	case history.EventRaised:
		s.raise(ev)
	case history.TimerFired:
		s.answer(ev, history.CreateTimer)
	case history.TaskCompleted, history.TaskFailed:
		s.answer(ev, history.ScheduleTask)
	case history.SubOrchestrationInstanceCompleted, history.SubOrchestrationInstanceFailed:
		s.answer(ev, history.StartSubOrchestration)
	}
}

// start runs the code until it waits for something.
func (s *Session) start(input json.RawMessage) {
	if s.started {
		return
	}
	s.started = true
	c := &Context{s}
	if s.config.AwaitOutstanding {
		s.co.linger = s.proceedEnded
	}
	s.co.start(func() { s.result, s.failure = s.run(c, input) })
}

// answer ends the open task that a completion is about. Completions of tasks
// that are not open are duplicates, or belong to a timer that was cancelled.
func (s *Session) answer(ev *history.Event, kind history.ActionKind) {
	t := s.open[ev.TaskID]
	if t == nil || t.kind != kind {
		s.logger().Debug("completion ignored: no such task is open", "event", ev.Kind.String(), "task", ev.TaskID)
		return
	}
	delete(s.open, ev.TaskID)
	switch ev.Kind {
	case history.TaskFailed, history.SubOrchestrationInstanceFailed:
		t.failure = ev.Failure
		if t.failure == nil {
			t.failure = &history.Failure{Message: string(ev.Payload)}
		}
	default:
		t.payload = ev.Payload
	}
	s.end(t, s.nextPlace())
	s.wake(t)
}

// checkFatal reports whether the code must not go on.
func (s *Session) checkFatal() bool {
	if s.fatal == nil && s.co.misused.Load() && (!s.co.ended || s.co.abused) {
		s.fatal = &history.Failure{Type: history.FailureMisuse, Message: ErrForeignGoroutine.Error(), NonRetriable: true}
	}
	if s.co.left.Load() {
		s.fatal = &history.Failure{Type: history.FailureMisuse, Message: errLeft.Error()} // which goes nowhere
	}
	return s.fatal != nil
}

// errLeft is how a turn ends that was left behind.
var errLeft = errors.New("the code came back after it had been left behind")

// outcome returns what the turn led to.
func (s *Session) outcome() history.Outcome {
	if s.fatal != nil {
		return history.Outcome{Actions: []history.Action{s.fail(s.fatal)}, CustomStatus: s.customStatus}
	}
	if s.suspended {
		return history.Outcome{}
	}
	actions := s.pending
	for _, id := range s.canceled {
		actions = append(actions, history.Action{Kind: history.CancelTimer, ID: id})
	}
	if len(s.canceled) > 0 {
		slices.SortStableFunc(actions, func(a, b history.Action) int { return cmp.Compare(a.ID, b.ID) })
	}
	s.pending, s.canceled = nil, nil
	if s.co.ended && (!s.config.AwaitOutstanding || len(s.open) == 0) {
		actions = append(actions, s.complete())
	}
	return history.Outcome{Actions: actions, CustomStatus: s.customStatus}
}
