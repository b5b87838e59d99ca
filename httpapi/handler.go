// Package httpapi serves the instance-management API that Durable Functions
// clients speak (spec/http-api.md).
//
//	request -> base path -> key -> route -> hub -> decode -> one call of Hub -> encode
//
// It translates and never decides: what a start or a terminate may do is the
// engine's business. Where the contract prescribes odd behaviour, it is in one
// of three tables: routes, statuses of errors, forms of history events.
package httpapi

import (
	"context"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// Hub is what the API calls: a task hub with its engine's operations. Errors
// match the sentinels of package engine.
type Hub interface {
	Start(ctx context.Context, r engine.StartRequest) (history.InstanceID, error)
	Raise(ctx context.Context, id history.InstanceID, r engine.RaiseRequest) error
	Terminate(ctx context.Context, id history.InstanceID, r engine.TerminateRequest) error
	Suspend(ctx context.Context, id history.InstanceID, reason string) error
	Resume(ctx context.Context, id history.InstanceID, reason string) error
	Rewind(ctx context.Context, id history.InstanceID, r engine.RewindRequest) error
	PlanRewind(ctx context.Context, id history.InstanceID, r engine.RewindRequest) (engine.RewindPlan, error)
	Restart(ctx context.Context, id history.InstanceID, r engine.RestartRequest) (history.InstanceID, error)
	Purge(ctx context.Context, id history.InstanceID, r engine.PurgeRequest) (engine.PurgeResult, error)
	PurgeBy(ctx context.Context, f engine.PurgeFilter) (engine.PurgeResult, error)
	Status(ctx context.Context, id history.InstanceID, o engine.StatusOptions) (engine.Status, error)
	List(ctx context.Context, q engine.Query, o engine.StatusOptions) (engine.StatusPage, error)
	Count(ctx context.Context, q engine.Query) (engine.Counts, error)
	Explain(ctx context.Context, id history.InstanceID) (engine.Explanation, error)
	Export(ctx context.Context, id history.InstanceID) (engine.Archive, error)
	Import(ctx context.Context, r engine.ImportRequest) (history.InstanceID, error)
	Wait(ctx context.Context, id history.InstanceID) error
}

// BasePath is where the API is, in any letter case; links always use it.
const BasePath = "/runtime/webhooks/durabletask"

// basePaths are all places of the API; the second is for 1.x callers.
var basePaths = []string{BasePath, "/admin/extensions/DurableTaskExtension"}

// Limits of a request.
const (
	maxHeaderBytes = 64 << 10
	maxURLBytes    = 16 << 10
	// MaxBodyBytes is the largest body unless Options say otherwise.
	MaxBodyBytes = 100 << 20
)

// Options configure a [Handler].
type Options struct {
	Hub        Hub    // required
	TaskHub    string // its name; required
	Connection string // name of its connection, besides Storage and AzureWebJobsStorage, which are always known
	// Find returns another hub of this server by its legal name, or an error
	// that matches [ErrHubNotFound]. nil: there are none.
	Find func(ctx context.Context, name string) (Hub, error)

	Keys []string // any of them opens the API; none: no key is needed. The first one is put into links
	// Loopback refuses requests that do not name this machine's loopback as
	// their host: a web page whose name was rebound to 127.0.0.1.
	Loopback     bool
	MaxBodyBytes int64        // 0: [MaxBodyBytes]
	Logger       *slog.Logger // nil: silent
}

// Handler serves the API. It is safe for concurrent use.
type Handler struct {
	Options
	crossOrigin *http.CrossOriginProtection
}

// New returns a handler. It panics when Hub or TaskHub is missing.
func New(o Options) *Handler {
	if o.Hub == nil || o.TaskHub == "" {
		panic(fmt.Sprintf("httpapi.New: Hub is %v, TaskHub is %q; both are required", o.Hub, o.TaskHub))
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = MaxBodyBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{Options: o, crossOrigin: http.NewCrossOriginProtection()}
}

// NewServer returns a server for h with limits on what a request may cost before
// a handler sees it. Answers have no time limit, since callers may wait.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		MaxHeaderBytes:    maxHeaderBytes,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
	}
}

