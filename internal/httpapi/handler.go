// Package httpapi serves the instance-management API that Durable Functions
// clients speak (docs/contracts/http-api.md).
//
//	request -> host, origin -> base path -> route -> key -> hub -> decode -> one call of Hub -> encode
//
// It translates and never decides: what a start or a terminate may do is the
// engine's business. Where the contract prescribes odd behaviour, it is in one
// of three tables: routes, statuses of errors, forms of history events.
package httpapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// Hub is what the API calls.
type Hub interface {
	hub.Hub
	hub.Gate
}

// BasePath is where the API is, in any letter case; links always use it.
const BasePath = wire.BasePath

// RPCBasePath is where the API is for worker processes on the same machine.
const RPCBasePath = wire.RPCPath

// Where handlers serve the API; the second place is for 1.x callers.
var (
	basePaths    = []string{BasePath, wire.AdminPath}
	rpcBasePaths = []string{RPCBasePath}
)

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

	Keys  func() []Key // those that open the API now; nil: no key is needed
	Open  bool         // no key is needed, although there are Keys: they only tell who calls, and links hold none
	Links Links        // what the links that are handed out open
	// Identify names callers that bring no key but prove who they are in
	// another way, such as a client certificate. nil: nobody does.
	Identify func(*http.Request) (Identity, bool)

	// Loopback and AllowedHosts refuse requests whose host is not the
	// loopback's, one of the names in AllowedHosts (without ports) or that of
	// PublicURL: a web page whose name was rebound to this address. Both zero:
	// any host will do.
	Loopback     bool
	AllowedHosts []string
	// PublicURL is the origin of links, perhaps with the path that a proxy puts
	// before ours; empty: that of the request. With UseForwarded a proxy says
	// the origin, in X-Forwarded-Host and X-Forwarded-Proto, and in
	// X-Forwarded-Prefix the path, if another than that of PublicURL.
	PublicURL    string
	UseForwarded bool
	// HTTPS makes the origin of a request that did not come by TLS begin with
	// https all the same: others are served by TLS, and links lead there.
	HTTPS bool
	// AllowedOrigins are the origins of web pages that may call the API and see
	// its answers, "*" for all; AllowCredentials lets those that are named use
	// cookies and the like. None: no page of another origin gets anywhere.
	AllowedOrigins   []string
	AllowCredentials bool

	// LocalRPC serves the API at [RPCBasePath] and nowhere else, and asks for
	// no key: worker processes of this machine have none.
	LocalRPC bool
	// RPCBaseURL is where such a handler is served, for client bindings; empty:
	// nowhere.
	RPCBaseURL string

	// Other answers what is not the API's, after the same checks of host,
	// origin and key. nil: 404.
	Other http.Handler

	MaxBodyBytes int64        // 0: [MaxBodyBytes]
	Gate         *Gate        // may be that of other handlers too, and has room for a body of MaxBodyBytes; nil: its own
	Logger       *slog.Logger // nil: silent
}

// Handler serves the API. It is safe for concurrent use.
type Handler struct {
	Options
	publicName  string
	crossOrigin *http.CrossOriginProtection
	openAPI     []byte
}

