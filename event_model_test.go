package perdure_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/history"
)

// A random program of waits, races and abandonments, which continues as new a few
// times, is run by two sessions, one kept and one rebuilt now and then, and by a
// model that knows plain queues only. Events and ends come in random order, in
// random turns, some of which leave the instance suspended. After each turn all
// three must have seen the same, asked for the same, wait for the same and keep
// the same.

// statement is one step of a program.
type statement struct {
	Op    string // wait, call, timer, any, all, alls, await, done, cancel
	Event string // of wait
	Limit string // of wait: "", "timeout" or "default"
	Of    []int  // tasks made before, by any numbers
}

// execution is what one execution of a program does.
type execution struct {
	Steps   []statement
	Discard bool // at the end
}

const (
	defaultValue = 77
	timedOut     = "timed out"
	noInt        = "no int"
	canceled     = "canceled"
)

// pick returns which of n things the number i means, counted from the newest.
func pick(i, n int) int { return n - 1 - i%n }

// subset returns which of n things the numbers mean, at least one.
func subset(numbers []int, n int) (of []int) {
	for _, i := range numbers {
		of = append(of, pick(i, n))
	}
	if len(of) == 0 {
		of = []int{0}
	}
	return of
}

// What runs for real.

// variable is a task of a program.
type variable struct {
	task   perdure.Awaitable
	number *perdure.Task[int]   // nil: it has another type
	list   *perdure.Task[[]int] // nil: it has another type
	timer  *perdure.Timer       // nil: it has another type
	await  func() string
	done   func() bool
}

func variableOf[T any](t *perdure.Task[T]) variable {
	return variable{task: t, done: t.Done, await: func() string {
		v, err := t.Await()
		var timeout *perdure.TimeoutError
		var conversion *perdure.ConversionError
		switch {
		case errors.As(err, &timeout):
			return timedOut
		case errors.As(err, &conversion):
			return noInt
		case errors.Is(err, perdure.ErrCanceled):
			return canceled
		case err != nil:
			return err.Error()
		}
		return fmt.Sprint(v)
	}}
}

// interpreter runs a program. log is what the newest run of its code has seen.
type interpreter struct {
	program []execution
	log     []string
}

func (p *interpreter) run(ctx *perdure.OrchestrationContext, generation int) (any, error) {
	p.log = nil
	var vars []variable
	var numbers []*perdure.Task[int]
	var lists []*perdure.Task[[]int]
	add := func(v variable) {
		vars = append(vars, v)
		if v.number != nil {
			numbers = append(numbers, v.number)
		}
		if v.list != nil {
			lists = append(lists, v.list)
		}
	}
	addNumber := func(t *perdure.Task[int]) {
		v := variableOf(t)
		v.number = t
		add(v)
	}
	now := p.program[generation]
	for _, s := range now.Steps {
		switch s.Op {
		case "wait":
			var opts []perdure.EventOption
			if s.Limit != "" {
				opts = append(opts, perdure.WithTimeout(time.Hour))
			}
			if s.Limit == "default" {
				opts = append(opts, perdure.WithDefault(defaultValue))
			}
			addNumber(perdure.WaitForExternalEvent[int](ctx, s.Event, opts...))
		case "call":
			addNumber(perdure.CallActivity(ctx, Work, 0))
		case "timer":
			timer := ctx.CreateTimer(time.Hour)
			v := variableOf(timer.Task)
			v.timer = timer
			add(v)
		case "any":
			if len(vars) > 0 {
				var of []perdure.Awaitable
				for _, i := range subset(s.Of, len(vars)) {
					of = append(of, vars[i].task)
				}
				addNumber(perdure.WhenAny(ctx, of...))
			}
		case "all":
			if len(numbers) > 0 {
				var of []*perdure.Task[int]
				for _, i := range subset(s.Of, len(numbers)) {
					of = append(of, numbers[i])
				}
				list := perdure.WhenAll(ctx, of...)
				v := variableOf(list)
				v.list = list
				add(v)
			}
		case "alls":
			if len(lists) > 0 {
				var of []*perdure.Task[[]int]
				for _, i := range subset(s.Of, len(lists)) {
					of = append(of, lists[i])
				}
				add(variableOf(perdure.WhenAll(ctx, of...)))
			}
		case "await":
			if len(vars) > 0 {
				p.log = append(p.log, vars[pick(s.Of[0], len(vars))].await())
			}
		case "done":
			if len(vars) > 0 {
				p.log = append(p.log, fmt.Sprint(vars[pick(s.Of[0], len(vars))].done()))
			}
		case "cancel":
			if len(vars) > 0 {
				if t := vars[pick(s.Of[0], len(vars))].timer; t != nil {
					t.Cancel()
				}
			}
		}
	}
	p.log = append(p.log, "end")
	if generation == len(p.program)-1 {
		return nil, nil
	}
	var opts []perdure.ContinueOption
	if now.Discard {
		opts = append(opts, perdure.DiscardEvents())
	}
	return nil, ctx.ContinueAsNew(generation+1, opts...)
}

