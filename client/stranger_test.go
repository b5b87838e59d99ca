package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// at returns a client of whatever web is.
func at(t *testing.T, web network) *testHub {
	return &testHub{T: t, Client: client.Remote("http://host", client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: web}})}
}

// all calls every operation, those on one instance and the others.
func (h *testHub) all() map[string]error {
	calls := h.everything("x")
	calls["Start"] = ignore(h.Start(h.Context(), "F", "PAYLOAD", client.StartOptions{ID: "x"}))
	calls["List"] = ignore(h.List(h.Context(), client.Query{}))
	calls["Count"] = ignore(h.Count(h.Context(), client.Query{}))
	calls["PurgeBy"] = ignore(h.PurgeBy(h.Context(), client.PurgeFilter{All: true}))
	calls["Import"] = ignore(h.Import(h.Context(), &client.Archive{Instance: history.Instance{ID: "x"}}, client.ImportOptions{}))
	calls["DeleteHub"] = h.DeleteHub(h.Context(), client.DeleteHubOptions{})
	return calls
}

func response(code int, body string, headers ...string) (*http.Response, error) {
	res := &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(headers); i += 2 {
		res.Header.Set(headers[i], headers[i+1])
	}
	return res, nil
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []int{301, 302, 303, 307, 308} {
			h := at(t, func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "host" {
					t.Errorf("%s %s is sent, with key %q", r.Method, r.URL, r.Header.Get("x-functions-key"))
				}
				return response(code, "", "Location", "https://login.example:8443/in?secret=1")
			})
			for op, err := range h.all() {
				if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "the host at http://host redirects to https://login.example:8443") || strings.Contains(err.Error(), "secret") {
					t.Errorf("%s at a host that answers %d: error = %v, want one that names the target", op, code, err)
				}
			}
		}
	})
}

// What a host of ours does not answer is never taken for an answer about an instance.
func TestStrangersAreNotBelieved(t *testing.T) {
	for _, tt := range []struct {
		code        int
		body, media string
	}{
		{200, "<html>log in</html>", "text/html"}, {200, "", ""}, {200, "{}", "application/json"}, {200, "[]", "application/json"}, {200, "null", "application/json"},
		{201, "{}", "application/json"}, {204, "", ""}, {203, "", ""}, {202, "<html>", "text/html"},
		{400, "<html>", "text/html"}, {400, `{"message":"bad"}`, "application/json"}, {403, `{"message":"Forbidden"}`, "application/json"}, {404, "", ""},
		{404, "<html>nginx</html>", "text/html"}, {404, "404 page not found\n", "text/plain"}, {404, `{"message":"no Route matched"}`, "application/json"},
		{404, `{"code":"NotFound"}`, "application/json"}, {404, `{"Message":"No HTTP resource was found"}`, "application/json"},
		{404, `{"Code":"NotFound","Message":"Cannot find it"}`, "application/json"}, {404, `"Not Found"`, "application/json"}, {410, `{"Message":"gone"}`, "application/json"},
		{405, "", ""}, {409, "", ""}, {410, "", ""}, {410, "gone", "text/plain"}, {412, "", ""}, {413, "<html>", "text/html"},
		{500, "", ""}, {501, "", ""}, {502, "<html>", "text/html"}, {503, "", ""}, {504, "", ""},
	} {
		t.Run(fmt.Sprintf("%d %s", tt.code, tt.body), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := at(t, func(*http.Request) (*http.Response, error) {
					return response(tt.code, tt.body, "Content-Type", tt.media)
				})
				for op, err := range h.all() {
					switch {
					case !errors.Is(err, client.ErrUnavailable):
						t.Errorf("%s: error = %v, want ErrUnavailable", op, err)
					case !strings.Contains(err.Error(), fmt.Sprintf("answered %d", tt.code)) || !strings.Contains(err.Error(), "http://host/"):
						t.Errorf("%s: error = %v, want status and address in it", op, err)
					}
				}
			})
		})
	}
	h := at(t, func(*http.Request) (*http.Response, error) { return response(401, "") })
	for op, err := range h.all() {
		if !errors.Is(err, client.ErrUnauthenticated) {
			t.Errorf("%s: error = %v, want ErrUnauthenticated", op, err)
		}
	}
	h = at(t, func(*http.Request) (*http.Response, error) { return response(429, "<html>") })
	for op, err := range h.all() {
		if !errors.Is(err, client.ErrResourceExhausted) || !strings.Contains(err.Error(), "answered 429") {
			t.Errorf("%s: error = %v, want ErrResourceExhausted", op, err)
		}
	}
}

