package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// sink is a caller that takes an answer and keeps nothing of it.
type sink struct {
	header        http.Header
	bytes, writes int
	largest       int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Write(b []byte) (int, error) {
	s.bytes, s.writes, s.largest = s.bytes+len(b), s.writes+1, max(s.largest, len(b))
	return len(b), nil
}

// A page of large payloads ends early, goes out item by item, and costs about what it
// holds; all pages together hold everything once.
func TestListIsBoundedByBytes(t *testing.T) {
	const n, large = 20, 1 << 20
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		for range n {
			if _, err := s.engine.Start(s.Context(), hub.StartRequest{Name: "N", Input: json.RawMessage(`"` + strings.Repeat("x", large) + `"`)}); err != nil {
				t.Fatal(err)
			}
		}
		seen, token := 0, ""
		for pages := 1; ; pages++ {
			w := s.want(200, get, instances, "", tokenHeader, token)
			var items []json.RawMessage
			if err := json.Unmarshal(w.Body.Bytes(), &items); err != nil || len(items) == 0 {
				t.Fatalf("page %d: %d items, %v", pages, len(items), err)
			}
			if size := w.Body.Len(); size > history.PageBytes+2*large {
				t.Errorf("page %d has %d bytes, more than %d and one item", pages, size, history.PageBytes)
			}
			seen += len(items)
			if token = w.Header().Get(tokenHeader); token == "" {
				break
			}
		}
		if seen != n {
			t.Errorf("the pages hold %d instances, want %d", seen, n)
		}

		caller := &sink{header: http.Header{}}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.handler.ServeHTTP(caller, httptest.NewRequest(get, "http://127.0.0.1"+instances, nil))
		runtime.ReadMemStats(&after)
		if caller.largest > large+1<<10 {
			t.Errorf("the largest write has %d bytes, want one item of %d at most", caller.largest, large)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*history.PageBytes {
			t.Errorf("a page took %d bytes to make, want less than %d", took, 8*history.PageBytes)
		}
	})
}

// What .NET and PowerShell write is understood, or told by its name.
func TestEncodingsOfBodies(t *testing.T) {
	withSite(t, func(s *site) {
		s.want(202, "POST", base+"/orchestrators/Echo", "\uFEFF{\"a\":1}")
		for body, name := range map[string]string{"\xff\xfe{\x00}\x00": "UTF-16", "\xfe\xff\x00{\x00}": "UTF-16", "{\x00}\x00": "UTF-16", "\x1f\x8b\x08\x00": "gzip"} {
			if w := s.want(415, "POST", base+"/orchestrators/Echo", body); !bytes.Contains(w.Body.Bytes(), []byte(name)) {
				t.Errorf("body %q: %s does not name %s", body, w.Body, name)
			}
		}
		s.want(415, "POST", base+"/orchestrators/Echo", "{}", "Content-Encoding", "br")
	})
}
