package perdure_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/perdure/perdure"
)

func TestValidateReportsAllMistakes(t *testing.T) {
	app := perdure.New()
	app.AddActivity("Work", Work)
	app.AddActivity(strings.Repeat("x", 300), Work)
	if err := app.Validate(); err != nil {
		t.Errorf("Validate() = %v; want nil", err)
	}
	app.AddActivity("WORK", unregistered)
	app.AddActivity("", Work)
	app.AddActivity("BuiltIn::X", Work)
	app.AddActivity("@x", Work)
	app.AddActivity(" x", Work)
	app.AddActivity("a/b", Work)
	app.AddActivity(strings.Repeat("x", 301), Work)
	app.AddActivity("Nil", nil)
	app.AddActivity("NilFunc", (func(context.Context, int) (int, error))(nil))
	app.AddActivity("Text", "text")
	app.AddActivity("Shape", func(int) string { return "" })
	app.AddActivity("Variadic", func(context.Context, ...int) (int, error) { return 0, nil })
	app.AddOrchestrator("Swapped", Work)
	app.AddActivity("Swapped", Child)
	app.AddActivity("Hidden", func(context.Context, hidden) (int, error) { return 0, nil })
	app.AddActivity("HiddenResult", func(context.Context, int) ([]*hidden, error) {
		h := &hidden{"x"}
		return []*hidden{h}, fmt.Errorf("%s", h.id)
	})
	app.AddOrchestrator("Work", Child) // names are unique among orchestrators only

	err := app.Validate()
	if err == nil {
		t.Fatal("Validate() = nil; want all mistakes")
	}
	lines := strings.Split(err.Error(), "\n")
	wants := []string{
		`AddOrchestrator("Swapped", github.com/perdure/perdure_test.Work): the function is a func(context.Context, int) (int, error); make it a func(*perdure.OrchestrationContext, In) (Out, error)`,
		`AddActivity("WORK", github.com/perdure/perdure_test.unregistered): the name is taken by github.com/perdure/perdure_test.Work`,
		"the name is empty",
		`"BuiltIn::"`,
		"'@'",
		"white space",
		"control character",
		"has 301 bytes, at most 300 are allowed; shorten it",
		"the function is nil",
		"the function is nil",
		"string is not a function",
		"the function is a func(int) string; make it a func(context.Context, In) (Out, error)",
		"func(context.Context, ...int)",
		`AddActivity("Swapped"`,
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

type hidden struct{ id string }

func TestNamesIgnoreCase(t *testing.T) {
	app := perdure.New()
	app.AddActivity("Work", Work)
	if f, ok := app.Functions().Activities.Find("wORK"); !ok || f.Name != "Work" {
		t.Errorf("Find(wORK) = %v, %v; want Work", f, ok)
	}
}
