package httpapi_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
)

func TestHTTP_01to04_Keys(t *testing.T) {
	withIdleSite(t, httpapi.Options{Keys: httpapi.FixedKeys(httpapi.Key{Name: "first", Value: "KEY"}, httpapi.Key{Value: "OTHER"})}, func(s *site) {
		s.wantEmpty(401, post, base+"/orchestrators/Echo", "")
		s.want(202, post, base+"/orchestrators/Echo?code=KEY", "")
		s.want(202, post, base+"/orchestrators/Echo", "", "x-functions-key", "OTHER")
		s.wantEmpty(401, post, base+"/orchestrators/Echo?code=WRONG", "")
		s.wantEmpty(401, get, base+"/no/such/route", "")
	})
}

func TestHTTP_05to10_PathsAreTolerant(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo/x", "1")
		for _, path := range []string{
			"/runtime/webhooks/durableTask/instances/x", "/admin/extensions/DurableTaskExtension/instances/x?code=KEY",
			base + "/INSTANCES/x", base + "/instances/x/", base + "//instances/x",
		} {
			s.want(200, get, path, "")
		}
		s.start("Wait/y", "")
		s.wantEmpty(202, post, base+"/instances/y/TERMINATE", "")
	})
}

func TestHTTP_11to16_RouteMisses(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.start("Echo/x", "")
		for _, r := range [][2]string{
			{get, "/instances/x/terminate"}, {post, "/instances/x"}, {get, "/orchestrators/Echo"}, {post, "/instances/x/unknown"},
			{post, "/instances/x/raiseEvent"}, {post, "/instances/x/raiseEvent/"}, {get, ""}, {get, "/"}, {"PUT", "/instances/x"}, {"HEAD", "/instances/x"},
			{post, "/orchestrators/Echo/a/b"}, {post, "/orchestrators"}, {get, "/instances/x/%2F/"}, {get, "/instances//x"},
		} {
			s.wantEmpty(404, r[0], base+r[1], "")
		}
		s.wantEmpty(404, get, base+"x/instances/x", "")
		s.wantEmpty(404, get, "/", "")
	})
}

func TestHTTP_17to20_QueryNamesAndFlags(t *testing.T) {
	withSite(t, func(s *site) {
		id := s.finish("Echo", "1")
		for query, shown := range map[string]bool{
			"SHOWHISTORY=true": true, "showHistory=True": true, "showHistory=1": false, "showHistory=false&showHistory=true": true, "other=x": false,
		} {
			if _, got := s.status(id, query)["historyEvents"]; got != shown {
				t.Errorf("status with %s shows history: %v, want %v", query, got, shown)
			}
		}
	})
}

func TestHTTP_22to27_Inputs(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		for _, tt := range []struct{ body, contentType, input string }{
			{"", "", "null"}, {"", "application/json", "null"}, {" \n", "", "null"}, {`""`, "", `""`}, {"null", "", "null"},
			{`{"b":12345678901234567890,"a":1.50}`, "application/json", `{"b":12345678901234567890,"a":1.50}`}, {`[1]`, "text/plain", `[1]`},
			{`"<&>é\u0000"`, "", `"<&>é\u0000"`},
		} {
			w := s.want(202, post, base+"/orchestrators/Echo", tt.body, "Content-Type", tt.contentType)
			var links struct{ ID string }
			if err := json.Unmarshal(w.Body.Bytes(), &links); err != nil {
				t.Fatal(err)
			}
			s.wantField(links.ID, "input", tt.input)
		}
	})
}

func TestHTTP_28_MalformedInput(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		for _, body := range []string{`{"a":`, `{'a':1}`, "\"\xff\"", `1 2`} {
			s.wantError(400, post, base+"/orchestrators/Echo/x", body)
		}
		s.wantEmpty(404, get, base+"/instances/x", "")
	})
}

