package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

const origin = "http://127.0.0.1:7071" // of what site.do sends

var keys = httpapi.FixedKeys(httpapi.Key{Name: "main", Value: "KEY"}, httpapi.Key{Value: "OTHER"})

// who is a hub that notes who calls it.
type who struct {
	anything
	caller *string
}

func (w who) Status(ctx context.Context, id history.InstanceID, o hub.StatusOptions) (hub.Status, error) {
	*w.caller = httpapi.Caller(ctx)
	return w.anything.Status(ctx, id, o)
}

func TestCallersHaveNames(t *testing.T) {
	if got := httpapi.Caller(t.Context()); got != "" {
		t.Errorf("Caller of any context = %q, want none", got)
	}
	var caller string
	handler := httpapi.New(httpapi.Options{Hub: who{caller: &caller}, TaskHub: "TestHub", Keys: keys, Links: httpapi.Links{Scope: httpapi.ScopeInstance, Secret: []byte("s")}})
	s := &site{T: t, handler: handler}
	for query, want := range map[string]string{"?code=KEY": "main", "?code=OTHER": "key"} {
		s.want(202, get, instances+"/x"+query, "")
		if caller != want {
			t.Errorf("caller with %s = %q, want %q", query, caller, want)
		}
	}
	links := s.links(s.want(202, post, base+"/orchestrators/Echo/x?code=KEY", ""))
	if s.want(202, get, strings.TrimPrefix(links["statusQueryGetUri"], origin), ""); caller != httpapi.CallerLink {
		t.Errorf("caller with a link = %q, want link", caller)
	}
	s.handler = httpapi.New(httpapi.Options{Hub: who{caller: &caller}, TaskHub: "TestHub"})
	if s.want(202, get, instances+"/x?code=any", ""); caller != httpapi.CallerAnonymous {
		t.Errorf("caller without keys = %q, want anonymous", caller)
	}
}

func (s *site) links(w *httptest.ResponseRecorder) map[string]string {
	s.Helper()
	var links map[string]string
	if err := json.Unmarshal(w.Body.Bytes(), &links); err != nil {
		s.Fatalf("links = %s: %v", w.Body, err)
	}
	return links
}

func TestKeysAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	s := &site{T: t, handler: httpapi.New(httpapi.Options{
		Hub: anything{}, TaskHub: "TestHub", Keys: keys, Links: httpapi.Links{Scope: httpapi.ScopeInstance, Secret: []byte("SECRET")},
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})}
	link := s.links(s.want(202, post, base+"/orchestrators/Echo?code=KEY", "", "x-functions-key", "OTHER"))["statusQueryGetUri"]
	s.do(get, strings.TrimPrefix(link, origin), "")
	s.do(get, instances+"/x?code=WRONG", "")
	u, _ := url.Parse(link)
	for _, secret := range []string{"KEY", "OTHER", "SECRET", "WRONG", u.Query().Get("code")} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q: %s", secret, &log)
		}
	}
	if log.Len() == 0 {
		t.Error("the log is empty")
	}
}

// limited are options under which links open one operation each.
var limited = httpapi.Options{Keys: keys, Links: httpapi.Links{Scope: httpapi.ScopeInstance, Lifetime: time.Hour, Secret: []byte("s")}}

