package hubs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/worker"
)

// Hubs runs an engine for each hub of a store that is in use: the app's own
// with its worker, others, which only clients name, without one.
type Hubs struct {
	db      store.Provider
	Config  *config.Config
	options engine.Options
	Journal *Journal
	log     *slog.Logger

	open  context.Context // ends when the hubs are stopped
	close context.CancelCauseFunc

	mu      sync.Mutex // guards all below
	stopped bool
	running map[string]*Hub // by name in lower case
}

// Hub is a hub of them and its engine.
type Hub struct {
	Hubs *Hubs
	Log  *slog.Logger
	Name string       // as spelt when the hub was made
	app  *perdure.App // whose functions run here; nil: none

	Engine atomic.Pointer[engine.Engine] // another one once the hub has been deleted and made anew
	Ended  chan error                    // what an engine returned that nobody had stopped
	stop   func() error                  // ends the engine and returns once everything is stored; guarded by hubs.mu
}

// New returns the hubs of an open store, none of which runs yet.
func New(db store.Provider, cfg *config.Config, options engine.Options, journal *Journal) *Hubs {
	h := &Hubs{db: db, Config: cfg, options: options, Journal: journal, log: cmp.Or(options.Logger, slog.New(slog.DiscardHandler)), running: map[string]*Hub{}}
	h.open, h.close = context.WithCancelCause(context.Background())
	return h
}

// whileOpen returns a context that ends with ctx, with done, and when the hubs
// are stopped.
func (h *Hubs) whileOpen(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.open, func() { cancel(context.Cause(h.open)) })
	return ctx, func() { stop(); cancel(nil) }
}

// Run starts the engine of a hub, with app's functions if there is one.
func (h *Hubs) Run(kept store.Hub, app *perdure.App) (*Hub, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runLocked(kept, app)
}

func (h *Hubs) runLocked(kept store.Hub, app *perdure.App) (*Hub, error) {
	r := &Hub{Hubs: h, Log: h.log, Name: kept.Name(), app: app, Ended: make(chan error, 1)}
	if err := r.start(kept); err != nil {
		return nil, err
	}
	h.running[strings.ToLower(r.Name)] = r
	return r, nil
}

// start runs an engine on a hub until r.stop is called.
func (r *Hub) start(kept store.Hub) error {
	exec, closeExec := engine.Executor(nil), func() {}
	if r.app != nil {
		w, err := worker.New(r.app, worker.Options{Logger: r.Log, MaxActions: r.Hubs.Config.MaxActions})
		if err != nil {
			return err
		}
		exec, closeExec = w, w.Close
	}
	options := r.Hubs.options
	options.Hub = r.Name
	e := engine.New(kept, exec, options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { // stop ends it and waits for it
		err := e.Run(ctx)
		closeExec()
		switch {
		case ctx.Err() == nil:
			r.Ended <- err
			err = nil
		case errors.Is(err, context.Canceled):
			err = nil // stopped before it had begun
		}
		done <- err
	}()
	r.stop = sync.OnceValue(func() error {
		cancel()
		err := <-done
		select {
		case early := <-r.Ended: // unless it was told already
			return early
		default:
			return err
		}
	})
	r.Engine.Store(e)
	return nil
}

// current is the hub as it is now, with the rules of host.json.
func (r *Hub) current() hub.Hub {
	return rules{r.Engine.Load(), r.Hubs.Config.ReplaceAnyState}
}

// Find returns the hub of that name for callers of the HTTP API, if the store
// has it.
func (h *Hubs) Find(ctx context.Context, name string) (httpapi.Hub, error) {
	r, err := h.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	return r.ForCallers(), nil
}

// lookUp returns the hub of that name, running, or [client.ErrHubNotFound].
func (h *Hubs) lookUp(ctx context.Context, name string) (*Hub, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r, ok := h.running[strings.ToLower(name)]; ok {
		return r, nil
	}
	if h.stopped {
		return nil, fmt.Errorf("%w: it is shutting down", hub.ErrUnavailable)
	}
	kept, err := h.db.Hub(ctx, name, store.HubOptions{})
	if err != nil {
		return nil, hubNotFound(err, name)
	}
	return h.runLocked(kept, nil)
}

// delete removes a hub and everything in it, for good. One that runs an app's
// functions must be forced; it begins anew, empty, and runs on. Errors:
// [client.ErrInvalidState], [client.ErrHubNotFound], [client.ErrUnavailable].
func (h *Hubs) delete(ctx context.Context, name string, force bool) error {
	ctx = context.WithoutCancel(ctx) // the engine that has been stopped must not be missed
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.running[strings.ToLower(name)]
	switch {
	case h.stopped:
		return fmt.Errorf("%w: it is shutting down", hub.ErrUnavailable)
	case !ok:
		return hubNotFound(h.db.DeleteHub(ctx, name), name)
	case r.app != nil && !force:
		return fmt.Errorf("%w: a host serves task hub %s (process %d): stop it, or force the deletion", client.ErrInvalidState, r.Name, os.Getpid())
	}
	if err := r.stop(); err != nil {
		return err
	}
	err := h.db.DeleteHub(ctx, name)
	if r.app == nil {
		delete(h.running, strings.ToLower(name))
		return hubNotFound(err, name)
	}
	// The host cannot do without its hub, whatever became of the old one.
	if again := r.restart(ctx); again != nil {
		r.Ended <- again
		err = errors.Join(err, again)
	}
	return err
}

// restart makes the hub if it is not there and runs it.
func (r *Hub) restart(ctx context.Context) error {
	kept, err := r.Hubs.db.Hub(ctx, r.Name, store.HubOptions{Partitions: r.Hubs.Config.Partitions, Create: true})
	if err != nil {
		return err
	}
	return r.start(kept)
}

func hubNotFound(err error, name string) error {
	if errors.Is(err, store.ErrHubNotFound) {
		return fmt.Errorf("%w: %s", client.ErrHubNotFound, name)
	}
	return err
}

// Stop ends all engines and returns once everything is stored.
func (h *Hubs) Stop() error {
	h.close(fmt.Errorf("%w: it is shutting down", hub.ErrUnavailable))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	var ending sync.WaitGroup
	errs := make(chan error, len(h.running))
	for _, r := range h.running {
		ending.Go(func() { errs <- r.stop() })
	}
	ending.Wait()
	close(errs)
	var all error
	for err := range errs {
		all = errors.Join(all, err)
	}
	return all
}

// ForCallers is the hub as the HTTP API has it, which knows who calls.
func (r *Hub) ForCallers() audited { return audited{Hub: r} }

// ForProgram is the hub as a program in this process has it.
// throwStatusExceptionsOnRaiseEvent concerns it, and not the HTTP API.
func (r *Hub) ForProgram(who string) audited {
	return audited{Hub: r, who: who, quietRaise: !r.Hubs.Config.RaiseChecks}
}

// rules applies overridableExistingInstanceStates to starts that say nothing
// themselves, whoever they come from.
type rules struct {
	hub.Hub
	replaceAny bool
}

func (r rules) Start(ctx context.Context, s hub.StartRequest) (history.InstanceID, error) {
	if r.replaceAny && s.Reuse == hub.RefuseIfActive {
		s.Reuse = hub.ReplaceAny
	}
	return r.Hub.Start(ctx, s)
}
