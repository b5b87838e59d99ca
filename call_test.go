package perdure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

func TestCallActivity(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		h := open(appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			for range 3 {
				result, err := perdure.CallActivity(ctx, Work, n).Await()
				if err != nil {
					return 0, err
				}
				n += result
			}
			return n, nil
		}))
		want := history.Action{Kind: history.ScheduleTask, Name: "Work", Version: "v1", Payload: raw("1"), Attempt: 1}
		if diff := cmp.Diff(want, h.only(h.start("1"), history.ScheduleTask)); diff != "" {
			t.Errorf("first call differs (-want +got):\n%s", diff)
		}
		h.turn(done(0, "10"))
		h.turn(done(1, "100"))
		if got := h.result(h.turn(done(2, "null"))); got != "111" {
			t.Errorf("result = %s; want 111, null being 0", got)
		}
	})
}

func TestTaskFailure(t *testing.T) {
	original := history.Failure{Type: "*main.Boom", Message: "boom", Inner: &history.Failure{Type: "a", Message: "b", Inner: &history.Failure{Type: "c", Message: "d"}}}
	var seen error
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		_, seen = perdure.CallActivity(ctx, Work, n).Await()
		return 0, fmt.Errorf("charge the card: %w", seen)
	}), false)
	h.start("1")
	end := h.end(h.turn(taskFailed(0, original)))
	want := &history.Failure{Type: original.Type, Message: "charge the card: " + seen.Error(), Inner: &original}
	if diff := cmp.Diff(want, end.Failure); diff != "" {
		t.Errorf("failure of the instance differs from the task's, and what is said around it (-want +got):\n%s", diff)
	}
	failed, ok := errors.AsType[*perdure.TaskFailedError](seen)
	if !ok || failed.Name != "Work" || failed.TaskID != 0 || seen.Error() != "Task 'Work' (#0) failed with an unhandled exception: boom" {
		t.Errorf("Await() = %v; want a TaskFailedError of Work, #0, boom", seen)
	}
}

type teapotError struct{}

func (*teapotError) Error() string { return "I am a teapot" }

func TestFailureOfAnError(t *testing.T) {
	teapot := &history.Failure{Type: "*perdure_test.teapotError", Message: "I am a teapot"}
	for _, test := range []struct {
		err  error
		want history.Failure
	}{
		{&teapotError{}, *teapot},
		{errors.New("plain"), history.Failure{Type: "*errors.errorString", Message: "plain"}},
		{fmt.Errorf("brew: %w", &teapotError{}), history.Failure{Type: teapot.Type, Message: "brew: I am a teapot", Inner: teapot}},
		{
			fmt.Errorf("serve: %w", fmt.Errorf("brew: %w", &teapotError{})),
			history.Failure{Type: teapot.Type, Message: "serve: brew: I am a teapot", Inner: &history.Failure{Type: teapot.Type, Message: "brew: I am a teapot", Inner: teapot}},
		},
		{
			errors.Join(&teapotError{}, errors.New("other")),
			history.Failure{Type: teapot.Type, Message: "I am a teapot\nother", Inner: teapot},
		},
		{perdure.NonRetriable(&teapotError{}), history.Failure{Type: teapot.Type, Message: "I am a teapot", NonRetriable: true}},
		{
			fmt.Errorf("brew: %w", perdure.NonRetriable(&teapotError{})),
			history.Failure{Type: teapot.Type, Message: "brew: I am a teapot", NonRetriable: true,
				Inner: &history.Failure{Type: teapot.Type, Message: "I am a teapot", NonRetriable: true}},
		},
	} {
		h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) { return 0, test.err }), false)
		if diff := cmp.Diff(&test.want, h.end(h.start("1")).Failure); diff != "" {
			t.Errorf("failure of %q differs (-want +got):\n%s", test.err, diff)
		}
	}
	if err := perdure.NonRetriable(nil); err != nil {
		t.Errorf("NonRetriable(nil) = %v; want nil", err)
	}
}

// ownError says by itself that trying again is of no use.
type ownError struct{ err error }

func (e *ownError) Error() string      { return "mine: " + e.err.Error() }
func (e *ownError) Unwrap() error      { return e.err }
func (e *ownError) NonRetriable() bool { return true }

