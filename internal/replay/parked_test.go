package replay

import (
	"fmt"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// parkedIn returns a driver whose code is parked in a look at what make returns, and a
// count of how often the code is resumed from then on.
func parkedIn(t *testing.T, make func(c *Context) *Task) (d *driver, resumed *int) {
	d = newDriver(t, code(func(c *Context, input string) string { return wait(c, make(c)) }), false)
	d.config.MaxActions = 1 << 30
	if _, err := d.turn(start("")); err != nil {
		t.Fatal(err)
	}
	resumed = new(int)
	stack := d.session.co.stack
	next := stack.next
	stack.next = func() (struct{}, bool) {
		*resumed++
		return next()
	}
	t.Cleanup(func() { stack.next = next })
	return d, resumed
}

// A parked look is tried again when it can end, and not before: an arrival does not
// cost as much as the look has tasks.
func TestAnArrivalCostsAStep(t *testing.T) {
	const n = 1000
	event := func(c *Context, i int) *Task { return c.WaitForEvent("e", time.Time{}) }
	eventOf := func(c *Context, i int) *Task { return c.WaitForEvent(fmt.Sprint("e", i), time.Time{}) }
	limited := func(c *Context, i int) *Task { return c.WaitForEvent("e", c.Now().Add(time.Hour)) }
	work := func(c *Context, i int) *Task { return call(c, "A", "") }
	many := func(c *Context, one func(c *Context, i int) *Task) (tasks []*Task) {
		for i := range n {
			tasks = append(tasks, one(c, i))
		}
		return tasks
	}
	ends := func(i int) history.Event { return done(int32(i), "1") }
	comes := func(i int) history.Event { return raised("E", "1") }
	comesOf := func(i int) history.Event { return raised(fmt.Sprint("E", n-1-i), "1") }
	other := func(i int) history.Event { return raised(fmt.Sprint("other", i%7), "1") }
	for name, test := range map[string]struct {
		look    func(c *Context) *Task
		arrives func(i int) history.Event
		resumed int // after n arrivals
	}{
		"all of tasks":                {func(c *Context) *Task { return c.All(many(c, work)) }, ends, 1},
		"all of waits for one name":   {func(c *Context) *Task { return c.All(many(c, event)) }, comes, 1},
		"all of waits for many names": {func(c *Context) *Task { return c.All(many(c, eventOf)) }, comesOf, 1},
		"all of waits with limits":    {func(c *Context) *Task { return c.All(many(c, limited)) }, comes, 1},
		"all of tasks, in a race": {func(c *Context) *Task {
			return c.Any([]*Task{c.All(many(c, work)), c.CreateTimer(c.Now())})
		}, ends, 1},
		"all of waits, in a race": {func(c *Context) *Task {
			return c.Any([]*Task{c.CreateTimer(c.Now()), c.All(many(c, event))})
		}, comes, 1},
		"all of races": {func(c *Context) *Task {
			return c.All(many(c, func(c *Context, i int) *Task {
				return c.Any([]*Task{call(c, "A", ""), c.WaitForEvent("never", time.Time{})})
			}))
		}, ends, 1},
		"all of alls": {func(c *Context) *Task {
			return c.All([]*Task{c.All(many(c, event)[:n/2]), c.All(many(c, event)[n/2:])})
		}, comes, 1},
		"another name, any of waits": {func(c *Context) *Task { return c.Any(many(c, event)) }, other, 0},
		"another name, any of tasks": {func(c *Context) *Task { return c.Any(many(c, work)) }, other, 0},
		"another name, all of waits": {func(c *Context) *Task { return c.All(many(c, event)) }, other, 0},
		"another task": {func(c *Context) *Task {
			many(c, work)
			return c.Any(append(many(c, event), c.All(many(c, work))))
		}, ends, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, resumed := parkedIn(t, test.look)
			for i := range n {
				if *resumed > 0 {
					t.Fatalf("resumed after %d of %d arrivals", i, n)
				}
				if _, err := d.turn(test.arrives(i)); err != nil {
					t.Fatal(err)
				}
			}
			if *resumed != test.resumed {
				t.Errorf("resumed %d times, want %d", *resumed, test.resumed)
			}
		})
	}
}

// However many races a task has been in, nothing of them is left in it, nor in
// queues.
func TestLooksLeaveNothingBehind(t *testing.T) {
	const n = 50
	var tasks []*Task
	d := newDriver(t, code(func(c *Context, input string) string {
		tasks = nil
		for range n {
			tasks = append(tasks, call(c, "A", ""))
		}
		idle := call(c, "Idle", "")
		limited := c.WaitForEvent("never", c.Now().Add(time.Hour))
		tasks = append(tasks, idle, limited, limited.wait.limit)
		for i := range n {
			race := []*Task{c.All([]*Task{idle, c.WaitForEvent("e", time.Time{})}), limited, c.All([]*Task{tasks[i], tasks[i]})}
			first := c.Any(append(race, tasks[i:n]...))
			wait(c, first)
			if first.members.of != nil {
				t.Errorf("race %d still holds its members", i)
			}
			wait(c, c.Any([]*Task{tasks[i], idle}))
		}
		return ""
	}), false)
	if _, err := d.turn(start("")); err != nil {
		t.Fatal(err)
	}
	for i := range n - 1 {
		if _, err := d.turn(raised("e", "1"), done(int32(i), "")); err != nil {
			t.Fatal(err)
		}
	}
	s := d.session
	s.unpark() // as the next look that ends does
	for i, task := range tasks {
		if task.watches != nil || task.then != nil {
			t.Errorf("task %d has watches %v and continuations %v left", i, task.watches, task.then)
		}
	}
	for name, q := range s.queues {
		if q.watches != nil {
			t.Errorf("queue %q has watches left", name)
		}
	}
	if s.parked.laid != nil || len(s.journal) > 0 {
		t.Errorf("%d watches and %d endings are left", len(s.parked.laid), len(s.journal))
	}
}

// A queue goes when what was in it is taken, so that names that come once, such as
// those with a number in them, do not add up.
func TestQueuesDoNotAddUp(t *testing.T) {
	d := newDriver(t, code(func(c *Context, input string) string {
		for i := 0; ; i++ {
			wait(c, c.Any([]*Task{c.WaitForEvent(fmt.Sprint("done", i), time.Time{}), c.WaitForEvent(fmt.Sprint("lost", i), time.Time{})}))
		}
	}), false)
	if _, err := d.turn(start("")); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := d.turn(raised(fmt.Sprint("Done", i), "")); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.session.queues); n > 2 {
		t.Errorf("%d queues are there, want those of the two names that are waited for", n)
	}
}
