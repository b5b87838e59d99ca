package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file compares what a store holds with what an engine can have written,
// row by row. It reads one view, so that work that goes on meanwhile does not
// look like damage.

// Check reads a whole hub and tells what in it does not agree: rows with the
// histories they sum up, timers and work flags with what the histories leave
// open, messages with those who sent them, children with their parents, and the
// store's own rows with each other. It changes nothing. An error is why it did
// not come to an end; what cannot be read is a disagreement, and the rest is
// looked at all the same.
//
// It takes memory for what is open in one instance at a time, whatever the size
// of the hub, and a little for each disagreement.
func Check(ctx context.Context, view store.View, o hub.CheckOptions) (hub.CheckReport, error) {
	c := &checker{ctx: ctx, view: view, options: o, unknown: make(map[history.Number]bool), calls: make(map[call]string)}
	c.begun, c.told = time.Now(), time.Now()
	c.report.Store = view.About()
	for _, part := range []struct {
		rows string
		look func() error
	}{
		{"instances", c.duties},
		{"inboxes", c.inboxes},
		{"the store's own rows", func() error { return view.Verify(c.step, c.tell) }},
	} {
		err := part.look()
		if stopped := c.step(); stopped != nil {
			return c.report, stopped
		}
		if err != nil {
			c.tell(history.Disagreement{
				Rule: "read", Rows: part.rows, Says: err.Error() + "; what lies behind was not looked at", Do: "restore a backup",
			})
		}
	}
	c.waitForNobody()
	return c.report, nil
}

// Check checks the engine's hub as of now, while it runs; see the function
// [Check].
func (e *Engine) Check(ctx context.Context, o hub.CheckOptions) (hub.CheckReport, error) {
	view, err := e.store.View(ctx)
	if err != nil {
		return hub.CheckReport{}, err
	}
	o.Gentle = true
	report, err := Check(ctx, view, o)
	return report, errors.Join(err, view.Close())
}

// checker is a check under way.
type checker struct {
	ctx     context.Context
	view    store.View
	options hub.CheckOptions
	report  hub.CheckReport
	unknown map[history.Number]bool // instances of which it is not known what they leave open
	calls   map[call]string         // of children nobody has been found to answer, and what was found instead
	begun   time.Time               // the slice of work that is under way
	told    time.Time               // when progress was told last
}

// tell counts a disagreement, and passes it on while there are few: a store
// that is damaged all over has too many to read.
func (c *checker) tell(d history.Disagreement) {
	c.report.Disagreements++
	if c.options.Tell != nil && c.report.Disagreements <= hub.MaxTold {
		c.options.Tell(d)
	}
}

const (
	workSlice    = 5 * time.Millisecond
	progressTime = time.Second / 2
)

// step is called between any two rows: it ends the check, leaves time to
// others, and tells how far it is.
func (c *checker) step() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	now := time.Now()
	if c.options.Progress != nil && now.Sub(c.told) >= progressTime {
		c.told = now
		c.options.Progress(c.report)
	}
	worked := now.Sub(c.begun)
	if !c.options.Gentle || worked < workSlice {
		return nil
	}
	rest := time.NewTimer(worked)
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-c.ctx.Done():
	}
	c.begun = time.Now()
	return nil
}

// row tells where a status row is, for a disagreement.
func row(number history.Number) string { return fmt.Sprintf("status row %d", number) }

// inboxes looks at all messages on their way.
func (c *checker) inboxes() error {
	for p := range c.view.Partitions() {
		for m, err := range c.view.Inbox(c.ctx, p) {
			if err != nil {
				return fmt.Errorf("inbox of partition %d: %w", p, err)
			}
			if err := c.step(); err != nil {
				return err
			}
			c.report.Messages++
			if err := c.message(&m); err != nil {
				return err
			}
		}
	}
	return nil
}

