package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// turn decides about one instance: it takes what is in the inbox, lets user
// code run if it must, and hands the decision to the committer. The next turn of the
// instance waits until this one is durable; what arrives meanwhile becomes one turn.
// It reports false if the turn was left behind meanwhile: then somebody else has
// decided.
func (t *tenure) turn(s *slot, inst *instance) bool {
	p := inst.partition
	p.mu.Lock()
	inst.queued = false
	if p.dead || !inst.ready(t.options.Now) {
		p.weigh(inst)
		p.mu.Unlock()
		return true
	}
	inst.running, inst.unread, inst.slot = true, false, s
	inst.taken, inst.inbox = inst.inbox, nil
	batch, last := inst.taken, inst.held
	p.mu.Unlock()

	d, consumed, left, err := t.decide(inst, batch)
	switch {
	case err == errLeft:
		return false
	case err != nil:
		t.setAside(inst, left, last, err)
		return true
	}
	bytes := d.payloads()
	if bytes < largeBytes {
		t.conclude(inst, d, consumed, left, nil)
		return true
	}
	ended := make(chan struct{})
	t.large.add(&largeDecision{bytes, func() {
		t.conclude(inst, d, consumed, left, func(error) { close(ended) })
	}, ended})
	return true
}

// setAside ends a turn that could not be decided: it comes again later.
func (t *tenure) setAside(inst *instance, left []message, last *Hold, cause error) {
	p := inst.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		inst.inbox = slices.Concat(left, inst.inbox)
		inst.unread = true
		h := t.hold(last, inst.id, history.NoID, inst.row.Name, cause)
		inst.held = h
		t.timers.after(h.delay, func() {
			p.mu.Lock()
			h.over = true
			p.mu.Unlock()
			p.look(inst)
		})
	}
	p.yield(inst)
}

// conclude commits what a turn led to and ends it. done, if any, is called when
// the commit is durable or has failed; the decision is then not nil.
func (t *tenure) conclude(inst *instance, d *decision, consumed []store.MessageKey, left []message, done func(error)) {
	p := inst.partition
	p.mu.Lock()
	var sent []routed
	loaded := false
	switch {
	case !p.dead:
		if len(left) > 0 {
			inst.inbox = slices.Concat(left, inst.inbox) // not in the array of left, which holds what was taken
		}
		inst.held = nil
		sent = t.commit(inst, d, consumed, done)
		loaded = inst.state != nil && inst.deltas == 0 // else it is touched when it is durable
	case done != nil:
		done(hub.ErrUnavailable)
	}
	if len(sent) > 0 { // before anybody else decides about it: what it sends stays in order
		p.mu.Unlock()
		t.route(sent)
		p.mu.Lock()
	}
	p.yield(inst)
	p.mu.Unlock()
	if loaded {
		t.cache.touch(inst)
	}
}

// look queues inst if there is something to decide.
func (p *partition) look(inst *instance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.wake(inst)
	}
}

