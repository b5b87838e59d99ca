package host

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/store"
)

// Where probes ask. They need no key, may use any host name and see no data.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// health tells probes how a host is.
type health struct {
	db       store.Provider
	engine   func() *engine.Engine
	draining atomic.Bool
}

// readiness is the answer to readyPath.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons,omitempty"` // why it is not
	Notes   []string `json:"notes,omitempty"`   // what somebody should know all the same
}

func (h *health) readiness() (r readiness) {
	notes, err := h.db.Health()
	switch {
	case errors.Is(err, store.ErrNoSpace):
		r.Reasons = append(r.Reasons, "no space")
	case err != nil:
		r.Reasons = append(r.Reasons, "store broken")
	}
	if h.draining.Load() {
		r.Reasons = append(r.Reasons, "draining")
	} else if !h.engine().Owned() {
		r.Reasons = append(r.Reasons, "hub not owned")
	}
	r.Notes = notes
	r.Ready = len(r.Reasons) == 0
	return r
}

// wrap answers probes before next is asked. Functions of the app at these paths
// come first: has reports whether there is one for a request.
func (h *health) wrap(next http.Handler, has func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe := (r.URL.Path == healthPath || r.URL.Path == readyPath) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
		if !probe || has(r) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if r.URL.Path == healthPath {
			h.live(w)
			return
		}
		ready := h.readiness()
		w.Header().Set("Content-Type", "application/json")
		if !ready.Ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		json.NewEncoder(w).Encode(ready)
	})
}

// live answers healthPath: 503 says that a restart helps.
func (h *health) live(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := h.db.Health(); errors.Is(err, store.ErrBroken) {
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte("the store is broken; a restart helps once the cause is removed\n"))
		return
	}
	w.Write([]byte("ok\n"))
}