// The model.

// arrived is an event in a queue.
type arrived struct {
	place   int
	name    string
	payload string
}

// modelTask is a task of the model; all of them have a number.
type modelTask struct {
	op       string
	id       int32  // of the action; -1: none
	key      string // of a wait
	limit    int    // of a wait: the timer, a task; -1: none
	fallback bool
	of       []int
}

// outcome is how a task ended.
type outcome struct {
	place int
	text  string
	err   bool
}

// state is what looks change.
type state struct {
	queues map[string][]arrived
	ended  map[int]outcome
}

func (s state) clone() state {
	queues := make(map[string][]arrived)
	for key, q := range s.queues {
		queues[key] = slices.Clone(q)
	}
	return state{queues, maps.Clone(s.ended)}
}

type model struct {
	program    []execution
	generation int
	state
	tasks   []modelTask // numbered
	vars    []int       // tasks that the program has named
	numbers []int
	lists   []int
	next    int // step
	places  int
	ids     int32
	log     []string
	parked  int // task; -1: none
	over    bool
	begun   bool
	late    []arrived
	actions []string // of this turn

	suspended bool
	held      []history.Event
}

func newModel(program []execution, generation int) *model {
	return &model{program: program, generation: generation, state: state{map[string][]arrived{}, map[int]outcome{}}, parked: -1}
}

func (m *model) place() int { m.places++; return m.places }

func (m *model) add(t modelTask) int {
	m.tasks = append(m.tasks, t)
	return len(m.tasks) - 1
}

// action returns the next sequence id.
func (m *model) action(kind string) int32 {
	m.ids++
	m.actions = append(m.actions, fmt.Sprint(kind, m.ids-1))
	return m.ids - 1
}

// end ends t in s if it can.
func (m *model) end(s *state, n int) bool {
	if _, ok := s.ended[n]; ok {
		return true
	}
	t := m.tasks[n]
	switch t.op {
	case "wait":
		limit, fired := s.ended[t.limit]
		q := s.queues[t.key]
		switch {
		case len(q) > 0 && (!fired || q[0].place < limit.place):
			s.queues[t.key] = q[1:]
			s.ended[n] = outcome{q[0].place, q[0].payload, q[0].payload == noInt}
		case fired && t.fallback:
			s.ended[n] = outcome{limit.place, fmt.Sprint(defaultValue), false}
		case fired:
			s.ended[n] = outcome{limit.place, timedOut, true}
		default:
			return false
		}
	case "any":
		var best state
		at := outcome{place: math.MaxInt}
		for i, member := range t.of {
			try := s.clone()
			if m.end(&try, member) && try.ended[member].place < at.place {
				best, at = try, outcome{try.ended[member].place, fmt.Sprint(i), false}
			}
		}
		if best.ended == nil {
			return false
		}
		*s = best
		s.ended[n] = at
	case "all":
		try := s.clone()
		all := outcome{place: 0}
		var texts []string
		failed := math.MaxInt
		for _, member := range t.of {
			if !m.end(&try, member) {
				return false
			}
			o := try.ended[member]
			all.place = max(all.place, o.place)
			texts = append(texts, o.text)
			if o.err && o.place < failed {
				failed, all.text, all.err = o.place, o.text, true
			}
		}
		if !all.err {
			all.text = "[" + strings.Join(texts, " ") + "]"
		}
		*s = try
		s.ended[n] = all
	default:
		return false
	}
	return true
}

