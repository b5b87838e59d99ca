package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// RemoteOptions are optional: the zero value suits a host on this machine.
type RemoteOptions struct {
	Key        string       // sent as x-functions-key; empty: none
	TaskHub    string       // empty: the host's own
	HTTPClient *http.Client // nil: http.DefaultClient
	// Socket is the Unix socket of an app that this user or root runs on this
	// machine, such as .perdure/socket; it needs no key. What is asked goes
	// there, whatever the address of the host, which links and messages have.
	Socket string
	// MaxAnswerBytes is how large a status, a page, an archive or the like may
	// be; 0: 1 GiB. A larger one is [ErrUnavailable], with the address and this
	// bound. Other answers may have 1 MiB.
	MaxAnswerBytes int64
}

// maxAnswerBytes is the default of [RemoteOptions].
const maxAnswerBytes = 1 << 30

// Remote returns a client that speaks the HTTP API of the host at baseURL, for
// example "http://127.0.0.1:7071", or "https://example.org/orders" when a proxy
// serves the host below a path. It does no I/O; an address that makes no sense
// is [ErrInvalidArgument] of every call.
//
// The client trusts nobody. It follows no redirects, also with an HTTPClient
// that would: the key and payloads go to no other origin. An answer counts only
// if it is one that the API has for what was asked. What a proxy answers in
// place of the host is [ErrUnavailable], with its status and address, and never
// taken for an answer about an instance; but 401 is [ErrUnauthenticated] and
// 429 [ErrResourceExhausted], whoever says so. A host of another make, or of an
// older build, is not asked for what it would ignore: that is [ErrUnsupported].
// A host from which nothing comes for 30 s, or 5 min for what takes long,
// hangs: that is [ErrUnavailable] too, and says what may have happened.
func Remote(baseURL string, o RemoteOptions) *Client {
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.MaxAnswerBytes == 0 {
		o.MaxAnswerBytes = maxAnswerBytes
	}
	r := &remote{options: o, http: *o.HTTPClient}
	if o.Socket != "" {
		r.http.Transport = throughSocket(o.Socket)
	}
	r.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.root, r.base, r.origin, r.bad = parseBase(baseURL)
	return &Client{hub: r, links: LinkOptions{Base: r.base, TaskHub: o.TaskHub, Key: o.Key, Fixed: true}}
}

// remote is a [hub.Hub] behind the HTTP API.
type remote struct {
	root    string // address of the host, with what a proxy puts before its paths
	base    string // address of the API
	origin  string // for messages: it holds no secret
	bad     error  // what is wrong with the address
	options RemoteOptions
	http    http.Client // of options, but it follows no redirects
	ours    atomic.Bool // the host has marked an answer
}

// The answers of the contract (docs/contracts/http-api.md 5).
var (
	accepted = []int{http.StatusAccepted}
	known    = []int{http.StatusOK, http.StatusAccepted} // of a status
	done     = []int{http.StatusOK}
)

func (r *remote) Start(ctx context.Context, s hub.StartRequest) (history.InstanceID, error) {
	c := call{method: http.MethodPost, path: []string{"orchestrators", s.Name}, query: url.Values{}, body: s.Input, ok: accepted}
	if s.ID != "" {
		c.path = append(c.path, string(s.ID))
	}
	if s.Version != "" {
		c.query.Set("version", s.Version)
	}
	if !s.ScheduledAt.IsZero() {
		c.query.Set("startAt", s.ScheduledAt.UTC().Format(time.RFC3339Nano))
	}
	if s.Reuse != RefuseIfActive {
		c.query.Set("reuse", wire.ReuseNames[s.Reuse])
	}
	for name, value := range s.Tags {
		c.query.Set("tag."+name, value)
	}
	if !s.ScheduledAt.IsZero() || s.Reuse != RefuseIfActive || len(s.Tags) > 0 {
		if err := r.needOurs(ctx); err != nil {
			return "", err
		}
	}
	return r.started(ctx, c)
}

// started is do for what starts an instance: the answer holds its id.
func (r *remote) started(ctx context.Context, c call) (history.InstanceID, error) {
	var links struct{ ID history.InstanceID }
	err := r.ask(ctx, c, &links, func() bool { return links.ID != "" })
	return links.ID, err
}

func (r *remote) Raise(ctx context.Context, id history.InstanceID, e hub.RaiseRequest) error {
	if e.Key != "" {
		if err := r.needOurs(ctx); err != nil {
			return err
		}
	}
	return r.tell(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), "raiseEvent", e.Name}, body: e.Payload, key: e.Key, ok: accepted})
}