func TestLinksOpenOneOperationOnOneInstance(t *testing.T) {
	methods := map[string]string{"statusQueryGetUri": get, "purgeHistoryDeleteUri": del} // others: POST
	withIdleSite(t, limited, func(s *site) {
		const key = "x-functions-key"
		links := s.links(s.want(202, post, base+"/orchestrators/Echo/a%20b%2Bc%20%C3%A9", "", key, "KEY"))
		other := s.links(s.want(202, post, base+"/orchestrators/Echo/b", "", key, "KEY"))
		code := func(link string) string {
			u, err := url.Parse(link)
			if err != nil {
				s.Fatal(err)
			}
			return u.Query().Get("code")
		}
		for name := range links {
			for target := range links {
				if name == "id" || target == "id" {
					continue
				}
				// Each code opens its own link and no other one of the same method.
				fresh := s.links(s.want(202, post, base+"/orchestrators/Echo/a%20b%2Bc%20%C3%A9?reuse=ReplaceAny", "", key, "KEY"))
				if strings.Contains(fresh[name], "KEY") {
					s.Errorf("%s = %s holds the key", name, fresh[name])
				}
				method := methods[target]
				if method == "" {
					method = post
				}
				path := strings.Replace(strings.TrimPrefix(fresh[target], origin), url.QueryEscape(code(fresh[target])), url.QueryEscape(code(fresh[name])), 1)
				path = strings.NewReplacer("{eventName}", "go", "{text}", "why").Replace(path)
				opened := s.do(method, path, "null", "Content-Type", "application/json").Code != 401
				if opened != (name == target) {
					s.Errorf("the code of %s opens %s: %v", name, target, opened)
				}
			}
		}
		links = s.links(s.want(202, post, base+"/orchestrators/Echo/a%20b%2Bc%20%C3%A9?reuse=ReplaceAny", "", key, "KEY"))
		// Nor another instance, hub or route.
		status := code(links["statusQueryGetUri"])
		for _, path := range []string{"/instances/b", "/instances", "/counts", "/openapi.json", "/instances/b/explain", "/nothing", "/instances/a%20b+c%20%C3%A9%20?x=y"} {
			separator := "?"
			if strings.Contains(path, "?") {
				separator = "&"
			}
			s.wantEmpty(401, get, base+path+separator+"code="+status, "")
		}
		own := strings.TrimPrefix(links["statusQueryGetUri"], origin)
		s.want(202, get, own, "")
		s.wantEmpty(401, get, strings.Replace(own, "taskHub=TestHub", "taskHub=Other", 1), "")
		s.want(202, get, strings.Replace(own, "taskHub=TestHub", "taskHub=TESTHUB", 1), "")
		s.wantEmpty(401, get, own+"x", "")
		s.wantEmpty(401, get, instances+"/b?code="+code(other["purgeHistoryDeleteUri"]), "")
	})
}

func TestLinksReachNoFurtherThanTheirInstance(t *testing.T) {
	withIdleSite(t, limited, func(s *site) {
		start := func(id string) map[string]string {
			return s.links(s.want(202, post, base+"/orchestrators/Echo/"+id, "", "x-functions-key", "KEY"))
		}
		blank, plus := start("a%20b"), start("a+b")
		s.want(200, del, instances+"/a+b?force=true", "", "x-functions-key", "KEY")
		// With a key "a+b" is now taken for "a b"; a link for it is not.
		s.want(202, get, instances+"/a+b", "", "x-functions-key", "KEY")
		s.wantEmpty(404, get, strings.TrimPrefix(plus["statusQueryGetUri"], origin), "")
		for name, parameter := range map[string]string{"terminatePostUri": "recursive=true", "purgeHistoryDeleteUri": "force=true"} {
			method := post
			if name == "purgeHistoryDeleteUri" {
				method = del
			}
			s.wantError(403, method, strings.TrimPrefix(blank[name], origin)+"&"+parameter, "")
		}
		s.want(202, get, strings.TrimPrefix(blank["statusQueryGetUri"], origin), "")
	})
}

func TestLinksExpireAndCanBePolled(t *testing.T) {
	withIdleSite(t, limited, func(s *site) {
		link := s.links(s.want(202, post, base+"/orchestrators/Echo", "", "x-functions-key", "KEY"))["statusQueryGetUri"]
		for range 3 { // what a poller does
			link = s.want(202, get, strings.TrimPrefix(link, origin), "").Header().Get("Location")
		}
		time.Sleep(time.Hour - time.Second)
		s.want(202, get, strings.TrimPrefix(link, origin), "")
		time.Sleep(time.Second)
		s.wantEmpty(401, get, strings.TrimPrefix(link, origin), "")
	})
}

