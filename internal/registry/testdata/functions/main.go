// Command functions calls functions of all kinds by value and prints what becomes of
// each call, which must not depend on how the program was built.
package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/registry/testdata/functions/other"
	"github.com/perdure/perdure/internal/worker"
)

type fn = func(context.Context, string) (string, error)

func top(_ context.Context, in string) (string, error) { return in, nil }

func missing(_ context.Context, in string) (string, error) { return in, nil }

func gen[T any](_ context.Context, in T) (T, error) { return in, nil }

type service struct{ Name string }

func (s *service) Run(_ context.Context, in string) (string, error) { return s.Name + in, nil }

func (s service) Look(_ context.Context, in string) (string, error) { return s.Name + in, nil }

type runner interface {
	Run(context.Context, string) (string, error)
}

type embedding struct{ *service }

type box[T any] struct{ value T }

func (b *box[T]) Open(context.Context, string) (string, error) { return fmt.Sprint(b.value), nil }

func make1(name string) fn {
	return func(_ context.Context, in string) (string, error) { return name + in, nil }
}

func make2() fn { return func(_ context.Context, in string) (string, error) { return in, nil } }

func make3(name string) fn { return func() fn { return make1(name) }() }

func makeOf[T any](v T) fn {
	return func(context.Context, string) (string, error) { return fmt.Sprint(v), nil }
}

//go:noinline
func kept(name string) fn {
	return func(_ context.Context, in string) (string, error) { return name + in, nil }
}

var (
	global = func(_ context.Context, in string) (string, error) { return in, nil }
	made   = make1("global")
	alias  = top
)

func each(yield func(fn) bool) { yield(make1("each")) }

func main() {
	a, b := &service{"a"}, &service{"b"}
	functions := []struct {
		name       string
		registered bool
		fn         fn
	}{
		{"top", true, top}, {"alias", false, alias}, {"missing", false, missing}, {"other", true, other.Top},
		{"generic", true, gen[string]}, {"generic of another package", true, other.Gen[string]},
		{"method value", true, a.Run}, {"method value of another receiver", false, b.Run}, {"method value of a value", true, a.Look},
		{"method value of an interface", true, runner(a).Run}, {"embedded method value", false, embedding{b}.Run},
		{"method value of a generic", true, (&box[int]{1}).Open}, {"method value of a generic, other", false, (&box[string]{"x"}).Open},
		{"closure", true, make1("registered")}, {"closure of the same literal", false, make1("other")},
		{"closure without variables", true, make2()}, {"closure without variables again", false, make2()},
		{"closure in a closure", true, make3("x")}, {"closure that is not inlined", true, kept("a")}, {"the same, other", false, kept("b")},
		{"closure of a generic", true, makeOf(1)}, {"closure of a generic, other", false, makeOf("x")},
		{"closure of another package", true, other.Make("x")},
		{"literal", true, func(_ context.Context, in string) (string, error) { return in, nil }},
		{"global literal", true, global}, {"global closure", true, made},
	}
	for f := range each {
		functions = append(functions, struct {
			name       string
			registered bool
			fn         fn
		}{"closure of an iterator", true, f})
	}
	app := perdure.New()
	for _, f := range functions {
		if f.registered {
			perdure.AddActivity(app, perdure.ActivityRef[string, string](f.name), f.fn)
		}
	}
	perdure.AddActivity(app, "generic of *service", gen[*service])
	perdure.AddActivity(app, "generic of *embedding", gen[*embedding])
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, _ any) (any, error) {
		for _, f := range functions {
			told(f.name, perdure.CallActivity(ctx, f.fn, ""))
		}
		told("generic of *service", perdure.CallActivity(ctx, gen[*service], nil))
		told("generic of *embedding", perdure.CallActivity(ctx, gen[*embedding], nil))
		return nil, nil
	})
	w, err := worker.New(app, worker.Options{})
	if err != nil {
		panic(err)
	}
	defer w.Close()
	outcome, err := w.Orchestrate(context.Background(), history.Work{
		Instance: history.Instance{ID: "i", Number: 1, Name: "Main"},
		Turn:     history.Turn{Seq: 1, Events: []history.Event{{Kind: history.ExecutionStarted, ID: history.NoID, Name: "Main", Started: &history.Started{}}}},
	})
	if err != nil {
		panic(err)
	}
	for _, action := range outcome.Actions {
		fmt.Println(action.Kind, action.Name)
	}
}

func told[T any](name string, task *perdure.Task[T]) {
	if !task.Done() {
		fmt.Println(name, "- called")
		return
	}
	_, err := task.Await()
	switch text := err.Error(); {
	case strings.Contains(text, "give it a Ref"):
		fmt.Println(name, "- needs a Ref")
	case strings.Contains(text, "is not registered"):
		fmt.Println(name, "- is not registered")
	default:
		fmt.Println(name, "-", text)
	}
}
