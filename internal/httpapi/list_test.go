package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

const (
	del         = http.MethodDelete
	instances   = base + "/instances"
	tokenHeader = "x-ms-continuation-token"
)

// list returns the ids of a page and the token of the next one.
func (s *site) list(query, token string) (ids []string, next string) {
	s.Helper()
	var headers []string
	if token != "" {
		headers = []string{tokenHeader, token}
	}
	w := s.want(200, get, instances+"?"+query, "", headers...)
	if _, ok := w.Header()[http.CanonicalHeaderKey(tokenHeader)]; !ok {
		s.Errorf("list with %s has no header %s", query, tokenHeader)
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &items); err != nil || items == nil {
		s.Fatalf("list with %s answers %s: %v", query, w.Body, err)
	}
	ids = []string{}
	for _, item := range items {
		var id string
		json.Unmarshal(item["instanceId"], &id)
		ids = append(ids, id)
		if _, ok := item["historyEvents"]; ok {
			s.Errorf("list with %s shows the history of %s", query, id)
		}
	}
	return ids, w.Header().Get(tokenHeader)
}

func (s *site) wantList(query string, want ...string) {
	s.Helper()
	ids, _ := s.list(query, "")
	if diff := cmp.Diff(append([]string{}, want...), ids); diff != "" {
		s.Errorf("list with %s (-want +got):\n%s", query, diff)
	}
}

func TestHTTP_80_EmptyList(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		if ids, next := s.list("", ""); len(ids) > 0 || next != "" {
			t.Errorf("list of an empty hub = %v, token %q", ids, next)
		}
		if got := bodyOf(s.want(200, get, instances+"/?", "")); got != "[]" {
			t.Errorf("list of an empty hub = %s, want []", got)
		}
	})
}

func TestHTTP_81_AListIsAlways200(t *testing.T) {
	withSite(t, func(s *site) {
		s.start("Wait/x", "")
		s.settle()
		if w := s.want(200, get, instances, ""); w.Header().Get("Location") != "" || w.Header().Get("Retry-After") != "" {
			t.Errorf("list of a running instance has headers %v", w.Header())
		}
	})
}

func TestHTTP_82to84_Pages(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		var want []string
		for i := range 101 {
			id := fmt.Sprintf("i%03d", i)
			s.start("Echo/"+id, "")
			want = slices.Insert(want, 0, id)
			time.Sleep(time.Millisecond)
		}
		first, token := s.list("", "")
		if diff := cmp.Diff(want[:100], first); diff != "" || token == "" {
			t.Errorf("first page, token %q (-want +got):\n%s", token, diff)
		}
		s.start("Echo/late", "") // is on none of the pages that follow
		if rest, next := s.list("", token); !slices.Equal(rest, want[100:]) || next != "" {
			t.Errorf("second page = %v, token %q; want %v and no token", rest, next, want[100:])
		}
		var all []string
		for ids, next := s.list("top=7&instanceIdPrefix=i", ""); ; ids, next = s.list("top=7&instanceIdPrefix=i", next) {
			if len(ids) > 7 {
				t.Errorf("page with top=7 has %d instances", len(ids))
			}
			if all = append(all, ids...); next == "" {
				break
			}
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("all pages of 7 (-want +got):\n%s", diff)
		}
		for top, length := range map[string]int{"1": 1, "0": 100, "-1": 100, "x": 100, "1.5": 100, "5000": 102} {
			if ids, _ := s.list("top="+top, ""); len(ids) != length {
				t.Errorf("page with top=%s has %d instances, want %d", top, len(ids), length)
			}
		}
	})
}

func TestTopIsClamped(t *testing.T) {
	for top, want := range map[string]int{"": 100, "1": 1, "1000": 1000, "1001": 1000, "999999": 1000} {
		var got int
		hub := anything{list: func(q history.Query) { got = q.Limit }}
		withHub(t, hub, func(do func(method, path string) int) { do(get, instances+"?top="+top) })
		if got != want {
			t.Errorf("top=%s asks for %d, want %d", top, got, want)
		}
	}
}

