package httpapi_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// change is a request that changes something, as it is accepted, with the names of
// its parameters besides reason.
type change struct{ method, target, body, parameters string }

var changes = []change{
	{post, "/orchestrators/Echo/new?reuse=ReplaceAny", "", "reuse startAt tag.x version timeout pollingInterval"},
	{post, "/import?reuse=ReplaceAny", "ARCHIVE", "instanceId reuse"},
	{post, "/instances/live/raiseEvent/go?taskHub=TestHub", "1", ""},
	{post, "/instances/live/terminate?reason=x", "", "recursive output"},
	{post, "/instances/live/suspend?reason=x", "", ""},
	{post, "/instances/suspended/resume?reason=x", "", ""},
	{post, "/instances/failed/rewind?reason=x", "", "all dryRun"},
	{post, "/instances/done/restart?taskHub=TestHub", "", "restartWithNewInstanceId timeout pollingInterval"},
	{del, "/instances/done?taskHub=TestHub", "", "force recursive showDetails"},
	{del, "/instances/live?force=true", "", "force recursive showDetails"},
	{del, "/instances?createdTimeFrom=2000-01-01", "", "createdTimeTo completedTimeFrom completedTimeTo completedBefore runtimeStatus instanceIdPrefix name tag.x limit timeBudget dryRun"},
}

// Of the parameters of the contract for starts, a value that cannot be read counts
// as none (docs/contracts/http-api.md 1.4), and an empty hub as the app's own (1.6).
var lenient = map[string][]string{
	"/orchestrators/": {"version", "timeout", "pollingInterval", "taskHub", "connection"},
	"/restart":        {"timeout", "pollingInterval"},
}

func TestNothingIsChangedByARequestThatIsNotUnderstood(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo/done?tag.x=1", "1")
		s.finish("Fail/failed", "")
		s.start("Wait/live", "")
		s.start("Wait/suspended", "")
		s.settle()
		s.want(202, post, instances+"/suspended/suspend", "")
		s.settle()
		archive := strings.Replace(bodyOf(s.want(200, get, instances+"/done/export", "")), `"done"`, `"imported"`, 1)
		before := s.everything()
		for _, c := range changes {
			bad := []string{
				"50%=1", "x=%zz", "x=%FF", "=", "=1", "unknown", "unknown=", "unknown=1", "dry-run=true", "dryRun%20=true", "%20dryRun=true", "+dry-run", "D", "tag.=1",
				"taskHub=TestHub&taskHub=Other", "taskHub=50%", "connection=%",
			}
			names := strings.Fields(c.parameters)
			if !slices.Contains(names, "dryRun") {
				bad = append(bad, "dryRun", "dryRun=", "dryRun=true", "dryRun=false", "DRYRUN=TRUE")
			}
			for _, name := range append(names, "taskHub", "connection") {
				bad = append(bad, name+"=50%", name+"=%", "%"+name+"=1")
				if c.lenientAbout(name) {
					continue
				}
				bad = append(bad, name+"=", name+"=%20", strings.ToUpper(name)+"=", name+"=true&"+name+"=false")
				switch name {
				case "recursive", "force", "all", "dryRun", "restartWithNewInstanceId", "showDetails":
					bad = append(bad, name+"=1", name+"=yes", name+"=on", name+"=tru", name+"=true,true", name+"=true&"+name+"=")
				case "instanceIdPrefix", "name", "tag.x", "instanceId":
					bad = append(bad, name)
				case "taskHub", "connection":
					bad = append(bad, name)
				case "output":
					bad = append(bad, name, name+"={", name+"=x", name+"=%22%FF%22")
				default:
					bad = append(bad, name, name+"=junk", name+"=-1", name+"=2099-13-01")
				}
			}
			for _, query := range bad {
				body := strings.Replace(c.body, "ARCHIVE", archive, 1)
				w := s.do(c.method, base+c.target+"&"+query, body, "Content-Type", "application/json")
				if w.Code != 400 {
					t.Errorf("%s %s&%s = %d %s, want 400", c.method, c.target, query, w.Code, w.Body)
				}
			}
			for _, key := range []string{"", "a,b"} {
				if headers := http.Header(map[string][]string{"Idempotency-Key": strings.Split(key, ",")}); s.send(c.method, c.target, c.body, headers) != 400 {
					t.Errorf("%s %s with idempotency keys %q is accepted", c.method, c.target, headers)
				}
			}
			if c.method == del || strings.Contains(c.target, "/rewind") {
				for _, body := range []string{"dryRun=true", `{"dryRun":true}`, "                      {\"runtimeStatus\":[]}", "x"} {
					if w := s.do(c.method, base+c.target, body, "Content-Type", "application/x-www-form-urlencoded"); w.Code != 400 {
						t.Errorf("%s %s with body %q = %d %s, want 400", c.method, c.target, body, w.Code, w.Body)
					}
				}
			}
			s.settle()
			if diff := cmp.Diff(before, s.everything()); diff != "" {
				t.Fatalf("%s %s with what is not understood changes (-was +is):\n%s", c.method, c.target, diff)
			}
		}
		// As they stand, all of them are accepted.
		for _, c := range changes {
			body := strings.Replace(c.body, "ARCHIVE", archive, 1)
			target := base + c.target + "&code=&code=x&systemKey=&connectionName=&CONNECTIONNAME=x&"
			if w := s.do(c.method, target, body, "Content-Type", "application/json"); w.Code >= 300 && w.Code != 410 {
				t.Errorf("%s %s = %d %s, want it accepted", c.method, c.target, w.Code, w.Body)
			}
			s.settle()
			if strings.Contains(c.target, "terminate") || strings.Contains(c.target, "/done?") {
				s.finish("Echo/done?reuse=ReplaceAny&tag.x=1", "1")
				s.start("Wait/live?reuse=ReplaceAny", "")
				s.settle()
			}
		}
	})
}

