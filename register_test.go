package perdure_test

import (
	"context"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"strings"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

// Assertion 1 of go-api: a wrong pair of Ref and function, or another shape, does not
// compile; an untyped constant, a typed Ref and a converted string do.
func TestGoAPI1_WrongFunctionsDoNotCompile(t *testing.T) {
	compile := compiler(t)
	for _, call := range []string{
		`p.AddActivity(app, "Work", Work)`,
		`p.AddActivity(app, Charge, Work)`,
		`p.AddActivity(app, Charge, s.Charge)`,
		`p.AddActivity(app, "Send", p.NoResult(Send))`,
		`p.AddActivity(app, p.ActivityRef[int, string](name), Work)`,
		`p.AddOrchestrator(app, MainRef, Main, p.AwaitOutstanding())`,
		`p.AddOrchestrator(app, "Main", func(*p.OrchestrationContext, p.None) (json.RawMessage, error) { return nil, nil })`,
	} {
		if err := compile(call); err != nil {
			t.Errorf("%s does not compile: %v", call, err)
		}
	}
	for _, call := range []string{
		`p.AddActivity(app, Other, Work)`,                           // another input
		`p.AddActivity(app, MainRef, Work)`,                         // another kind
		`p.AddActivity(app, name, Work)`,                            // a variable
		`p.AddActivity(app, "Send", Send)`,                          // no result
		`p.AddActivity(app, "Main", Main)`,                          // an orchestrator
		`p.AddActivity(app, "No", nil)`,                             // nothing
		`p.AddActivity(app, "Text", "text")`,                        // no function
		`p.AddActivity(app, "One", func(int) string { return "" })`, // no context
		`p.AddActivity(app, "Many", func(context.Context, ...int) (int, error) { return 0, nil })`,
		`p.AddOrchestrator(app, "Work", Work)`, // an activity
	} {
		if compile(call) == nil {
			t.Errorf("%s compiles", call)
		}
	}
}

// Assertion 4 of go-api: None in takes any payload, None out records none.
func TestGoAPI4_None(t *testing.T) {
	const send = perdure.ActivityRef[perdure.None, perdure.None]("Send")
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, _ perdure.None) (perdure.None, error) {
		return send.Call(ctx, perdure.None{}).Await()
	}), false)
	asked := h.only(h.start(`{"any": ["payload"]}`), history.ScheduleTask)
	if asked.Payload != nil {
		t.Errorf("the input of the activity is %q, want none", asked.Payload)
	}
	if got := h.result(h.turn(done(0, `"ignored"`))); got != "" {
		t.Errorf("result = %q; want none", got)
	}
}

func TestNoResult(t *testing.T) {
	wrong := errors.New("wrong")
	got := -1
	send := perdure.NoResult(func(_ context.Context, n int) error { got = n; return wrong })
	if _, err := send(t.Context(), 7); got != 7 || !errors.Is(err, wrong) {
		t.Errorf("the function got %d, and returned %v", got, err)
	}
	app := perdure.New()
	perdure.AddActivity(app, "Send", send)
	if err := app.Validate(); err != nil {
		t.Errorf("Validate() = %v", err)
	}
}

func TestWaitIsAwaitWithoutTheResult(t *testing.T) {
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		if err := perdure.CallActivity(ctx, Work, n).Wait(); err != nil {
			return 0, err
		}
		return 1, perdure.CallActivity(ctx, Work, n).Wait()
	}), false)
	h.start("1")
	h.turn(done(0, "1"))
	if end := h.end(h.turn(boom(1))); end.Status != history.Failed || !strings.Contains(end.Failure.Message, "boom") {
		t.Errorf("it ended %s, %v; want the failure of the second call", end.Status, end.Failure)
	}
}

// compiler returns a function that compiles statements beside what they use.
func compiler(t *testing.T) func(statements string) error {
	fset := token.NewFileSet()
	source := importer.ForCompiler(fset, "source", nil)
	return func(call string) error {
		text := `package p
import ("context"; "encoding/json"; p "github.com/perdure/perdure")
type Service struct{}
func (Service) Charge(context.Context, int) (string, error) { return "", nil }
func Work(context.Context, int) (string, error) { return "", nil }
func Send(context.Context, int) error { return nil }
func Main(*p.OrchestrationContext, int) (string, error) { return "", nil }
const Charge = p.ActivityRef[int, string]("Charge")
const Other = p.ActivityRef[string, string]("Other")
const MainRef = p.OrchestratorRef[int, string]("Main")
var app, name, s = p.New(), "name", Service{}
var _ = json.Valid
func init() { ` + call + ` }`
		file, err := parser.ParseFile(fset, "p.go", text, 0)
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		_, err = (&types.Config{Importer: source}).Check("p", fset, []*ast.File{file}, nil)
		return err
	}
}

// Options are taken where they apply, and nowhere else.
func TestOptionsOfOtherCallsDoNotCompile(t *testing.T) {
	compile := compiler(t)
	const ctx = `var ctx *p.OrchestrationContext; `
	for call, want := range map[string]bool{
		`p.CallActivity(ctx, Work, 1, p.WithRetry(p.RetryPolicy{}), p.WithVersion("2"))`:                            true,
		`p.CallActivity(ctx, Work, 1, p.WithTags(nil))`:                                                             false,
		`Charge.Call(ctx, 1, p.WithInstanceID("x"))`:                                                                false,
		`p.CallSubOrchestrator(ctx, Main, 1, p.WithRetry(p.RetryPolicy{}), p.WithInstanceID("x"), p.WithTags(nil))`: true,
		`MainRef.Call(ctx, 1, p.WithVersion("2"), p.WithInstanceID("x"))`:                                           true,
		`p.StartOrchestration(ctx, Main, 1, p.WithInstanceID("x"), p.WithTags(nil), p.WithVersion("2"))`:            true,
		`MainRef.Start(ctx, 1, p.WithRetry(p.RetryPolicy{}))`:                                                       false,
		`p.CallSubOrchestrator(ctx, Main, 1, p.AwaitOutstanding())`:                                                 false,
	} {
		if err := compile(ctx + call); (err == nil) != want {
			t.Errorf("%s compiles: %v, want %t", call, err, want)
		}
	}
}