func TestLinksAreSignedWithTheSecretForTheirMaker(t *testing.T) {
	main, ci := httpapi.Key{Name: "main", Value: "KEY"}, httpapi.Key{Name: "ci", Value: "OTHER"}
	reads := ci
	reads.Role = httpapi.RoleRead
	with := func(secret string, scope httpapi.LinkScope, keys ...httpapi.Key) *httpapi.Handler {
		return httpapi.New(httpapi.Options{
			Hub: anything{}, TaskHub: "TestHub", Keys: httpapi.FixedKeys(keys...), Links: httpapi.Links{Scope: scope, Secret: []byte(secret)},
		})
	}
	made := with("a", httpapi.ScopeInstance, main, ci)
	s := &site{T: t, handler: made}
	byKey := s.links(s.want(202, post, base+"/orchestrators/Echo/x", "", "x-functions-key", ci.Value))["statusQueryGetUri"]
	byProgram := origin + base + "/instances/x?taskHub=TestHub&code=" + made.LinkCodes(t.Context(), "x")("status")
	for _, tt := range []struct {
		name      string
		used      *httpapi.Handler
		byKey     bool
		byProgram bool
	}{
		{"the same keys", with("a", httpapi.ScopeInstance, main, ci), true, true},
		{"other keys besides", with("a", httpapi.ScopeInstance, httpapi.Key{Value: "NEW"}, ci), true, true},
		{"its maker's key taken away", with("a", httpapi.ScopeInstance, main), false, true},
		{"its maker's key replaced", with("a", httpapi.ScopeInstance, main, httpapi.Key{Name: "ci", Value: "NEW"}), false, true},
		{"its maker's key under another name", with("a", httpapi.ScopeInstance, httpapi.Key{Name: "build", Value: ci.Value}), true, true},
		{"its maker's role taken away", with("a", httpapi.ScopeInstance, main, reads), false, true},
		{"another secret", with("b", httpapi.ScopeInstance, main, ci), false, false},
		{"links that hold the key", with("a", httpapi.ScopeHub, main, ci), false, false},
		{"links that hold nothing", with("a", httpapi.ScopeNone, main, ci), false, false},
	} {
		s := &site{T: t, handler: tt.used}
		for link, want := range map[string]bool{byKey: tt.byKey, byProgram: tt.byProgram} {
			if got := s.do(get, strings.TrimPrefix(link, origin), "").Code != 401; got != want {
				t.Errorf("%s: link %s opens: %v, want %v", tt.name, link, got, want)
			}
		}
	}
}

func FuzzCapability(f *testing.F) {
	s := &site{handler: httpapi.New(httpapi.Options{Hub: anything{}, TaskHub: "TestHub", Keys: keys, Links: httpapi.Links{Scope: httpapi.ScopeInstance, Secret: []byte("s")}})}
	var links struct{ StatusQueryGetURI string }
	r := httptest.NewRequest(post, base+"/orchestrators/Echo/x?code=KEY", nil)
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), &links); err != nil {
		f.Fatal(err)
	}
	u, err := url.Parse(links.StatusQueryGetURI)
	if err != nil {
		f.Fatal(err)
	}
	good := u.Query().Get("code")
	f.Add("x", good)
	f.Add("y", good)
	f.Add("x", good[:len(good)-1])
	f.Add("x", good+"\n")
	f.Add("x", "A"+good[1:]) // of another version
	f.Add("x", "")
	f.Fuzz(func(t *testing.T, id, code string) {
		path := "/instances/" + url.PathEscape(id)
		r := httptest.NewRequest(get, base, nil)
		if r.URL, err = url.Parse(base + path + "?code=" + url.QueryEscape(code)); err != nil {
			return
		}
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		mayPass := id == "x" && code == good || code == "KEY" || code == "OTHER"
		if !mayPass && w.Code != 401 {
			t.Errorf("code %q for instance %q = %d, want 401", code, id, w.Code)
		}
		if id == "x" && code == good && w.Code == 401 {
			t.Errorf("the code of the link itself opens nothing")
		}
	})
}

