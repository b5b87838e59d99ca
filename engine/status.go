package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/perdure/perdure/history"
)

// Status returns what is durably known of an instance, or ErrNotFound.
func (e *Engine) Status(ctx context.Context, id history.InstanceID, options StatusOptions) (Status, error) {
	for {
		row, ok, err := e.store.FindInstance(ctx, id)
		if err != nil {
			return Status{}, err
		}
		if !ok {
			return Status{}, fmt.Errorf("%w: %q", ErrNotFound, id)
		}
		status, ok, err := e.read(ctx, row, options)
		if ok || err != nil {
			return status, err
		}
		// Its records went between the two reads: it was replaced or purged.
	}
}

// read completes a row from its records; ok is false if they are gone.
func (e *Engine) read(ctx context.Context, row history.Instance, options StatusOptions) (Status, bool, error) {
	status := Status{Instance: row}
	last, ok, err := e.store.LastRecord(ctx, row.Number)
	if !ok || err != nil {
		return status, false, err
	}
	turn, err := history.DecodeTurn(last.Seq, last.Bytes)
	if err != nil {
		return status, false, fmt.Errorf("read history of instance %s: %w", row.ID, err)
	}
	if turn.At.After(status.UpdatedAt) {
		status.UpdatedAt = turn.At
	}
	if options.Payloads {
		status.end(&turn)
	}
	if !options.Payloads && !options.History {
		return status, true, nil
	}
	for turn, err := range history.Turns(readRecords(ctx, e.store, row.Number)) {
		if err != nil {
			return status, false, err
		}
		if first := &turn.Events[0]; options.Payloads && first.Kind == history.ExecutionStarted {
			status.Input = first.Payload
		}
		if !options.History {
			break
		}
		if turn.Start() && status.History != nil { // it was rewound and has not gone on yet
			status.History = append(status.History, turn.Events...)
		}
		status.History = append(status.History, turn.Flatten()...)
	}
	return status, true, nil
}

// end fills what the newest turn says about how the instance ended.
func (s *Status) end(last *history.Turn) {
	if s.Status == history.Suspended {
		s.Output = s.Reason
		return
	}
	if len(last.Events) == 0 || !s.Status.Terminal() {
		return
	}
	ended := &last.Events[len(last.Events)-1]
	if ended.Kind != history.ExecutionCompleted {
		return
	}
	s.Output, s.Failure = ended.Payload, ended.Failure
	if s.Failure != nil {
		s.Output, _ = json.Marshal(s.Failure.String()) // a string always has a JSON form
	}
}

// StatusPage is a page of a list.
type StatusPage struct {
	Items []Status
	Next  history.Number // as [Page.Next]
}

// List returns a page of instances, newest first.
func (e *Engine) List(ctx context.Context, q Query, options StatusOptions) (StatusPage, error) {
	if err := e.findParent(ctx, &q); err != nil {
		return StatusPage{}, err
	}
	page, err := e.store.ListInstances(ctx, q)
	if err != nil {
		return StatusPage{}, err
	}
	list := StatusPage{Next: page.Next, Items: make([]Status, 0, len(page.Rows))}
	for i := range page.Rows {
		status, ok, err := e.read(ctx, page.Rows[i], options)
		if err != nil {
			return StatusPage{}, err
		}
		if ok { // else it was replaced or purged meanwhile
			list.Items = append(list.Items, status)
		}
	}
	return list, nil
}

// findParent adds to q the label of the children of q.Parent, if there is such an
// instance. Else rows are looked at for those of one that was purged.
func (e *Engine) findParent(ctx context.Context, q *Query) error {
	if q.Parent == "" {
		return nil
	}
	row, ok, err := e.store.FindInstance(ctx, q.Parent)
	if err != nil {
		return fmt.Errorf("find instance %s: %w", q.Parent, err)
	}
	if ok {
		q.Labels = append(q.Labels[:len(q.Labels):len(q.Labels)], history.ParentLabel(row.Number))
	}
	return nil
}

// Count returns how many instances q matches, by status.
func (e *Engine) Count(ctx context.Context, q Query) (Counts, error) {
	if err := e.findParent(ctx, &q); err != nil {
		return nil, err
	}
	return e.store.CountInstances(ctx, q)
}

// WaitStarted returns once the instance's first turn is durable, or it has
// ended, with the errors of [Engine.Wait].
func (e *Engine) WaitStarted(ctx context.Context, id history.InstanceID) error {
	started := e.waiters.addStarting(id)
	defer e.waiters.removeStarting(id, started)
	_, err := e.await(ctx, id, started, func(status history.RuntimeStatus) bool { return status != history.Pending })
	return err
}

// Wait returns the status of an instance, payloads included, when it has ended,
// durably. It does not poll. Errors: ErrNotFound, ErrUnavailable, and the cause of ctx.
func (e *Engine) Wait(ctx context.Context, id history.InstanceID) (Status, error) {
	ended := e.waiters.add(id)
	defer e.waiters.remove(id, ended)
	status, err := e.await(ctx, id, ended, history.RuntimeStatus.Terminal)
	if status != nil || err != nil {
		return *cmp.Or(status, &Status{}), err
	}
	return e.Status(ctx, id, StatusOptions{Payloads: true})
}

// await returns when the status of the instance is one that is waited for,
// durably, with what the news brought, if anything.
func (e *Engine) await(ctx context.Context, id history.InstanceID, coming news, reached func(history.RuntimeStatus) bool) (*Status, error) {
	for {
		if !e.before(id, reached) {
			row, ok, err := e.store.FindInstance(ctx, id)
			switch {
			case err != nil:
				return nil, err
			case !ok:
				return nil, fmt.Errorf("%w: %q", ErrNotFound, id)
			case reached(row.Status):
				return nil, nil
			}
		}
		e.mu.Lock()
		stopped, change := e.stopped, e.change
		e.mu.Unlock()
		if stopped {
			return nil, fmt.Errorf("%w: it is shutting down", ErrUnavailable)
		}
		select {
		case status := <-coming:
			if status != nil {
				return status, nil
			}
		case <-change: // stopping, or another tenure
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// before reports whether the instance is known, without asking the store, to be
// there and not to have reached what is waited for.
func (e *Engine) before(id history.InstanceID, reached func(history.RuntimeStatus) bool) bool {
	t := e.current()
	if t == nil {
		return false
	}
	p := t.partition(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	inst, ok := p.instances[id]
	return ok && inst.known && inst.exists() && !reached(inst.row.Status)
}