func (r *remote) Terminate(ctx context.Context, id history.InstanceID, t hub.TerminateRequest) error {
	query := url.Values{}
	var text string
	switch {
	case len(t.Reason) == 0:
	case json.Unmarshal(t.Reason, &text) == nil:
		query.Set("reason", text)
	default:
		query.Set("output", string(t.Reason))
	}
	if t.Recursive {
		query.Set("recursive", "true")
	}
	if query.Has("output") || t.Recursive {
		if err := r.needOurs(ctx); err != nil {
			return err
		}
	}
	return r.command(ctx, id, "terminate", query)
}

func (r *remote) Suspend(ctx context.Context, id history.InstanceID, reason string) error {
	return r.command(ctx, id, "suspend", because(reason))
}

func (r *remote) Resume(ctx context.Context, id history.InstanceID, reason string) error {
	return r.command(ctx, id, "resume", because(reason))
}

func because(reason string) url.Values {
	if reason == "" {
		return url.Values{}
	}
	return url.Values{"reason": {reason}}
}

func (r *remote) command(ctx context.Context, id history.InstanceID, word string, query url.Values) error {
	return r.tell(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), word}, query: query, ok: accepted})
}

// Status asks for the details that only our hosts know; others ignore that. A
// history as it was recorded is in the instance's archive only.
func (r *remote) Status(ctx context.Context, id history.InstanceID, o hub.StatusOptions) (hub.Status, error) {
	query := url.Values{"showDetails": {"true"}}
	if !o.Input {
		query.Set("showInput", "false")
	}
	if !o.Output {
		query.Set("showOutput", "false")
	}
	var w wire.Status
	if err := r.ask(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)}, query: query, ok: known, large: true}, &w, w.Formed); err != nil {
		return hub.Status{}, err
	}
	st := w.Status
	if !o.History || st.Status == history.Pending {
		return st, nil
	}
	archive, err := r.Export(ctx, id)
	if err != nil {
		return hub.Status{}, err
	}
	st.History, err = flatten(archive.Turns)
	return st, err
}

// flatten is how a history looks to clients.
func flatten(turns []history.Turn) ([]history.Event, error) {
	var events []history.Event
	for turn, err := range history.Turns(recorded(turns)) {
		if err != nil {
			return nil, err
		}
		events = append(events, turn.Flatten()...)
	}
	return events, nil
}

func recorded(turns []history.Turn) iter.Seq2[history.Turn, error] {
	return func(yield func(history.Turn, error) bool) {
		for _, turn := range turns {
			if !yield(turn, nil) {
				return
			}
		}
	}
}

// How Wait asks again.
const (
	longPoll  = 30 * time.Second       // how long a host may keep one request
	pollPause = 500 * time.Millisecond // after a host that did not wait, or did not answer
	patience  = 30 * time.Second       // how long a host may be away, for a restart
)

// Wait lets the host keep each request until the instance ends, and asks again.
func (r *remote) Wait(ctx context.Context, id history.InstanceID) (hub.Status, error) {
	err := r.until(ctx, func() (bool, error) {
		var w wire.Status
		err := r.ask(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)}, ok: known, large: true, silence: longPoll + silence,
			query: url.Values{"showInput": {"false"}, "showOutput": {"false"}, "wait": {fmt.Sprint(longPoll.Seconds())}}}, &w, w.Formed)
		return w.Instance.Status.Terminal(), err
	})
	if err != nil {
		return hub.Status{}, err
	}
	return r.Status(ctx, id, hub.StatusOptions{Input: true, Output: true})
}

// WaitStarted looks now and then: hosts cannot be asked to tell.
func (r *remote) WaitStarted(ctx context.Context, id history.InstanceID) error {
	return r.until(ctx, func() (bool, error) {
		st, err := r.Status(ctx, id, hub.StatusOptions{})
		return st.Status != history.Pending, err
	})
}

// until calls done until it reports true or the host is away for too long.
func (r *remote) until(ctx context.Context, done func() (bool, error)) error {
	var awaySince time.Time
	var away error // what the host answers, or does not, since then
	for {
		asked := time.Now()
		ok, err := done()
		if ctx.Err() != nil && away != nil {
			return fmt.Errorf("%w: %w", ctx.Err(), away)
		}
		switch {
		case err == nil && ok:
			return nil
		case err == nil:
			awaySince, away = time.Time{}, nil
		case !errors.Is(err, ErrUnavailable) || final(err):
			return err
		case awaySince.IsZero():
			awaySince = asked
		case time.Since(awaySince) > patience:
			return err
		}
		away = err
		if time.Since(asked) > pollPause {
			continue
		}
		select {
		case <-ctx.Done():
			if away != nil {
				return fmt.Errorf("%w: %w", ctx.Err(), away)
			}
			return ctx.Err()
		case <-time.After(pollPause):
		}
	}
}
