package replay

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/perdure/perdure/internal/history"
)

// step is an instruction of a random program.
type step struct {
	Op  string
	Arg int
}

var ops = []string{"call", "timer", "cancel", "wait event", "wait until", "all", "done", "child", "send", "await", "any", "status", "guid", "then", "continue"}

// interpret runs a random program: what it sees goes into what it asks for, so
// that two runs that see different things differ in their actions.
func interpret(steps []step) Func {
	return func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		var tasks []*Task
		seen := ""
		pick := func(i int) *Task {
			if len(tasks) == 0 {
				tasks = append(tasks, call(c, "First", ""))
			}
			return tasks[i%len(tasks)]
		}
		for _, s := range steps {
			switch s.Op {
			case "call":
				tasks = append(tasks, c.ScheduleTask(history.Action{Name: fmt.Sprintf("A%d", s.Arg), Payload: raw(fmt.Sprintf("%q", seen)), Attempt: 1}))
			case "timer":
				tasks = append(tasks, c.CreateTimer(c.Now().Add(time.Duration(s.Arg)*time.Second)))
			case "cancel":
				if t := pick(s.Arg); t.kind == history.CreateTimer {
					c.CancelTimer(t)
				}
			case "wait event":
				tasks = append(tasks, c.WaitForEvent(fmt.Sprintf("e%d", s.Arg%2), time.Time{}))
			case "wait until":
				tasks = append(tasks, c.WaitForEvent(fmt.Sprintf("E%d", s.Arg%2), c.Now().Add(time.Duration(s.Arg)*time.Second)))
			case "done":
				seen += fmt.Sprint(c.Done(pick(s.Arg)))
			case "child":
				tasks = append(tasks, c.StartSubOrchestration(history.Action{Name: "Child", Payload: raw(fmt.Sprintf("%q", seen))}))
			case "send":
				c.SendEvent("friend", seen+"!", nil)
			case "await":
				seen += wait(c, pick(s.Arg))
			case "any":
				if len(tasks) > 0 {
					first := c.Any(slices.Clone(tasks))
					wait(c, first)
					seen += fmt.Sprint("first", first.Winner())
					tasks = append(tasks, first)
				}
			case "all":
				tasks = append(tasks, c.All(slices.Clone(tasks[:min(s.Arg, len(tasks))])))
			case "status":
				c.SetCustomStatus(raw(fmt.Sprintf("%q", seen)))
			case "guid":
				seen += c.NewGUID()[:4]
			case "then":
				if t := pick(s.Arg); t.plain() {
					c.OnDone(t, func() { call(c, "Then", "") })
				}
			case "continue":
				c.ContinueAsNew(Next{Input: raw(fmt.Sprintf("%q", seen))})
			}
		}
		return raw(fmt.Sprintf("%q", seen)), nil
	}
}

// playRandom drives all drivers with the same random turns and compares what
// comes out.
func playRandom(t *rapid.T, draw func(open map[int32]history.Kind, turn int) []history.Event, drivers ...*driver) {
	open := map[int32]history.Kind{}
	for turn := range 12 {
		events := draw(open, turn)
		var first history.Outcome
		for i, d := range drivers {
			out, err := d.turn(append([]history.Event(nil), events...)...)
			if err != nil {
				t.Fatalf("turn %d of driver %d: %v", turn, i, err)
			}
			if i == 0 {
				first = out
			} else if diff := cmp.Diff(first, out, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("turn %d of driver %d differs (-kept +rebuilt):\n%s", turn, i, diff)
			}
		}
		for _, a := range first.Actions {
			switch a.Kind {
			case history.ScheduleTask:
				open[a.ID] = history.TaskCompleted
			case history.CreateTimer:
				open[a.ID] = history.TimerFired
			case history.StartSubOrchestration:
				open[a.ID] = history.SubOrchestrationInstanceCompleted
			case history.CompleteExecution:
				return
			}
		}
	}
}

