package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/perdure/perdure/internal/advice"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// What is here is ours: the original has none of it.

// explain tells why an instance is where it is.
func explain(r *request) (response, error) {
	var e hub.Explanation
	if err := r.read(r.handler.Gate.lists, func() (err error) {
		e, err = r.hub.Explain(r.Context(), r.id())
		return err
	}); err != nil {
		return response{}, err
	}
	advice.Render(&e)
	e.Waits = orEmpty(e.Waits)
	return jsonResponse(e)
}

// export answers with an instance's archive.
func export(r *request) (response, error) {
	var archive hub.Archive
	if err := r.read(r.handler.Gate.lists, func() (err error) {
		archive, err = r.hub.Export(r.Context(), r.id())
		return err
	}); err != nil {
		return response{}, err
	}
	for _, err := range archive.Parts() { // what is wrong with the first can still be told
		if err != nil {
			return response{}, fmt.Errorf("export instance %s: %w", r.id(), err)
		}
		break
	}
	return response{code: http.StatusOK, parts: archive.Parts(), held: payloadBytes(&archive)}, nil
}

// payloadBytes is how long the payloads of an archive are.
func payloadBytes(a *hub.Archive) (bytes int) {
	for i := range a.Turns {
		for k := range a.Turns[i].Events {
			bytes += len(a.Turns[i].Events[k].Payload)
		}
	}
	return bytes
}

// importInstance stores an archive.
func importInstance(r *request) (response, error) {
	ask := hub.ImportRequest{ID: history.InstanceID(r.query.last("instanceId")), Reuse: r.query.reuse()}
	if err := r.hub.CheckImport(r.Context(), ask); err != nil {
		return response{}, err
	}
	body, err := r.payload()
	if err != nil {
		return response{}, err
	}
	if err := json.Unmarshal(body, &ask.Archive); err != nil {
		return response{}, invalid("the body is not an exported instance: %v", err)
	}
	id, err := r.hub.Import(r.Context(), ask)
	if err != nil {
		return response{}, err
	}
	r.drop()
	res := checkStatus(r, id)
	res.code, res.retryAfter = http.StatusCreated, 0
	return res, nil
}

// openAPI answers with the description of the API.
func openAPI(r *request) (response, error) {
	return response{code: http.StatusOK, body: r.handler.openAPI}, nil
}
