package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
)

// This file answers those who look. It reads what is durable and never what is
// only decided, so an answer is still true after a crash.

// Status returns what is durably known of an instance, or ErrNotFound.
func (e *Engine) Status(ctx context.Context, id history.InstanceID, options hub.StatusOptions) (found hub.Status, err error) {
	err = readInstance(ctx, e.store, id, func(at store.Snapshot) error {
		status, ok, err := statusOf(at, options)
		if !ok && err == nil {
			lack(&status, "history", errors.New("it is missing from the store"))
		}
		found = status
		return err
	})
	return found, err
}

// statusOf completes a row from its records; ok is false if there are none.
// What was stored and cannot be shown is left out and named in Problem.
func statusOf(at store.Snapshot, options hub.StatusOptions) (status hub.Status, ok bool, err error) {
	status.Instance = at.Row
	last, ok, err := at.Last()
	if !ok || err != nil {
		return status, false, err
	}
	turn, err := history.DecodeTurn(last.Seq, last.Bytes)
	if err != nil {
		lack(&status, "history", err)
		conceal(&status)
		return status, true, nil
	}
	if turn.At.After(status.UpdatedAt) {
		status.UpdatedAt = turn.At
	}
	fillEnd(&status, &turn, options.Output)
	if options.Input || options.History {
		err = fillHistory(&status, at.Records, options)
	}
	if _, bad := errors.AsType[*unreadableError](err); bad {
		lack(&status, "history", err)
		err = nil
	}
	conceal(&status)
	return status, err == nil, err
}

// fillHistory fills the input, if payloads are asked for, and the history, if
// that is.
func fillHistory(status *hub.Status, records iter.Seq2[store.Record, error], options hub.StatusOptions) error {
	for turn, err := range history.Turns(decodeRecords(status.Number, records)) {
		if err != nil {
			return err
		}
		if options.Input && len(turn.Events) > 0 && turn.Events[0].Kind == history.ExecutionStarted {
			status.Input = turn.Events[0].Payload
		}
		if !options.History {
			break
		}
		if turn.Start() && status.History != nil { // it was rewound and has not gone on yet
			status.History = append(status.History, turn.Events...)
		}
		status.History = append(status.History, turn.Flatten()...)
	}
	return nil
}

// lack notes that a part of the status cannot be shown, and why.
func lack(s *hub.Status, part string, why error) {
	if s.Problem != "" {
		s.Problem += "; "
	}
	s.Problem += part + ": " + why.Error()
}

// conceal leaves payloads out that would spoil every answer they became a part
// of. Older builds let them in.
func conceal(s *hub.Status) {
	hide := func(part string, payload *json.RawMessage) {
		if err := history.CheckEncoded(*payload); err != nil {
			*payload = nil
			lack(s, part, err)
		}
	}
	hide("input", &s.Input)
	hide("output", &s.Output)
	hide("custom status", &s.CustomStatus)
	for i := range s.History {
		hide(fmt.Sprintf("payload of event %d (%s)", i+1, s.History[i].Kind), &s.History[i].Payload)
	}
}

// fillEnd fills what the newest turn says about how the instance ended: without
// payloads FailureText alone.
func fillEnd(s *hub.Status, last *history.Turn, payloads bool) {
	if s.Status == history.Suspended && payloads {
		s.Output = s.Reason
	}
	if len(last.Events) == 0 || !s.Status.Terminal() {
		return
	}
	ended := &last.Events[len(last.Events)-1]
	if ended.Kind != history.ExecutionCompleted {
		return
	}
	var text string
	if ended.Failure != nil {
		text = ended.Failure.String()
		s.FailureText = history.Brief(text)
	}
	switch {
	case !payloads:
	case ended.Failure != nil:
		s.Failure = ended.Failure
		s.Output, _ = json.Marshal(text) // a string always has a JSON form
	default:
		s.Output = ended.Payload
	}
}