// The mark survives whatever is put around it or it is put around, and what was said
// is kept: texts holds what the message must hold.
func TestNonRetriableSurvivesWrapping(t *testing.T) {
	const around = "order x cannot be paid"
	declined := history.Failure{Type: "*main.Declined", Message: "card declined"}
	final := declined
	final.NonRetriable = true
	wrap := func(err error) error { return fmt.Errorf(around+": %w", err) }
	deep := func(err error) error {
		for range 40 {
			err = fmt.Errorf("%w", err)
		}
		return err
	}
	other := errors.New("other")
	for name, test := range map[string]struct {
		task  history.Failure
		make  func(task error) error
		texts []string
		mark  bool
	}{
		"none":                    {declined, func(err error) error { return err }, []string{"card declined"}, false},
		"none, wrapped":           {declined, wrap, []string{around, "card declined"}, false},
		"of the task":             {final, func(err error) error { return err }, []string{"card declined"}, true},
		"of the task, wrapped":    {final, wrap, []string{around, "card declined"}, true},
		"of the task, joined":     {final, func(err error) error { return errors.Join(other, err) }, []string{"other", "card declined"}, true},
		"around the task":         {declined, perdure.NonRetriable, []string{"card declined"}, true},
		"around the wrapped task": {declined, func(err error) error { return perdure.NonRetriable(wrap(err)) }, []string{around, "card declined"}, true},
		"inside the wrapping":     {declined, func(err error) error { return wrap(perdure.NonRetriable(err)) }, []string{around, "card declined"}, true},
		"twice":                   {declined, func(err error) error { return perdure.NonRetriable(perdure.NonRetriable(err)) }, []string{"card declined"}, true},
		"deep inside":             {declined, func(err error) error { return wrap(deep(perdure.NonRetriable(err))) }, []string{around, "card declined"}, true},
		"deep outside":            {declined, func(err error) error { return perdure.NonRetriable(wrap(deep(err))) }, []string{around, "card declined"}, true},
		"of a neighbour":          {declined, func(err error) error { return errors.Join(err, perdure.NonRetriable(other)) }, []string{"card declined", "other"}, true},
		"of the first of several": {declined, func(err error) error { return fmt.Errorf(around+": %w, %w", perdure.NonRetriable(other), err) }, []string{around, "other", "card declined"}, true},
		"around joined ones":      {declined, func(err error) error { return perdure.NonRetriable(errors.Join(err, other)) }, []string{"card declined", "other"}, true},
		"of a type of one's own":  {declined, func(err error) error { return &ownError{err} }, []string{"mine: ", "card declined"}, true},
		"without a task":          {declined, func(error) error { return wrap(perdure.NonRetriable(other)) }, []string{around, "other"}, true},
		"around a timeout":        {declined, func(error) error { return perdure.NonRetriable(&perdure.TimeoutError{Event: "Go"}) }, []string{"event Go"}, true},
		"around a bad conversion": {declined, func(error) error { return wrap(perdure.NonRetriable(&perdure.ConversionError{What: "x", Err: other})) }, []string{around, "other"}, true},
		"in an error that panics": {declined, func(err error) error { panic(wrap(perdure.NonRetriable(err))) }, []string{around, "card declined"}, true},
		"of the task, in a panic": {final, func(err error) error { panic(err) }, []string{"card declined"}, true},
		"none, in a panic":        {declined, func(err error) error { panic(err) }, []string{"card declined"}, false},
	} {
		h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
			_, err := perdure.CallActivity(ctx, Work, n).Await()
			return 0, test.make(err)
		}), false)
		h.start("1")
		failure := h.end(h.turn(taskFailed(0, test.task))).Failure
		if failure.NonRetriable != test.mark {
			t.Errorf("%s: NonRetriable = %t, want %t", name, failure.NonRetriable, test.mark)
		}
		for _, text := range test.texts {
			if !strings.Contains(failure.Message, text) {
				t.Errorf("%s: the message is %q, want one that holds %q", name, failure.Message, text)
			}
		}
		depth := 0
		for f := failure; f != nil; f = f.Inner {
			depth++
		}
		if depth > 16 {
			t.Errorf("%s: the failure tells of %d errors, at most 16 are wanted", name, depth)
		}
	}
}

func unregistered(context.Context, int) (int, error) { return 0, nil }

func factory(int) func(context.Context, int) (int, error) {
	return func(context.Context, int) (int, error) { return 0, nil }
}