// ServeHTTP answers one request. What is not the API's is 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	res, err := h.serve(w, r)
	if err != nil {
		res = errorResponse(err)
		if res.code == http.StatusInternalServerError && r.Context().Err() == nil {
			h.Logger.Error("http request", "method", r.Method, "path", r.URL.Path, "error", err)
		}
	}
	res.write(w)
	// The query stays out of the log: it may hold a key.
	h.Logger.Debug("http request", "method", r.Method, "path", r.URL.Path, "code", res.code, "took", time.Since(began))
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (response, error) {
	if len(r.RequestURI) > maxURLBytes {
		return response{}, &problem{http.StatusRequestURITooLong, "InvalidArgument", fmt.Sprintf("the URL has more than %d bytes", maxURLBytes)}
	}
	if h.Loopback && !loopbackName(r.Host) {
		return response{}, &problem{http.StatusMisdirectedRequest, "InvalidArgument", fmt.Sprintf("this server does not answer for host %q; use 127.0.0.1 or localhost", r.Host)}
	}
	if err := h.crossOrigin.Check(r); err != nil {
		return response{}, &problem{http.StatusForbidden, "InvalidArgument", "requests from web pages of other origins are refused"}
	}
	path, ok := relativePath(r.URL.EscapedPath())
	if !ok {
		return response{code: http.StatusNotFound}, nil
	}
	req := &request{Request: r, handler: h, writer: w, query: parseQuery(r.URL.RawQuery)}
	if !h.authorized(req) {
		return response{code: http.StatusUnauthorized}, nil
	}
	serve, params, ok := findRoute(r.Method, path)
	if !ok {
		return response{code: http.StatusNotFound}, nil
	}
	req.params = params
	if err := h.findHub(req); err != nil {
		return response{}, err
	}
	return serve(req)
}

// relativePath cuts a base path off an escaped path.
func relativePath(path string) (string, bool) {
	for _, base := range basePaths {
		if len(path) >= len(base) && strings.EqualFold(path[:len(base)], base) {
			rest := path[len(base):]
			return rest, rest == "" || rest[0] == '/'
		}
	}
	return "", false
}

// loopbackName reports whether a Host header names the loopback.
func loopbackName(host string) bool {
	name := (&url.URL{Host: host}).Hostname()
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// authorized compares in constant time with every key.
func (h *Handler) authorized(r *request) bool {
	given := r.Header.Get("x-functions-key")
	if given == "" {
		given = r.query.last("code")
	}
	found := 0
	for _, key := range h.Keys {
		found |= subtle.ConstantTimeCompare([]byte(key), []byte(given))
	}
	return len(h.Keys) == 0 || found == 1
}

var legalHubName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,44}$`)

// findHub reads taskHub and connection (spec/http-api.md 1.6). A hub is never
// created for a client.
func (h *Handler) findHub(r *request) error {
	r.connection = "Storage"
	if name := r.query.last("connection"); name != "" {
		known := []string{"Storage", "AzureWebJobsStorage", h.Connection}
		if !containsFold(known, name) {
			return invalid("connection %q is not known", name)
		}
		r.connection = name
	}
	name := r.query.last("taskHub")
	if name == "" || strings.EqualFold(name, h.TaskHub) {
		r.hub, r.taskHub = h.Hub, h.TaskHub
		return nil
	}
	if !legalHubName.MatchString(name) {
		return invalid("task hub name %q: 3 to 45 letters and digits are needed, the first one a letter", name)
	}
	if h.Find == nil {
		return fmt.Errorf("%w: %s", ErrHubNotFound, name)
	}
	hub, err := h.Find(r.Context(), name)
	r.hub, r.taskHub = hub, name
	return err
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