func TestHTTP_85to90_Filters(t *testing.T) {
	withSite(t, func(s *site) {
		// The bubble's time begins at 2000-01-01T00:00:00Z.
		s.finish("Echo/done?tag.color=red&tag.Size=1", "1")
		time.Sleep(1500 * time.Millisecond)
		s.finish("Fail/failed", "2")
		time.Sleep(time.Second)
		s.start("Wait/pre-waits?tag.color=red", "3")
		s.settle()
		for _, tt := range []struct {
			query string
			want  []string
		}{
			{"", []string{"pre-waits", "failed", "done"}},
			{"runtimeStatus=Completed,Failed", []string{"failed", "done"}},
			{"runtimeStatus=Completed&runtimeStatus=Failed", []string{"failed", "done"}},
			{"runtimeStatus=%20completed%20,FAILED,", []string{"failed", "done"}},
			{"runtimeStatus=1", []string{"done"}},
			{"runtimeStatus=", []string{"pre-waits", "failed", "done"}},
			{"createdTimeFrom=2000-01-01T00:00:01Z", []string{"pre-waits", "failed"}},
			{"createdTimeFrom=2000-01-01T00:00:02Z", []string{"pre-waits"}},
			{"createdTimeTo=2000-01-01T00:00:01Z", []string{"failed", "done"}}, // created at :01.5
			{"createdTimeTo=2000-01-01T00:00:01.4Z", []string{"done"}},
			{"createdTimeFrom=2000-01-01T00:00:01.500000Z&createdTimeTo=2000-01-01T00:00:01.000Z", []string{"failed"}},
			{"createdTimeFrom=2000-01-01T01:00:01+01:00", []string{"pre-waits", "failed"}},
			{"createdTimeFrom=1-01-01T00:00:00.000000Z&createdTimeTo=1/1/2000%2012:00:00%20AM", []string{"done"}},
			{"createdTimeFrom=yesterday&createdTimeTo=", []string{"pre-waits", "failed", "done"}},
			{"completedTimeFrom=2000-01-01T00:00:01Z", []string{"failed"}},
			{"completedTimeTo=2000-01-01T00:00:01Z", []string{"failed", "done"}}, // ended at :01.5
			{"completedTimeTo=2000-01-01T00:00:01.4Z", []string{"done"}},
			{"createdTimeTo=0001-01-01T00:00:00Z", nil},
			{"completedTimeTo=0001-01-01T00:00:00Z", nil},
			{"completedTimeFrom=0001-01-01T00:00:00Z", []string{"failed", "done"}},
			{"instanceIdPrefix=pre", []string{"pre-waits"}},
			{"instanceIdPrefix=PRE", nil},
			{"name=eCHO", []string{"done"}},
			{"TAG.color=red", []string{"pre-waits", "done"}},
			{"tag.color=red&tag.Size=1", []string{"done"}},
			{"tag.size=1", nil},
			{"showHistory=true", []string{"pre-waits", "failed", "done"}},
		} {
			s.wantList(tt.query, tt.want...)
		}
		for query, want := range map[string]string{
			"instanceIdPrefix=done": `"input":1,"customStatus":null,"output":1`, "instanceIdPrefix=done&showInput=false": `"input":null,"customStatus":null,"output":1`,
			"instanceIdPrefix=done&showOutput=false": `"input":1,"customStatus":null,"output":null`, "showInput=false&top=1": `"input":null`,
		} {
			if got := bodyOf(s.want(200, get, instances+"?"+query, "")); !strings.Contains(got, want) {
				t.Errorf("list with %s = %s, want %s in it", query, got, want)
			}
		}
		if got := bodyOf(s.want(200, get, instances+"?showDetails=true&instanceIdPrefix=done", "")); !strings.Contains(got, `"tags":{"Size":"1","color":"red"}`) {
			t.Errorf("list with details = %s, want the tags", got)
		}
	})
}

func TestHTTP_87and91and94_WhatCannotBeRead(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo/x", "")
		s.wantError(400, get, instances+"?runtimeStatus=Done", "")
		s.wantError(400, get, instances+"?runtimeStatus=Completed,Unknown", "")
		s.wantError(400, get, instances, "", tokenHeader, "garbage")
		s.wantError(400, get, instances, "", tokenHeader, "AQAAAAAAAAAA")
		s.wantList("createdTimeFrom=soon", "x")
		s.wantError(400, get, base+"/counts?runtimeStatus=Done", "")
	})
}

func TestHTTP_92and93_WhatListsLeaveOut(t *testing.T) {
	for query, prefix := range map[string]string{"": "", "?instanceIdPrefix=%40counter": "@counter"} {
		var got history.Query
		var options hub.StatusOptions
		withHub(t, anything{list: func(q history.Query) { got = q }, options: &options}, func(do func(method, path string) int) {
			do(get, instances+query)
		})
		// A prefix that begins with @ is how the engine is asked for entities.
		if got.IDPrefix != prefix || options.History {
			t.Errorf("list%s asks for prefix %q and history: %v, want %q and false", query, got.IDPrefix, options.History, prefix)
		}
	}
}