// message looks at one message. What it tells of calls that wait is kept: they
// are answered.
func (c *checker) message(m *store.Message) error {
	decoded, err := history.DecodeMessage(m.Bytes)
	d := history.Disagreement{
		Instance: decoded.To, Rule: "message", Rows: fmt.Sprintf("message %d from partition %d in the inbox of partition %d", m.Seq, m.From, m.Partition),
		Do: "restore a backup: the app cannot start with it",
	}
	if err != nil {
		d.Says = err.Error()
		c.tell(d)
		return nil
	}
	ev := &decoded.Event
	if err := checkMessage(ev); err != nil {
		d.Says = fmt.Sprintf("%s: %v", ev.Kind, err)
		c.tell(d)
		return nil
	}
	d.Do = "restore a backup, or terminate the instance: it may not be reached"
	if home := history.PartitionOf(decoded.To, c.view.Partitions()); decoded.To == "" || home != m.Partition {
		d.Says = fmt.Sprintf("%s is for instance %q, whose inbox is that of partition %d", ev.Kind, decoded.To, home)
		c.tell(d)
	}
	if sent, now := store.Epoch(m.Seq>>epochShift), c.view.Epoch(m.From); sent > now {
		d.Says = fmt.Sprintf("%s was sent in epoch %d of partition %d, which is at %d: messages to come may take its place", ev.Kind, sent, m.From, now)
		c.tell(d)
	}
	if parent := parentIn(ev); parent != nil {
		delete(c.calls, call{parent.InstanceID, parent.ExecutionID, parent.TaskID})
		return nil
	}
	if ev.Kind.Answers() == history.SubOrchestrationInstanceCreated {
		delete(c.calls, call{decoded.To, decoded.ExecutionID, ev.TaskID})
	}
	if ev.Kind == history.ExecutionStarted || decide.EndsTree(ev) {
		return nil
	}
	_, there, err := c.view.FindInstance(c.ctx, decoded.To)
	if err == nil && !there {
		c.report.Undeliverable++
	}
	return err
}

// parentIn returns the parent that a message to a child names, if it is one
// that makes the child answer.
func parentIn(ev *history.Event) *history.Parent {
	if ev.Kind.Class() == history.Beginning && ev.Started != nil {
		return ev.Started.Parent
	}
	return nil
}

// checkMessage says why no engine can have sent an event.
func checkMessage(ev *history.Event) error {
	if err := history.CheckPayload(ev.Payload); err != nil {
		return fmt.Errorf("its payload: %w", err)
	}
	switch ev.Kind {
	case history.ExecutionStarted:
		switch {
		case ev.Started == nil:
			return errors.New("it has no started")
		case ev.Name == "":
			return errors.New("it has no name")
		}
	case history.ExecutionRewound:
		if ev.Started == nil || ev.Started.Parent == nil {
			return errors.New("it names no parent")
		}
	case history.EventRaised:
		if ev.Name == "" {
			return errors.New("it has no name")
		}
	case history.ExecutionTerminated, history.ExecutionSuspended, history.ExecutionResumed,
		history.SubOrchestrationInstanceCompleted, history.SubOrchestrationInstanceFailed:
	default:
		return errors.New("events of this kind are sent to nobody")
	}
	return nil
}

// call is a call of a child, by the execution that made it.
type call struct {
	parent    history.InstanceID
	execution history.ExecutionID
	task      int32
}

// maxCalls bounds the calls that are kept until all messages are known.
const maxCalls = 100_000

// waiting notes a call that waits for child, unless the child is there and will
// answer.
func (c *checker) waiting(parent *history.Instance, created *history.Event) error {
	child, there, err := c.view.FindInstance(c.ctx, created.Instance)
	if err != nil {
		return fmt.Errorf("find instance %s: %w", created.Instance, err)
	}
	found := fmt.Sprintf("instance %s is not there", created.Instance)
	switch p := child.Parent; {
	case !there:
	case !decide.SameCall(p, decide.ParentOf(parent, created.ID)) || p.ExecutionID != parent.ExecutionID:
		found = fmt.Sprintf("instance %s was started by another call", created.Instance)
	case child.Status.Terminal():
		found = fmt.Sprintf("instance %s is %s", created.Instance, child.Status)
	default:
		return nil
	}
	if len(c.calls) == maxCalls {
		c.report.More++
		return nil
	}
	c.calls[call{parent.ID, parent.ExecutionID, created.ID}] = found
	return nil
}

// waitForNobody tells of the calls that no child and no message answers.
func (c *checker) waitForNobody() {
	calls := make([]call, 0, len(c.calls))
	for k := range c.calls {
		calls = append(calls, k)
	}
	slices.SortFunc(calls, func(a, b call) int {
		return cmp.Or(cmp.Compare(a.parent, b.parent), cmp.Compare(a.task, b.task))
	})
	for _, k := range calls {
		c.tell(history.Disagreement{
			Instance: k.parent, Rule: "child", Rows: fmt.Sprintf("its history, event %d (SubOrchestrationInstanceCreated), and the rows and inboxes of children", k.task),
			Says: fmt.Sprintf("it waits for a child, but %s, and no message is on its way", c.calls[k]),
			Do:   "restore a backup, or terminate it and start it again",
		})
	}
}