// A proxy in front of a real host that answers in its place.
func TestAProxyDoesNotAnswerForItsHost(t *testing.T) {
	run(t, []row{{0, "a proxy refuses", false, func(h *testHub) {
		h.begin("Wait", "x", nil)
		for _, code := range []int{404, 410, 413, 403, 409, 412, 429, 502} {
			proxy := network(func(r *http.Request) (*http.Response, error) {
				if strings.Contains(r.URL.Path, "/x") {
					return response(code, "")
				}
				return h.web.RoundTrip(r)
			})
			through := &testHub{T: h.T, Client: client.Remote(origin, client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: proxy}})}
			for op, err := range through.everything("x") {
				if !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, client.ErrResourceExhausted) {
					h.Errorf("%s through a proxy that answers %d: error = %v, want ErrUnavailable", op, code, err)
				}
			}
		}
		h.is("x", client.Running)
	}}})
}

func TestAHostThatHangsIsSaidTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := at(t, func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/counts") { // it was well when it was asked what it knows
				return response(200, `{"runtimeStatus":{}}`, "X-Perdure", "1")
			}
			if r.Body != nil {
				io.Copy(io.Discard, r.Body)
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		for op, tt := range map[string]struct {
			do    func() error
			says  string
			after time.Duration
		}{
			"status": {func() error { return ignore(h.Status(t.Context(), "x", client.StatusOptions{})) }, "for 30s", 30 * time.Second},
			"start": {func() error { return ignore(h.Start(t.Context(), "F", 1, client.StartOptions{ID: "x"})) },
				"for 30s; the start may or may not have happened: repeat it with the same id", 30 * time.Second},
			"event": {func() error { return h.Raise(t.Context(), "x", "go", 1, client.WithIdempotencyKey("k")) },
				"repeat it with the same idempotency key", 30 * time.Second},
			"purge": {func() error { return ignore(h.Purge(t.Context(), "x", client.PurgeOptions{})) }, "may or may not have happened", 5 * time.Minute},
		} {
			began := time.Now()
			err := tt.do()
			if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "the host at http://host hangs") || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: error = %v, want that the host hangs, and %q", op, err, tt.says)
			}
			if took := time.Since(began); took != tt.after {
				t.Errorf("%s is told after %v, want %v", op, took, tt.after)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.Start(ctx, "F", 1, client.StartOptions{ID: "x"})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "may or may not have happened") {
			t.Errorf("a start whose context ends: error = %v, want what may have happened", err)
		}
	})
}

// slowly is a body that comes a byte at a time.
type slowly struct{ rest string }

func (s *slowly) Read(p []byte) (int, error) {
	if s.rest == "" {
		return 0, io.EOF
	}
	time.Sleep(20 * time.Second) // of virtual time
	p[0], s.rest = s.rest[0], s.rest[1:]
	return 1, nil
}

func TestASlowHostDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := at(t, func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(&slowly{foreignStatus})}, nil
		})
		if st, err := h.Status(t.Context(), "x", client.StatusOptions{}); err != nil || st.ID != "x" {
			t.Errorf("Status = %+v, %v; want the status, however long it takes", st, err)
		}
	})
}

func TestErrorsHoldNoPayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, broken := range []network{
			func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") },
			func(*http.Request) (*http.Response, error) { return response(502, "<html>") },
		} {
			h := at(t, func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/counts") { // it was well when it was asked what it knows
					return response(200, `{"runtimeStatus":{}}`, "X-Perdure", "1")
				}
				return broken(r)
			})
			calls := h.all()
			delete(calls, "Count")
			calls["Terminate Output"] = h.Terminate(t.Context(), "x", client.TerminateOptions{Output: []string{"PAYLOAD"}})
			calls["Suspend"] = h.Suspend(t.Context(), "x", "PAYLOAD")
			for op, err := range calls {
				if err == nil || strings.Contains(err.Error(), "PAYLOAD") || strings.Contains(err.Error(), apiKey) {
					t.Errorf("%s: error = %v, want one without payload and key", op, err)
				}
			}
		}
	})
}

func TestNothingIsDoubtfulWithoutAConnection(t *testing.T) {
	h := at(t, func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	})
	if _, err := h.Start(t.Context(), "F", 1, client.StartOptions{}); !errors.Is(err, client.ErrUnavailable) || strings.Contains(err.Error(), "may or may not") {
		t.Errorf("Start error = %v, want no doubt: nothing was sent", err)
	}
}

func TestAddressesWithAPrefix(t *testing.T) {
	run(t, []row{{0, "prefixes", false, func(h *testHub) {
		h.begin("Echo", "x", 1)
		api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			res, err := h.web.RoundTrip(r)
			if err != nil {
				h.Error(err)
				return
			}
			for name := range res.Header {
				w.Header().Set(name, res.Header.Get(name))
			}
			w.WriteHeader(res.StatusCode)
			io.Copy(w, res.Body)
		})
		mux := http.NewServeMux()
		mux.Handle("/wam/syncer/", http.StripPrefix("/wam/syncer", api))
		web := network(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			return w.Result(), nil
		})
		for _, address := range []string{
			"/wam/syncer", "/wam/syncer/", "/wam/syncer//", "/wam/syncer/runtime/webhooks/durabletask", "/wam/syncer/Runtime/webhooks/DurableTask/",
			"/wam/syncer/admin/extensions/DurableTaskExtension",
		} {
			c := client.Remote(origin+address, client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: web}})
			if st, err := c.Status(h.Context(), "x", client.StatusOptions{}); err != nil || st.ID != "x" {
				h.Errorf("Status at %s = %+v, %v", address, st, err)
			}
			if page, err := c.List(h.Context(), client.Query{}); err != nil || len(page.Items) != 1 {
				h.Errorf("List at %s = %+v, %v", address, page, err)
			}
		}
		for _, address := range []string{origin, origin + "/wam", origin + "/runtime/webhooks/durabletask"} {
			c := client.Remote(address, client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: web}})
			for op, err := range (&testHub{T: h.T, Client: c}).everything("x") {
				if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "no answer of a Perdure host") {
					h.Errorf("%s at %s: error = %v, want that it is no host", op, address, err)
				}
			}
		}
		// A host of ours answers, which has nothing at such a place.
		for _, address := range []string{"/wam/syncer/api", "/wam/syncer/runtime/webhooks/durabletask/instances"} {
			c := client.Remote(origin+address, client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: web}})
			for op, err := range (&testHub{T: h.T, Client: c}).everything("x") {
				if !errors.Is(err, client.ErrUnavailable) || errors.Is(err, client.ErrNotFound) || !strings.Contains(err.Error(), "there is nothing at ") {
					h.Errorf("%s at %s: error = %v, want that there is nothing", op, address, err)
				}
			}
		}
		for _, address := range []string{"", "host:7071", "ftp://host", "http://", "http://host?x=y", "http://host/#a", "http://ho st"} {
			c := client.Remote(address, client.RemoteOptions{})
			if _, err := c.Status(h.Context(), "x", client.StatusOptions{}); !errors.Is(err, client.ErrInvalidArgument) {
				h.Errorf("Status at %q: error = %v, want ErrInvalidArgument", address, err)
			}
		}
	}}})
}

func TestAWaitThatEndsTellsWhatTheHostAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := at(t, func(*http.Request) (*http.Response, error) { return response(502, "<html>") })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := h.Wait(ctx, "x")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "answered 502") {
			t.Errorf("Wait error = %v, want the deadline and the 502", err)
		}
	})
}