func TestAListFillsItsPage(t *testing.T) {
	// A hub may return short pages, even empty ones, with more to come.
	calls := 0
	withHub(t, anything{list: func(q history.Query) { calls++ }, pages: 5}, func(do func(method, path string) int) {
		do(get, instances+"?top=4")
	})
	if calls != 4 {
		t.Errorf("a page of 4 from pages of 1 takes %d calls, want 4", calls)
	}
}

func TestCounts(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo", "")
		s.finish("Echo", "")
		s.finish("Fail", "")
		want := `{"total":3,"runtimeStatus":{"Running":0,"Completed":2,"ContinuedAsNew":0,"Failed":1,"Canceled":0,"Terminated":0,"Pending":0,"Suspended":0}}`
		if got := bodyOf(s.want(200, get, base+"/counts", "")); got != want {
			t.Errorf("counts = %s, want %s", got, want)
		}
		if got := bodyOf(s.want(200, get, base+"/Counts/?name=echo", "")); !strings.HasPrefix(got, `{"total":2,`) {
			t.Errorf("counts of Echo = %s, want 2", got)
		}
	})
}

func TestHTTP_125to127_PurgeOne(t *testing.T) {
	withSite(t, func(s *site) {
		for _, path := range []string{"Echo/a%20b", "Fail/x"} {
			s.finish(path, "")
			id := path[strings.Index(path, "/"):]
			if got := bodyOf(s.want(200, del, instances+id, "")); got != `{"instancesDeleted":1}` {
				t.Errorf("purge answers %s", got)
			}
			s.wantEmpty(404, get, instances+id, "")
			s.wantEmpty(404, del, instances+id, "")
		}
		s.finish("Echo/a%20b", "")
		s.want(200, del, instances+"/a+b", "")
		s.start("Wait/x", "")
		s.settle()
		s.wantText(412, del, instances+"/x", "")
		s.wantError(400, del, instances+"/x?force=1&recursive=true", "")
		s.want(202, get, instances+"/x", "")
		s.want(200, del, instances+"/x?force=true", "")
		s.wantEmpty(404, get, instances+"/x", "")
		s.finish("Parent/p", "")
		if got := bodyOf(s.want(200, del, instances+"/p?recursive=True", "")); !strings.HasPrefix(got, `{"instancesDeleted":2,"eventsDeleted":`) || !strings.HasSuffix(got, `"skipped":0,"isComplete":true}`) {
			t.Errorf("recursive purge answers %s", got)
		}
		s.wantList("")
		if got := bodyOf(s.want(200, del, instances+"/@counter@a", "")); got != `{"instancesDeleted":0}` {
			t.Errorf("purge of a missing entity answers %s", got)
		}
	})
}

// early is a createdTimeFrom that leaves nothing out.
const early = "createdTimeFrom=0001-01-01T00:00:00.000Z"

// wantPurged purges many and checks how many are gone; 0 is 404.
func (s *site) wantPurged(n int, query string) {
	s.Helper()
	if n == 0 {
		s.wantEmpty(404, del, instances+"?"+query, "")
		return
	}
	want := fmt.Sprintf(`{"instancesDeleted":%d,`, n)
	if got := bodyOf(s.want(200, del, instances+"/?"+query, "")); !strings.HasPrefix(got, want) || !strings.Contains(got, `"isComplete":true`) {
		s.Errorf("purge with %s answers %s, want %s", query, got, want)
	}
}

