// Package client manages the instances of one task hub from outside of
// orchestrations: start, look, wait, raise events, suspend, resume, terminate,
// rewind, restart, purge, explain, export.
//
// A [Client] is the same whether the hub runs in this process ([Local]) or is
// reached over the HTTP API ([Remote]): same operations, same errors.
//
// The context of a call limits the call, never the instance. Payloads are
// encoded once with encoding/json; a [json.RawMessage] passes as it is. Nothing
// is retried that is not safe to do twice.
package client

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Client manages the instances of a hub. It is safe for concurrent use and
// holds nothing that must be closed.
type Client struct {
	hub   hub.Hub
	links LinkOptions
}

// Local returns a client of a hub in this process. [Client.WithLinks] tells it
// how the hub is reached from outside.
func Local(h hub.Hub) *Client { return &Client{hub: h} }

// Reuse says what a start does when its instance id exists already.
type Reuse = hub.Reuse

// The values of [Reuse].
const (
	RefuseIfActive = hub.RefuseIfActive // replace an instance that has ended; refuse otherwise
	RefuseIfExists = hub.RefuseIfExists // refuse
	ReplaceAny     = hub.ReplaceAny     // replace in any state: a live instance ends at once
	ReturnExisting = hub.ReturnExisting // succeed with the one that is there
)

// StartOptions are what a start can say besides name and input. The zero value
// is the usual start.
type StartOptions struct {
	ID      InstanceID // empty: a random one of 32 hex digits
	Version string     // empty: the hub's default
	Tags    map[string]string
	StartAt time.Time // not before; zero: now
	Reuse   Reuse     // default: the hub's rule, RefuseIfActive unless configured
}

// Start schedules an instance of the orchestrator name and returns its id once
// that is durable. It does not wait for the orchestrator to run.
//
// Errors: [ErrInvalidArgument], [ErrUnknownOrchestrator], [ErrAlreadyExists],
// [ErrResourceExhausted].
func (c *Client) Start(ctx context.Context, name string, input any, o StartOptions) (InstanceID, error) {
	payload, err := encode(input)
	if err == nil && name == "" {
		err = fmt.Errorf("%w: the orchestrator has no name", ErrInvalidArgument)
	}
	if err != nil {
		return "", c.fail(ctx, "start "+name, o.ID, err)
	}
	id, err := c.hub.Start(ctx, hub.StartRequest{
		Name: name, ID: o.ID, Input: payload,
		Version: o.Version, Tags: o.Tags, ScheduledAt: o.StartAt, Reuse: o.Reuse,
	})
	if err != nil {
		return "", c.fail(ctx, "start "+name, o.ID, err)
	}
	return id, nil
}

// Wait returns the final status once the instance has ended, in whatever way:
// see [Status.Err]. It survives restarts of a remote host. A missing instance
// is [ErrNotFound] at once.
func (c *Client) Wait(ctx context.Context, id InstanceID) (*Status, error) {
	st, err := c.hub.Wait(ctx, id)
	if err != nil {
		return nil, c.fail(ctx, "wait", id, err)
	}
	return newStatus(st, StatusOptions{}), nil
}

// WaitStarted returns the status once the instance has had its first turn: at
// once for every status but Pending. A missing instance is [ErrNotFound].
func (c *Client) WaitStarted(ctx context.Context, id InstanceID) (*Status, error) {
	if err := c.hub.WaitStarted(ctx, id); err != nil {
		return nil, c.fail(ctx, "wait for the start of", id, err)
	}
	return c.Status(ctx, id, StatusOptions{})
}

// RaiseOption varies one Raise.
type RaiseOption func(*raiseOptions)

type raiseOptions struct{ request hub.RaiseRequest }

// WithIdempotencyKey makes the instance take an event of this key, of at most
// 300 bytes, once, however often it is raised within 24 hours. An instance
// remembers 1 MiB of keys; an event with another one is [ErrResourceExhausted]
// then.
func WithIdempotencyKey(key string) RaiseOption {
	return func(o *raiseOptions) { o.request.Key = key }
}

// Raise hands an external event to an instance; it is kept until the
// orchestrator waits for that name. Names match ignoring letter case.
//
// Errors: [ErrInvalidArgument], [ErrNotFound], [ErrTerminal],
// [ErrResourceExhausted].
func (c *Client) Raise(ctx context.Context, id InstanceID, name string, data any, options ...RaiseOption) error {
	payload, err := encode(data)
	if err == nil && name == "" {
		err = fmt.Errorf("%w: the event has no name", ErrInvalidArgument)
	}
	if err != nil {
		return c.fail(ctx, "raise event", id, err)
	}
	o := raiseOptions{hub.RaiseRequest{Name: name, Payload: payload}}
	for _, option := range options {
		option(&o)
	}
	return c.fail(ctx, "raise event", id, c.hub.Raise(ctx, id, o.request))
}

// encode turns a payload into JSON. nil stays nil, which is null.
func encode(payload any) (json.RawMessage, error) {
	switch v := payload.(type) {
	case nil:
		return nil, nil
	case json.RawMessage:
		if len(v) == 0 {
			return nil, nil
		}
		if err := history.CheckPayload(v); err != nil {
			return nil, fmt.Errorf("%w: the payload: %w", ErrInvalidArgument, err)
		}
		return v, nil
	}
	err := history.CheckPayloadType(reflect.TypeOf(payload))
	var text []byte
	if err == nil {
		text, err = json.Marshal(payload)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	return text, nil
}
