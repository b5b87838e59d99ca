package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/httpapi"
)

// anything is a hub that agrees to everything.
type anything struct {
	list    func(engine.Query)    // told of each List; may be nil
	options *engine.StatusOptions // set by List; may be nil
	pages   history.Number        // that List has, of one instance each; 0: one
}

func (anything) Start(_ context.Context, r engine.StartRequest) (history.InstanceID, error) {
	return r.ID, nil
}
func (anything) Raise(context.Context, history.InstanceID, engine.RaiseRequest) error { return nil }
func (anything) Terminate(_ context.Context, _ history.InstanceID, r engine.TerminateRequest) error {
	if r.Reason != nil && !json.Valid(r.Reason) {
		panic("reason " + string(r.Reason))
	}
	return nil
}
func (anything) Rewind(context.Context, history.InstanceID, engine.RewindRequest) error { return nil }
func (anything) PlanRewind(_ context.Context, id history.InstanceID, _ engine.RewindRequest) (engine.RewindPlan, error) {
	return engine.RewindPlan{Instance: id}, nil
}
func (anything) Restart(_ context.Context, id history.InstanceID, _ engine.RestartRequest) (history.InstanceID, error) {
	return id, nil
}
func (anything) Purge(context.Context, history.InstanceID, engine.PurgeRequest) (engine.PurgeResult, error) {
	return engine.PurgeResult{Deleted: 1, Complete: true}, nil
}
func (anything) PurgeBy(context.Context, engine.PurgeFilter) (engine.PurgeResult, error) {
	return engine.PurgeResult{Deleted: 1, Complete: true}, nil
}
func (a anything) List(_ context.Context, q engine.Query, o engine.StatusOptions) (engine.StatusPage, error) {
	if a.list != nil {
		a.list(q)
	}
	if a.options != nil {
		*a.options = o
	}
	page := engine.StatusPage{Items: []engine.Status{{Instance: history.Instance{ID: "x"}}}}
	if a.pages > 1 {
		page.Next = a.pages
	}
	return page, nil
}
func (anything) Count(context.Context, engine.Query) (engine.Counts, error) {
	return engine.Counts{history.Running: 1}, nil
}
func (anything) Explain(_ context.Context, id history.InstanceID) (engine.Explanation, error) {
	return engine.Explanation{Instance: id}, nil
}
func (anything) Export(_ context.Context, id history.InstanceID) (engine.Archive, error) {
	return engine.Archive{Instance: history.Instance{ID: id}}, nil
}
func (anything) Import(_ context.Context, r engine.ImportRequest) (history.InstanceID, error) {
	return r.Archive.Instance.ID, nil
}
func (anything) Suspend(context.Context, history.InstanceID, string) error { return nil }
func (anything) Resume(context.Context, history.InstanceID, string) error  { return nil }
func (anything) Status(_ context.Context, id history.InstanceID, _ engine.StatusOptions) (engine.Status, error) {
	return engine.Status{Instance: history.Instance{ID: id}}, nil
}
func (anything) Wait(context.Context, history.InstanceID) error { return nil }

func FuzzRequest(f *testing.F) {
	f.Add("POST", base+"/orchestrators/Echo/x?timeout=1&reuse=&startAt=&tag.a=b", `{"a":1}`, "application/json")
	f.Add("GET", base+"//instances/a%20b+c?showHistory=true&wait=9", "", "")
	f.Add("POST", "/admin/extensions/DurableTaskExtension/instances/x/raiseEvent/%2F", `"x`, "text/plain;;")
	f.Add("POST", base+"/instances/x/terminate?reason=%00%ff&taskHub=a", "", "")
	handler := httpapi.New(httpapi.Options{Hub: anything{}, TaskHub: "TestHub", Keys: nil, MaxBodyBytes: 1 << 10})
	f.Fuzz(func(t *testing.T, method, target, body, contentType string) {
		r, err := http.NewRequest(method, "http://127.0.0.1", strings.NewReader(body))
		if err != nil {
			return
		}
		if r.URL, err = r.URL.Parse(target); err != nil {
			return
		}
		r.RequestURI = r.URL.RequestURI()
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if text := w.Body.Bytes(); len(text) > 0 && !json.Valid(text) {
			t.Errorf("%s %q with %q answers %d %q, want JSON", method, target, body, w.Code, text)
		}
		if w.Code == http.StatusMethodNotAllowed || w.Code == http.StatusInternalServerError || w.Code/100 == 3 {
			t.Errorf("%s %q answers %d", method, target, w.Code)
		}
	})
}