func TestCallMistakesFailTheTask(t *testing.T) {
	app := perdure.New()
	perdure.AddActivity(app, "Work", Work)
	perdure.AddActivity(app, "Work2", Work)
	one, two := factory(1), factory(2)
	perdure.AddActivity(app, "One", one)
	perdure.AddActivity(app, "Two", two)
	var errs []error
	await := func(task *perdure.Task[int]) {
		_, err := task.Await()
		errs = append(errs, err)
	}
	main := func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		ref := perdure.OrchestratorRef[int, int]("Child")
		await(perdure.CallActivity(ctx, unregistered, 1))
		await(perdure.CallActivity(ctx, Work, 1))
		await(perdure.CallActivity(ctx, one, 1))
		await(perdure.CallActivity[int, int](ctx, nil, 1))
		await(perdure.ActivityRef[int, int]("").Call(ctx, 1))
		await(perdure.ActivityRef[func(), int]("Work").Call(ctx, nil))
		await(perdure.ActivityRef[json.RawMessage, int]("Work").Call(ctx, json.RawMessage("{")))
		await(ref.Call(ctx, 1, perdure.WithInstanceID("ABC")))
		await(ref.Call(ctx, 1, perdure.WithInstanceID("Mother")))
		await(ref.Call(ctx, 1, perdure.WithInstanceID("@x")))
		_, err := ref.Start(ctx, 1, perdure.WithInstanceID("abc"))
		errs = append(errs, err)
		errs = append(errs, perdure.SendEvent(ctx, "a/b", "go", nil), perdure.SendEvent(ctx, "a", "", nil))
		return 0, nil
	}
	perdure.AddOrchestrator(app, "Main", main)
	h := openHub(t, app, false)
	if actions := h.start("1"); len(actions) != 1 {
		t.Errorf("calls that are mistakes led to %+v; want nothing but the end", actions)
	}
	wants := []string{
		"perdure_test.unregistered is not registered; register it with AddActivity",
		`registered more than once, as "Work"`,
		`give it a Ref: perdure.ActivityRef[int, int]("Name")`,
		"the function is nil",
		"name is empty",
		"func()",
		"not valid JSON",
		"is the id of the instance that starts it",
		"is the id of the parent",
		"starts with '@'",
		"is the id of the instance that starts it",
		"not allowed",
		"name is empty",
	}
	if len(errs) != len(wants) {
		t.Fatalf("%d errors; want %d", len(errs), len(wants))
	}
	for i, want := range wants {
		if errs[i] == nil || !strings.Contains(errs[i].Error(), want) {
			t.Errorf("mistake %d: error = %v; want it to say %q", i, errs[i], want)
		}
	}
}

func Child(ctx *perdure.OrchestrationContext, n int) (int, error) { return n, nil }

func TestSubOrchestrations(t *testing.T) {
	bothWays(t, func(t *testing.T, open func(*perdure.App) *testHub) {
		var detached perdure.InstanceID
		app := appOf(func(ctx *perdure.OrchestrationContext, n int) ([]int, error) {
			var err error
			if detached, err = perdure.StartOrchestration(ctx, Child, 9); err != nil {
				return nil, err
			}
			if err := perdure.SendEvent(ctx, "friend", "Hello", "<b>"); err != nil {
				return nil, err
			}
			return perdure.WhenAll(ctx,
				perdure.CallSubOrchestrator(ctx, Child, 1),
				perdure.CallSubOrchestrator(ctx, Child, 2, perdure.WithInstanceID("kid"), perdure.WithVersion("v9"), perdure.WithTags(map[string]string{"a": "b"})),
			).Await()
		})
		perdure.AddOrchestrator(app, "Kid", Child)
		h := open(app)
		want := []history.Action{
			{Kind: history.StartSubOrchestration, ID: 0, Name: "Kid", Payload: raw("9"), Instance: detached, FireAndForget: true},
			{Kind: history.SendEvent, ID: 1, Name: "Hello", Payload: raw(`"<b>"`), Instance: "friend"},
			{Kind: history.StartSubOrchestration, ID: 2, Name: "Kid", Payload: raw("1"), Instance: "abc:5c88e7a226e11ad1:0002", Attempt: 1},
			{Kind: history.StartSubOrchestration, ID: 3, Name: "Kid", Payload: raw("2"), Instance: "kid", Version: "v9", Tags: map[string]string{"a": "b"}, Attempt: 1},
		}
		got := h.start("1")
		want[0].Instance = detached
		if diff := cmp.Diff(want, got); diff != "" || len(detached) != 32 {
			t.Errorf("actions differ, detached id %q (-want +got):\n%s", detached, diff)
		}
		answer := func(id int32, result string) history.Event {
			return history.Event{Kind: history.SubOrchestrationInstanceCompleted, TaskID: id, Payload: raw(result)}
		}
		h.turn(answer(3, "20"))
		if got := h.result(h.turn(answer(2, "10"))); got != "[10,20]" {
			t.Errorf("result = %s; want [10,20]", got)
		}
	})
}

