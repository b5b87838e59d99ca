package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

func TestClient_Links(t *testing.T) {
	run(t, []row{
		{number: 60, says: "WaitOrCheckStatus answers with the outcome", test: func(h *testHub) {
			h.begin("Echo", "ok", map[string]int{"n": 1})
			h.begin("Echo", "null", nil)
			h.begin("Fail", "failed", nil)
			h.begin("Wait", "terminated", nil)
			synctest.Wait()
			h.done("Terminate", h.Terminate(h.Context(), "terminated", client.TerminateOptions{Reason: "why", Wait: true}))
			h.begin("Wait", "live", nil)
			for _, tt := range []struct {
				id   string
				o    client.WaitOptions
				code int
				body string // it holds this
			}{
				{"ok", client.WaitOptions{}, 200, `{"n":1}`},
				{"null", client.WaitOptions{}, 200, `null`},
				{"failed", client.WaitOptions{}, 200, `"runtimeStatus":"Failed"`},
				{"failed", client.WaitOptions{FailAs500: true}, 500, `"runtimeStatus":"Failed"`},
				{"terminated", client.WaitOptions{FailAs500: true}, 200, `"output":"why"`},
				{"live", client.WaitOptions{Timeout: 2 * time.Second, Poll: time.Second / 2}, 202, `"statusQueryGetUri":`},
				{"nobody", client.WaitOptions{}, 404, ``},
			} {
				w := httptest.NewRecorder()
				began := time.Now()
				err := h.WaitOrCheckStatus(w, h.request(), client.InstanceID(tt.id), tt.o)
				if err != nil || w.Code != tt.code || !strings.Contains(w.Body.String(), tt.body) || (tt.body == "") != (w.Body.Len() == 0) {
					h.Errorf("WaitOrCheckStatus(%s, %+v) = %v, answers %d %s; want %d and %s", tt.id, tt.o, err, w.Code, w.Body, tt.code, tt.body)
				}
				if took := time.Since(began); took > tt.o.Timeout {
					h.Errorf("WaitOrCheckStatus(%s, %+v) takes %v", tt.id, tt.o, took)
				}
			}
			began := time.Now()
			w := httptest.NewRecorder()
			h.done("WaitOrCheckStatus", h.WaitOrCheckStatus(w, h.request(), "live", client.WaitOptions{FailAs500: true}))
			if took := time.Since(began); took != 10*time.Second || !strings.HasSuffix(w.Header().Get("Location"), "&returnInternalServerErrorOnFailure=true") {
				h.Errorf("WaitOrCheckStatus answers after %v with Location %s, want 10 s and the flag", took, w.Header().Get("Location"))
			}
			w = httptest.NewRecorder()
			err := h.WaitOrCheckStatus(w, h.request(), "ok", client.WaitOptions{Timeout: time.Second, Poll: 2 * time.Second})
			h.refused("WaitOrCheckStatus with a poll above the timeout", err, client.ErrInvalidArgument)
			if w.Body.Len() > 0 {
				h.Errorf("with an error it has written %s", w.Body)
			}
		}},
		{number: 61, says: "WriteCheckStatus has nine links", test: func(h *testHub) {
			for call, write := range map[string]func(http.ResponseWriter, *http.Request, string) error{
				"WriteCheckStatus": func(w http.ResponseWriter, r *http.Request, id string) error {
					return h.WriteCheckStatus(w, r, client.InstanceID(id), client.CheckStatusOptions{})
				},
			} {
				w := httptest.NewRecorder()
				h.done(call, write(w, h.request(), "x"))
				var links map[string]string
				if err := json.Unmarshal(w.Body.Bytes(), &links); err != nil || len(links) != 9 || links["id"] != "x" {
					h.Errorf("%s has %v, %v; want the id and eight links", call, links, err)
				}
				header := w.Header()
				if w.Code != 202 || header.Get("Location") == "" || header.Get("Location") != links["statusQueryGetUri"] || header.Get("Retry-After") != "10" ||
					!strings.HasPrefix(header.Get("Content-Type"), "application/json") {
					h.Errorf("%s answers %d with %v", call, w.Code, header)
				}
			}
		}},
		{number: 62, says: "Links are usable as they are", test: func(h *testHub) {
			for _, id := range []string{"plain", "a b", "é+%2F&=", "{text}"} {
				h.begin("Wait", id, nil)
				synctest.Wait()
				l := h.Links(client.InstanceID(id))
				for _, tt := range []struct {
					method, url string
					code        int
					want        client.RuntimeStatus
				}{
					{"GET", l.StatusQueryGetURI, 202, history.Running},
					{"POST", l.Suspend("why & how"), 202, history.Suspended},
					{"POST", l.Resume(""), 202, history.Running},
					{"POST", l.Event("go"), 202, history.Completed},
					{"GET", l.StatusQueryGetURI, 200, history.Completed},
					{"POST", l.RestartPostURI + "&restartWithNewInstanceId=false", 202, history.Running},
					{"POST", l.Terminate("é & {text}"), 202, history.Terminated},
				} {
					if code, body := h.fetch(tt.method, tt.url); code != tt.code {
						h.Errorf("%s %s = %d %s, want %d", tt.method, tt.url, code, body, tt.code)
					}
					h.is(id, tt.want)
				}
				if got, err := h.Status(h.Context(), client.InstanceID(id), client.StatusOptions{}); err != nil || string(got.Output) != `"é \u0026 {text}"` && string(got.Output) != `"é & {text}"` {
					h.Errorf("output after the terminate link = %s, %v", got.Output, err)
				}
				if code, body := h.fetch("DELETE", l.PurgeHistoryDeleteURI); code != 200 {
					h.Errorf("DELETE %s = %d %s, want 200", l.PurgeHistoryDeleteURI, code, body)
				}
			}
		}},
		{number: 63, says: "Event escapes the name", test: func(h *testHub) {
			if got := h.Links("x").Event("a b"); !strings.Contains(got, "/instances/x/raiseEvent/a%20b?") {
				h.Errorf("Event(a b) = %s", got)
			}
		}},
		{number: 64, says: "Links need no instance and no I/O", test: func(h *testHub) {
			calls := 0
			web := network(func(*http.Request) (*http.Response, error) {
				calls++
				return nil, fmt.Errorf("no I/O")
			})
			c := h.connect(nil, web) // a local client without a hub panics at the first call
			want := map[string]string{
				"id":                    "x",
				"statusQueryGetUri":     apiBase + "/instances/x?taskHub=TestHub&connection=Storage&code=KEY",
				"sendEventPostUri":      apiBase + "/instances/x/raiseEvent/{eventName}?taskHub=TestHub&connection=Storage&code=KEY",
				"terminatePostUri":      apiBase + "/instances/x/terminate?reason={text}&taskHub=TestHub&connection=Storage&code=KEY",
				"rewindPostUri":         apiBase + "/instances/x/rewind?reason={text}&taskHub=TestHub&connection=Storage&code=KEY",
				"purgeHistoryDeleteUri": apiBase + "/instances/x?taskHub=TestHub&connection=Storage&code=KEY",
				"restartPostUri":        apiBase + "/instances/x/restart?taskHub=TestHub&connection=Storage&code=KEY",
				"suspendPostUri":        apiBase + "/instances/x/suspend?reason={text}&taskHub=TestHub&connection=Storage&code=KEY",
				"resumePostUri":         apiBase + "/instances/x/resume?reason={text}&taskHub=TestHub&connection=Storage&code=KEY",
			}
			for call, links := range map[string]client.ManagementLinks{"Links": c.Links("x")} {
				var got map[string]string
				text, err := json.Marshal(links)
				if err == nil {
					err = json.Unmarshal(text, &got)
				}
				if err != nil || !reflect.DeepEqual(got, want) {
					h.Errorf("%s = %v, %v; want %v", call, got, err, want)
				}
			}
			if calls != 0 {
				h.Errorf("Links calls the host %d times", calls)
			}
		}},
	})
}