// decide works out what the inbox batch leads to. It returns the decision, nil
// for none; which stored messages are used up; and which messages are to stay. The
// caller has set running.
func (t *tenure) decide(inst *instance, batch []message) (d *decision, consumed []store.MessageKey, left []message, err error) {
	if err := t.load(inst); err != nil {
		return nil, nil, batch, err
	}
	at := findKind(batch, history.ExecutionStarted)
	if tree, ev := findTree(&inst.row, batch, at); tree >= 0 {
		d, err := t.endTree(inst, ev)
		if err != nil {
			return nil, nil, batch, err
		}
		return d, keys(batch[tree : tree+1]), without(batch, tree), nil
	}
	if stray := findStrayTermination(&inst.row, batch, at); stray >= 0 {
		return nil, keys(batch[stray : stray+1]), without(batch, stray), nil
	}
	if at >= 0 {
		if before := batch[:at]; findKind(before, history.ExecutionRewound) < 0 && (inst.state == nil || findKind(before, history.ExecutionTerminated) < 0) {
			d, left = t.startChild(inst, batch, at)
			return d, keys(batch[at : at+1]), left, nil
		}
		// The start is for the time after what lives now has ended, or goes on.
		d, consumed, left, err = t.decide(inst, batch[:at:at])
		return d, consumed, append(left, batch[at:]...), err
	}
	if at := findKind(batch, history.ExecutionRewound); at >= 0 {
		d, err := t.parentRewound(inst, &batch[at].event)
		if err != nil {
			return nil, nil, batch, err
		}
		return d, keys(batch[at : at+1]), without(batch, at), nil
	}
	switch {
	case !inst.exists(), inst.row.Status.Terminal():
		return t.afterEnd(inst, batch)
	case inst.early(t.options.Now):
		// Only a termination is worth waking a start that is not due.
		terminations, rest := partTerminations(batch)
		in := take(&inst.row, inst.state, terminations, t.now())
		if in.terminated != nil {
			d = terminate(inst.row, inst.state, in)
		}
		return d, keys(terminations[:in.accepted]), append(rest, terminations[in.accepted:]...), nil
	}

	in := take(&inst.row, inst.state, batch, t.now())
	used, left := batch[:in.accepted], batch[in.accepted:]
	endings := t.endings(&inst.row, inst.state, in.turn.Events)
	if t.deaths.some.Load() && findKind(used, history.ExecutionResumed) >= 0 {
		t.deaths.clearInstance(inst.row.Number) // whoever resumes it wants it to run
	}
	switch {
	case in.terminated != nil:
		t.forgetCode(inst.row.Number)
		d = terminate(inst.row, inst.state, in)
		d.told = endings
		return d, keys(used), left, nil
	case len(in.turn.Events) == 0 && len(inst.state.Waiting) == 0:
		return nil, keys(used), left, nil
	}
	out, err := t.orchestrate(inst, t.workFor(inst, in.turn))
	if err != nil {
		return nil, nil, batch, err
	}
	d = finish(inst.row, inst.state, in, out, t.options.DefaultVersion, nextExecution(&out))
	d.told = endings
	return d, keys(used), left, nil
}

// nextExecution names the execution that follows the outcome, if one does.
func nextExecution(out *history.Outcome) history.ExecutionID {
	if n := len(out.Actions); n > 0 && out.Actions[n-1].Status == history.ContinuedAsNew {
		return history.NewExecutionID()
	}
	return ""
}

// workFor is the turn as the executor sees it: a start record that waits comes
// first.
func (t *tenure) workFor(inst *instance, turn history.Turn) history.Work {
	if waiting := inst.state.Waiting; len(waiting) > 0 {
		turn.Events = append(waiting[:len(waiting):len(waiting)], turn.Events...)
	}
	number, turns := inst.row.Number, inst.state.Turns
	return history.Work{
		Instance:  inst.row,
		Turn:      turn,
		PastTurns: turns,
		Past: func(ctx context.Context) iter.Seq2[history.Turn, error] {
			return limit(history.Turns(readRecords(ctx, t.store, number)), turns)
		},
	}
}

// limit yields the first n turns: behind them a start record may wait.
func limit(turns iter.Seq2[history.Turn, error], n int) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		left := n
		for turn, err := range turns {
			if left == 0 || !yield(turn, err) {
				return
			}
			left--
		}
	}
}

// unreadableError: a record was read and cannot be decoded.
type unreadableError struct{ error }

func (e *unreadableError) Unwrap() error { return e.error }

// readRecords decodes the records of an instance.
func readRecords(ctx context.Context, store store.Reader, number history.Number) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		for rec, err := range store.Records(ctx, number) {
			var turn history.Turn
			if err == nil {
				if turn, err = history.DecodeTurn(rec.Seq, rec.Bytes); err != nil {
					err = &unreadableError{err}
				}
			}
			if err != nil {
				err = fmt.Errorf("read history of instance number %d: %w", number, err)
			}
			if !yield(turn, err) || err != nil {
				return
			}
		}
	}
}

// load reads row and history if they are not in memory, and dispatches the
// activities that nobody runs. The caller has set running.
func (t *tenure) load(inst *instance) error {
	if inst.state != nil {
		return nil
	}
	return t.read(inst)
}

