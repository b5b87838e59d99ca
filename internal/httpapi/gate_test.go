package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// untouched is a body that nobody may read.
type untouched struct{ *testing.T }

func (u untouched) Read([]byte) (int, error) {
	u.Error("the body is read")
	return 0, io.EOF
}

// sendBody has the handler answer a request whose body is said to be of so many bytes.
func (s *site) sendBody(method, target string, body io.Reader, length int64, header ...string) *httptest.ResponseRecorder {
	s.Helper()
	r := httptest.NewRequest(method, "http://127.0.0.1"+target, body)
	r.ContentLength = length
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w
}

// What can be told without the body is told before a byte of it is read.
func TestNothingIsReadBeforeTheGate(t *testing.T) {
	runSiteOn(t, functions(), engine.Options{MaxBacklogBytes: 1}, httpapi.Options{}, func(s *site) {
		key := httpapi.Options{Hub: s.engine, TaskHub: "TestHub", Keys: httpapi.FixedKeys(
			httpapi.Key{Name: "all", Value: "sixteen letters and more"}, httpapi.Key{Name: "some", Value: "sixteen letters or so", Role: httpapi.RoleRead})}
		open, keyed := s.handler, httpapi.New(key)
		s.want(202, post, base+"/orchestrators/Echo/ended", `1`)
		s.want(200, get, instances+"/ended?wait=5", "")
		for _, c := range []struct {
			what    string
			handler http.Handler
			target  string
			length  int64
			code    int
			header  []string
		}{
			{"unknown orchestrator", open, "/orchestrators/Nobody", 90 << 20, 400, nil},
			{"bad id", open, "/orchestrators/Echo/a%2Fb", 5, 400, nil},
			{"chunked", open, "/orchestrators/Nobody", -1, 400, nil},
			{"100-continue", open, "/orchestrators/Nobody", 5, 400, []string{"Expect", "100-continue"}},
			{"unknown hub", open, "/orchestrators/Echo?taskHub=Other", 5, 404, nil},
			{"unknown parameter", open, "/orchestrators/Echo?a=b", 5, 400, nil},
			{"too long", open, "/orchestrators/Echo", 50 << 30, 413, nil},
			{"too long where no body is looked at", open, "/instances/ended/terminate", 50 << 30, 413, nil},
			{"body where none is taken", open, "/instances/ended/rewind", 5000, 400, nil},
			{"event without an instance", open, "/instances/nobody/raiseEvent/go", 5, 404, nil},
			{"event for an ended instance", open, "/instances/ended/raiseEvent/go", 5, 410, nil},
			{"long key", open, "/instances/ended/raiseEvent/go", 5, 400, []string{"Idempotency-Key", strings.Repeat("k", 301)}},
			{"import with a bad id", open, "/import?instanceId=a%2Fb", 5, 400, nil},
			{"no key", keyed, "/orchestrators/Echo", 5, 401, nil},
			{"low role", keyed, "/orchestrators/Echo", 5, 403, []string{"x-functions-key", "sixteen letters or so"}},
		} {
			s.handler = c.handler
			if w := s.sendBody(post, base+c.target, untouched{t}, c.length, c.header...); w.Code != c.code {
				t.Errorf("%s: %d %s, want %d", c.what, w.Code, w.Body, c.code)
			}
		}
		s.handler = open

		// A hub without room.
		due := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		s.want(202, post, base+"/orchestrators/Wait/later?startAt="+due, "")
		s.want(202, post, instances+"/later/raiseEvent/go", `1`, "Content-Type", "application/json")
		for _, target := range []string{"/orchestrators/Echo", "/instances/later/raiseEvent/go", "/import"} {
			w := s.sendBody(post, base+target, untouched{t}, 90<<20)
			if w.Code != 429 || w.Header().Get("Retry-After") != "1" {
				t.Errorf("POST %s to a hub without room: %d, Retry-After %q, want 429 and 1", target, w.Code, w.Header().Get("Retry-After"))
			}
		}
		s.want(202, post, instances+"/later/terminate", "")
		s.want(200, get, instances+"/later?wait=5", "")
	})
}