// request is one that a user's function has got.
func (h *testHub) request() *http.Request {
	return httptest.NewRequest("POST", "http://caller.example/api/start", nil).WithContext(h.Context())
}

func TestLinksForARequest(t *testing.T) {
	plain := httptest.NewRequest("GET", "http://caller.example/x", nil)
	secure := httptest.NewRequest("GET", "https://caller.example:8443/x", nil)
	proxied := httptest.NewRequest("GET", "http://inner/x", nil)
	proxied.Header.Set("X-Forwarded-Proto", "https, http")
	proxied.Header.Set("X-Forwarded-Host", "outer.example, middle")
	prefixed := proxied.Clone(t.Context())
	prefixed.Header.Set("X-Forwarded-Prefix", "/wam")
	evil := httptest.NewRequest("GET", "http://inner/x", nil)
	evil.Header.Set("X-Forwarded-Proto", "javascript")
	evil.Header.Set("X-Forwarded-Host", "evil/path?")
	const path = "/runtime/webhooks/durabletask/instances/x?taskHub=H&connection=C"
	for _, tt := range []struct {
		what string
		o    client.LinkOptions
		r    *http.Request
		want string
	}{
		{"no request", client.LinkOptions{Base: apiBase}, nil, origin + path},
		{"no base", client.LinkOptions{}, nil, path},
		{"http", client.LinkOptions{Base: apiBase}, plain, "http://caller.example" + path},
		{"https", client.LinkOptions{}, secure, "https://caller.example:8443" + path},
		{"fixed", client.LinkOptions{Base: apiBase, Fixed: true}, plain, origin + path},
		{"a proxy that is not believed", client.LinkOptions{}, proxied, "http://inner" + path},
		{"a proxy", client.LinkOptions{Base: apiBase, Forwarded: true, Fixed: true}, proxied, "https://outer.example" + path},
		{"no origin in what a proxy says", client.LinkOptions{Forwarded: true}, evil, "http://inner" + path},
		{"a proxy that took off a path", client.LinkOptions{Base: apiBase, Forwarded: true}, prefixed, "https://outer.example/wam" + path},
		{"codes", client.LinkOptions{Codes: func(_ context.Context, id client.InstanceID) func(client.LinkOperation) string {
			return func(op client.LinkOperation) string { return string(id) + "-" + string(op) }
		}}, nil, path + "&code=x-status"},
	} {
		tt.o.TaskHub, tt.o.Connection = "H", "C"
		if got := client.Local(nil).WithLinks(tt.o).LinksFor(tt.r, "x").StatusQueryGetURI; got != tt.want {
			t.Errorf("%s: status link = %s, want %s", tt.what, got, tt.want)
		}
	}
}
