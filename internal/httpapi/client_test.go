package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/store/memory"
)

func TestHTTP_21_WorkersCallWithoutKeyHubOrConnection(t *testing.T) {
	withSite(t, func(s *site) {
		// PowerShell's address, with two slashes, and what Python and npm send.
		s.want(202, post, base+"//orchestrators/Wait/x", "null", "Content-Type", "application/json")
		s.settle()
		s.want(202, get, base+"/instances/x?showHistory=True", "")
		s.wantEmpty(202, post, base+"/instances/x/raiseEvent/go?connectionName=Any", `"1"`, "Content-Type", "application/json")
	})
}

func TestHTTP_148_HubsDoNotSeeEachOther(t *testing.T) {
	other := engine.New(memory.New(4), nil, engine.Options{})
	o := httpapi.Options{Find: func(_ context.Context, name string) (httpapi.Hub, error) {
		if !strings.EqualFold(name, "OtherHub") {
			return nil, fmt.Errorf("%w: %s", httpapi.ErrHubNotFound, name)
		}
		return other, nil
	}}
	withIdleSite(t, o, func(s *site) {
		ctx, cancel := context.WithCancel(s.Context())
		ended := make(chan error)
		go func() { ended <- other.Run(ctx) }() // received below
		s.settle()
		links := s.links(s.want(202, post, base+"/orchestrators/Echo/x?taskHub=OtherHub", "1"))
		s.wantEmpty(404, get, base+"/instances/x", "")
		s.want(202, get, strings.TrimPrefix(links["statusQueryGetUri"], origin), "")
		s.start("Echo/y", "")
		s.wantEmpty(404, get, base+"/instances/y?taskHub=otherhub", "")
		s.wantList("", "y")
		s.wantList("taskHub=OtherHub", "x")
		s.wantError(404, post, base+"/orchestrators/Echo?taskHub=ThirdHub", "")
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the other engine ended with %v", err)
		}
	})
}

// The tests below are the numbers of docs/contracts/http-api.md 11: what the npm client
// depends on, as far as other tests do not show it. test/clients/js runs the client.

func TestHTTP_11_01and15_LinksAreStringsAndHaveAQuery(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		w := s.want(202, post, base+"/orchestrators/Echo", `""`, "Content-Type", "application/json")
		var links map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &links); err != nil {
			t.Fatal(err)
		}
		for name, link := range links {
			if text, ok := link.(string); !ok || text == "" || name != "id" && strings.Count(text, "?") != 1 {
				t.Errorf("%s = %v, want a string with one ?", name, link)
			}
		}
		if links["id"] == nil {
			t.Errorf("start answers %v, want an id", links)
		}
	})
}

func TestHTTP_11_02and10_StatusHasWhatTheClientChecks(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		s.start("Echo/x", "")
		st := s.status("x", "showInput=false&showOutput=false")
		for _, key := range []string{"name", "instanceId", "runtimeStatus", "createdTime", "lastUpdatedTime"} {
			if text := st[key]; len(text) < 2 || text[0] != '"' {
				t.Errorf("%s = %s, want a string", key, text)
			}
		}
		for _, key := range []string{"input", "output"} {
			if string(st[key]) != "null" {
				t.Errorf("%s = %s, want null", key, st[key])
			}
		}
		s.wantEmpty(404, get, base+"/entities/Counter/a", "")
	})
}

func TestHTTP_11_05_TheTokenOfTheLastPageEndsALoop(t *testing.T) {
	withIdleSite(t, httpapi.Options{}, func(s *site) {
		for range 3 {
			s.start("Echo", "")
		}
		pages := 0
		for token := "first"; token != ""; pages++ {
			if token == "first" {
				token = ""
			}
			_, token = s.list("top=1", token)
		}
		if pages != 3 {
			t.Errorf("3 instances are on %d pages of 1, want 3", pages)
		}
	})
}

func TestHTTP_11_13_EmptyBodiesWithAJSONType(t *testing.T) {
	withSite(t, func(s *site) {
		s.start("Wait/x", "")
		for _, path := range []string{"suspend?reason=", "resume?reason=undefined", "raiseEvent/other", "terminate?reason=undefined"} {
			s.wantEmpty(202, post, instances+"/x/"+path, "", "Content-Type", "application/json")
		}
		s.settle()
		s.wantField("x", "output", "null")
	})
}