func TestPayloadsPassUntouched(t *testing.T) {
	text := `{"b": 1.0,  "a":9007199254740993, "s":"\u00e9<&>"}`
	app := perdure.New()
	perdure.AddOrchestrator(app, "Main", func(ctx *perdure.OrchestrationContext, in json.RawMessage) (json.RawMessage, error) {
		return perdure.ActivityRef[json.RawMessage, json.RawMessage]("Echo").Call(ctx, in).Await()
	})
	h := openHub(t, app, false)
	if got := h.only(h.start(text), history.ScheduleTask).Payload; string(got) != text {
		t.Errorf("activity gets %s; want %s", got, text)
	}
	if got := h.result(h.turn(done(0, text))); got != text {
		t.Errorf("result = %s; want %s", got, text)
	}
}

func TestInputOfWrongShapeFailsTheInstance(t *testing.T) {
	h := openHub(t, appOf(Child), false)
	end := h.end(h.start(`"text"`))
	if end.Status != history.Failed || end.Failure.Type != "*perdure.ConversionError" || !strings.Contains(end.Failure.Message, "input of orchestrator Main") {
		t.Errorf("end = %s, %v; want Failed, a ConversionError that names the input of Main", end.Status, end.Failure)
	}
}

func TestContextTellsOfTheInstance(t *testing.T) {
	var got []string
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		got = []string{string(ctx.InstanceID()), string(ctx.ExecutionID()), ctx.Name(), ctx.Version(), string(ctx.ParentInstanceID()), ctx.Tags()["team"], ctx.Now().String()}
		ctx.Tags()["team"] = "red"
		return 0, nil
	}), false)
	h.start("1")
	if diff := cmp.Diff([]string{"abc", "e0", "Main", "v1", "mother", "blue", epoch.String()}, got); diff != "" {
		t.Errorf("context differs (-want +got):\n%s", diff)
	}
	if h.instance.Tags["team"] != "blue" {
		t.Errorf("changing Tags() changed the instance's: %v", h.instance.Tags)
	}
}

func TestCustomStatus(t *testing.T) {
	var tooLong error
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		// 2 quotes and 8190 characters are 16 KiB exactly.
		if err := ctx.SetCustomStatus(strings.Repeat("é", 8190)); err != nil {
			return 0, err
		}
		tooLong = ctx.SetCustomStatus(strings.Repeat("é", 8191))
		if _, err := ctx.CreateTimer(1).Await(); err != nil {
			return 0, err
		}
		return 0, ctx.SetCustomStatus((*int)(nil))
	}), false)
	h.start("1")
	if len(h.status) != 2+2*8190 || tooLong == nil || !strings.Contains(tooLong.Error(), "16386") {
		t.Errorf("custom status has %d bytes, error of the longer one = %v; want %d and an error naming 16386", len(h.status), tooLong, 2+2*8190)
	}
	if h.turn(fired(0)); h.status != nil {
		t.Errorf("custom status after nil = %s; want none", h.status)
	}
}

func TestContinueAsNew(t *testing.T) {
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		return 0, ctx.ContinueAsNew(n+1, perdure.NewVersion("v2"))
	}), false)
	want := history.Action{Kind: history.CompleteExecution, Status: history.ContinuedAsNew, Payload: raw("2"), Version: "v2", Carry: []history.Event{raised("x", "1")}}
	got := h.turn(history.Event{Kind: history.ExecutionStarted, Payload: raw("1"), Started: &history.Started{}}, raised("x", "1"))
	if diff := cmp.Diff([]history.Action{want}, got); diff != "" {
		t.Errorf("actions differ (-want +got):\n%s", diff)
	}
}

func TestHiddenPayloadsAreRefused(t *testing.T) {
	type hidden struct{ id string }
	var errs []error
	h := openHub(t, appOf(func(ctx *perdure.OrchestrationContext, n int) (int, error) {
		_, err := perdure.ActivityRef[hidden, int]("Work").Call(ctx, hidden{"x"}).Await()
		errs = append(errs, err, perdure.SendEvent(ctx, "other", "Go", &hidden{"x"}), ctx.SetCustomStatus([]hidden{{"x"}}))
		return 0, nil
	}), false)
	h.end(h.start("1"))
	for i, err := range errs {
		if err == nil || !strings.Contains(err.Error(), "has no exported fields") {
			t.Errorf("error %d = %v, want one that says that nothing would be kept", i, err)
		}
	}
	if len(errs) != 3 {
		t.Errorf("%d errors, want 3", len(errs))
	}
}
