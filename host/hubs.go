package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/config"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/httpapi"
	"github.com/perdure/perdure/store/embedded"
)

// hubs runs an engine for each hub of a store that is in use: the app's own
// with its worker, others, which only clients name, without one.
type hubs struct {
	db      *embedded.DB
	cfg     *config.Config
	options engine.Options
	ctx     context.Context // of all engines
	cancel  context.CancelFunc
	ending  sync.WaitGroup // one for each engine

	mu      sync.Mutex // guards all below
	stopped bool
	running map[string]*running // by name in lower case
}

// running is a hub and its engine.
type running struct {
	hub   client.Hub
	ended chan error // what the engine returned, once
}

func newHubs(db *embedded.DB, cfg *config.Config, options engine.Options) *hubs {
	h := &hubs{db: db, cfg: cfg, options: options, running: map[string]*running{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// run starts the engine of a hub.
func (h *hubs) run(store *embedded.Hub, exec engine.Executor) *running {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runLocked(store, exec)
}

func (h *hubs) runLocked(store *embedded.Hub, exec engine.Executor) *running {
	e := engine.New(store, exec, h.options)
	r := &running{hub: rules{e, h.cfg.ReplaceAnyState}, ended: make(chan error, 1)}
	h.running[strings.ToLower(store.Name())] = r
	h.ending.Add(1)
	go func() { // stop ends it and waits for it
		defer h.ending.Done()
		err := e.Run(h.ctx)
		if errors.Is(err, context.Canceled) && h.ctx.Err() != nil {
			err = nil // stopped before it had begun
		}
		r.ended <- err
	}()
	return r
}

// find returns the hub of that name if the store has it.
func (h *hubs) find(_ context.Context, name string) (httpapi.Hub, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r, ok := h.running[strings.ToLower(name)]; ok {
		return r.hub, nil
	}
	if h.stopped {
		return nil, fmt.Errorf("%w: it is shutting down", engine.ErrUnavailable)
	}
	store, err := h.db.Hub(name, embedded.HubOptions{})
	if errors.Is(err, embedded.ErrHubNotFound) {
		return nil, fmt.Errorf("%w: %s", httpapi.ErrHubNotFound, name)
	}
	if err != nil {
		return nil, err
	}
	return h.runLocked(store, nil).hub, nil
}

// stop ends all engines and returns once everything is stored.
func (h *hubs) stop() error {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.cancel()
	h.ending.Wait()
	var all error
	for _, r := range h.running {
		select {
		case err := <-r.ended:
			all = errors.Join(all, err)
		default: // told already
		}
	}
	return all
}

// rules applies overridableExistingInstanceStates to starts that say nothing
// themselves, whoever they come from.
type rules struct {
	client.Hub
	replaceAny bool
}

func (r rules) Start(ctx context.Context, s engine.StartRequest) (history.InstanceID, error) {
	if r.replaceAny && s.Reuse == engine.RefuseIfActive {
		s.Reuse = engine.ReplaceAny
	}
	return r.Hub.Start(ctx, s)
}

// forClient applies throwStatusExceptionsOnRaiseEvent, which concerns programs
// and not the HTTP API.
func forClient(hub client.Hub, cfg *config.Config) client.Hub {
	if cfg.RaiseChecks {
		return hub
	}
	return quietRaise{hub}
}

// quietRaise discards events to instances that are missing or have ended.
type quietRaise struct {
	client.Hub
}

func (q quietRaise) Raise(ctx context.Context, id history.InstanceID, r engine.RaiseRequest) error {
	err := q.Hub.Raise(ctx, id, r)
	if errors.Is(err, engine.ErrNotFound) || errors.Is(err, engine.ErrTerminal) {
		return nil
	}
	return err
}
