package httpapi_test

import (
	"context"
	"strings"
	"testing"

	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/httpapi"
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

func TestRewindOfAHubThatCannot(t *testing.T) {
	s := &site{T: t, handler: httpapi.New(httpapi.Options{Hub: unable{}, TaskHub: "TestHub"})}
	s.wantText(501, post, instances+"/x/rewind", "")
	s.wantError(501, get, instances+"/x/explain", "")
}

// unable is a hub that lacks some operations.
type unable struct{ anything }

func (unable) Rewind(context.Context, history.InstanceID, engine.RewindRequest) error {
	return engine.ErrUnsupported
}
func (unable) Explain(context.Context, history.InstanceID) (engine.Explanation, error) {
	return engine.Explanation{}, engine.ErrUnsupported
}