// look ends a task if it can, and cancels the limits of waits that took events.
func (m *model) look(n int) bool {
	after := m.state.clone()
	if !m.end(&after, n) {
		return false
	}
	for i := range after.ended {
		t := m.tasks[i]
		if _, before := m.ended[i]; before || t.op != "wait" || t.limit < 0 {
			continue
		}
		if _, fired := after.ended[t.limit]; !fired {
			after.ended[t.limit] = outcome{math.MaxInt, canceled, true}
			m.actions = append(m.actions, fmt.Sprint("cancel", m.tasks[t.limit].id))
		}
	}
	m.state = after
	return true
}

// run runs the program until it has to wait.
func (m *model) run() {
	now := m.program[m.generation]
	name := func(n int) { m.vars = append(m.vars, n) }
	of := func(numbers, tasks []int) (of []int) {
		for _, i := range subset(numbers, len(tasks)) {
			of = append(of, tasks[i])
		}
		return of
	}
	for ; m.next < len(now.Steps); m.next++ {
		s := now.Steps[m.next]
		switch s.Op {
		case "wait":
			limit := -1
			if s.Limit != "" {
				limit = m.add(modelTask{op: "timer", id: m.action("timer")})
			}
			n := m.add(modelTask{op: "wait", id: -1, key: strings.ToLower(s.Event), limit: limit, fallback: s.Limit == "default"})
			m.numbers = append(m.numbers, n)
			name(n)
		case "call":
			n := m.add(modelTask{op: "call", id: m.action("call")})
			m.numbers = append(m.numbers, n)
			name(n)
		case "timer":
			name(m.add(modelTask{op: "timer", id: m.action("timer")}))
		case "any":
			if len(m.vars) > 0 {
				n := m.add(modelTask{op: "any", id: -1, of: of(s.Of, m.vars)})
				m.numbers = append(m.numbers, n)
				name(n)
			}
		case "all":
			if len(m.numbers) > 0 {
				n := m.add(modelTask{op: "all", id: -1, of: of(s.Of, m.numbers)})
				m.lists = append(m.lists, n)
				name(n)
			}
		case "alls":
			if len(m.lists) > 0 {
				name(m.add(modelTask{op: "all", id: -1, of: of(s.Of, m.lists)}))
			}
		case "await":
			if len(m.vars) > 0 {
				n := m.vars[pick(s.Of[0], len(m.vars))]
				if !m.look(n) {
					m.parked = n
					return
				}
				m.parked = -1
				m.log = append(m.log, m.ended[n].text)
			}
		case "done":
			if len(m.vars) > 0 {
				m.log = append(m.log, fmt.Sprint(m.look(m.vars[pick(s.Of[0], len(m.vars))])))
			}
		case "cancel":
			if len(m.vars) > 0 {
				n := m.vars[pick(s.Of[0], len(m.vars))]
				if _, ended := m.ended[n]; !ended && m.tasks[n].op == "timer" {
					m.ended[n] = outcome{m.place(), canceled, true}
					m.actions = append(m.actions, fmt.Sprint("cancel", m.tasks[n].id))
				}
			}
		}
	}
	m.log = append(m.log, "end")
	m.over = true
}

// apply lets the model see one event.
func (m *model) apply(ev history.Event) {
	switch ev.Kind {
	case history.ExecutionStarted:
	case history.EventRaised:
		a := arrived{name: ev.Name, payload: string(ev.Payload)}
		if strings.HasPrefix(a.payload, `"`) {
			a.payload = noInt
		}
		if m.over {
			m.late = append(m.late, a)
			return
		}
		a.place = m.place()
		key := strings.ToLower(ev.Name)
		m.queues[key] = append(m.queues[key], a)
	default:
		if m.over {
			return
		}
		n := slices.IndexFunc(m.tasks, func(t modelTask) bool {
			return t.id == ev.TaskID && (t.op == "call") == (ev.Kind == history.TaskCompleted)
		})
		if n < 0 {
			return
		}
		if _, ended := m.ended[n]; ended {
			return
		}
		text := "{}"
		if m.tasks[n].op == "call" {
			text = string(ev.Payload)
		}
		m.ended[n] = outcome{m.place(), text, false}
	}
	if m.begun = m.begun || ev.Kind == history.ExecutionStarted; m.begun && !m.over {
		m.run()
	}
}

// turn lets the model see a turn.
func (m *model) turn(events []history.Event) {
	m.actions = nil
	for _, ev := range events {
		switch ev.Kind {
		case history.ExecutionSuspended:
			m.suspended = true
		case history.ExecutionResumed:
			m.suspended = false
		default:
			m.held = append(m.held, ev)
		}
	}
	if m.suspended {
		return
	}
	for _, before := range []bool{true, false} {
		for _, ev := range m.held {
			if before == (ev.Kind == history.EventRaised && ev.At.IsZero()) {
				m.apply(ev)
			}
		}
	}
	m.held = nil
}

