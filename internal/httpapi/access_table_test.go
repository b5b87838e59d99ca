package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/httpapi"
)

// door is a route as strangers find it.
type door struct {
	method, path string // below the base; {text} and {eventName} are filled in
	least        string // the lowest role that it opens to
	link         string // the link that opens it too, by its name in an answer; "": none
	narrow       string // the parameters that the link may have besides those of every route
	body         string
}

var doors = []door{
	{method: post, path: "/orchestrators/Echo", least: "operate"},
	{method: post, path: "/orchestrators/Echo/new", least: "operate"},
	{
		method: get, path: "/instances/x", least: "metadata", link: "statusQueryGetUri",
		narrow: "showInput showOutput showDetails showHistory showHistoryOutput returnInternalServerErrorOnFailure wait",
	},
	{method: get, path: "/instances", least: "metadata"},
	{method: get, path: "/counts", least: "metadata"},
	{method: del, path: "/instances/x", least: "operate", link: "purgeHistoryDeleteUri"},
	{method: del, path: "/instances?createdTimeFrom=2000-01-01", least: "operate"},
	{method: post, path: "/instances/x/raiseEvent/go", least: "operate", link: "sendEventPostUri", body: "1"},
	{method: post, path: "/instances/x/terminate", least: "operate", link: "terminatePostUri", narrow: "reason"},
	{method: post, path: "/instances/x/suspend", least: "operate", link: "suspendPostUri", narrow: "reason"},
	{method: post, path: "/instances/x/resume", least: "operate", link: "resumePostUri", narrow: "reason"},
	{method: post, path: "/instances/x/rewind", least: "operate", link: "rewindPostUri", narrow: "reason"},
	{method: post, path: "/instances/x/restart", least: "operate", link: "restartPostUri"},
	{method: post, path: "/makeprimary", least: "operate"},
	{method: get, path: "/instances/x/explain", least: "read"},
	{method: get, path: "/instances/x/export", least: "read"},
	{method: post, path: "/import", least: "operate", body: "{}"},
	{method: get, path: "/binding", least: "metadata"},
	{method: get, path: "/openapi.json", least: "metadata"},
}

var roleKeys = httpapi.FixedKeys(
	httpapi.Key{Name: "operator", Value: "OPERATE", Role: httpapi.RoleOperate},
	httpapi.Key{Name: "reader", Value: "READ", Role: httpapi.RoleRead},
	httpapi.Key{Name: "eye", Value: "METADATA", Role: httpapi.RoleMetadata},
)

// guarded are options under which there is every kind of caller.
var guarded = httpapi.Options{
	Keys: roleKeys, RPCBaseURL: "http://127.0.0.1:17071/durabletask/",
	Links: httpapi.Links{Scope: httpapi.ScopeInstance, Lifetime: time.Hour, Secret: []byte("s")},
}

// fresh begins instance x anew and returns its links.
func (s *site) fresh() map[string]string {
	s.Helper()
	return s.links(s.want(202, post, base+"/orchestrators/Echo/x?reuse=ReplaceAny", "", "x-functions-key", "OPERATE"))
}

// through sends a request through a door, with a code if there is one.
func (s *site) through(d door, code string, headers ...string) (int, string) {
	s.Helper()
	path := base + d.path
	if code != "" {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "code=" + url.QueryEscape(code)
	}
	w := s.do(d.method, path, d.body, append(headers, "Content-Type", "application/json")...)
	return w.Code, w.Body.String() + w.Header().Get("Location")
}

func codeIn(s *site, link string) string {
	s.Helper()
	u, err := url.Parse(link)
	if err != nil {
		s.Fatal(err)
	}
	return u.Query().Get("code")
}

// refused are the codes of answers to who may not come in.
func refused(code int) bool { return code == http.StatusUnauthorized || code == http.StatusForbidden }