func TestHTTP_128to133_PurgeMany(t *testing.T) {
	withSite(t, func(s *site) {
		fill := func() {
			for i := range 3 {
				s.finish(fmt.Sprintf("Echo/done-%d?tag.i=%d", i, i), "")
			}
			s.finish("Fail/failed", "")
			s.finish("Echo/terminated", "") // replaced below
			s.start("Wait/terminated", "")
			s.want(202, post, instances+"/terminated/terminate", "")
			s.settle()
		}
		s.start("Wait/live", "")
		s.settle()
		fill()
		s.wantText(400, del, instances, "")
		s.wantText(400, del, instances+"?createdTimeFrom=long%20ago", "")
		s.wantText(400, del, instances+"?createdTimeFrom=", "")
		for _, bad := range []string{
			"runtimeStatus=bogus", "runtimeStatus=Completed,bogus", "createdTimeTo=now", "completedBefore=now", "limit=all", "limit=0", "dryRun=1", "timeBudget=long",
		} {
			s.wantError(400, del, instances+"?"+early+"&"+bad, "")
		}
		s.wantPurged(0, early+"&runtimeStatus=Running")
		s.wantPurged(0, early+"&runtimeStatus=Running,Pending,Suspended,ContinuedAsNew")
		s.wantPurged(0, "createdTimeFrom=2000-01-02T00:00:00Z")
		s.wantPurged(0, early+"&completedBefore=2000-01-01T00:00:00Z") // all ended at that instant
		s.wantPurged(0, early+"&name=Nobody")
		if ids, _ := s.list("", ""); len(ids) != 6 {
			t.Fatalf("purges that match nothing leave %v", ids)
		}
		if got := bodyOf(s.want(200, del, instances+"?"+early+"&dryRun=true", "")); !strings.HasPrefix(got, `{"instancesDeleted":5,`) {
			t.Errorf("dry run answers %s, want 5", got)
		}
		if got := bodyOf(s.want(200, del, instances+"?"+early+"&name=Nobody&dryRun=TRUE", "")); !strings.HasPrefix(got, `{"instancesDeleted":0,`) {
			t.Errorf("dry run without a match answers %s, want 0", got)
		}
		s.wantPurged(3, early+"&runtimeStatus=completed,Running")
		s.wantPurged(2, early)
		s.wantPurged(0, early)
		s.wantList("", "live")
		fill()
		s.wantPurged(1, early+"&tag.i=1")
		s.wantPurged(2, early+"&instanceIdPrefix=done")
		s.wantPurged(1, early+"&name=fail&completedBefore=2000-01-01T00:00:01Z")
		s.wantPurged(1, early+"&createdTimeTo=2000-01-01T00:00:00Z&completedTimeFrom=2000-01-01T00:00:00Z")
		fill()
		if got := bodyOf(s.want(200, del, instances+"?"+early+"&limit=2", "")); !strings.HasPrefix(got, `{"instancesDeleted":2,`) || !strings.Contains(got, `"isComplete":false`) {
			t.Errorf("purge of at most 2 answers %s", got)
		}
		if got := bodyOf(s.want(200, del, instances+"?"+early+"&timeBudget=0", "")); !strings.Contains(got, `"isComplete":false`) {
			t.Errorf("purge without time answers %s, want it incomplete", got)
		}
	})
}

func TestHTTP_121to124_Restart(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo/x?tag.a=b", `{"in":1}`)
		w := s.want(202, post, instances+"/x/restart", "ignored")
		var links map[string]string
		json.Unmarshal(w.Body.Bytes(), &links)
		if links["id"] == "x" || len(links) != 9 || w.Header().Get("Location") != links["statusQueryGetUri"] || w.Header().Get("Retry-After") != "10" {
			t.Errorf("restart answers %v with headers %v", links, w.Header())
		}
		s.settle()
		s.wantField(links["id"], "output", `{"in":1}`)
		if got := bodyOf(s.want(200, post, instances+"/x/restart?timeout=5&pollingInterval=1", "")); got != `{"in":1}` {
			t.Errorf("restart that waits answers %s, want the output", got)
		}
		s.wantError(400, post, instances+"/x/restart?timeout=1&pollingInterval=2", "")
		w = s.want(202, post, instances+"/x/restart?restartWithNewInstanceId=False", "")
		json.Unmarshal(w.Body.Bytes(), &links)
		if links["id"] != "x" {
			t.Errorf("restart in place answers id %s", links["id"])
		}
		s.settle()
		s.wantField("x", "output", `{"in":1}`)
		s.start("Wait/y", "")
		s.settle()
		s.wantError(409, post, instances+"/y/restart?restartWithNewInstanceId=false", "")
		s.wantField("y", "runtimeStatus", `"Running"`)
		s.want(202, post, instances+"/y/restart", "")
		s.wantError(400, post, instances+"/nobody/restart", "")
		s.wantError(400, post, instances+"/nobody/restart?restartWithNewInstanceId=false", "")
	})
}

func TestMakePrimary(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.wantError(400, post, base+"/makeprimary", "")
		s.wantError(400, get, base+"/MakePrimary/", "")
	})
}

// withHub calls test with a way to send requests to a hub.
func withHub(t *testing.T, hub httpapi.Hub, test func(do func(method, path string) int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: hub, TaskHub: "TestHub"})}
		test(func(method, path string) int { return s.do(method, path, "").Code })
	})
}

// wantText is want for an error that is a JSON string.
func (s *site) wantText(code int, method, path, body string) {
	s.Helper()
	w := s.want(code, method, path, body)
	var text string
	if err := json.Unmarshal(w.Body.Bytes(), &text); err != nil || text == "" {
		s.Errorf("%s %s answers %s, want a JSON string", method, path, w.Body)
	}
}
