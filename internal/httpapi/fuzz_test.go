package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// anything is a hub that agrees to everything.
type anything struct {
	list    func(history.Query) // told of each List; may be nil
	options *hub.StatusOptions  // set by List; may be nil
	pages   history.Number      // that List has, of one instance each; 0: one
}

func (anything) CheckStart(context.Context, hub.StartRequest) error { return nil }
func (anything) CheckRaise(context.Context, history.InstanceID, hub.RaiseRequest) error {
	return nil
}
func (anything) CheckImport(context.Context, hub.ImportRequest) error { return nil }
func (anything) Start(_ context.Context, r hub.StartRequest) (history.InstanceID, error) {
	return r.ID, nil
}
func (anything) Raise(context.Context, history.InstanceID, hub.RaiseRequest) error { return nil }
func (anything) Terminate(_ context.Context, _ history.InstanceID, r hub.TerminateRequest) error {
	if r.Reason != nil && !json.Valid(r.Reason) {
		panic("reason " + string(r.Reason))
	}
	return nil
}
func (anything) Rewind(context.Context, history.InstanceID, hub.RewindRequest) error { return nil }
func (anything) PlanRewind(_ context.Context, id history.InstanceID, _ hub.RewindRequest) (hub.RewindPlan, error) {
	return hub.RewindPlan{Instance: id}, nil
}
func (anything) Restart(_ context.Context, id history.InstanceID, _ hub.RestartRequest) (history.InstanceID, error) {
	return id, nil
}
func (anything) Purge(context.Context, history.InstanceID, hub.PurgeRequest) (hub.PurgeResult, error) {
	return hub.PurgeResult{Deleted: 1, Complete: true}, nil
}
func (anything) PurgeBy(context.Context, hub.PurgeFilter) (hub.PurgeResult, error) {
	return hub.PurgeResult{Deleted: 1, Complete: true}, nil
}
func (a anything) List(_ context.Context, q hub.ListRequest, o hub.StatusOptions) (hub.StatusPage, error) {
	if a.list != nil {
		a.list(q.Query)
	}
	if a.options != nil {
		*a.options = o
	}
	page := hub.StatusPage{Items: []hub.Status{{Instance: history.Instance{ID: "x"}}}}
	if a.pages > 1 {
		page.Token = hub.ContinuationToken(a.pages)
	}
	return page, nil
}
func (anything) Count(context.Context, history.Query) (history.Counts, error) {
	return history.Counts{history.Running: 1}, nil
}
func (anything) Explain(_ context.Context, id history.InstanceID) (hub.Explanation, error) {
	return hub.Explanation{Instance: id}, nil
}
func (anything) Export(_ context.Context, id history.InstanceID) (hub.Archive, error) {
	return hub.Archive{Instance: history.Instance{ID: id}}, nil
}
func (anything) Import(_ context.Context, r hub.ImportRequest) (history.InstanceID, error) {
	return r.Archive.Instance.ID, nil
}
func (anything) Suspend(context.Context, history.InstanceID, string) error { return nil }
func (anything) Resume(context.Context, history.InstanceID, string) error  { return nil }
func (anything) Status(_ context.Context, id history.InstanceID, _ hub.StatusOptions) (hub.Status, error) {
	return hub.Status{Instance: history.Instance{ID: id}}, nil
}
func (anything) MergedHistory(_ context.Context, id history.InstanceID, _, _ bool) (hub.Status, []hub.MergedEvent, error) {
	return hub.Status{Instance: history.Instance{ID: id}}, nil, nil
}
func (anything) WaitStarted(context.Context, history.InstanceID) error { return nil }
func (anything) Wait(context.Context, history.InstanceID) (hub.Status, error) {
	return hub.Status{}, nil
}