func TestHTTP_29to35_CheckStatusPayload(t *testing.T) {
	withIdleSite(t, httpapi.Options{Keys: httpapi.FixedKeys(httpapi.Key{Value: "K Y"})}, func(s *site) {
		w := s.want(202, post, base+"/orchestrators/Echo/my%20id", "", "x-functions-key", "K Y")
		const i, q = "http://127.0.0.1:7071" + base + "/instances/my%20id", "taskHub=TestHub&connection=Storage&code=K+Y"
		want := `{"id":"my id","statusQueryGetUri":"` + i + `?` + q + `","sendEventPostUri":"` + i + `/raiseEvent/{eventName}?` + q +
			`","terminatePostUri":"` + i + `/terminate?reason={text}&` + q + `","rewindPostUri":"` + i + `/rewind?reason={text}&` + q +
			`","purgeHistoryDeleteUri":"` + i + `?` + q + `","restartPostUri":"` + i + `/restart?` + q +
			`","suspendPostUri":"` + i + `/suspend?reason={text}&` + q + `","resumePostUri":"` + i + `/resume?reason={text}&` + q + `"}`
		if diff := cmp.Diff(want, bodyOf(w)); diff != "" {
			t.Errorf("start answers (-want +got):\n%s", diff)
		}
		if got := w.Header().Get("Location"); got != i+"?"+q {
			t.Errorf("Location = %s, want statusQueryGetUri", got)
		}
		if got := w.Header().Get("Retry-After"); got != "10" {
			t.Errorf("Retry-After = %q, want 10", got)
		}
	})
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		if id := s.start("Echo", "")["id"]; !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) {
			t.Errorf("generated id = %q, want 32 lower-case hex digits", id)
		}
	})
}

func TestHTTP_36to38_InstanceIDs(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		for _, id := range []string{"@a", "%40a", "a%23", "a%3F", "a%5C", "a%2Fb", "a%01", strings.Repeat("a", 257)} {
			s.wantError(400, post, base+"/orchestrators/Echo/"+id, "")
		}
		s.start("Echo/"+strings.Repeat("a", 256), "")
	})
}

func TestHTTP_39and40_OrchestratorNames(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantError(400, post, base+"/orchestrators/Nope", "")
		s.start("eCHO", "")
	})
}

func TestHTTP_41to43_IDReuse(t *testing.T) {
	withSite(t, func(s *site) {
		s.start("Wait/x", "1")
		s.wantError(409, post, base+"/orchestrators/Echo/x", "2")
		s.wantField("x", "input", "1")
		s.wantEmpty(202, post, base+"/instances/x/terminate?reason=old", "")
		s.settle()
		s.finish("Fail/x", "3")
		s.wantField("x", "runtimeStatus", `"Failed"`)
		s.finish("Echo/x", "4")
		s.start("Wait/x", "5")
		s.settle()
		s.wantField("x", "output", "null")
		s.want(202, post, base+"/orchestrators/Echo/x?reuse=ReplaceAny", "6")
		s.settle()
		s.wantField("x", "output", "6")
		s.wantError(400, post, base+"/orchestrators/Echo/x?reuse=perhaps", "")
	})
}

func TestHTTP_44_ConcurrentStarts(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		codes := make([]int, 8)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() { codes[i] = s.do(post, base+"/orchestrators/Echo/one", "").Code })
		}
		all.Wait()
		slices.Sort(codes)
		if want := []int{202, 409, 409, 409, 409, 409, 409, 409}; !slices.Equal(codes, want) {
			t.Errorf("codes of concurrent starts = %v, want %v", codes, want)
		}
	})
}

func TestHTTP_45to51_StartAndWait(t *testing.T) {
	withSite(t, func(s *site) {
		if got := bodyOf(s.want(200, post, base+"/orchestrators/Echo?timeout=5&pollingInterval=1", `{"a":1}`)); got != `{"a":1}` {
			t.Errorf("Echo answers %s, want its output", got)
		}
		if got := bodyOf(s.want(200, post, base+"/orchestrators/Echo?timeout=5&pollingInterval=1", "")); got != "null" {
			t.Errorf("Echo without input answers %q, want null", got)
		}
		if got := bodyOf(s.want(200, post, base+"/orchestrators/Fail?timeout=5&returnInternalServerErrorOnFailure=true", "")); !strings.Contains(got, `"runtimeStatus":"Failed"`) {
			t.Errorf("Fail answers %s, want its status", got)
		}
		began := time.Now()
		w := s.want(202, post, base+"/orchestrators/Slow?timeout=2&pollingInterval=0.5", "")
		if took := time.Since(began); took != 2*time.Second || w.Header().Get("Retry-After") != "10" {
			t.Errorf("Slow answers after %v with Retry-After %q, want 2s and 10", took, w.Header().Get("Retry-After"))
		}
		s.want(202, post, base+"/orchestrators/Slow?pollingInterval=9", "")
		s.want(202, post, base+"/orchestrators/Slow?timeout=0", "")
		s.wantError(400, post, base+"/orchestrators/Echo/never?timeout=1&pollingInterval=2", "")
		s.wantEmpty(404, get, base+"/instances/never", "")
		if got := bodyOf(s.want(200, post, base+"/orchestrators/Version?timeout=5&version=1.2", "")); got != `"1.2"` {
			t.Errorf("the orchestrator sees version %s, want 1.2", got)
		}
	})
}