// A session that is kept, one that is rebuilt for every turn and one that is
// rebuilt now and then lead to the same, for random programs and arrivals.
func TestKeptAndRebuiltSessionsAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		run := interpret(rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{rapid.SampledFrom(ops).Draw(rt, "op"), rapid.IntRange(0, 5).Draw(rt, "arg")}
		}), 1, 15).Draw(rt, "program"))
		awaitOutstanding := rapid.Bool().Draw(rt, "await outstanding")
		kept, rebuilt, mixed := newDriver(t, run, false), newDriver(t, run, true), newDriver(t, run, false)
		for _, d := range []*driver{kept, rebuilt, mixed} {
			d.config.AwaitOutstanding = awaitOutstanding
			defer d.drop()
		}
		serial := 0
		playRandom(rt, func(open map[int32]history.Kind, turn int) []history.Event {
			mixed.evict = rapid.Bool().Draw(rt, "evict")
			var events []history.Event
			if turn == 0 {
				events = append(events, start(`"in"`))
			}
			for range rapid.IntRange(1, 4).Draw(rt, "events") {
				serial++
				switch rapid.IntRange(0, 9).Draw(rt, "kind") {
				case 0:
					events = append(events, history.Event{Kind: history.ExecutionSuspended, ID: history.NoID})
				case 1, 2:
					events = append(events, history.Event{Kind: history.ExecutionResumed, ID: history.NoID})
				case 3, 4:
					events = append(events, raised(fmt.Sprintf("E%d", serial%2), fmt.Sprint(serial)))
				default: // answers come for what was asked; some twice
					id := rapid.Int32Range(0, 12).Draw(rt, "task")
					if kind, asked := open[id]; asked {
						events = append(events, history.Event{Kind: kind, ID: history.NoID, TaskID: id, Payload: raw(fmt.Sprint(serial))})
					}
				}
			}
			return events
		}, kept, rebuilt, mixed)
	})
}

// What code asks for does not depend on how arrivals are grouped into turns.
func TestGroupingIntoTurnsChangesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var steps []step
		for _, s := range rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{rapid.SampledFrom(ops).Draw(rt, "op"), rapid.IntRange(0, 5).Draw(rt, "arg")}
		}), 1, 15).Draw(rt, "program") {
			if s.Op != "guid" && s.Op != "timer" && s.Op != "wait until" { // what depends on the time may differ
				steps = append(steps, s)
			}
		}
		var events []history.Event
		for i, id := range rapid.SliceOfN(rapid.Int32Range(0, 8), 1, 12).Draw(rt, "arrivals") {
			kind := rapid.SampledFrom([]history.Kind{history.TaskCompleted, history.SubOrchestrationInstanceCompleted, history.EventRaised}).Draw(rt, "kind")
			events = append(events, history.Event{Kind: kind, ID: history.NoID, TaskID: id, Name: fmt.Sprintf("e%d", id%2), Payload: raw(fmt.Sprint(i))})
		}
		single, grouped := newDriver(t, interpret(steps), false), newDriver(t, interpret(steps), false)
		defer single.drop()
		defer grouped.drop()

		var want, got []history.Action
		collect := func(d *driver, actions *[]history.Action, events ...history.Event) (ended bool) {
			out, err := d.turn(events...)
			if err != nil {
				rt.Fatal(err)
			}
			for _, a := range out.Actions {
				a.Carry = nil // holds events that came after the end, which a single turn never sees
				*actions = append(*actions, a)
				ended = ended || a.Kind == history.CompleteExecution
			}
			return ended
		}
		ended := collect(single, &want, start(""))
		for i := 0; i < len(events) && !ended; i++ {
			ended = collect(single, &want, events[i:i+1:i+1]...)
		}
		collect(grouped, &got, append([]history.Event{start("")}, events...)...)
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatalf("actions differ (-one event a turn +all in one turn):\n%s", diff)
		}
	})
}