// lenientAbout reports whether a value that cannot be read counts as none.
func (c *change) lenientAbout(name string) bool {
	for part, names := range lenient {
		if strings.Contains(c.target, part) && slices.Contains(names, name) {
			return true
		}
	}
	return false
}

func (s *site) send(method, target, body string, headers http.Header) int {
	r := httptest.NewRequest(method, "http://127.0.0.1:7071"+base+target, strings.NewReader(body))
	r.Header = headers
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	return w.Code
}

// everything is all that the API shows of the hub, history included.
func (s *site) everything() map[string]string {
	s.Helper()
	ids, _ := s.list("top=1000", "")
	all := map[string]string{}
	for _, id := range ids {
		all[id] = bodyOf(s.do(get, instances+"/"+id+"?showHistory=true&showHistoryOutput=true&showDetails=true", ""))
	}
	return all
}

// sent are the requests of real clients (docs/contracts/http-api.md 8): npm's
// durable-functions 3 with and without rpcBaseUrl, PyPI's azure-functions-durable
// and PowerShell's module. None is refused as not understood.
func TestWhatClientsSendIsAccepted(t *testing.T) {
	const links = "taskHub=TestHub&connection=Storage&code=KEY"
	const json, none = "application/json", ""
	for _, tt := range []struct {
		client, method, target, body, contentType string
		code                                      int
	}{
		{"npm startNew", post, "/orchestrators/Echo/n1", `""`, json, 202},
		{"npm startNew with a version", post, "/orchestrators/Version?version=1.2", `{"a":1}`, json, 202},
		{"npm startNew by link", post, "/orchestrators/Echo/n2?code=KEY", `1`, json, 202},
		{"npm startNew by link without keys", post, "/orchestrators/Echo/n3?connection=Storage", `1`, json, 202},
		{"npm getStatus", get, "/instances/live?showHistory=true&showHistoryOutput=true&showInput=true", "", none, 202},
		{"npm getStatus by link", get, "/instances/live?" + links + "&showInput=false", "", none, 202},
		{"npm getStatusAll", get, "/instances/", "", none, 200},
		{"npm getStatusBy", get, "/instances/?createdTimeFrom=2000-01-01T00:00:00.000Z&createdTimeTo=2099-01-01T00:00:00.000Z&runtimeStatus=Running,Completed", "", none, 200},
		{"npm raiseEvent", post, "/instances/live/raiseEvent/go%20on", "", json, 202},
		{"npm raiseEvent with a hub", post, "/instances/live/raiseEvent/e?taskHub=TestHub&connection=Storage", `{"a":1}`, json, 202},
		{"npm suspend", post, "/instances/live/suspend?reason=why%20not", "", json, 202},
		{"npm resume without a reason", post, "/instances/live/resume?reason=undefined", "", json, 202},
		{"npm rewind", post, "/instances/failed/rewind?reason=50%&taskHub=TestHub&connection=Storage", "", json, 202},
		{"npm purgeInstanceHistory", del, "/instances/n1", "", none, 200},
		{"npm purgeInstanceHistory by link", del, "/instances/n2?" + links, "", none, 200},
		{"npm purgeInstanceHistoryBy", del, "/instances/?createdTimeFrom=2000-01-01T00:00:00.000Z&createdTimeTo=2000-01-01T00:00:00.000Z&runtimeStatus=Failed", "", none, 200},
		{"npm purgeInstanceHistoryBy by link", del, "/instances/?" + links + "&createdTimeFrom=2099-01-01T00:00:00.000Z", "", none, 404},
		{"npm terminate by link", post, "/instances/live2/terminate?reason=R%20&%20D%20is%20done?&" + links, "", json, 202},
		{"PyPI start_new", post, "/orchestrators/Echo/p1", `"{\"a\": 1}"`, json, 202},
		{"PyPI get_status", get, "/instances/live?taskHub=TestHub&connectionName=Storage&showInput=True&showHistory=True&showHistoryOutput=True", "", none, 202},
		{"PyPI get_status_by", get, "/instances?createdTimeFrom=1-01-01T00:00:00.000000Z&createdTimeTo=2099-01-01T00:00:00.000000Z&runtimeStatus=Running,Pending", "", none, 200},
		{"PyPI purge_instance_history", del, "/instances/p1?taskHub=TestHub&connectionName=Storage", "", none, 200},
		{"PyPI purge_instance_history_by", del, "/instances?createdTimeFrom=1-01-01T00:00:00.000000Z&createdTimeTo=1-01-01T00:00:00.000000Z&runtimeStatus=Completed", "", none, 404},
		{"PyPI raise_event", post, "/instances/live/raiseEvent/e?taskHub=TestHub&connection=Storage", `"1"`, json, 202},
		{"PyPI suspend", post, "/instances/live/suspend?reason=Well%2C%20100%25", "", none, 202},
		{"PyPI resume", post, "/instances/live/resume?reason=", "", none, 202},
		{"PyPI rewind", post, "/instances/failed2/rewind?reason=disk at 95%&taskHub=TestHub&connection=Storage", "", none, 202},
		{"PyPI terminate", post, "/instances/live3/terminate?reason=a%20%26%20b", "", none, 202},
		{"PowerShell start", post, "//orchestrators/Echo/s1", "null", json, 202},
		{"PowerShell event", post, "//instances/live/raiseEvent/e?taskHub=TestHub&connection=Storage", "null", json, 202},
		{"PowerShell suspend", post, "//instances/live/suspend?reason=", "", none, 202},
		{"a link as it was handed out", post, "/instances/live/resume?reason={text}&" + links, "", none, 202},
		{"a poller that starts", post, "/orchestrators/Echo?timeout=5&pollingInterval=1&returnInternalServerErrorOnFailure=true", "", none, 200},
		{"restart", post, "/instances/s1/restart?restartWithNewInstanceId=True&" + links, "", none, 202},
	} {
		t.Run(tt.client, func(t *testing.T) {
			runSite(t, functions(), httpapi.Options{}, func(s *site) {
				for _, path := range []string{"Echo/n1", "Echo/n2", "Echo/p1", "Echo/s1", "Fail/failed", "Fail/failed2"} {
					if !strings.HasPrefix(tt.target, "/orchestrators/"+path) {
						s.finish(path, "1")
					}
				}
				for _, id := range []string{"live", "live2", "live3"} {
					s.start("Wait/"+id, "")
				}
				s.settle()
				if strings.Contains(tt.target, "/resume") {
					s.want(202, post, instances+"/live/suspend", "")
				}
				r := httptest.NewRequest(tt.method, "http://127.0.0.1:7071"+base+"/", strings.NewReader(tt.body))
				path, query, _ := strings.Cut(tt.target, "?")
				unescaped, err := url.PathUnescape(path)
				if err != nil {
					t.Fatal(err)
				}
				r.URL.Path, r.URL.RawPath, r.URL.RawQuery = base+unescaped, base+path, query
				r.RequestURI = base + tt.target
				r.Header.Set("Content-Type", tt.contentType)
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, r)
				if w.Code != tt.code {
					t.Errorf("%s %s = %d %s, want %d", tt.method, tt.target, w.Code, w.Body, tt.code)
				}
			})
		})
	}
}