// FuzzRequest sends requests to a hub that agrees to everything, and to one with
// a real engine.
func FuzzRequest(f *testing.F) {
	const admin = "/admin/extensions/DurableTaskExtension"
	for _, seed := range []struct{ method, target, body, contentType, token string }{
		{"POST", base + "/orchestrators/Echo/x?timeout=1&reuse=&startAt=&tag.a=b", `{"a":1}`, "application/json", ""},
		{"POST", base + "/orchestrators/Wait/w?timeout=9&pollingInterval=0.5", "", "", ""},
		{"GET", base + "//instances/a%20b+c?showHistory=true&wait=9", "", "", ""},
		{"GET", base + "/instances/?top=9&runtimeStatus=Completed,1&createdTimeFrom=1-1-1&tag.a=b", "", "", "AQAAAAAAAAAB"},
		{"GET", base + "/counts?createdTimeTo=1/2/2006%203:04%20pm", "", "", ""},
		{"DELETE", base + "/instances/x?force=true&recursive=true", "", "", ""},
		{"DELETE", base + "/instances?createdTimeFrom=0001-01-01&limit=1&timeBudget=1&dryRun=true&completedBefore=9999-12-31", "", "", ""},
		{"POST", admin + "/instances/x/raiseEvent/%2F", `"x`, "text/plain;;", ""},
		{"POST", base + "/instances/x/terminate?reason=%00%ff&taskHub=a", "", "", ""},
		{"POST", base + "/instances/w/suspend", "", "", ""},
		{"POST", base + "/instances/w/resume?reason={text}", "", "", ""},
		{"POST", base + "/instances/x/rewind?dryRun=true&all=true", "", "", ""},
		{"POST", base + "/instances/x/restart?restartWithNewInstanceId=false", "", "", ""},
		{"GET", base + "/instances/w/explain", "", "", ""},
		{"GET", base + "/instances/x/export", "", "", ""},
		{"POST", base + "/import?instanceId=y&reuse=ReplaceAny", `{"format":"perdure-instance/1"}`, "", ""},
		{"PUT", base + "/makeprimary", "", "", ""},
		{"GET", base + "/openapi.json?code=x", "", "", ""},
		{"OPTIONS", base + "/entities/@a/$", "", "", ""},
	} {
		f.Add(seed.method, seed.target, seed.body, seed.contentType, seed.token)
	}
	o := httpapi.Options{Hub: anything{}, TaskHub: "TestHub", MaxBodyBytes: 1 << 10}
	handlers := []http.Handler{httpapi.New(o)}
	o.Hub = runEngine(f)
	handlers = append(handlers, httpapi.New(o))
	f.Fuzz(func(t *testing.T, method, target, body, contentType, token string) {
		for _, handler := range handlers {
			// Longer than this nobody waits, whatever the parameters say.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1", strings.NewReader(body))
			if err != nil {
				return
			}
			if r.URL, err = r.URL.Parse(target); err != nil {
				return
			}
			r.RequestURI = r.URL.RequestURI()
			r.Header.Set("Content-Type", contentType)
			r.Header.Set(tokenHeader, token)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if text := w.Body.Bytes(); len(text) > 0 && !json.Valid(text) {
				t.Errorf("%s %q with %q answers %d %q, want JSON", method, target, body, w.Code, text)
			}
			askedFor := strings.Contains(strings.ToLower(target), "internalservererroronfailure") // perhaps escaped
			if w.Code == http.StatusMethodNotAllowed || w.Code == http.StatusInternalServerError && !askedFor || w.Code/100 == 3 {
				t.Errorf("%s %q answers %d %s", method, target, w.Code, w.Body)
			}
		}
	})
}

// runEngine runs an engine with the functions of the rows until f has ended.
func runEngine(f *testing.F) *engine.Engine {
	w, err := worker.New(functions(), worker.Options{})
	if err != nil {
		f.Fatal(err)
	}
	e := engine.New(memory.New(4), w, engine.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }() // the cleanup waits for it
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("engine ended with %v", err)
		}
		w.Close()
	})
	return e
}
