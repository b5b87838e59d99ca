package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// adminPath is where a host has what the command line of its machine asks for
// beside the management API: only the command line gets in. Whoever may read
// the endpoint could do as much with the folder.
const adminPath = "/admin/perdure/"

// admin answers with do's result as JSON, or its error.
func admin(do func(ctx context.Context, query url.Values) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.Mark, wire.Served)
		if !fromCommandLine(r.Context()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		query, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			httpapi.WriteError(w, fmt.Errorf("%w: %w", client.ErrInvalidArgument, err))
			return
		}
		answer, err := do(r.Context(), query)
		w.Header().Set("Content-Type", "application/json")
		if err != nil { // told whole: it is the operator who asks
			w.WriteHeader(http.StatusInternalServerError)
			answer = adminError{err.Error()}
		}
		json.NewEncoder(w).Encode(answer) // fails with the caller only
	}
}

type adminError struct{ Message string }

// ask has the host do what its route word does, and decodes what it answers.
func (ep Endpoint) ask(ctx context.Context, word string, query url.Values, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ep.URL+adminPath+word+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	if ep.Socket == "" {
		req.Header.Set("x-functions-key", ep.Key)
	}
	resp, err := ep.transport().RoundTrip(req)
	if err != nil {
		return fmt.Errorf("%w: %w", client.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%w: the host at %s stopped before it had answered: %w", client.ErrUnavailable, ep.URL, err)
	}
	if resp.StatusCode == http.StatusOK {
		return json.Unmarshal(text, answer)
	}
	var told adminError
	if json.Unmarshal(text, &told) != nil || told.Message == "" {
		return fmt.Errorf("%w: the host at %s has no %s: it is of an older build (%s)", client.ErrUnsupported, ep.URL, word, resp.Status)
	}
	return errors.New(told.Message)
}

// ServeAdmin has mux answer what the command line of this machine asks of the
// host.
func (r *Hub) ServeAdmin(mux *http.ServeMux) {
	mux.Handle("POST "+deleteHubPath, deleteHub(r))
	mux.Handle("POST "+checkPath, serveCheck(r))
	mux.Handle("POST "+adminPath+backupWord, admin(r.backUpHere))
}

// deleteHubPath is where the command line has a running host delete a hub. It
// is no part of the management API, and only the command line gets in: whoever
// may read the endpoint could delete the folder.
const deleteHubPath = "/admin/perdure/delete-hub"

func deleteHub(own *Hub) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.Mark, wire.Served)
		if !fromCommandLine(r.Context()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		name, force, err := whatToDelete(r.URL.RawQuery, own.Name)
		if err != nil {
			httpapi.WriteError(w, fmt.Errorf("%w: %w", hub.ErrInvalidArgument, err))
			return
		}
		hub, err := own.Hubs.lookUp(r.Context(), name)
		if err == nil {
			err = hub.ForCallers().DeleteHub(r.Context(), force)
		}
		if err != nil {
			httpapi.WriteError(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// whatToDelete reads what is asked of deleteHub, own being the hub if none is
// named. As in the API, what is not understood is an error: it must not stand
// for the app's own hub.
func whatToDelete(query, own string) (name string, force bool, err error) {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return "", false, err
	}
	name = own
	for parameter, values := range asked {
		value := values[0]
		switch {
		case len(values) > 1:
			err = fmt.Errorf("parameter %s is given twice", parameter)
		case parameter == "taskHub":
			name, err = value, wire.CheckHubName(value)
		case parameter == "force" && (value == "true" || value == "false"):
			force = value == "true"
		case parameter == "force":
			err = fmt.Errorf("force %q is not true or false", value)
		default:
			err = fmt.Errorf("unknown parameter %q; known here are taskHub, force", parameter)
		}
		if err != nil {
			return "", false, err
		}
	}
	return name, force, nil
}