func TestHTTP_52_BlanksInIDs(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		links := s.start("Echo/my%20own%20id", "")
		s.want(202, get, strings.TrimPrefix(links["statusQueryGetUri"], "http://127.0.0.1:7071"), "")
		s.want(202, get, base+"/instances/my+own+id", "")
		s.start("Echo/a+b", "")
		s.wantField("a+b", "instanceId", `"a+b"`)
	})
}

// What is written as a plus is one: nobody purges "a b" who means "a+b".
func TestAPlusThatIsWrittenAsOneIsNoBlank(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo/a%20b", "1")
		for _, r := range [][2]string{{get, "/a%2Bb"}, {post, "/a%2Bb/terminate"}, {del, "/a%2Bb"}, {del, "/a%2bb?force=true"}} {
			s.wantEmpty(404, r[0], instances+r[1], "")
		}
		s.want(200, del, instances+"/a+b", "")
	})
}

func TestHTTP_53to56and58_StatusCodes(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantEmpty(404, get, base+"/instances/nobody", "")
		s.start("Wait/x", "")
		s.settle()
		w := s.want(202, get, base+"/instances/x?showInput=true&a=%20", "")
		if got := w.Header().Get("Location"); got != "http://127.0.0.1:7071"+base+"/instances/x?showInput=true&a=%20" || w.Header().Get("Retry-After") != "5" {
			t.Errorf("Location, Retry-After = %s, %s; want the request's URL, 5", got, w.Header().Get("Retry-After"))
		}
		s.wantEmpty(202, post, base+"/instances/x/suspend?reason=why", "")
		s.settle()
		s.want(202, get, base+"/instances/x", "")
		s.wantField("x", "runtimeStatus", `"Suspended"`)
		s.wantField("x", "output", `"why"`)
		id := s.finish("Echo", "")
		if w := s.want(200, get, base+"/instances/"+id, ""); w.Header().Get("Location") != "" {
			t.Errorf("Location of an ended instance = %s, want none", w.Header().Get("Location"))
		}
		id = s.finish("Fail", "")
		plain := bodyOf(s.want(200, get, base+"/instances/"+id, ""))
		if flagged := bodyOf(s.want(500, get, base+"/instances/"+id+"?returnInternalServerErrorOnFailure=true", "")); flagged != plain {
			t.Errorf("with the flag the body is %s, want %s", flagged, plain)
		}
	})
}

func TestHTTP_59to64_StatusBody(t *testing.T) {
	withSite(t, func(s *site) {
		id := s.finish("Echo", `{"z":1}`)
		w := s.want(200, get, base+"/instances/"+id+"?runtimeStatus=Running", "")
		want := `{"name":"Echo","instanceId":"` + id + `","runtimeStatus":"Completed","input":{"z":1},"customStatus":null,"output":{"z":1},` +
			`"createdTime":"2000-01-01T00:00:00Z","lastUpdatedTime":"2000-01-01T00:00:00Z"}`
		if diff := cmp.Diff(want, bodyOf(w)); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		if got := string(s.status(id, "showInput=false")["input"]); got != "null" {
			t.Errorf("input with showInput=false = %q, want null", got)
		}
		s.wantField(s.finish("Custom", ""), "customStatus", `{"done":3}`)
	})
}