// List returns a page of instances, newest first. It ends at
// [history.PageBytes] of payloads if not before. An instance of which something
// cannot be read is among them and says so.
func (e *Engine) List(ctx context.Context, r hub.ListRequest, options hub.StatusOptions) (hub.StatusPage, error) {
	q := r.Query
	var err error
	if q.Before, err = hub.ParseContinuationToken(r.Token); err != nil {
		return hub.StatusPage{}, err
	}
	if err := e.findParent(ctx, &q); err != nil {
		return hub.StatusPage{}, err
	}
	page, err := e.store.ListInstances(ctx, q.Tellable())
	if err != nil {
		return hub.StatusPage{}, err
	}
	next := page.Next
	list := hub.StatusPage{Items: make([]hub.Status, 0, len(page.Rows)+len(page.Unreadable))}
	bytes, last := 0, history.Number(0)
	for row, bad := range page.All() {
		if bytes >= history.PageBytes {
			next = last
			break
		}
		status, ok := hub.Status{}, true
		if bad != nil {
			status.Number, status.ID, status.Problem = bad.Number, bad.ID, "status row: "+bad.Problem
			status.Status, status.CreatedAt, status.UpdatedAt = history.Unknown, bad.Number.CreatedAt(), bad.Number.CreatedAt()
		} else if status, ok, err = statusOf(e.now(ctx, row), options); err != nil {
			return hub.StatusPage{}, err
		}
		if ok { // else it was replaced or purged meanwhile
			list.Items = append(list.Items, status)
			bytes += status.Bytes()
		}
		last = status.Number
	}
	list.Token = hub.ContinuationToken(next)
	return list, nil
}

// now is the instance of row with its records as they are when they are read.
func (e *Engine) now(ctx context.Context, row *history.Instance) store.Snapshot {
	return store.Snapshot{
		Row:     *row,
		Records: e.store.Records(ctx, row.Number),
		Last:    func() (store.Record, bool, error) { return e.store.LastRecord(ctx, row.Number) },
	}
}

// MergedHistory returns the status of an instance, payloads included, and its
// history, merged.
func (e *Engine) MergedHistory(ctx context.Context, id history.InstanceID, inputs, outputs bool) (hub.Status, []hub.MergedEvent, error) {
	status, err := e.Status(ctx, id, hub.StatusOptions{Input: true, Output: true, History: true})
	if err != nil {
		return hub.Status{}, nil, err
	}
	return status, hub.MergedHistory(status.History, inputs, outputs), nil
}

// findParent adds to q the label of the children of q.Parent, if there is such
// an instance. Else rows are looked at for those of one that was purged.
func (e *Engine) findParent(ctx context.Context, q *history.Query) error {
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

// Count returns how many instances q matches, by status. Those that cannot be
// read count as [history.Unknown].
func (e *Engine) Count(ctx context.Context, q history.Query) (history.Counts, error) {
	if err := e.findParent(ctx, &q); err != nil {
		return nil, err
	}
	return e.store.CountInstances(ctx, q.Tellable())
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
// durably. It does not poll. Errors: ErrNotFound, ErrUnavailable, and the cause
// of ctx.
func (e *Engine) Wait(ctx context.Context, id history.InstanceID) (hub.Status, error) {
	ended := e.waiters.add(id)
	defer e.waiters.remove(id, ended)
	status, err := e.await(ctx, id, ended, history.RuntimeStatus.Terminal)
	if status != nil || err != nil {
		return *cmp.Or(status, &hub.Status{}), err
	}
	return e.Status(ctx, id, hub.StatusOptions{Input: true, Output: true})
}

// await returns when the status of the instance is one that is waited for,
// durably, with what the news brought, if anything.
func (e *Engine) await(ctx context.Context, id history.InstanceID, coming news, reached func(history.RuntimeStatus) bool) (*hub.Status, error) {
	for {
		if !e.before(id, reached) {
			row, ok, err := e.store.FindInstance(ctx, id)
			switch {
			case err != nil:
				return nil, err
			case !ok:
				return nil, fmt.Errorf("%w: %q", hub.ErrNotFound, id)
			case reached(row.Status):
				return nil, nil
			}
		}
		e.mu.Lock()
		stopped, change := e.stopped, e.change
		e.mu.Unlock()
		if stopped {
			return nil, fmt.Errorf("%w: it is shutting down", hub.ErrUnavailable)
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