func TestHTTP_153_ForwardedHeadersChangeLinksOnlyWhenEnabled(t *testing.T) {
	const public = "https://durable.example:8443"
	all := []string{"X-Forwarded-Host", "durable.example:8443, inner", "X-Forwarded-Proto", "HTTPS"}
	for _, tt := range []struct {
		name    string
		options httpapi.Options
		headers []string
		want    string
	}{
		{"not enabled", httpapi.Options{}, all, origin},
		{"enabled", httpapi.Options{UseForwarded: true}, all, public},
		{"host only", httpapi.Options{UseForwarded: true}, all[:2], origin},
		{"proto only", httpapi.Options{UseForwarded: true}, all[2:], origin},
		{"other proto", httpapi.Options{UseForwarded: true}, []string{all[0], all[1], all[2], "ftp"}, origin},
		{"a path for a host", httpapi.Options{UseForwarded: true}, []string{all[0], "evil.example/x?", all[2], "https"}, origin},
		{"a public URL", httpapi.Options{PublicURL: "https://a.example/app/"}, nil, "https://a.example/app"},
		{"a public URL and no proxy", httpapi.Options{PublicURL: "https://a.example", UseForwarded: true}, nil, "https://a.example"},
		{"a public URL and a proxy", httpapi.Options{PublicURL: "https://a.example", UseForwarded: true}, all, public},
		{"a public path and a proxy", httpapi.Options{PublicURL: "https://a.example/wam/syncer/", UseForwarded: true}, all, public + "/wam/syncer"},
		{"a proxy with a path", httpapi.Options{UseForwarded: true}, append(all[:4:4], "X-Forwarded-Prefix", "/wam/syncer"), public + "/wam/syncer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withIdleSite(t, tt.options, func(s *site) {
				w := s.want(202, post, base+"/orchestrators/Echo/x", "", tt.headers...)
				want := tt.want + base + "/instances/x?taskHub=TestHub&connection=Storage"
				if got := s.links(w)["statusQueryGetUri"]; got != want || w.Header().Get("Location") != want {
					t.Errorf("links = %s, Location = %s, want %s", got, w.Header().Get("Location"), want)
				}
				w = s.want(202, get, instances+"/x?a=b", "", tt.headers...)
				if got, want := w.Header().Get("Location"), tt.want+base+"/instances/x?a=b"; got != want {
					t.Errorf("Location of a status = %s, want %s", got, want)
				}
			})
		})
	}
}