// bulk keeps what it is asked to purge.
type bulk struct {
	anything
	asked *hub.PurgeFilter
}

func (b *bulk) PurgeBy(_ context.Context, f hub.PurgeFilter) (hub.PurgeResult, error) {
	b.asked = &f
	return hub.PurgeResult{Deleted: 1}, nil
}

// purge returns the filter that a query asks for, nil if it is refused.
func (b *bulk) purge(handler http.Handler, query string) *hub.PurgeFilter {
	b.asked = nil
	r := httptest.NewRequest(del, "http://127.0.0.1"+base+"/instances", nil)
	r.URL.RawQuery = query
	handler.ServeHTTP(httptest.NewRecorder(), r)
	return b.asked
}

// encodeFilter writes a filter as the plainest caller would.
func encodeFilter(f *hub.PurgeFilter) string {
	values := url.Values{}
	for name, at := range map[string]*time.Time{
		"createdTimeFrom": f.CreatedFrom, "createdTimeTo": f.CreatedTo, "completedTimeFrom": f.CompletedFrom, "completedTimeTo": f.CompletedTo,
	} {
		if at != nil {
			values.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	for _, status := range f.Statuses {
		values.Add("runtimeStatus", status.String())
	}
	for name, value := range map[string]string{"instanceIdPrefix": f.IDPrefix, "name": f.Name} {
		if value != "" {
			values.Set(name, value)
		}
	}
	for name, value := range f.Tags {
		values.Set("tag."+name, value)
	}
	if f.Max > 0 {
		values.Set("limit", strconv.Itoa(f.Max))
	}
	if f.DryRun {
		values.Set("dryRun", "true")
	}
	return values.Encode()
}

// FuzzPurgeFilter: what is accepted, written anew, is the same filter; and each
// parameter that was sent is in it.
func FuzzPurgeFilter(f *testing.F) {
	for _, seed := range []string{
		"createdTimeFrom=2020-01-01&dryRun", "createdTimeFrom=1-01-01&DryRun=TRUE&tag.a=b&tag.A=c", "createdTimeFrom=2020-01-01&instanceIdPrefix=50%25-",
		"createdTimeFrom=2020-01-01&runtimeStatus=Failed,0&runtimeStatus=completed", "createdTimeFrom=2020-01-01&completedTimeTo=0001-01-01T00:00:00Z",
		"createdTimeFrom=2020-01-01&limit=5&name=%20x&code=50", "createdTimeFrom=2020-01-01&&dryRun=true&dryRun=true", "createdTimeFrom=2020-01-01&instanceIdPrefix=%",
	} {
		f.Add(seed)
	}
	hub := &bulk{}
	handler := httpapi.New(httpapi.Options{Hub: hub, TaskHub: "TestHub"})
	f.Fuzz(func(t *testing.T, query string) {
		first := hub.purge(handler, query)
		if first == nil {
			return
		}
		text := encodeFilter(first)
		again := hub.purge(handler, text)
		if again == nil {
			t.Fatalf("%q is accepted and, written as %q, refused", query, text)
		}
		first.Until, again.Until = time.Time{}, time.Time{}
		if diff := cmp.Diff(fmt.Sprintf("%+v", shown(first)), fmt.Sprintf("%+v", shown(again))); diff != "" {
			t.Errorf("%q, written as %q (-was +is):\n%s", query, text, diff)
		}
		for pair := range strings.SplitSeq(query, "&") {
			name, _, _ := strings.Cut(pair, "=")
			name, err := url.QueryUnescape(name)
			if err != nil {
				t.Fatalf("%q is accepted with %q", query, pair)
			}
			if strings.EqualFold(name, "dryRun") && !first.DryRun && !strings.Contains(strings.ToLower(query), "false") {
				t.Errorf("%q is no dry run", query)
			}
			if strings.EqualFold(name, "instanceIdPrefix") && first.IDPrefix == "" || strings.EqualFold(name, "runtimeStatus") && first.Statuses == nil {
				t.Errorf("%q of %q is dropped", pair, query)
			}
		}
	})
}

// shown is a filter with its times as text.
func shown(f *hub.PurgeFilter) []any {
	out := []any{slices.Sorted(slices.Values(f.Statuses)), f.IDPrefix, f.Name, slices.Sorted(maps.Keys(f.Tags)), f.Tags, f.Max, f.DryRun}
	for _, at := range []*time.Time{f.CreatedFrom, f.CreatedTo, f.CompletedFrom, f.CompletedTo} {
		if at == nil {
			out = append(out, "none")
		} else {
			out = append(out, at.Format(time.RFC3339Nano))
		}
	}
	return out
}

func TestReadsAreStrictAboutAdditionsOnly(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Echo/x", "1")
		for _, target := range []string{
			"/instances?completedTimeTo=junk", "/instances?completedTimeFrom=", "/instances?name=", "/instances?tag.a=50%", "/instances?showOutput=1",
			"/counts?completedTimeTo=20990101T000000Z", "/instances/x?wait=long", "/instances/x?showDetails=yes", "/instances?name=a&name=b",
		} {
			s.wantError(400, get, base+target, "")
		}
		for _, target := range []string{
			"/instances?createdTimeTo=junk&createdTimeFrom=%&top=&showInput=1&instanceIdPrefix=&other=%&runtimeStatus=", "/counts?unknown=1",
			"/instances/x?showHistory=1&returnInternalServerErrorOnFailure=&%=1&taskHub=", "/instances?showDetails",
		} {
			s.want(200, get, base+target, "")
		}
	})
}
