package replay

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// program is code that scripts can name.
type program struct {
	run       Func
	configure func(*Config)
}

func plain(*Config) {}

// code makes a Func of something that returns a text.
func code(run func(c *Context, input string) string) Func {
	return func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		return json.RawMessage(run(c, string(input))), nil
	}
}

// wait returns what t led to.
func wait(c *Context, t *Task) string {
	if err := c.Await(t); err != nil {
		return err.Error()
	}
	switch {
	case t.Failure() != nil:
		return "failure(" + t.Failure().String() + ")"
	case t.Err() != nil:
		return "error(" + t.Err().Error() + ")"
	}
	return string(t.Payload())
}

func call(c *Context, name, input string) *Task {
	return c.ScheduleTask(history.Action{Name: name, Payload: raw(input), Attempt: 1})
}

var programs = map[string]program{
	"sequence": {code(func(c *Context, input string) string {
		for _, name := range []string{"A", "B", "C"} {
			input = wait(c, call(c, name, input))
		}
		return input
	}), plain},
	"sequence-in-other-case": {code(func(c *Context, input string) string {
		for _, name := range []string{"a", "b", "c"} {
			input = wait(c, call(c, name, input+"0"))
		}
		return input
	}), plain},
	"renamed": {code(func(c *Context, input string) string {
		return wait(c, call(c, "Other", input))
	}), plain},
	"timer-instead": {code(func(c *Context, input string) string {
		return wait(c, c.CreateTimer(c.Now()))
	}), plain},
	"removed": {code(func(c *Context, input string) string {
		return wait(c, c.WaitForEvent("never", time.Time{}))
	}), plain},
	"renamed-parked": {code(func(c *Context, input string) string {
		return wait(c, call(c, "Other", input))
	}), func(config *Config) { config.Park = true }},
	"fan-out": {code(func(c *Context, input string) string {
		tasks := []*Task{call(c, "A", "1"), call(c, "A", "2"), call(c, "A", "3")}
		var all []string
		for _, t := range tasks {
			all = append(all, wait(c, t))
		}
		return fmt.Sprint(all)
	}), plain},
	"kinds": {code(func(c *Context, input string) string {
		status := json.RawMessage(`"begun"`)
		c.SetCustomStatus(status)
		child := c.StartSubOrchestration(history.Action{Name: "Child", Payload: raw("1")})
		named := c.StartSubOrchestration(history.Action{Name: "Child", Instance: "named"})
		own := c.StartSubOrchestration(history.Action{Name: "Child", Instance: "ABC"})
		c.StartOrchestration(history.Action{Name: "Other", Instance: "free"})
		c.SendEvent("friend", "Hello", raw(`"hi"`))
		result := fmt.Sprint(wait(c, child), wait(c, named), wait(c, own))
		c.SetCustomStatus(nil)
		return result
	}), plain},
	"children-of-another-execution": {code(func(c *Context, input string) string {
		return wait(c, c.StartSubOrchestration(history.Action{Name: "Child"}))
	}), func(config *Config) { config.Instance.ExecutionID = "00112233445566778899aabbccddeeff" }},
	"timers": {code(func(c *Context, input string) string {
		long := c.CreateTimer(c.Now().Add(400 * 24 * time.Hour))
		short := c.CreateTimer(c.Now().Add(time.Minute))
		wait(c, short)
		c.CancelTimer(long)
		c.CancelTimer(long)
		c.CancelTimer(short)
		first := wait(c, long)
		passing := c.CreateTimer(c.Now().Add(time.Hour))
		c.CancelTimer(passing)
		return first + wait(c, call(c, "A", ""))
	}), plain},
	"events": {code(func(c *Context, input string) string {
		wait(c, call(c, "A", ""))
		older, newer, abandoned := c.WaitForEvent("go", time.Time{}), c.WaitForEvent("GO", time.Time{}), c.WaitForEvent("go", time.Time{})
		first := wait(c, newer)
		second := wait(c, c.Any([]*Task{older, abandoned}))
		return first + second + wait(c, older) + wait(c, c.WaitForEvent("Go", time.Time{}))
	}), plain},
	"continue": {code(func(c *Context, input string) string {
		c.ContinueAsNew(Next{Input: raw("1")})
		c.ContinueAsNew(Next{Input: raw("2"), Version: "v2"})
		wait(c, c.WaitForEvent("end", time.Time{}))
		call(c, "Last", "")
		return "ignored"
	}), plain},
	"continue-discarding": {code(func(c *Context, input string) string {
		wait(c, c.WaitForEvent("end", time.Time{}))
		c.ContinueAsNew(Next{DiscardEvents: true})
		return ""
	}), plain},
	"continue-failing": {func(c *Context, input json.RawMessage) (json.RawMessage, *history.Failure) {
		c.ContinueAsNew(Next{})
		return nil, &history.Failure{Type: "*main.Error", Message: "boom"}
	}, plain},
	"outstanding": {code(func(c *Context, input string) string {
		call(c, "A", "")
		c.CancelTimer(c.CreateTimer(c.Now()))
		c.CreateTimer(c.Now().Add(time.Hour))
		c.StartSubOrchestration(history.Action{Name: "Child"})
		return `"out"`
	}), plain},
	"outstanding-awaited": {code(func(c *Context, input string) string {
		again := call(c, "A", "")
		c.OnDone(again, func() { call(c, "Again", "") })
		c.CancelTimer(c.CreateTimer(c.Now()))
		c.CreateTimer(c.Now().Add(time.Hour))
		c.StartSubOrchestration(history.Action{Name: "Child"})
		return `"out"`
	}), func(config *Config) { config.AwaitOutstanding = true }},
	"limited": {code(func(c *Context, input string) string {
		for {
			call(c, "A", "")
		}
	}), func(config *Config) { config.MaxActions = 3 }},
}