// read is load for one that is not in memory.
func (t *tenure) read(inst *instance) error {
	row := inst.row
	if !inst.known {
		var err error
		if row, _, err = t.store.FindInstance(t.ctx, inst.id); err != nil {
			return err
		}
	}
	var state *history.State
	if row.Number != 0 && !row.Status.Terminal() {
		state = &history.State{}
		for turn, err := range readRecords(t.ctx, t.store, row.Number) {
			if err != nil {
				return err
			}
			state.Apply(&turn)
		}
		if state.Started == nil {
			return errors.New("its history is missing from the store")
		}
	}

	p := inst.partition
	p.mu.Lock()
	defer p.mu.Unlock()
	inst.known, inst.row, inst.state = true, row, state
	inst.remember(state)
	inst.startBytes = startBytes(state)
	if state == nil {
		return nil
	}
	inst.flagged = state.Tasks > 0 || len(state.Waiting) > 0 && row.ScheduledAt.IsZero()
	var open []*history.Event
	answered := inst.answered()
	for _, ev := range inOrder(state.Open) {
		if ev.Kind == history.TaskScheduled && !answered[ev.ID] {
			open = append(open, ev)
		}
	}
	t.schedule(inst, open)
	return nil
}

// partTerminations splits batch in two.
func partTerminations(batch []message) (terminations, rest []message) {
	for _, m := range batch {
		if m.event.Kind == history.ExecutionTerminated {
			terminations = append(terminations, m)
		} else {
			rest = append(rest, m)
		}
	}
	return terminations, rest
}

// find returns the place of the first event of that kind, -1 if there is none.
func findKind(batch []message, kind history.Kind) int {
	return slices.IndexFunc(batch, func(m message) bool { return m.event.Kind == kind })
}

// without returns batch without the message at.
func without(batch []message, at int) []message {
	return append(batch[:at:at], batch[at+1:]...)
}

// startChild creates the instance that the ExecutionStarted message at asks
// for, ahead of the messages before it, or tells the parent that it cannot be
// (spec/runtime.md 2.4). The other messages stay.
func (t *tenure) startChild(inst *instance, batch []message, at int) (*decision, []message) {
	ev := batch[at].event
	left := without(batch, at)
	if inst.exists() && !inst.row.Status.Terminal() {
		d := &decision{row: inst.row, rowKept: true, state: inst.state}
		if parent := ev.Started.Parent; parent != nil {
			d.send(parent.InstanceID, parent.ExecutionID, history.Event{
				Kind: history.SubOrchestrationInstanceFailed, At: history.Truncate(t.now()), TaskID: parent.TaskID,
				Failure: &history.Failure{
					Type:         history.FailureAlreadyExists,
					Message:      fmt.Sprintf("instance %q exists already and is %s; a child needs an id of its own", inst.id, inst.row.Status),
					NonRetriable: true,
				},
			})
		} else {
			d.told = &told{start: "start dropped: its id belongs to an instance that has not ended", met: inst.row.Status}
		}
		return d, left
	}
	p := inst.partition
	p.mu.Lock()
	number := p.newNumber(t.now())
	p.mu.Unlock()
	d := begin(ev, inst.id, number, history.NewExecutionID(), inst.row)
	if inst.exists() && ev.Started.Parent == nil {
		d.told = &told{start: "start replaced an instance that had ended", met: inst.row.Status}
	}
	return d, left
}

// keys lists the rows of the stored messages among batch.
func keys(batch []message) []store.MessageKey {
	var keys []store.MessageKey
	for i := range batch {
		if batch[i].stored {
			keys = append(keys, batch[i].key)
		}
	}
	return keys
}

// routed is a message on its way within this process.
type routed struct {
	to history.InstanceID
	message
}

// commit hands a decision (nil: only messages are used up) to the committer and
// makes it the instance's present. done, if any, is called when it is durable or has
// failed. It returns the messages to route once mu, which is held, is released.
func (t *tenure) commit(inst *instance, d *decision, consumed []store.MessageKey, done func(error)) []routed {
	if d == nil && len(consumed) == 0 {
		return nil
	}
	p := inst.partition
	var delta *store.Delta
	var sent []routed
	if d != nil {
		delta = &d.delta
		sent = t.fill(inst, d)
	} else {
		delta = new(store.Delta)
	}
	delta.Partition, delta.Epoch, delta.Consumed = p.index, p.epoch, consumed
	inst.deltas++
	t.commits.add(delta, func(err error) {
		if err == nil {
			t.committed(inst, d)
		}
		if done != nil {
			done(err)
		}
	})
	return sent
}

