package host

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

// hubs runs an engine for each hub of a store that is in use: the app's own
// with its worker, others, which only clients name, without one.
type hubs struct {
	db      store.Provider
	cfg     *config.Config
	options engine.Options
	journal *journal
	log     *slog.Logger

	open  context.Context // ends when the hubs are stopped
	close context.CancelCauseFunc

	mu      sync.Mutex // guards all below
	stopped bool
	running map[string]*running // by name in lower case
}

// running is a hub and its engine.
type running struct {
	hubs *hubs
	log  *slog.Logger
	name string       // as spelt when the hub was made
	app  *perdure.App // whose functions run here; nil: none

	engine atomic.Pointer[engine.Engine] // another one once the hub has been deleted and made anew
	ended  chan error                    // what an engine returned that nobody had stopped
	stop   func() error                  // ends the engine and returns once everything is stored; guarded by hubs.mu
}

func newHubs(db store.Provider, cfg *config.Config, options engine.Options, journal *journal) *hubs {
	h := &hubs{db: db, cfg: cfg, options: options, journal: journal, log: cmp.Or(options.Logger, slog.New(slog.DiscardHandler)), running: map[string]*running{}}
	h.open, h.close = context.WithCancelCause(context.Background())
	return h
}

// whileOpen returns a context that ends with ctx, with done, and when the hubs are stopped.
func (h *hubs) whileOpen(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(h.open, func() { cancel(context.Cause(h.open)) })
	return ctx, func() { stop(); cancel(nil) }
}

// run starts the engine of a hub, with app's functions if there is one.
func (h *hubs) run(kept store.Hub, app *perdure.App) (*running, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runLocked(kept, app)
}

func (h *hubs) runLocked(kept store.Hub, app *perdure.App) (*running, error) {
	r := &running{hubs: h, log: h.log, name: kept.Name(), app: app, ended: make(chan error, 1)}
	if err := r.start(kept); err != nil {
		return nil, err
	}
	h.running[strings.ToLower(r.name)] = r
	return r, nil
}

// start runs an engine on a hub until r.stop is called.
func (r *running) start(kept store.Hub) error {
	exec, closeExec := engine.Executor(nil), func() {}
	if r.app != nil {
		w, err := worker.New(r.app, worker.Options{Logger: r.log, MaxActions: r.hubs.cfg.MaxActions})
		if err != nil {
			return err
		}
		exec, closeExec = w, w.Close
	}
	options := r.hubs.options
	options.Hub = r.name
	e := engine.New(kept, exec, options)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { // stop ends it and waits for it
		err := e.Run(ctx)
		closeExec()
		switch {
		case ctx.Err() == nil:
			r.ended <- err
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
		case early := <-r.ended: // unless it was told already
			return early
		default:
			return err
		}
	})
	r.engine.Store(e)
	return nil
}

// current is the hub as it is now, with the rules of host.json.
func (r *running) current() hub.Hub {
	return rules{r.engine.Load(), r.hubs.cfg.ReplaceAnyState}
}

// find returns the hub of that name for callers of the HTTP API, if the store
// has it.
func (h *hubs) find(ctx context.Context, name string) (httpapi.Hub, error) {
	r, err := h.lookUp(ctx, name)
	if err != nil {
		return nil, err
	}
	return r.forCallers(), nil
}

// lookUp returns the hub of that name, running, or [client.ErrHubNotFound].
func (h *hubs) lookUp(ctx context.Context, name string) (*running, error) {
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
func (h *hubs) delete(ctx context.Context, name string, force bool) error {
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
		return fmt.Errorf("%w: a host serves task hub %s (process %d): stop it, or force the deletion", client.ErrInvalidState, r.name, os.Getpid())
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
		r.ended <- again
		err = errors.Join(err, again)
	}
	return err
}

// restart makes the hub if it is not there and runs it.
func (r *running) restart(ctx context.Context) error {
	kept, err := r.hubs.db.Hub(ctx, r.name, store.HubOptions{Partitions: r.hubs.cfg.Partitions, Create: true})
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

// stop ends all engines and returns once everything is stored.
func (h *hubs) stop() error {
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

// forCallers is the hub as the HTTP API has it, which knows who calls.
func (r *running) forCallers() audited { return audited{running: r} }

// forProgram is the hub as a program in this process has it.
// throwStatusExceptionsOnRaiseEvent concerns it, and not the HTTP API.
func (r *running) forProgram(who string) audited {
	return audited{running: r, who: who, quietRaise: !r.hubs.cfg.RaiseChecks}
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