func TestEveryDoorAndEveryCaller(t *testing.T) {
	withIdleSite(t, guarded, func(s *site) {
		rpc := guarded
		rpc.Hub, rpc.TaskHub, rpc.LocalRPC = s.engine, "TestHub", true
		local := &site{T: t, engine: s.engine, handler: httpapi.New(rpc)}
		for _, d := range doors {
			name := d.method + " " + d.path
			want := func(caller string, code int, body string, want func(int) bool) {
				t.Helper()
				if !want(code) {
					t.Errorf("%s by %s = %d %s", name, caller, code, body)
				}
			}
			is := func(want int) func(int) bool { return func(got int) bool { return got == want } }
			let := func(code int) bool { return !refused(code) }

			s.fresh()
			code, body := s.through(d, "")
			want("nobody", code, body, is(401))
			code, body = s.through(d, "WRONG")
			want("a wrong key", code, body, is(401))
			for i, role := range []string{"metadata", "read", "operate"} {
				s.fresh()
				in := i >= slices.Index([]string{"metadata", "read", "operate"}, d.least)
				for _, headers := range [][]string{nil, {"x-functions-key", strings.ToUpper(role)}} {
					key := strings.ToUpper(role)
					if headers != nil {
						key = ""
					}
					code, body := s.through(d, key, headers...)
					if in {
						want(role, code, body, let)
					} else {
						want(role, code, body, is(403))
					}
				}
			}
			for op := range s.fresh() {
				if op == "id" {
					continue
				}
				code, body := s.through(d, codeIn(s, s.fresh()[op]))
				if op != d.link {
					want("the link "+op, code, body, is(401))
					continue
				}
				want("its link", code, body, let)
				if strings.Contains(body, "code=") && d.method != get { // a status leads to itself
					t.Errorf("%s by its link answers with a code: %s", name, body)
				}
			}
			s.fresh()
			code, body = local.throughRPC(d)
			want("RPC", code, body, let)
			if strings.Contains(body, "code=") {
				t.Errorf("%s over RPC answers with a code: %s", name, body)
			}
			if d.link == "" {
				continue
			}
			// Links that are no more what they were.
			gone := is(404)
			if strings.HasSuffix(d.path, "/restart") {
				gone = is(400)
			}
			old := codeIn(s, s.fresh()[d.link])
			s.want(200, del, base+"/instances/x?force=true", "", "x-functions-key", "OPERATE")
			code, body = s.through(d, old)
			want("a link to what was purged", code, body, gone)
			s.fresh()
			code, body = s.through(d, old)
			want("a link to what was purged and begun anew", code, body, gone)
			old = codeIn(s, s.fresh()[d.link])
			s.fresh()
			code, body = s.through(d, old)
			want("a link to what was replaced", code, body, gone)
			w := s.want(202, get, base+"/instances/x", "", "x-functions-key", "READ")
			if !strings.Contains(w.Body.String(), `"Pending"`) {
				t.Errorf("%s by links of others has changed the instance: %s", name, w.Body)
			}
			for what, code := range map[string]string{"without its last letter": old[:len(old)-1], "of version 1": "AQ" + old[2:], "of version 3": "Aw" + old[2:]} {
				got, body := s.through(d, code)
				want("a link "+what, got, body, is(401))
			}
			last := codeIn(s, s.fresh()[d.link])
			time.Sleep(time.Hour)
			code, body = s.through(d, last)
			want("a link whose time is over", code, body, is(401))
		}
	})
}

// throughRPC is through for a handler of workers, which bring nothing.
func (s *site) throughRPC(d door) (int, string) {
	s.Helper()
	w := s.do(d.method, httpapi.RPCBasePath+d.path, d.body, "Content-Type", "application/json")
	return w.Code, w.Body.String() + w.Header().Get("Location")
}

// The table above has every route, and links have no parameter that they were not given.
func TestLinksHaveTheParametersThatTheyWereGiven(t *testing.T) {
	withIdleSite(t, guarded, func(s *site) {
		var document struct {
			Paths map[string]map[string]struct {
				Parameters []struct{ Name, In string }
			}
		}
		w := s.want(200, get, base+"/openapi.json", "", "x-functions-key", "METADATA")
		if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		operations := 0
		for path, methods := range document.Paths {
			for method, operation := range methods {
				operations++
				path := strings.NewReplacer("{name}", "Echo", "{event}", "go", "orchestrators/{name}/{id}", "orchestrators/Echo/new", "{id}", "x").Replace(path)
				i := slices.IndexFunc(doors, func(d door) bool {
					short, _, _ := strings.Cut(d.path, "?")
					return strings.EqualFold(d.method, method) && short == path
				})
				if i < 0 {
					t.Errorf("%s %s is not in the table", method, path)
					continue
				}
				d := doors[i]
				for _, p := range operation.Parameters {
					every := p.In != "query" || p.Name == "taskHub" || p.Name == "connection"
					if d.link == "" || every {
						continue
					}
					given := slices.Contains(strings.Fields(d.narrow), p.Name)
					for _, value := range []string{"", "=", "=true", "=false", "=1"} {
						with := d
						with.path += "?" + strings.ToUpper(p.Name) + value
						code, body := s.through(with, codeIn(s, s.fresh()[d.link]))
						if given && code == 403 || !given && code != 403 && code != 400 {
							t.Errorf("%s %s by its link = %d %s, want it allowed: %v", d.method, with.path, code, body, given)
						}
						if !given && value == "=true" && code != 403 && !slices.Contains([]string{"timeout", "pollingInterval", "output"}, p.Name) {
							t.Errorf("%s %s by its link = %d %s, want 403", d.method, with.path, code, body)
						}
					}
				}
			}
		}
		if operations != len(doors) {
			t.Errorf("%d operations are documented and %d in the table", operations, len(doors))
		}
	})
}

