package decide

import (
	"fmt"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// The owner of an instance asks here what comes next. Everything above decides
// one case; this file decides which case it is.

// Inbox is an instance as its owner holds it, and what has come for it.
type Inbox struct {
	ID      history.InstanceID
	Row     *history.Instance // Number 0: there is no such instance
	State   *history.State    // nil: it has ended, or there is none; [Step.Close] applies the decision to it
	Batch   []Message         // in order of arrival
	Now     time.Time         // by the clock
	Version string            // of children that ask for none

	next int // place of the first start in Batch; its length when there is none
}

// live reports whether there is an instance that has not ended.
func (in *Inbox) live() bool { return in.Row.Number != 0 && !in.Row.Status.Terminal() }

// first returns what came before the next start: it is for the instance that is
// there.
func (in *Inbox) first() []Message { return in.Batch[:in.next:in.next] }

// Kind says what a step is, and what [Step.Close] must be told for it.
type Kind uint8

const (
	Drop        Kind = iota // nothing comes of what is used
	Run                     // code runs [Step.Work]: Answer.Outcome, and Execution if that continues as new
	Terminate               // the instance ends without its code
	Start                   // an instance begins: Answer.Number, Execution
	RefuseStart             // nothing begins: the id belongs to one that lives, as a waiting parent learns
	EndTree                 // the children of one that has ended end: Answer.Page, of what Step.Tree asks for
	Keep                    // a Failed instance keeps events: Answer.Records
	RewindChild             // a Failed child goes on: Answer.Records, Children, Execution
	TellEnd                 // a child tells its end once more: Answer.Ended
	TellMissing             // a parent learns that the child it waits for is not there
	NewParent               // a child learns who waits for it
)

// Step is what comes next for an instance. Between [Open] and [Step.Close] the
// owner finds out what Kind asks for; nobody else decides about the instance
// meanwhile.
//
//	messages --> Open --> Step --> the owner runs code, reads, draws ids --> Close --> Decision
type Step struct {
	Kind Kind
	Used []Message // of the batch: the decision uses them up
	Left []Message // of the batch: they stay, in order
	Tree Tree      // of EndTree

	in     Inbox
	intake intake         // of Run and Terminate
	event  *history.Event // that a step about one message is about
}

// Answer is what a step asks for.
type Answer struct {
	Outcome   history.Outcome
	Number    history.Number
	Execution history.ExecutionID
	Page      TreePage
	Records   []history.Turn // all of the instance's history
	Children  ChildRows      // of its calls
	Ended     *history.Event // the last of its history
}

// precedence lists what a batch may ask for. The first entry that finds a
// message, or anything at all, decides; what it does not use stays for the step
// after. Whatever comes before a start is for the instance that is there now,
// so a start waits when that will end or go on first.
var precedence = [...]struct {
	find func(*history.Instance, *history.State, []Message, int) int // the place of the message, -1 for none
	open func(Inbox, int) Step
}{
	{findTree, openTree},         // the rest of a tree ends, whatever its root is now
	{findStray, openStray},       // a termination does not reach one that it is not meant for
	{findStart, openStart},       // an instance begins once those before it have ended
	{findRewound, openRewound},   // a child of a parent that was rewound does its part before anything else
	{findAfterEnd, openAfterEnd}, // after the end, a Failed instance keeps events and the rest is dropped
	{findTurn, openTurn},         // a turn takes what it can
}

// Open tells what comes next for an instance.
func Open(in Inbox) Step {
	in.next = len(in.Batch)
	if at := Find(in.Batch, history.ExecutionStarted); at >= 0 {
		in.next = at
	}
	for i := range precedence {
		if at := precedence[i].find(in.Row, in.State, in.Batch, in.next); at >= 0 {
			return precedence[i].open(in, at)
		}
	}
	return Step{Kind: Drop, Left: in.Batch}
}

// one is a step about the message at.
func (in *Inbox) one(kind Kind, at int) Step {
	return Step{Kind: kind, Used: in.Batch[at : at+1], Left: without(in.Batch, at), in: *in, event: &in.Batch[at].Event}
}

// findTree finds a message that is to end the children of an instance that has
// ended. Before the next start these are also the terminations that came too
// late for the instance itself.
func findTree(row *history.Instance, _ *history.State, batch []Message, next int) int {
	ended := row.Number != 0 && row.Status.Terminal()
	for i := range batch {
		ev := &batch[i].Event
		if ev.Kind == history.ExecutionTerminated && ev.Recursive && (EndsTree(ev) || ended && i < next && Terminates(ev, row)) {
			return i
		}
	}
	return -1
}

// openTree asks for a page of the children. The message says how far it has
// come.
func openTree(in Inbox, at int) Step {
	s := in.one(EndTree, at)
	s.Tree = newTree(in.Row, s.event)
	return s
}

// findStray finds, before the next start, a message that a parent sent to end a
// child, and that row is not, or not any more. It must not reach the one that
// starts next.
func findStray(row *history.Instance, _ *history.State, batch []Message, next int) int {
	return slices.IndexFunc(batch[:next], func(m Message) bool {
		return m.Event.Kind == history.ExecutionTerminated && m.Event.Instance != "" && (row.Status.Terminal() || !Terminates(&m.Event, row))
	})
}

// openStray uses the message up: it says nothing to whatever has the id now.
func openStray(in Inbox, at int) Step { return in.one(Drop, at) }

// findStart finds the next start, unless what lives has been told to end, or a
// rewind waits: both come first, and may free the id.
func findStart(_ *history.Instance, st *history.State, batch []Message, next int) int {
	before := batch[:next]
	if next == len(batch) || Find(before, history.ExecutionRewound) >= 0 || st != nil && Find(before, history.ExecutionTerminated) >= 0 {
		return -1
	}
	return next
}

// openStart: an id that lives is not replaced by a message. A child's parent
// learns that, and a start that nobody waits for is dropped.
func openStart(in Inbox, at int) Step {
	if in.live() {
		return in.one(RefuseStart, at)
	}
	return in.one(Start, at)
}

// findRewound finds what a parent that was rewound asks of its child.
func findRewound(_ *history.Instance, _ *history.State, batch []Message, next int) int {
	return Find(batch[:next], history.ExecutionRewound)
}

// openRewound: the call that waits for the child waits again, and the message
// says for whom. A Failed child is rewound too, one that has ended otherwise
// tells its end again, and a live one learns whom to tell.
func openRewound(in Inbox, at int) Step {
	s := in.one(NewParent, at)
	switch {
	case in.Row.Number == 0 || !SameCall(in.Row.Parent, s.event.Started.Parent):
		s.Kind = TellMissing
	case in.Row.Status == history.Failed:
		s.Kind = RewindChild
	case in.Row.Status.Terminal():
		s.Kind = TellEnd
	}
	return s
}

// findAfterEnd applies to whatever has ended or is not there: no code will run,
// whatever came.
func findAfterEnd(row *history.Instance, _ *history.State, _ []Message, _ int) int {
	if row.Number == 0 || row.Status.Terminal() {
		return 0
	}
	return -1
}

// openAfterEnd keeps the events of a Failed instance for a rewind, and uses up
// all the rest.
func openAfterEnd(in Inbox, _ int) Step {
	s := Step{Kind: Drop, Used: in.first(), Left: in.Batch[in.next:], in: in}
	if in.Row.Status == history.Failed && Find(s.Used, history.EventRaised) >= 0 {
		s.Kind = Keep
	}
	return s
}

// findTurn applies when nothing else does: the instance lives.
func findTurn(*history.Instance, *history.State, []Message, int) int { return 0 }

// openTurn takes what the instance can take. Before a scheduled start that is
// only a termination: what else came waits for the first turn.
func openTurn(in Inbox, _ int) Step {
	batch, rest := in.first(), []Message(nil)
	early := in.Row.Status == history.Pending && !in.Row.ScheduledAt.IsZero() && in.Now.Before(in.Row.ScheduledAt)
	if early { // only a termination is worth waking a start that is not due
		batch, rest = partTerminations(batch)
	}
	s := Step{Kind: Run, in: in, intake: take(in.Row, in.State, batch, in.Now)}
	s.Used = batch[:s.intake.accepted]
	s.Left = batch[s.intake.accepted:]
	if early {
		s.Left = append(rest, s.Left...)
	}
	s.Left = append(s.Left, in.Batch[in.next:]...)
	switch {
	case s.intake.terminated != nil:
		s.Kind = Terminate
	case early, len(s.intake.turn.Events) == 0 && len(in.State.Waiting) == 0:
		s.Kind = Drop
	}
	return s
}

// partTerminations splits batch in two.
func partTerminations(batch []Message) (terminations, rest []Message) {
	for _, m := range batch {
		if m.Event.Kind == history.ExecutionTerminated {
			terminations = append(terminations, m)
		} else {
			rest = append(rest, m)
		}
	}
	return terminations, rest
}

// Incoming returns the events that a turn takes in.
func (s *Step) Incoming() []history.Event { return s.intake.turn.Events }

// Work is the turn as code sees it: a start record that waits comes first.
func (s *Step) Work() history.Turn {
	turn := s.intake.turn
	if waiting := s.in.State.Waiting; len(waiting) > 0 {
		turn.Events = append(waiting[:len(waiting):len(waiting)], turn.Events...)
	}
	return turn
}

// Asked returns the event that a step about one message is about; nil for
// others.
func (s *Step) Asked() *history.Event { return s.event }

// Continues reports whether an execution follows the outcome, which needs an
// id.
func Continues(out *history.Outcome) bool {
	n := len(out.Actions)
	return n > 0 && out.Actions[n-1].Status == history.ContinuedAsNew
}

// Close makes the answer to what the step asks for a decision. It reports false
// if there is nothing to change: what is used is used up all the same.
func (s *Step) Close(a *Answer) (d Decision, ok bool) {
	in := &s.in
	switch s.Kind {
	case Drop:
		return d, false
	case Run:
		return finish(*in.Row, in.State, s.intake, a.Outcome, in.Version, a.Execution), true
	case Terminate:
		return terminate(*in.Row, in.State, s.intake), true
	case Start:
		return Begin(*s.event, in.ID, a.Number, a.Execution, *in.Row), true
	case EndTree:
		return s.Tree.decide(in.Row, in.State, &a.Page), true
	case Keep:
		return retain(*in.Row, a.Records, s.Used)
	case RewindChild:
		req := hub.RewindRequest{All: s.event.Recursive}
		if s.event.Payload != nil {
			req.Reason = ReasonText(s.event.Payload)
		}
		failed := FailedInstance{*in.Row, a.Records, a.Children}
		d, _, _ = failed.Rewind(req, s.event.Started.Parent, in.Now, a.Execution) // of no use or not, its parent waits
		return d, true
	}
	return s.tellParent(a), true
}

// tellParent decides what an instance that changes nothing of itself tells its
// parent.
func (s *Step) tellParent(a *Answer) Decision {
	row, parent, at := s.in.Row, s.event.Started.Parent, history.Truncate(s.in.Now)
	d := Decision{Row: *row, OldStatus: row.Status, RowKept: true, State: s.in.State}
	switch s.Kind {
	case NewParent:
		d.Row.Parent, d.RowKept = parent, false
	case TellEnd:
		d.send(parent.InstanceID, parent.ExecutionID, childEnded(parent.TaskID, at, row.Status, a.Ended.Payload, nil))
	case TellMissing:
		d.send(parent.InstanceID, parent.ExecutionID, missing(s.in.ID, parent.TaskID, at))
	case RefuseStart:
		if parent == nil {
			break
		}
		d.send(parent.InstanceID, parent.ExecutionID, history.Event{
			Kind: history.SubOrchestrationInstanceFailed, At: at, TaskID: parent.TaskID,
			Failure: &history.Failure{
				Type:         history.FailureAlreadyExists,
				Message:      fmt.Sprintf("instance %q exists already and is %s; a child needs an id of its own", s.in.ID, row.Status),
				NonRetriable: true,
			},
		})
	}
	return d
}