// Large bodies that are under way have so much room together; small ones need none.
func TestBodiesUnderWayHaveABudget(t *testing.T) {
	o := httpapi.Options{MaxBodyBytes: 1 << 20, Gate: httpapi.NewGate(1<<20, 1)}
	runSite(t, functions(), o, func(s *site) {
		large := `"` + strings.Repeat("x", 900<<10) + `"`
		body, sender := io.Pipe()
		first := make(chan int)
		go func() { // received below
			first <- s.sendBody(post, base+"/orchestrators/Echo/first", body, int64(len(large))).Code
		}()
		io.WriteString(sender, large[:10])
		synctest.Wait()
		w := s.sendBody(post, base+"/orchestrators/Echo/second", untouched{t}, int64(len(large)))
		if w.Code != 429 || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "large bodies") {
			t.Errorf("a second large body: %d %s, want 429 with Retry-After", w.Code, w.Body)
		}
		if w := s.sendBody(post, base+"/orchestrators/Echo/chunked", strings.NewReader(large), -1); w.Code != 429 {
			t.Errorf("a large body of unknown length: %d %s, want 429", w.Code, w.Body)
		}
		s.want(200, post, base+"/orchestrators/Echo/small?timeout=5", `"small"`)
		io.WriteString(sender, large[10:])
		sender.Close()
		if code := <-first; code != 202 {
			t.Errorf("the first large body: %d, want 202", code)
		}
		for _, length := range []int64{int64(len(large)), -1} {
			if w := s.sendBody(post, base+"/orchestrators/Echo?timeout=5", strings.NewReader(large), length); w.Code != 200 || w.Body.String() != large {
				t.Errorf("a large body of length %d once there is room: %d, want 200 and the same", length, w.Code)
			}
		}
		if w := s.sendBody(post, base+"/orchestrators/Echo", strings.NewReader(large+strings.Repeat(" ", 200<<10)), -1); w.Code != 413 {
			t.Errorf("a body of unknown length that is too long: %d, want 413", w.Code)
		}
	})
}

// Whoever finds no place to wait is told how it stands at once.
func TestWaitsHaveABudget(t *testing.T) {
	runSite(t, functions(), httpapi.Options{Gate: httpapi.NewGate(1<<20, 1)}, func(s *site) {
		s.start("Wait/x", "")
		ended := make(chan int)
		go func() { ended <- s.do(get, instances+"/x?wait=100", "").Code }() // received below
		synctest.Wait()
		began := time.Now()
		s.want(202, get, instances+"/x?wait=100", "")
		s.want(202, post, base+"/orchestrators/Wait/y?timeout=100", "")
		if took := time.Since(began); took != 0 {
			t.Errorf("without a place to wait it takes %v", took)
		}
		s.want(202, post, instances+"/x/raiseEvent/go", "")
		if code := <-ended; code != 200 {
			t.Errorf("who waits hears %d, want 200", code)
		}
	})
}

// busy is a hub whose lists take as long as they are let.
type busyHub struct {
	anything
	let chan struct{}
}

func (b busyHub) List(ctx context.Context, q hub.ListRequest, o hub.StatusOptions) (hub.StatusPage, error) {
	<-b.let
	return b.anything.List(ctx, q, o)
}

func TestListsHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: busyHub{let: let}, TaskHub: "TestHub"})}
		most := max(4, 2*runtime.GOMAXPROCS(0))
		codes := make(chan int)
		for range most {
			go func() { codes <- s.do(get, instances, "").Code }() // received below
		}
		synctest.Wait()
		began := time.Now()
		if w := s.want(429, get, instances, ""); w.Header().Get("Retry-After") != "1" || time.Since(began) != 2*time.Second {
			t.Errorf("a list too many: Retry-After %q after %v, want 1 after 2s", w.Header().Get("Retry-After"), time.Since(began))
		}
		s.want(202, get, instances+"/x", "") // one instance can be looked at
		close(let)
		for range most {
			if code := <-codes; code != 200 {
				t.Errorf("a list: %d, want 200", code)
			}
		}
		s.want(200, get, instances, "")
	})
}

// sickHub is a hub whose store does not do as it should.
type sickHub struct {
	anything
	err error
}

func (h sickHub) Status(context.Context, history.InstanceID, hub.StatusOptions) (hub.Status, error) {
	return hub.Status{}, h.err
}

// What a caller hears of what went wrong inside has no paths in it.
func TestErrorsFromInsideShowNothingOfIt(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{errors.New("open /data/000007.sst: bad"), 500},
		{fmt.Errorf("open /data/000007.sst: %w", syscall.EMFILE), 503},
		{fmt.Errorf("%w: open /data/000007.sst: %w", hub.ErrUnavailable, syscall.ENFILE), 503},
	} {
		s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: sickHub{err: c.err}, TaskHub: "TestHub"})}
		w := s.want(c.code, get, instances+"/x", "")
		if strings.Contains(w.Body.String(), "/data") || c.code == 503 && w.Header().Get("Retry-After") != "1" {
			t.Errorf("%v: answer %s, Retry-After %q", c.err, w.Body, w.Header().Get("Retry-After"))
		}
	}
}
