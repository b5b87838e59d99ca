package httpapi_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

func TestExportAndImport(t *testing.T) {
	withSite(t, func(s *site) {
		s.finish("Chain/x?tag.a=b", "1")
		s.wantEmpty(404, get, instances+"/nobody/export", "")
		archive := bodyOf(s.want(200, get, instances+"/x/export", ""))
		s.wantError(409, post, base+"/import?reuse=RefuseIfExists", archive)
		w := s.want(201, post, base+"/import?instanceId=my%20copy", archive)
		links := s.links(w)
		if links["id"] != "my copy" || w.Header().Get("Location") != links["statusQueryGetUri"] || w.Header().Get("Retry-After") != "" {
			t.Errorf("import answers %v with headers %v", links, w.Header())
		}
		s.want(200, get, strings.TrimPrefix(links["statusQueryGetUri"], origin), "")
		for _, key := range []string{"name", "runtimeStatus", "input", "output"} {
			s.wantField("my%20copy", key, string(s.status("x", "")[key]))
		}
		if a, b := s.events("x", ""), s.events("my%20copy", ""); strings.Join(a, ";") != strings.Join(b, ";") {
			t.Errorf("history of the copy = %v, want %v", b, a)
		}
		s.want(200, del, instances+"/x", "")
		if id := s.links(s.want(201, post, base+"/import", archive))["id"]; id != "x" {
			t.Errorf("import without an id answers %q, want the archive's", id)
		}
		for _, body := range []string{"", "null", "{}", "[]", `{"format":"perdure-instance/9"}`, `"x"`} {
			s.wantError(400, post, base+"/import", body)
		}
		s.wantError(400, post, base+"/import?instanceId=@a", archive)
		s.wantError(400, post, base+"/import?reuse=perhaps", archive)
	})
}

func TestAnImportedInstanceGoesOn(t *testing.T) {
	withSite(t, func(s *site) {
		s.start("Wait/x", "1")
		s.settle()
		archive := bodyOf(s.want(200, get, instances+"/x/export", ""))
		s.want(201, post, base+"/import?instanceId=y", archive)
		s.wantEmpty(202, post, instances+"/y/raiseEvent/go", "7", "Content-Type", "application/json")
		s.settle()
		s.wantField("y", "output", "7")
		s.wantField("x", "runtimeStatus", `"Running"`)
	})
}

func TestExplain(t *testing.T) {
	withSite(t, func(s *site) {
		s.wantEmpty(404, get, instances+"/nobody/explain", "")
		s.start("Wait/x", "")
		s.settle()
		var e struct {
			InstanceID, RuntimeStatus, Summary, Action, Advice string
			Waits                                              []struct{ Kind, Name string }
		}
		if err := json.Unmarshal(s.want(200, get, instances+"/x/explain", "").Body.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.InstanceID != "x" || e.RuntimeStatus != "Running" || e.Summary == "" || e.Action != "raise-event" || len(e.Waits) != 1 || e.Waits[0].Kind != "event" || e.Waits[0].Name != "go" {
			t.Errorf("explanation of an instance that waits = %+v", e)
		}
		id := s.finish("Echo", "")
		if got := bodyOf(s.want(200, get, instances+"/"+id+"/explain", "")); !strings.Contains(got, `"waits":[]`) {
			t.Errorf("explanation of an ended instance = %s, want no waits", got)
		}
	})
}

func TestHTTP_117to120_Rewind(t *testing.T) {
	said.Store(0)
	failed.Store(0)
	withSite(t, func(s *site) {
		s.finish("Flaky/x", "")
		s.wantField("x", "runtimeStatus", `"Failed"`)
		var plan struct {
			InstanceID string
			Undone     []struct{ Kind, Name string }
			Rewound    []string
		}
		if err := json.Unmarshal(s.want(200, post, instances+"/x/rewind?dryRun=true", "").Body.Bytes(), &plan); err != nil {
			t.Fatal(err)
		}
		if plan.InstanceID != "x" || len(plan.Undone) != 1 || plan.Undone[0].Name != "FailOnce" || plan.Rewound == nil {
			t.Errorf("plan = %+v, want FailOnce undone", plan)
		}
		s.wantField("x", "runtimeStatus", `"Failed"`)
		s.wantError(400, post, instances+"/x/rewind?dryRun=1", "")
		s.wantEmpty(202, post, instances+"/x/rewind?reason=fixed", "")
		s.settle()
		// Say has run once, FailOnce twice: the facts are kept.
		s.wantField("x", "output", `"say 1, fail 2"`)
		s.wantText(412, post, instances+"/x/rewind", "")
		s.wantText(412, post, instances+"/x/rewind?dryRun=true", "")
		s.wantText(404, post, instances+"/nobody/rewind", "")
		s.wantText(404, post, instances+"/no+body/rewind", "")
		for _, name := range []string{"Wait", "Slow"} {
			id := s.start(name, "")["id"]
			s.settle()
			s.wantText(412, post, instances+"/"+id+"/rewind", "")
		}
		s.finish("Flaky/a%20b", "")
		s.wantEmpty(202, post, instances+"/a+b/rewind", "")
	})
}

func TestRewindOfAHubThatCannot(t *testing.T) {
	s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: unable{}, TaskHub: "TestHub"})}
	s.wantText(501, post, instances+"/x/rewind", "")
	s.wantError(501, get, instances+"/x/explain", "")
}

// unable is a hub that lacks some operations.
type unable struct{ anything }

func (unable) Rewind(context.Context, history.InstanceID, hub.RewindRequest) error {
	return hub.ErrUnsupported
}
func (unable) Explain(context.Context, history.InstanceID) (hub.Explanation, error) {
	return hub.Explanation{}, hub.ErrUnsupported
}
