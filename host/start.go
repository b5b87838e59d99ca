package host

import (
	"context"
	"errors"

	"github.com/perdure/perdure"
)

// Running is an app that [Start] has started. It is safe for concurrent use.
type Running struct {
	Info
	stop  context.CancelFunc
	ended chan struct{} // closed when Run has returned
	err   error         // of Run; set before ended is closed
}

// Start serves app as [Run] does, and returns once it can be used. The app runs
// until Close; ctx limits the start only. An error is Run's, or the cause of
// ctx, and then nothing runs.
//
//	app, err := host.Start(ctx, newApp(), host.Options{Port: host.FreePort})
//	if err != nil {
//		return err
//	}
//	defer app.Close()
//	id, err := app.Client.Start(ctx, "Order", 3, client.StartOptions{})
func Start(ctx context.Context, app *perdure.App, o Options) (*Running, error) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	r := &Running{stop: stop, ended: make(chan struct{})}
	ready := make(chan struct{})
	then := o.OnReady
	o.OnReady = func(ctx context.Context, info Info) error {
		r.Info = info
		close(ready)
		if then == nil {
			return nil
		}
		return then(ctx, info)
	}
	go func() { // Close waits for it
		defer close(r.ended)
		r.err = Run(running, app, o)
	}()
	select {
	case <-ready:
		return r, nil
	case <-r.ended:
		stop()
		return nil, r.err
	case <-ctx.Done():
		if err := r.Close(); err != nil && !errors.Is(err, context.Canceled) {
			return nil, err
		}
		return nil, context.Cause(ctx)
	}
}

// Ended is closed when the app has ended: by Close, or because it could not go
// on, which Close then tells.
func (r *Running) Ended() <-chan struct{} { return r.ended }

// Close stops the app and returns when everything is stored, with what went
// wrong. What runs may take [Options.DrainTimeout] to finish. A second Close
// returns the same.
func (r *Running) Close() error {
	r.stop()
	<-r.ended
	return r.err
}