// New returns a handler. It panics when Hub or TaskHub is missing and when an
// option makes no sense.
func New(o Options) *Handler {
	if o.Hub == nil || o.TaskHub == "" {
		panic(fmt.Sprintf("httpapi.New: Hub is %v, TaskHub is %q; both are required", o.Hub, o.TaskHub))
	}
	if !slices.Contains([]LinkScope{"", ScopeHub, ScopeInstance, ScopeNone}, o.Links.Scope) {
		panic(fmt.Sprintf("httpapi.New: Links.Scope is %q; it must be hub, instance or none", o.Links.Scope))
	}
	if o.Links.Scope == ScopeInstance && len(o.Links.Secret) == 0 {
		panic("httpapi.New: Links.Secret is missing; links of scope instance are signed with it")
	}
	if o.MaxBodyBytes == 0 {
		o.MaxBodyBytes = MaxBodyBytes
	}
	if o.Gate == nil {
		o.Gate = NewGate(max(GateBytes, o.MaxBodyBytes), GateWaits)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{Options: o, publicName: publicName(o.PublicURL), crossOrigin: newCrossOrigin(o.AllowedOrigins), openAPI: describe(routes)}
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
	if bytes := res.bytes(); h.Gate.answers.take(bytes) {
		defer h.Gate.answers.give(bytes)
	} else {
		res = errorResponse(crowded("large answers"))
	}
	if res.code != 0 {
		if leavesUnread(r) {
			w.Header().Set("Connection", "close")
		}
		if err := res.write(w); err != nil {
			if !errors.Is(err, errCallerGone) {
				h.Logger.Error("http answer cut off", "method", r.Method, "path", r.URL.Path, "error", err)
			}
			panic(http.ErrAbortHandler) // there is no other way to say so once an answer has begun
		}
	}
	// The query stays out of the log: it may hold a key.
	h.Logger.Debug("http request", "method", r.Method, "path", r.URL.Path, "code", res.code, "took", time.Since(began))
}

// unserved is the answer to what is no path, or no method, of the API.
var unserved = response{code: http.StatusNotFound, mark: wire.Unserved}

var errForeign = refuse(http.StatusForbidden, "requests from web pages of other origins are refused, unless the configuration names the origin")

// serve decides what to answer; without a code it has been answered.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (response, error) {
	if len(r.RequestURI) > maxURLBytes {
		return response{}, refuse(http.StatusRequestURITooLong, "the URL has more than %d bytes", maxURLBytes)
	}
	if !h.answersFor(r) {
		return response{}, refuse(http.StatusMisdirectedRequest, "this server does not answer for host %q; use 127.0.0.1, localhost or a name that is allowed", r.Host)
	}
	if h.cors(w.Header(), r) && preflight(r) {
		return answerPreflight(w.Header()), nil
	}
	foreign := h.foreign(r)
	if foreign && !followed(r) {
		return response{}, errForeign
	}
	path, ours := h.relativePath(r.URL.EscapedPath())
	if !ours && h.Other == nil {
		return unserved, nil
	}
	var to *route
	var params map[string]string
	if ours {
		to, params = findRoute(r.Method, path)
	}
	pairs := readPairs(r.URL.RawQuery, to)
	req := &request{handler: h, params: params, query: newQuery(pairs), pairs: pairs, Request: r}
	req.caller = h.identify(req, to)
	switch {
	case foreign && !ours && req.caller.key == "": // who knows no key could have the app do anything
		return response{}, errForeign
	case req.caller.Name == "":
		return response{code: http.StatusUnauthorized}, nil
	case ours && to == nil:
		return unserved, nil
	case req.caller.Role < to.least():
		return response{}, req.tooLow(to.least(), "this")
	}
	req.Request = r.WithContext(context.WithValue(r.Context(), callerKey{}, req.caller))
	if !ours {
		h.Other.ServeHTTP(w, req.Request)
		return response{}, nil
	}
	if err := req.checkLength(); err != nil {
		return response{}, err
	}
	if err := to.check(req); err != nil {
		return response{}, err
	}
	if err := h.findHub(req); err != nil {
		return response{}, err
	}
	if req.caller.By == CallerLink {
		req.hub = linked{req.hub, req.caller.made}
	}
	defer req.drop()
	return to.answer(req)
}

// relativePath cuts a base path off an escaped path.
func (h *Handler) relativePath(path string) (string, bool) {
	bases := basePaths
	if h.LocalRPC {
		bases = rpcBasePaths
	}
	for _, base := range bases {
		if len(path) >= len(base) && strings.EqualFold(path[:len(base)], base) {
			rest := path[len(base):]
			return rest, rest == "" || rest[0] == '/'
		}
	}
	return "", false
}

// findHub reads taskHub and connection (docs/contracts/http-api.md 1.6). A hub
// is never created for a client.
func (h *Handler) findHub(r *request) error {
	r.connection = "Storage"
	if name := strings.TrimSpace(r.query.last("connection")); name != "" {
		known := []string{"Storage", "AzureWebJobsStorage", h.Connection}
		if !containsFold(known, name) {
			return invalid("connection %q is not known", name)
		}
		r.connection = name
	}
	name := r.hubName()
	if strings.EqualFold(name, h.TaskHub) {
		r.hub, r.taskHub = h.Hub, h.TaskHub
		return nil
	}
	if err := wire.CheckHubName(name); err != nil {
		return invalid("%v", err)
	}
	if h.Find == nil {
		return fmt.Errorf("%w: %s", ErrHubNotFound, name)
	}
	hub, err := h.Find(r.Context(), name)
	r.hub, r.taskHub = hub, name
	return err
}

// hubName is the hub that a request is about.
func (r *request) hubName() string {
	return cmp.Or(strings.TrimSpace(r.query.last("taskHub")), r.handler.TaskHub)
}

func containsFold(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