// fill writes the decision into its delta and into the instance.
func (t *tenure) fill(inst *instance, d *decision) []routed {
	p := inst.partition
	delta := &d.delta
	delta.Number, delta.ID = d.row.Number, d.row.ID
	if !d.rowKept {
		delta.Row, delta.OldStatus = &d.row, d.oldStatus
	}
	if d.record != nil {
		d.encoded = store.Record{Seq: d.record.Seq, Bytes: history.AppendTurn(make([]byte, 0, recordBytes), d.record)}
		delta.Record = &d.encoded
		inst.inFlight = d.isTurn() // a new instance may run ahead: its start is no turn
	}
	delta.DropRecords.First, delta.DropRecords.End = d.drop.first, d.drop.end
	delta.Erase = d.erase
	delta.SetTimers, delta.ClearTimers = d.set, d.clear
	p.disarm(inst, d.clear)
	if d.erase != nil {
		inst.flagged, inst.inFlight = false, false
	}
	if want := d.work(); want != inst.flagged {
		inst.flagged = want
		delta.Work = store.Clear
		if want {
			delta.Work = store.Set
		}
	}
	if d.abandon {
		inst.abandon()
		t.deaths.clearInstance(inst.row.Number) // of the one that was
	}
	inst.known, inst.row, inst.state = true, d.row, d.state
	inst.remember(d.state)
	inst.startBytes = startBytes(d.state)
	if d.ended {
		inst.state = nil
	}

	sent := make([]routed, len(d.sent))
	for i := range d.sent {
		m := &d.sent[i]
		key := p.newKey(history.PartitionOf(m.To, len(t.partitions)))
		delta.Sent = append(delta.Sent, store.Message{MessageKey: key, Bytes: history.AppendMessage(nil, m)})
		sent[i] = routed{m.To, message{execution: m.ExecutionID, event: m.Event, stored: true, key: key}}
	}
	return sent
}

// recordBytes is room for a common record.
const recordBytes = 256

// route puts messages into inboxes of this process. They may run ahead of
// durability: the commits are in order, so whatever they lead to is stored after them.
func (t *tenure) route(sent []routed) {
	for i := range sent {
		t.partition(sent[i].to).deliver(sent[i].to, sent[i].message)
	}
}

// committed lets the effects of a durable decision leave.
func (t *tenure) committed(inst *instance, d *decision) {
	if d != nil {
		t.tell(d)
	}
	p := inst.partition
	p.mu.Lock()
	if d != nil && (d.erase != nil || d.oldStatus.Terminal()) {
		t.revised.Add(1) // before a sweep can find the instance free
	}
	inst.deltas--
	if p.dead {
		p.mu.Unlock()
		return
	}
	if d != nil {
		if inst.row.ExecutionID == d.row.ExecutionID { // else it was replaced meanwhile
			inst.inFlight = inst.inFlight && !d.isTurn()
			t.schedule(inst, d.schedule)
		}
		for i := range d.clear {
			delete(p.armed, keyOf(&d.clear[i]))
		}
		for _, timer := range d.set {
			p.arm(timer)
		}
	}
	p.wake(inst)
	p.release(inst)
	p.mu.Unlock()

	switch {
	case d == nil:
	case d.ended:
		t.waiters.notify(inst.id, d.final)
	case d.oldStatus == history.Pending && d.row.Status != history.Pending:
		t.waiters.notifyStarted(inst.id)
	}
	t.cache.touch(inst)
}

// final is the status that an instance has after the turn that ended it; nil when
// this was no such turn: the instance went without a trace, or had ended before; or when
// the store must tell its input.
func (d *decision) final() *hub.Status {
	if d.state == nil || d.state.Completed == nil || d.state.LargeInput {
		return nil
	}
	status := &hub.Status{Instance: d.row, Input: d.state.Started.Payload}
	fillEnd(status, d.record, true)
	return status
}