func TestHTTP_95to105_RaiseEvent(t *testing.T) {
	const event = base + "/instances/x/raiseEvent/go"
	withSite(t, func(s *site) {
		s.wantEmpty(404, post, event, "oops", "Content-Type", "text/plain")
		for _, tt := range []struct{ body, contentType, output string }{
			{`{"a":1}`, "application/json", `{"a":1}`}, {`2`, "Application/JSON; charset=utf-8", `2`},
			{"", "application/json", "null"}, {"", "", "null"},
		} {
			s.start("Wait/x", "")
			s.wantEmpty(202, post, event, tt.body, "Content-Type", tt.contentType)
			s.settle()
			s.wantField("x", "output", tt.output)
		}
		s.wantEmpty(410, post, event, "oops", "Content-Type", "text/plain")
		s.wantEmpty(410, post, event, "1", "Content-Type", "application/json")
		s.start("Wait/x", "")
		s.wantError(400, post, event, "1", "Content-Type", "text/plain")
		s.wantError(400, post, event, "1")
		s.wantError(400, post, event, `{"a`, "Content-Type", "application/json")
		s.wantEmpty(202, post, base+"/instances/x/raiseEvent/GO", "1", "Content-Type", "application/json")
		s.settle()
		s.wantField("x", "output", "1")

		// Events that nothing waits for yet are kept, in order.
		s.start("Collect/y", "")
		s.settle()
		for _, ev := range [][2]string{{"go", "1"}, {"go", "2"}, {"begin", "true"}} {
			s.wantEmpty(202, post, base+"/instances/y/raiseEvent/"+ev[0], ev[1], "Content-Type", "application/json")
			s.settle()
		}
		s.wantField("y", "output", "[1,2]")
	})
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.start("Wait/x", "")
		for range 2 {
			s.wantEmpty(202, post, event, "1", "Content-Type", "application/json", "Idempotency-Key", "k")
		}
	})
}

// A key that is too long to be remembered is refused at the door, with its limit.
func TestIdempotencyKeysHaveALimit(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.start("Wait/x", "")
		for bytes, want := range map[int]int{history.MaxKeyLength: 202, history.MaxKeyLength + 1: 400} {
			w := s.do(post, base+"/instances/x/raiseEvent/go", "1", "Content-Type", "application/json", "Idempotency-Key", strings.Repeat("k", bytes))
			if w.Code != want || want == 400 && !strings.Contains(w.Body.String(), "idempotency key: it has 301 bytes, at most 300 are allowed") {
				s.Errorf("an event with a key of %d bytes = %d %s, want %d", bytes, w.Code, w.Body, want)
			}
		}
	})
}

func TestHTTP_57and106to112_Terminate(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantEmpty(404, post, base+"/instances/x/terminate", "")
		for query, output := range map[string]string{
			"": "null", "?reason=why": `"why"`, "?reason=123": `"123"`, "?reason={text}": "null", "?reason=%7B%7Btext%7D%7D": "null", "?reason=undefined": "null",
			"?reason=a&reason=b": `"a,b"`, "?reason=why%20&%20how?": `"why & how?"`, // as npm pastes it
			"?reason=disk+95%": `"disk 95%"`, "?reason=50%25-off%zz%C3%A9%": `"50%-off%zzé%"`, "?reason=a%20&&%20b=c&taskHub=TestHub": `"a && b=c"`,
		} {
			s.start("Wait/x", "")
			s.settle()
			s.wantEmpty(202, post, base+"/instances/x/terminate"+query, "ignored")
			s.settle()
			s.wantField("x", "runtimeStatus", `"Terminated"`)
			s.wantField("x", "output", output)
			s.wantEmpty(410, post, base+"/instances/x/terminate"+query, "")
		}
		s.start("Wait/x", "")
		s.settle()
		s.wantEmpty(202, post, base+"/instances/x/suspend", "")
		s.settle()
		s.wantField("x", "runtimeStatus", `"Suspended"`)
		s.wantEmpty(202, post, base+"/instances/x/terminate", "")
		s.settle()
		s.wantField("x", "runtimeStatus", `"Terminated"`)

		s.start("Echo/pending?startAt=2000-01-01T01:00:00Z", `"ran"`)
		s.wantEmpty(202, post, base+"/instances/pending/terminate", "")
		time.Sleep(2 * time.Hour) // of virtual time: it would have run
		s.wantField("pending", "runtimeStatus", `"Terminated"`)
		s.wantField("pending", "output", "null")
	})
}

func TestHTTP_113to116_SuspendAndResume(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantEmpty(404, post, base+"/instances/x/suspend", "")
		s.wantEmpty(404, post, base+"/instances/x/resume", "")
		s.start("Wait/x", "")
		s.settle()
		s.wantError(409, post, base+"/instances/x/resume", "")
		s.wantEmpty(202, post, base+"/instances/x/suspend", "")
		s.wantError(409, post, base+"/instances/x/suspend", "")
		s.wantEmpty(202, post, base+"/instances/x/raiseEvent/go", "1", "Content-Type", "application/json")
		s.settle()
		s.wantField("x", "runtimeStatus", `"Suspended"`)
		s.wantEmpty(202, post, base+"/instances/x/resume", "")
		s.settle()
		s.wantField("x", "runtimeStatus", `"Completed"`)
		s.wantEmpty(410, post, base+"/instances/x/suspend", "")
		s.wantEmpty(410, post, base+"/instances/x/resume", "")
	})
}

