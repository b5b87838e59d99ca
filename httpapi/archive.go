package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
)

// What is here is ours: the original has none of it.

// explain tells why an instance is where it is.
func explain(r *request) (response, error) {
	e, err := r.hub.Explain(r.Context(), r.id())
	if err != nil {
		return response{}, err
	}
	e.Waits = orEmpty(e.Waits)
	return jsonResponse(e)
}

// export answers with an instance's archive.
func export(r *request) (response, error) {
	archive, err := r.hub.Export(r.Context(), r.id())
	if err != nil {
		return response{}, err
	}
	for _, err := range archive.Parts() { // what is wrong with the first can still be told
		if err != nil {
			return response{}, fmt.Errorf("export instance %s: %w", r.id(), err)
		}
		break
	}
	return response{code: http.StatusOK, parts: archive.Parts()}, nil
}

// importInstance stores an archive.
func importInstance(r *request) (response, error) {
	body, err := r.payload()
	if err != nil {
		return response{}, err
	}
	ask := engine.ImportRequest{ID: history.InstanceID(r.query.last("instanceId")), Reuse: r.query.reuse()}
	if err := json.Unmarshal(body, &ask.Archive); err != nil {
		return response{}, invalid("the body is not an exported instance: %v", err)
	}
	id, err := r.hub.Import(r.Context(), ask)
	if err != nil {
		return response{}, err
	}
	res := checkStatus(r, id)
	res.code, res.retryAfter = http.StatusCreated, 0
	return res, nil
}

// openAPI answers with the description of the API.
func openAPI(r *request) (response, error) {
	return response{code: http.StatusOK, body: r.handler.openAPI}, nil
}
