package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
}

// answer is the response to a call that the host accepted.
type answer struct {
	code int
	body []byte
}

func (r *remote) do(ctx context.Context, c call) (answer, error) {
	if c.query == nil {
		c.query = url.Values{}
	}
	if r.options.TaskHub != "" {
		c.query.Set("taskHub", r.options.TaskHub)
	}
	address := r.base
	for _, segment := range c.path {
		if segment == "" {
			return answer{}, fmt.Errorf("%w: the instance id is empty", ErrInvalidArgument)
		}
		address += "/" + url.PathEscape(segment)
	}
	if len(c.query) > 0 {
		address += "?" + c.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, c.method, address, bytes.NewReader(c.body))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrInvalidArgument, err)
	}
	if c.method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		req.Header.Set("Idempotency-Key", c.key)
	}
	if r.options.Key != "" {
		req.Header.Set("x-functions-key", r.options.Key)
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
	return answer{res.StatusCode, body}, nil
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
	a, err := r.do(ctx, c)
	if err != nil {
		return "", err
	}
	var links struct{ ID history.InstanceID }
	if err := json.Unmarshal(a.body, &links); err != nil || links.ID == "" {
		return "", fmt.Errorf("%w: the answer to a start holds no id", ErrUnavailable)
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
	var text string
	if len(t.Reason) > 0 {
		if err := json.Unmarshal(t.Reason, &text); err != nil {
			return fmt.Errorf("%w: over HTTP the reason is a string", ErrInvalidArgument)
		}
	}
	return r.command(ctx, id, "terminate", text)
}

func (r *remote) Suspend(ctx context.Context, id history.InstanceID, reason string) error {
	return r.command(ctx, id, "suspend", reason)
}

func (r *remote) Resume(ctx context.Context, id history.InstanceID, reason string) error {
	return r.command(ctx, id, "resume", reason)
}

func (r *remote) command(ctx context.Context, id history.InstanceID, word, reason string) error {
	query := url.Values{}
	if reason != "" {
		query.Set("reason", reason)
	}
	_, err := r.do(ctx, call{method: http.MethodPost, path: []string{"instances", string(id), word}, query: query})
	return err
}

// Status asks for the details that only our hosts know; others ignore that.
func (r *remote) Status(ctx context.Context, id history.InstanceID, o engine.StatusOptions) (engine.Status, error) {
	query := url.Values{"showDetails": {"true"}}
	if !o.Payloads {
		query.Set("showInput", "false")
	}
	a, err := r.do(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)}, query: query})
	if err != nil {
		return engine.Status{}, err
	}
	return decodeStatus(a.body)
}

// How Wait asks again.
const (
	longPoll  = 30 * time.Second       // how long a host may keep one request
	pollPause = 500 * time.Millisecond // after a host that did not wait, or did not answer
	patience  = 30 * time.Second       // how long a host may be away, for a restart
)

// Wait lets the host keep each request until the instance ends, and asks again.
func (r *remote) Wait(ctx context.Context, id history.InstanceID) error {
	var awaySince time.Time
	for {
		asked := time.Now()
		a, err := r.do(ctx, call{method: http.MethodGet, path: []string{"instances", string(id)},
			query: url.Values{"showInput": {"false"}, "wait": {fmt.Sprint(longPoll.Seconds())}}})
		switch {
		case err == nil && a.code == http.StatusOK:
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

// What follows is still to be written.

func (r *remote) Rewind(ctx context.Context, id history.InstanceID, q engine.RewindRequest) error {
	return engine.ErrUnsupported
}

func (r *remote) PlanRewind(ctx context.Context, id history.InstanceID, q engine.RewindRequest) (engine.RewindPlan, error) {
	return engine.RewindPlan{}, engine.ErrUnsupported
}

func (r *remote) Restart(ctx context.Context, id history.InstanceID, q engine.RestartRequest) (history.InstanceID, error) {
	return "", engine.ErrUnsupported
}

func (r *remote) Purge(ctx context.Context, id history.InstanceID, q engine.PurgeRequest) (engine.PurgeResult, error) {
	return engine.PurgeResult{}, engine.ErrUnsupported
}

func (r *remote) PurgeBy(ctx context.Context, f engine.PurgeFilter) (engine.PurgeResult, error) {
	return engine.PurgeResult{}, engine.ErrUnsupported
}

func (r *remote) List(ctx context.Context, q engine.Query, o engine.StatusOptions) (engine.StatusPage, error) {
	return engine.StatusPage{}, engine.ErrUnsupported
}

func (r *remote) Count(ctx context.Context, q engine.Query) (engine.Counts, error) {
	return nil, engine.ErrUnsupported
}

func (r *remote) Explain(ctx context.Context, id history.InstanceID) (engine.Explanation, error) {
	return engine.Explanation{}, engine.ErrUnsupported
}

func (r *remote) Export(ctx context.Context, id history.InstanceID) (engine.Archive, error) {
	return engine.Archive{}, engine.ErrUnsupported
}

func (r *remote) Import(ctx context.Context, q engine.ImportRequest) (history.InstanceID, error) {
	return "", engine.ErrUnsupported
}

func (r *remote) WaitStarted(ctx context.Context, id history.InstanceID) error {
	return engine.ErrUnsupported
}