// A link that was good when a request began is not good for what took its instance's
// place while the request waited.
func TestALinkThatWaitsDoesNotSeeWhatCameAfter(t *testing.T) {
	withIdleSite(t, guarded, func(s *site) {
		link := strings.TrimPrefix(s.fresh()["statusQueryGetUri"], origin)
		code := make(chan int, 1)
		go func() { code <- s.do(get, link+"&wait=100", "").Code }() // received below
		s.settle()
		s.want(202, post, base+"/orchestrators/Echo/x?reuse=ReplaceAny", `"secret"`, "x-functions-key", "OPERATE")
		if got := <-code; got != 404 {
			t.Errorf("a status that waited while its instance was replaced = %d, want 404", got)
		}
	})
}

// The role metadata sees what is there, and nothing that anybody has put in.
func TestMetadataShowsNoPayload(t *testing.T) {
	const marker = "PAYLOAD"
	runSite(t, functions(), guarded, func(s *site) {
		for _, name := range []string{"Echo", "Fail", "Custom", "Breaks"} {
			s.want(202, post, base+"/orchestrators/"+name+"/"+name, `"`+marker+`"`, "x-functions-key", "OPERATE")
		}
		s.want(202, post, base+"/orchestrators/Slow/Slow", `"`+marker+`"`, "x-functions-key", "OPERATE")
		s.settle()
		s.want(202, post, base+"/instances/Slow/suspend?reason="+marker, "", "x-functions-key", "OPERATE")
		s.settle()
		told := []string{marker, "it broke", "no paper", `"done"`}
		for _, path := range []string{"/instances", "/instances?showInput=true&showOutput=true&showDetails=true", "/counts", "/instances/Echo", "/instances/Fail", "/instances/Custom", "/instances/Breaks", "/instances/Slow"} {
			for _, query := range []string{"", "showDetails=true&showInput=true&showOutput=true&showHistoryOutput=true"} {
				separator := "?"
				if strings.Contains(path, "?") {
					separator = "&"
				}
				body := s.do(get, base+path+separator+query, "", "x-functions-key", "METADATA").Body.String()
				for _, secret := range told {
					if strings.Contains(body, secret) {
						t.Errorf("%s with %q shows the role metadata %q: %s", path, query, secret, body)
					}
				}
			}
		}
		s.wantError(403, get, base+"/instances/Echo?showHistory=true", "", "x-functions-key", "METADATA")
		all := s.do(get, base+"/instances?showDetails=true", "", "x-functions-key", "READ").Body.String()
		for _, secret := range told {
			if !strings.Contains(all, secret) {
				t.Errorf("the role read does not see %q: %s", secret, all)
			}
		}
		w := s.want(200, get, base+"/instances/Breaks?showDetails=true", "", "x-functions-key", "METADATA")
		for _, field := range []string{`"runtimeStatus":"Failed"`, `"customStatus":null`, `"executionId"`, `"completedTime"`} {
			if !strings.Contains(w.Body.String(), field) {
				t.Errorf("the role metadata sees %s, want %s in it", w.Body, field)
			}
		}
	})
}

func TestIdentitiesBesideKeys(t *testing.T) {
	o := guarded
	o.Identify = func(r *http.Request) (httpapi.Identity, bool) {
		switch name := r.Header.Get("Test-Certificate"); name {
		case "":
			return httpapi.Identity{}, false
		case "ops":
			return httpapi.Identity{By: "certificate", Name: name}, true
		default:
			return httpapi.Identity{By: "certificate", Name: name, Role: httpapi.RoleMetadata}, true
		}
	}
	const certificate = "Test-Certificate"
	withIdleSite(t, o, func(s *site) {
		links := s.fresh()
		s.wantError(403, post, base+"/instances/x/suspend", "", certificate, "eye")
		s.want(202, get, base+"/instances/x", "", certificate, "eye")
		s.wantError(403, get, base+"/instances/x/export", "", certificate, "eye")
		// A key goes first, and a link opens what its holder may not do otherwise.
		s.want(202, post, base+"/instances/x/suspend", "", certificate, "eye", "x-functions-key", "OPERATE")
		s.want(202, post, strings.TrimPrefix(links["resumePostUri"], origin)+"&", "", certificate, "eye")
		// Who brings no key gets none, but may make links.
		body := bodyOf(s.want(200, get, base+"/binding", "", certificate, "ops"))
		if strings.Contains(body, "code=") {
			t.Errorf("binding of a certificate holds a code: %s", body)
		}
		made := s.links(s.want(202, post, base+"/orchestrators/Echo/y", "", certificate, "ops"))
		s.want(202, get, strings.TrimPrefix(made["statusQueryGetUri"], origin), "")
	})
}

func ExampleParseRole() {
	role, err := httpapi.ParseRole("read")
	fmt.Println(role > httpapi.RoleMetadata, role < httpapi.RoleOperate, err)
	_, err = httpapi.ParseRole("admin")
	fmt.Println(err)
	// Output:
	// true true <nil>
	// "admin" is not metadata, read or operate
}