// carried returns what the next execution gets.
func (m *model) carried() (names []string) {
	var rest []arrived
	if !m.program[m.generation].Discard {
		for _, q := range m.queues {
			rest = append(rest, q...)
		}
		slices.SortFunc(rest, func(a, b arrived) int { return a.place - b.place })
	}
	for _, a := range append(rest, m.late...) {
		names = append(names, a.name+"="+a.payload)
	}
	return names
}

// awaits returns the names that would end or advance the look that is parked, and how
// many events are kept under others.
func (m *model) awaits() (awaited []string, kept map[string]int) {
	lacking, looked := map[string]bool{}, map[string]bool{}
	var lack func(s *state, n int)
	lack = func(s *state, n int) {
		t := m.tasks[n]
		if _, ended := s.ended[n]; ended {
			return
		}
		try := s.clone()
		if m.end(&try, n) {
			*s = try
			return
		}
		if t.op == "wait" {
			lacking[t.key] = true
		}
		for _, member := range t.of {
			if t.op == "any" {
				each := s.clone()
				lack(&each, member)
			} else {
				lack(s, member)
			}
		}
	}
	var look func(n int)
	look = func(n int) {
		if _, ended := m.ended[n]; ended {
			return
		}
		if m.tasks[n].op == "wait" {
			looked[m.tasks[n].key] = true
		}
		for _, member := range m.tasks[n].of {
			look(member)
		}
	}
	if m.parked >= 0 {
		s := m.state.clone()
		lack(&s, m.parked)
		look(m.parked)
	}
	kept = map[string]int{}
	add := func(name string) {
		if key := strings.ToLower(name); !looked[key] {
			kept[key]++
		}
	}
	for key, q := range m.queues {
		for range q {
			add(key)
		}
	}
	for _, ev := range m.held {
		if ev.Kind == history.EventRaised {
			add(ev.Name)
		}
	}
	return slices.Sorted(maps.Keys(lacking)), kept
}

// The comparison.

// drawProgram draws executions of some rounds: tasks are made, then combined, and
// one of them is awaited.
func drawProgram(rt *rapid.T) []execution {
	of := func(ops ...string) *rapid.Generator[statement] {
		return rapid.Custom(func(rt *rapid.T) statement {
			return statement{
				Op:    rapid.SampledFrom(ops).Draw(rt, "op"),
				Event: rapid.SampledFrom([]string{"a", "a", "a", "A", "b", "B"}).Draw(rt, "event"),
				Limit: rapid.SampledFrom([]string{"", "", "", "timeout", "default"}).Draw(rt, "limit"),
				Of:    rapid.SliceOfN(rapid.IntRange(0, 8), 1, 5).Draw(rt, "of"),
			}
		})
	}
	round := rapid.Custom(func(rt *rapid.T) []statement {
		return slices.Concat(
			rapid.SliceOfN(of("wait", "wait", "wait", "wait", "call", "timer"), 1, 4).Draw(rt, "tasks"),
			rapid.SliceOfN(of("any", "all", "all", "alls"), 0, 4).Draw(rt, "combinations"),
			rapid.SliceOfN(of("done", "cancel"), 0, 1).Draw(rt, "besides"),
			[]statement{{Op: "await", Of: []int{rapid.IntRange(0, 4).Draw(rt, "awaited")}}},
		)
	})
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) execution {
		return execution{slices.Concat(rapid.SliceOfN(round, 1, 4).Draw(rt, "rounds")...), rapid.Bool().Draw(rt, "discard")}
	}), 1, 3).Draw(rt, "program")
}

