package host

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
	"github.com/perdure/perdure/internal/wire"
)

// adminPath is where a host has what the command line of its machine asks for beside the
// management API: only the command line gets in. Whoever may read the endpoint could do as
// much with the folder.
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
func (ep endpoint) ask(ctx context.Context, word string, query url.Values, answer any) error {
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