func TestHTTP_146and147_HubsAndConnections(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.wantError(404, post, base+"/orchestrators/Echo?taskHub=Other", "")
		s.wantError(400, post, base+"/orchestrators/Echo?taskHub=no-hub", "")
		s.wantError(400, post, base+"/orchestrators/Echo?connection=Nowhere", "")
		s.want(202, post, base+"/orchestrators/Echo?taskHub=TESTHUB&connection=AzureWebJobsStorage&connectionName=x", "")
		s.want(202, post, base+"/orchestrators/Echo?taskHub=&connection=", "")
	})
}

// Every answer in the tests of this package goes through site.do, which looks at
// its body. Here is one that succeeds and one that does not for each operation.
func TestHTTP_149_EveryBodyIsJSON(t *testing.T) {
	withSite(t, func(s *site) {
		with := 0
		for _, r := range []struct{ method, path string }{
			{post, "/orchestrators/Echo/x"}, {post, "/orchestrators/Echo/x?timeout=5"}, {post, "/orchestrators/Nope"}, {post, "/orchestrators/Echo/@x"},
			{get, "/instances"}, {get, "/instances?runtimeStatus=Nope"}, {get, "/counts"}, {get, "/instances/x?showHistory=true"}, {get, "/instances/nobody"},
			{get, "/instances/x/explain"}, {get, "/instances/x/export"}, {get, "/instances/nobody/export"}, {post, "/import"},
			{post, "/instances/x/restart"}, {post, "/instances/nobody/restart"}, {post, "/instances/x/rewind"}, {post, "/instances/x/suspend"},
			{post, "/instances/x/resume"}, {post, "/instances/x/terminate"}, {post, "/instances/x/raiseEvent/go"}, {post, "/makeprimary"},
			{get, "/openapi.json"}, {get, "/binding"}, {get, "/entities"}, {del, "/instances"}, {del, "/instances?" + early}, {del, "/instances/nobody"},
		} {
			if s.do(r.method, base+r.path, "").Body.Len() > 0 {
				with++
			}
			s.settle()
		}
		if with < 15 {
			t.Errorf("%d answers have a body, want 15 or more", with)
		}
	})
}

func TestHTTP_154_LargePayloads(t *testing.T) {
	withSite(t, func(s *site) {
		large := `"` + strings.Repeat("x", 10<<20) + `"`
		if got := bodyOf(s.want(200, post, base+"/orchestrators/Echo/x?timeout=60", large)); got != large {
			t.Errorf("Echo answers %d bytes, want %d", len(got), len(large))
		}
		if got := bodyOf(s.want(200, get, base+"/instances/x", "")); strings.Count(got, large) != 2 {
			t.Errorf("the status has %d bytes, want input and output of %d each", len(got), len(large))
		}
	})
}

func TestLimits(t *testing.T) {
	withIdleSite(t, httpapi.Options{MaxBodyBytes: 10, Loopback: true}, func(s *site) {
		s.wantError(413, post, base+"/orchestrators/Echo", `"0123456789"`)
		s.wantError(414, get, base+"/instances/"+strings.Repeat("x", 20_000), "")
		s.wantError(403, post, base+"/orchestrators/Echo", "", "Origin", "http://evil.example", "Sec-Fetch-Site", "cross-site")
	})
}

func TestStatusWaits(t *testing.T) {
	withSite(t, func(s *site) {
		s.start("Slow/x", "")
		began := time.Now()
		s.want(202, get, base+"/instances/x?wait=1.5", "")
		if took := time.Since(began); took != 1500*time.Millisecond {
			t.Errorf("status with wait=1.5 takes %v", took)
		}
		s.start("Wait/y", "")
		ended := make(chan int)
		go func() { ended <- s.do(get, base+"/instances/y?wait=100", "").Code }() // received below
		s.settle()
		s.wantEmpty(202, post, base+"/instances/y/raiseEvent/go", "")
		if code := <-ended; code != 200 {
			t.Errorf("status with wait = %d at the end of the instance, want 200", code)
		}
	})
}