func drawEvents(rt *rapid.T, m *model, serial *int) (events []history.Event) {
	for range rapid.IntRange(1, 5).Draw(rt, "events") {
		*serial++
		switch rapid.IntRange(0, 11).Draw(rt, "kind") {
		case 0:
			events = append(events, history.Event{Kind: history.ExecutionSuspended})
		case 1, 2:
			events = append(events, history.Event{Kind: history.ExecutionResumed})
		case 3, 4, 5, 6, 7:
			payload := fmt.Sprint(*serial)
			if *serial%7 == 0 {
				payload = `"text"`
			}
			ev := raised(rapid.SampledFrom([]string{"a", "a", "A", "b", "B", "c"}).Draw(rt, "name"), payload)
			ev.At = epoch.Add(1)
			events = append(events, ev)
		default: // some twice, some of timers that were cancelled
			if len(m.tasks) == 0 {
				continue
			}
			switch t := m.tasks[rapid.IntRange(0, len(m.tasks)-1).Draw(rt, "task")]; t.op {
			case "call":
				events = append(events, done(t.id, fmt.Sprint(*serial)))
			case "timer":
				events = append(events, fired(t.id))
			}
		}
	}
	return events
}

// describe tells actions as the model does.
func describe(actions []history.Action) (texts []string) {
	for _, a := range actions {
		switch a.Kind {
		case history.ScheduleTask:
			texts = append(texts, fmt.Sprint("call", a.ID))
		case history.CreateTimer:
			texts = append(texts, fmt.Sprint("timer", a.ID))
		case history.CancelTimer:
			texts = append(texts, fmt.Sprint("cancel", a.ID))
		}
	}
	slices.Sort(texts)
	return texts
}

// looked returns what the worker says of the instance's waits.
func (h *testHub) looked() (awaited []string, kept map[string]int) {
	h.t.Helper()
	awaits, keeps, err := h.worker.Awaits(context.Background(), history.Work{
		Instance: h.instance, PastTurns: len(h.past),
		Past: func(context.Context) iter.Seq2[history.Turn, error] {
			return func(yield func(history.Turn, error) bool) {
				for _, turn := range h.past {
					if !yield(turn, nil) {
						return
					}
				}
			}
		},
	})
	if err != nil {
		h.t.Fatalf("Awaits() = %v", err)
	}
	for _, a := range awaits {
		awaited = append(awaited, strings.ToLower(a.Event))
	}
	slices.Sort(awaited)
	kept = map[string]int{}
	for _, k := range keeps {
		kept[strings.ToLower(k.Event)] += k.Count
	}
	return awaited, kept
}

func TestEventsAreTakenAsPlainQueuesSay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		program := drawProgram(rt)
		serial, turns := 0, 0
		var carried [2][]history.Event
		for generation := range program {
			m := newModel(program, generation)
			var runs [2]*interpreter
			var hubs [2]*testHub
			for i := range hubs {
				runs[i] = &interpreter{program: program}
				hubs[i] = openHub(t, appOf(runs[i].run), false)
				defer hubs[i].worker.Close()
			}
			check := func(what string, got, want any) {
				if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
					rt.Fatalf("execution %d, turn %d: %s (-model +real):\n%s", generation, len(hubs[0].past), what, diff)
				}
			}
			first := true
			for !m.over {
				if turns++; turns > 40 {
					return
				}
				drawn := drawEvents(rt, m, &serial)
				var heads [2][]history.Event
				if first {
					for i := range heads {
						heads[i] = append([]history.Event{{
							Kind: history.ExecutionStarted, Name: "Main", Payload: raw(fmt.Sprint(generation)), At: epoch,
							Started: &history.Started{ExecutionID: "e0", Generation: int32(generation)},
						}}, carried[i]...)
					}
					first = false
				}
				m.turn(slices.Concat(heads[0], drawn))
				slices.Sort(m.actions)
				hubs[1].evict = rapid.Bool().Draw(rt, "rebuild")
				for i, h := range hubs {
					actions := h.turn(slices.Concat(heads[i], drawn)...)
					if len(h.past) > 0 && !m.suspended {
						check("seen", runs[i].log, m.log)
					}
					check("asked for", describe(actions), m.actions)
					if !m.over {
						awaited, kept := h.looked()
						wantAwaited, wantKept := m.awaits()
						check("awaited", awaited, wantAwaited)
						check("kept", kept, wantKept)
						continue
					}
					end := h.end(actions)
					var names []string
					carried[i] = end.Carry
					for j, ev := range end.Carry {
						carried[i][j].At = time.Time{} // before the next execution begins
						payload := string(ev.Payload)
						if strings.HasPrefix(payload, `"`) {
							payload = noInt
						}
						names = append(names, ev.Name+"="+payload)
					}
					if generation < len(program)-1 {
						check("handed on", names, m.carried())
					}
				}
			}
		}
	})
}
