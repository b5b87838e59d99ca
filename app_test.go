package perdure_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/registry"
)

func TestValidateReportsAllMistakes(t *testing.T) {
	app := perdure.New()
	perdure.AddActivity(app, "Work", Work)
	perdure.AddActivity(app, named(strings.Repeat("x", 300)), Work)
	if err := app.Validate(); err != nil {
		t.Errorf("Validate() = %v; want nil", err)
	}
	perdure.AddActivity(app, "WORK", unregistered)
	perdure.AddActivity(app, "", Work)
	perdure.AddActivity(app, "BuiltIn::X", Work)
	perdure.AddActivity(app, "@x", Work)
	perdure.AddActivity(app, " x", Work)
	perdure.AddActivity(app, "a/b", Work)
	perdure.AddActivity(app, named(strings.Repeat("x", 301)), Work)
	perdure.AddActivity(app, "Nil", (func(context.Context, int) (int, error))(nil))
	perdure.AddOrchestrator(app, "Nil", (func(*perdure.OrchestrationContext, int) (int, error))(nil))
	perdure.AddActivity(app, "Hidden", func(context.Context, hidden) (int, error) { return 0, nil })
	perdure.AddActivity(app, "HiddenResult", func(context.Context, int) ([]*hidden, error) {
		h := &hidden{"x"}
		return []*hidden{h}, fmt.Errorf("%s", h.id)
	})
	perdure.AddOrchestrator(app, "Work", Child) // names are unique among orchestrators only

	err := app.Validate()
	if err == nil {
		t.Fatal("Validate() = nil; want all mistakes")
	}
	lines := strings.Split(err.Error(), "\n")
	wants := []string{
		"the function is nil; pass a func(*perdure.OrchestrationContext, int) (int, error)",
		`AddActivity("WORK", github.com/perdure/perdure_test.unregistered): the name is taken by github.com/perdure/perdure_test.Work`,
		"the name is empty",
		`"BuiltIn::"`,
		"'@'",
		"white space",
		"control character",
		"has 301 bytes, at most 300 are allowed; shorten it",
		"the function is nil; pass a func(context.Context, int) (int, error)",
		"its input does not travel: perdure_test.hidden has no exported fields",
		"its result does not travel: []*perdure_test.hidden has no exported fields",
	}
	if len(lines) != len(wants) {
		t.Fatalf("Validate() reports %d mistakes; want %d:\n%v", len(lines), len(wants), err)
	}
	for i, want := range wants {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "app_test.go:") {
			t.Errorf("mistake %d: %s; want it to say %s and where", i, lines[i], want)
		}
	}
}

// named is a name that is no constant.
func named(name string) perdure.ActivityRef[int, int] {
	return perdure.ActivityRef[int, int](name)
}

type hidden struct{ id string }

func TestNamesIgnoreCase(t *testing.T) {
	app := perdure.New()
	perdure.AddActivity(app, "Work", Work)
	if f, ok := registry.Of(app).Activities.Find("wORK"); !ok || f.Name != "Work" {
		t.Errorf("Find(wORK) = %v, %v; want Work", f, ok)
	}
}