func TestHosts(t *testing.T) {
	for _, tt := range []struct {
		options httpapi.Options
		host    string
		code    int
	}{
		{httpapi.Options{}, "any.example", 202},
		{httpapi.Options{Loopback: true}, "127.0.0.1:7071", 202},
		{httpapi.Options{Loopback: true}, "localhost:1", 202},
		{httpapi.Options{Loopback: true}, "LOCALHOST", 202},
		{httpapi.Options{Loopback: true}, "[::1]:9", 202},
		{httpapi.Options{Loopback: true}, "127.3.3.3", 202},
		{httpapi.Options{Loopback: true}, "evil.example", 421},
		{httpapi.Options{Loopback: true}, "evil.example:7071", 421},
		{httpapi.Options{Loopback: true}, "10.0.0.1", 421},
		{httpapi.Options{Loopback: true}, "127.0.0.1.evil.example", 421},
		{httpapi.Options{Loopback: true}, "", 421},
		{httpapi.Options{Loopback: true}, "localhost.", 202},
		{httpapi.Options{Loopback: true}, "localhost.:7071", 202},
		{httpapi.Options{Loopback: true, AllowedHosts: []string{"Good.example"}}, "good.EXAMPLE:80", 202},
		{httpapi.Options{Loopback: true, AllowedHosts: []string{"good.example", "fd00::1"}}, "[fd00::1]:80", 202},
		{httpapi.Options{Loopback: true, AllowedHosts: []string{"good.example"}}, "evil.example", 421},
		{httpapi.Options{AllowedHosts: []string{"good.example"}}, "evil.example", 421},
		{httpapi.Options{AllowedHosts: []string{"good.example"}}, "127.0.0.1", 202},
		{httpapi.Options{AllowedHosts: []string{""}}, "", 421},
		{httpapi.Options{Loopback: true, PublicURL: "https://Public.example:8443/x"}, "public.example", 202},
	} {
		tt.options.Hub, tt.options.TaskHub = anything{}, "TestHub"
		r := httptest.NewRequest(get, instances+"/x", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		if httpapi.New(tt.options).ServeHTTP(w, r); w.Code != tt.code {
			t.Errorf("GET with Host %q and allowed %v = %d, want %d", tt.host, tt.options.AllowedHosts, w.Code, tt.code)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	const page, other = "https://portal.example", "https://evil.example"
	none := httpapi.Options{Keys: keys}
	one := httpapi.Options{Keys: keys, AllowedOrigins: []string{page}}
	cookies := httpapi.Options{Keys: keys, AllowedOrigins: []string{page, "*"}, AllowCredentials: true}
	for _, tt := range []struct {
		name        string
		options     httpapi.Options
		method      string
		origin      string
		code        int
		allowed     string
		credentials string
	}{
		{"off", none, post, page, 403, "", ""},
		{"off, read", none, get, page, 403, "", ""},
		{"off, preflight", none, "OPTIONS", page, 403, "", ""},
		{"allowed", one, post, page, 202, page, ""},
		{"allowed, read", one, get, page, 202, page, ""},
		{"allowed, preflight", one, "OPTIONS", page, 200, page, ""},
		{"another", one, post, other, 403, "", ""},
		{"another, preflight", one, "OPTIONS", other, 403, "", ""},
		{"no page", one, post, "", 202, "", ""},
		{"with cookies", cookies, post, page, 202, page, "true"},
		{"all", cookies, post, other, 202, "*", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Hub, tt.options.TaskHub = anything{}, "TestHub"
			s := &site{T: t, handler: httpapi.New(tt.options)}
			path, headers := instances+"/x", []string{"Origin", tt.origin, "Sec-Fetch-Site", "cross-site"}
			if tt.origin == "" {
				headers = nil
			}
			switch tt.method {
			case post:
				path += "/terminate"
			case "OPTIONS":
				headers = append(headers, "Access-Control-Request-Method", "POST")
			}
			if tt.method != "OPTIONS" { // preflights come without
				headers = append(headers, "x-functions-key", "KEY")
			}
			w := s.want(tt.code, tt.method, path, "", headers...)
			h := w.Header()
			if h.Get("Access-Control-Allow-Origin") != tt.allowed || h.Get("Access-Control-Allow-Credentials") != tt.credentials {
				t.Errorf("answer allows %q with credentials %q, want %q and %q", h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials"), tt.allowed, tt.credentials)
			}
			if tt.method == "OPTIONS" && tt.code == 200 && (h.Get("Access-Control-Allow-Methods") == "" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-functions-key")) {
				t.Errorf("preflight answers %v", h)
			}
			if tt.allowed != "" && !strings.Contains(h.Get("Access-Control-Expose-Headers"), tokenHeader) {
				t.Errorf("answer exposes %q", h.Get("Access-Control-Expose-Headers"))
			}
		})
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	for name, o := range map[string]httpapi.Options{
		"no hub":        {TaskHub: "TestHub"},
		"no name":       {Hub: anything{}},
		"no secret":     {Hub: anything{}, TaskHub: "TestHub", Links: httpapi.Links{Scope: httpapi.ScopeInstance}},
		"unknown scope": {Hub: anything{}, TaskHub: "TestHub", Links: httpapi.Links{Scope: "all"}},
		"public path":   {Hub: anything{}, TaskHub: "TestHub", PublicURL: "/here"},
		"public query":  {Hub: anything{}, TaskHub: "TestHub", PublicURL: "https://a.example?x"},
		"bad origin":    {Hub: anything{}, TaskHub: "TestHub", AllowedOrigins: []string{"portal.example"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("New with %s does not panic", name)
				}
			}()
			httpapi.New(o)
		}()
	}
}

// TestHeaderLimit needs a server: net/http keeps the limit.
func TestHeaderLimit(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.NewServer(httpapi.New(httpapi.Options{Hub: anything{}, TaskHub: "TestHub"}))
	server.Start()
	defer server.Close()
	for size, want := range map[int]int{1 << 10: 202, 80 << 10: 431} {
		r, err := http.NewRequest(get, server.URL+instances+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Long", strings.Repeat("x", size))
		res, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != want {
			t.Errorf("a header of %d bytes answers %d, want %d", size, res.StatusCode, want)
		}
	}
}

func TestRequestsOfHTTP10NeedNoHost(t *testing.T) {
	withIdleSite(t, httpapi.Options{Loopback: true}, func(s *site) {
		r := httptest.NewRequest(post, base+"/orchestrators/Echo/x", nil)
		r.Host, r.Proto, r.ProtoMinor = "", "HTTP/1.0", 0
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if link := w.Header().Get("Location"); w.Code != 202 || !strings.HasPrefix(link, "http://localhost/") {
			t.Errorf("a start without a host = %d with Location %s, want 202 and a link with a host", w.Code, link)
		}
	})
}
