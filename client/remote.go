package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// basePath is where hosts serve the management API (spec/http-api.md 1.1).
const basePath = "/runtime/webhooks/durabletask"

// RemoteOptions are optional: the zero value suits a host on this machine.
type RemoteOptions struct {
	Key        string       // sent as x-functions-key; empty: none
	TaskHub    string       // empty: the host's own
	HTTPClient *http.Client // nil: http.DefaultClient
}

// Remote returns a client that speaks the HTTP API of the host at baseURL, for
// example "http://127.0.0.1:7071". It does no I/O.
func Remote(baseURL string, o RemoteOptions) *Client {
	base := strings.TrimRight(baseURL, "/")
	if u, err := url.Parse(base); err == nil && u.Path == "" {
		base += basePath
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	return &Client{
		hub:   &remote{base: base, options: o},
		links: LinkOptions{Base: base, TaskHub: o.TaskHub, Key: o.Key, Fixed: true},
	}
}

// remote is a [Hub] behind the HTTP API.
type remote struct {
	base    string
	options RemoteOptions
}

// call is one request. body nil sends none.
type call struct {
	method string
	path   []string // segments, not escaped
	query  url.Values
	body   json.RawMessage
	key    string // Idempotency-Key
	token  string // of a page
}

// answer is the response to a call that the host accepted.
type answer struct {
	code  int
	body  []byte
	token string // of the next page
}

// tokenHeader carries the tokens of pages, in both directions.
const tokenHeader = "x-ms-continuation-token"

func (r *remote) do(ctx context.Context, c call) (answer, error) {
	address, err := r.address(c)
	if err != nil {
		return answer{}, err
	}
	return r.send(ctx, c, address)
}

func (r *remote) address(c call) (string, error) {
	query := maps.Clone(c.query)
	if r.options.TaskHub != "" {
		if query == nil {
			query = url.Values{}
		}
		query.Set("taskHub", r.options.TaskHub)
	}
	address := r.base
	for _, segment := range c.path {
		if segment == "" {
			return "", fmt.Errorf("%w: the instance id is empty", ErrInvalidArgument)
		}
		address += "/" + url.PathEscape(segment)
	}
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return address, nil
}

func (r *remote) send(ctx context.Context, c call, address string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, c.method, address, bytes.NewReader(c.body))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	if c.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{"Idempotency-Key": c.key, "x-functions-key": r.options.Key, tokenHeader: c.token} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	res, err := r.options.HTTPClient.Do(req)
	if err != nil {
		return answer{}, lost(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return answer{}, lost(ctx, err)
	}
	if res.StatusCode >= 300 {
		return answer{}, refusal(c, res.StatusCode, body)
	}
	return answer{res.StatusCode, body, res.Header.Get(tokenHeader)}, nil
}

// ask is do for answers in JSON.
func (r *remote) ask(ctx context.Context, c call, out any) error {
	a, err := r.do(ctx, c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("%w: the host answers with what is not expected: %w", ErrUnavailable, err)
	}
	return nil
}

// lost tells a caller who gave up from a host that cannot be reached.
func lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

func (r *remote) Start(ctx context.Context, s engine.StartRequest) (history.InstanceID, error) {
	c := call{method: http.MethodPost, path: []string{"orchestrators", s.Name}, query: url.Values{}, body: s.Input}
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
		c.query.Set("reuse", reuseNames[s.Reuse])
	}
	for name, value := range s.Tags {
		c.query.Set("tag."+name, value)
	}
	return r.started(ctx, c)
}

// started is do for what starts an instance: the answer holds its id.
func (r *remote) started(ctx context.Context, c call) (history.InstanceID, error) {
	var links struct{ ID history.InstanceID }
	if err := r.ask(ctx, c, &links); err != nil {
		return "", err
	}
	if links.ID == "" {
		return "", fmt.Errorf("%w: the host answers without the id of what was started", ErrUnavailable)
	}
	return links.ID, nil
}

// reuseNames are the values of the query parameter reuse.
var reuseNames = map[Reuse]string{RefuseIfActive: "RefuseIfActive", RefuseIfExists: "RefuseIfExists", ReplaceAny: "ReplaceAny", ReturnExisting: "ReturnExisting"}

func (r *remote) Raise(ctx context.Context, id history.InstanceID, e engine.RaiseRequest) error {
	_, err := r.do(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), "raiseEvent", e.Name}, body: e.Payload, key: e.Key})
	return err
}

func (r *remote) Terminate(ctx context.Context, id history.InstanceID, t engine.TerminateRequest) error {
	query := url.Values{}
	var text string
	switch {
	case len(t.Reason) == 0:
	case json.Unmarshal(t.Reason, &text) == nil:
		query.Set("reason", text)
	default:
		query.Set("output", string(t.Reason)) // which only our hosts know
	}
	if t.Recursive {
		query.Set("recursive", "true")
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
	_, err := r.do(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), word}, query: query})
	return err
}

// Status asks for the details that only our hosts know; others ignore that. A
// history as it was recorded is in the instance's archive only.
func (r *remote) Status(ctx context.Context, id history.InstanceID, o engine.StatusOptions) (engine.Status, error) {
	query := url.Values{"showDetails": {"true"}}
	if !o.Payloads {
		query.Set("showInput", "false")
		query.Set("showOutput", "false")
	}
	var w wireStatus
	if err := r.ask(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)}, query: query}, &w); err != nil {
		return engine.Status{}, err
	}
	st := w.status()
	if !o.History || st.Status == history.Pending {
		return st, nil
	}
	archive, err := r.Export(ctx, id)
	if err != nil {
		return engine.Status{}, err
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
func (r *remote) Wait(ctx context.Context, id history.InstanceID) (engine.Status, error) {
	err := r.until(ctx, func() (bool, error) {
		a, err := r.do(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)},
			query: url.Values{"showInput": {"false"}, "showOutput": {"false"}, "wait": {fmt.Sprint(longPoll.Seconds())}}})
		return a.code == http.StatusOK, err
	})
	if err != nil {
		return engine.Status{}, err
	}
	return r.Status(ctx, id, engine.StatusOptions{Payloads: true})
}

// WaitStarted looks now and then: hosts cannot be asked to tell.
func (r *remote) WaitStarted(ctx context.Context, id history.InstanceID) error {
	return r.until(ctx, func() (bool, error) {
		st, err := r.Status(ctx, id, engine.StatusOptions{})
		return st.Status != history.Pending, err
	})
}

// until calls done until it reports true or the host is away for too long.
func (r *remote) until(ctx context.Context, done func() (bool, error)) error {
	var awaySince time.Time
	for {
		asked := time.Now()
		ok, err := done()
		switch {
		case err == nil && ok:
			return nil
		case err == nil:
			awaySince = time.Time{}
		case !errors.Is(err, ErrUnavailable):
			return err
		case awaySince.IsZero():
			awaySince = asked
		case time.Since(awaySince) > patience:
			return err
		}
		if time.Since(asked) > pollPause {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollPause):
		}
	}
}
