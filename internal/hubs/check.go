package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/wire"
)

// Check checks the configured hub and changes nothing: the store is opened for
// reading only, or the process that has it open checks it. A store that is
// refused is a disagreement. Errors are those of [Connect].
func Check(ctx context.Context, cfg *config.Config, o client.CheckOptions) (client.CheckReport, error) {
	db, err := openExisting(ctx, cfg, Opening{ReadOnly: true})
	if isLocked(err) {
		c, err := Connect(ctx, cfg, false, slog.New(slog.DiscardHandler))
		if err != nil {
			return client.CheckReport{}, err
		}
		report, err := c.Check(ctx, o)
		return report, errors.Join(err, c.Close())
	}
	if refused := new(store.RefusedError); errors.As(err, &refused) {
		if o.Tell != nil {
			o.Tell(client.Disagreement{Rule: "store", Rows: "the files of " + cfg.DataDir, Says: refused.Cause.Error(), Do: refused.Advice})
		}
		return client.CheckReport{Disagreements: 1}, nil
	}
	if err != nil {
		return client.CheckReport{}, err
	}
	report, err := checkHub(ctx, db, cfg.HubName, o)
	return report, errors.Join(err, db.Close())
}

// checkHub checks a hub of an open store.
func checkHub(ctx context.Context, db store.Provider, name string, o client.CheckOptions) (client.CheckReport, error) {
	kept, err := db.Hub(ctx, name, store.HubOptions{})
	if err != nil {
		return client.CheckReport{}, hubNotFound(err, name)
	}
	view, err := kept.View(ctx)
	if err != nil {
		return client.CheckReport{}, err
	}
	report, err := engine.Check(ctx, view, o)
	return report, errors.Join(err, view.Close())
}

// checkPath is where the command line has a running host check a hub; see
// [adminPath].
const checkPath = adminPath + "check"

// serveCheck answers with an array of [client.CheckLine], each as soon as it is
// known.
func serveCheck(own *Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.Mark, wire.Served)
		if !fromCommandLine(r.Context()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		name, err := whatToCheck(r.URL.RawQuery, own.Name)
		if err == nil {
			_, err = own.Hubs.db.Hub(r.Context(), name, store.HubOptions{})
			err = hubNotFound(err, name)
		}
		if err != nil {
			httpapi.WriteError(w, err)
			return
		}
		ctx, done := own.Hubs.whileOpen(r.Context())
		defer done()
		w.Header().Set("Content-Type", "application/json")
		lines := &lines{w: w, flush: http.NewResponseController(w)}
		report, err := checkHub(ctx, own.Hubs.db, name, client.CheckOptions{
			Gentle:   true,
			Tell:     func(d client.Disagreement) { lines.add(client.CheckLine{Disagreement: &d}) },
			Progress: func(p client.CheckReport) { lines.add(client.CheckLine{Progress: &p}) },
		})
		if err != nil {
			lines.add(client.CheckLine{Error: err.Error()})
		} else {
			lines.add(client.CheckLine{Report: &report})
		}
		lines.end()
	}
}

// whatToCheck reads which hub is asked for, own being the one if none is named.
func whatToCheck(query, own string) (string, error) {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return "", fmt.Errorf("%w: %w", hub.ErrInvalidArgument, err)
	}
	for parameter, values := range asked {
		if parameter != "taskHub" || len(values) > 1 {
			return "", fmt.Errorf("%w: parameter %q is unknown or given twice; known here is taskHub", hub.ErrInvalidArgument, parameter)
		}
		own = values[0]
	}
	return own, nil
}

// lines writes a JSON array item by item. When the caller has gone the check
// ends by its context.
type lines struct {
	w     http.ResponseWriter
	flush *http.ResponseController
	begun bool
}

func (l *lines) add(line client.CheckLine) {
	text, err := json.Marshal(line)
	if err != nil {
		return // of texts and numbers there is always a JSON form
	}
	before := ",\n"
	if !l.begun {
		before, l.begun = "[\n", true
	}
	l.flush.SetWriteDeadline(time.Now().Add(writePatience))
	l.w.Write(append([]byte(before), text...))
	l.flush.Flush()
}

func (l *lines) end() { l.w.Write([]byte("\n]\n")) }

// writePatience is how long a caller may take to read a line.
const writePatience = time.Minute
