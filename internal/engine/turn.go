package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file is the shell around the core: it gathers an inbox, finds out what a
// step asks for, and hands decisions to the committer. State is changed when a
// decision is made; effects leave when it is durable.

// turn decides about one instance: it takes what is in the inbox, lets user
// code run if it must, and hands the decision to the committer. The next turn
// of the instance waits until this one is durable; what arrives meanwhile
// becomes one turn. It reports false if the turn was left behind meanwhile:
// then somebody else has decided.
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

	d, step, err := t.decide(inst, batch)
	switch {
	case err == errLeft:
		return false
	case err != nil:
		t.setAside(inst, batch, last, err)
		return true
	}
	consumed, left, bytes := decide.Keys(step.Used), step.Left, 0
	if d != nil {
		bytes = d.PayloadBytes()
	}
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
func (t *tenure) setAside(inst *instance, left []decide.Message, last *Hold, cause error) {
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
func (t *tenure) conclude(inst *instance, d *decision, consumed []store.MessageKey, left []decide.Message, done func(error)) {
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
	t.endClaim(inst, sent)
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

// decision is one of the core on its way into the store.
type decision struct {
	decide.Decision
	told    *told       // for the log, besides what the decision says; nil: nothing
	later   []routed    // messages to other lanes: they wait until this is durable, see [lanes]
	delta   store.Delta // what is stored of all that; empty until it is committed
	encoded store.Record
}

// decide works out what the inbox batch leads to: what is used up and what
// stays, and the decision, nil for none. The caller has set running.
func (t *tenure) decide(inst *instance, batch []decide.Message) (*decision, decide.Step, error) {
	if err := t.load(inst); err != nil {
		return nil, decide.Step{}, err
	}
	step := decide.Open(decide.Inbox{ID: inst.id, Row: &inst.row, State: inst.state, Batch: batch, Now: t.now(), Version: t.options.DefaultVersion})
	if t.deaths.some.Load() && decide.Find(step.Used, history.ExecutionResumed) >= 0 {
		t.deaths.clearInstance(inst.row.Number) // whoever resumes it wants it to run
	}
	told := t.toldOf(inst, &step)
	answer, err := t.answer(inst, &step)
	if err != nil {
		return nil, step, err
	}
	closed, ok := step.Close(&answer)
	if !ok {
		if !inst.exists() || inst.row.Status.Terminal() {
			t.log.Debug("messages dropped: instance is absent or has ended", "instance", inst.id, "messages", len(step.Used))
		}
		return nil, step, nil
	}
	return &decision{Decision: closed, told: told}, step, nil
}

// answer finds out what a step asks for.
func (t *tenure) answer(inst *instance, step *decide.Step) (a decide.Answer, err error) {
	switch step.Kind {
	case decide.Run:
		if a.Outcome, err = t.orchestrate(inst, t.workFor(inst, step.Work())); err == nil && decide.Continues(&a.Outcome) {
			a.Execution = history.NewExecutionID()
		}
	case decide.Terminate:
		t.forgetCode(inst.row.Number)
	case decide.Start:
		p := inst.partition
		p.mu.Lock()
		a.Number = p.newNumber(t.now())
		p.mu.Unlock()
		a.Execution = history.NewExecutionID()
	case decide.EndTree:
		a.Page, err = t.treePage(&step.Tree)
	case decide.Keep:
		a.Records, err = t.records(t.ctx, inst)
	case decide.RewindChild:
		if a.Records, err = t.records(t.ctx, inst); err != nil {
			break
		}
		if err = t.barrier(t.ctx); err != nil {
			break
		}
		a.Children, err = childRowsOf(t.ctx, t.store, a.Records)
		a.Execution = history.NewExecutionID()
	case decide.TellEnd:
		a.Ended, err = t.lastEvent(inst)
	}
	return a, err
}

// workFor is the turn as the executor sees it.
func (t *tenure) workFor(inst *instance, turn history.Turn) history.Work {
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
	return decodeRecords(number, store.Records(ctx, number))
}

// readInstance calls read with an instance as of one moment, or returns
// hub.ErrNotFound.
func readInstance(ctx context.Context, from store.Reader, id history.InstanceID, read func(store.Snapshot) error) error {
	ok, err := from.ReadInstance(ctx, id, read)
	if err == nil && !ok {
		err = fmt.Errorf("%w: %q", hub.ErrNotFound, id)
	}
	return err
}

// decodeRecords yields turns as they are decoded, until the first that cannot
// be. An error of the store passes as it is; one of the bytes is an
// [unreadableError].
func decodeRecords(number history.Number, records iter.Seq2[store.Record, error]) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		for rec, err := range records {
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
	for _, ev := range decide.InOrder(state.Open) {
		if ev.Kind == history.TaskScheduled && !answered[ev.ID] {
			open = append(open, ev)
		}
	}
	t.schedule(inst, open)
	return nil
}

// routed is a message on its way within this process.
type routed struct {
	to history.InstanceID
	decide.Message
}

// commit hands a decision (nil: only messages are used up) to the committer and
// makes it the instance's present. done, if any, is called when it is durable
// or has failed. It returns the messages to route once mu, which is held, is
// released.
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
	delta.Partition, delta.Consumed = p.index, consumed
	inst.deltas++
	p.lane.add(delta, func(err error) {
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
	delta.Number, delta.ID = d.Row.Number, d.Row.ID
	if !d.RowKept {
		delta.Row, delta.OldStatus = &d.Row, d.OldStatus
	}
	if d.Records() {
		d.encoded = store.Record{Seq: d.Record.Seq, Bytes: history.AppendTurn(make([]byte, 0, recordBytes), &d.Record)}
		delta.Record = &d.encoded
		inst.inFlight = d.IsTurn() // a new instance may run ahead: its start is no turn
	}
	delta.DropRecords = d.Drop
	delta.Erase = d.Erase
	delta.SetTimers, delta.ClearTimers = d.SetTimers, d.ClearTimers
	p.disarm(inst, d.ClearTimers)
	if d.Erase != nil {
		inst.flagged, inst.inFlight = false, false
	}
	if want := d.Work(); want != inst.flagged {
		inst.flagged = want
		delta.Work = store.Clear
		if want {
			delta.Work = store.Set
		}
	}
	if d.Abandon {
		inst.abandon()
		t.deaths.clearInstance(inst.row.Number) // of the one that was
	}
	inst.known, inst.row, inst.state = true, d.Row, d.State
	inst.remember(d.State)
	inst.startBytes = startBytes(d.State)
	if d.Ended {
		inst.state = nil
	}

	sent := make([]routed, 0, len(d.Sent))
	for i := range d.Sent {
		m := &d.Sent[i]
		key := p.newKey(history.PartitionOf(m.To, len(t.partitions)))
		delta.Sent = append(delta.Sent, store.Message{MessageKey: key, Bytes: history.AppendMessage(nil, m)})
		r := routed{m.To, decide.Message{Execution: m.ExecutionID, Event: m.Event, Stored: true, Key: key}}
		if t.partitions[key.Partition].lane == p.lane {
			sent = append(sent, r)
		} else {
			d.later = append(d.later, r)
		}
	}
	return sent
}

// recordBytes is room for a common record.
const recordBytes = 256

// route puts messages into inboxes of this process. Within a lane they may run
// ahead of durability: its commits are in order, so whatever they lead to is
// stored after them.
func (t *tenure) route(sent []routed) {
	for i := range sent {
		t.partition(sent[i].to).deliver(sent[i].to, sent[i].Message)
	}
}

// committed lets the effects of a durable decision leave.
func (t *tenure) committed(inst *instance, d *decision) {
	if d != nil {
		t.tell(d)
	}
	p := inst.partition
	p.mu.Lock()
	if d != nil && (d.Erase != nil || d.OldStatus.Terminal()) {
		t.revised.Add(1) // before a sweep can find the instance free
	}
	inst.deltas--
	if p.dead {
		p.mu.Unlock()
		return
	}
	if d != nil {
		if inst.row.ExecutionID == d.Row.ExecutionID { // else it was replaced meanwhile
			inst.inFlight = inst.inFlight && !d.IsTurn()
			t.schedule(inst, d.Schedule)
		}
		for i := range d.ClearTimers {
			delete(p.armed, keyOf(&d.ClearTimers[i]))
		}
		for _, timer := range d.SetTimers {
			p.arm(timer)
		}
	}
	p.wake(inst)
	p.release(inst)
	p.mu.Unlock()
	if d != nil {
		t.route(d.later)
	}

	switch {
	case d == nil:
	case d.Ended:
		t.waiters.notify(inst.id, d.final)
	case d.OldStatus == history.Pending && d.Row.Status != history.Pending:
		t.waiters.notifyStarted(inst.id)
	}
	t.cache.touch(inst)
}

// final is the status that an instance has after the turn that ended it; nil
// when this was no such turn: the instance went without a trace, or had ended
// before; or when the store must tell its input.
func (d *decision) final() *hub.Status {
	if d.State == nil || d.State.Completed == nil || d.State.LargeInput {
		return nil
	}
	status := &hub.Status{Instance: d.Row, Input: d.State.Started.Payload}
	fillEnd(status, &d.Record, true)
	return status
}
