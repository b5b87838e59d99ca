package decide

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew from what the code does")

// TestTurns plays testdata/turn/*.txt: what the pure core is given and what it
// decides. A script is a list of blocks; blank lines are between them.
//
//	begin NAME INPUT [OPTION ...]   a start, a second after what was before: Begin, and Replace if the instance lives
//	turn AFTER                      so much time later the inbox is looked at: take, then finish or terminate; retain, if it failed
//	rewind REASON [OPTION ...]      a second after what was before
//	< EVENT                         ... what is in the inbox
//	= ACTION                        ... what user code answers, if it is asked
//	> ...                           what is decided (written by -rewrite)
//
// Options of begin are parent=ID#TASK, at=OFFSET and tag=KEY:VALUE, those of rewind
// all, and parent=ID for the message of a rewound parent. Times are offsets
// from the first moment of the script. See parseEvent and parseAction for the rest.
func TestTurns(t *testing.T) {
	files, err := filepath.Glob("testdata/turn/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("Glob(testdata/turn/*.txt) = %v, %v; want some files", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			first := &core{t: t, now: dawn}
			got := first.play(string(text))
			for range 10 { // a map would have another order now and then
				again := &core{t: t, now: dawn}
				again.play(string(text))
				if !bytes.Equal(first.stored, again.stored) {
					t.Fatalf("play(%s) stores other bytes the second time", file)
				}
			}
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("play(%s) differs from the file (-file +played):\n%s", file, diff)
			}
		})
	}
}

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// core is one instance as the shell would hold it.
type core struct {
	t          *testing.T
	now        time.Time
	row        history.Instance
	state      *history.State
	records    []history.Turn
	executions int
	out        strings.Builder
	stored     []byte // what the decisions so far would store
}

func (c *core) play(script string) string {
	var header string
	var inbox []Message
	var outcome history.Outcome
	finish := func() {
		word, rest, _ := strings.Cut(header, " ")
		switch word {
		case "begin":
			c.begin(rest)
		case "turn":
			c.turn(inbox, outcome)
		case "rewind":
			c.rewind(rest)
		}
		header, inbox, outcome = "", nil, history.Outcome{}
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		sign, rest, _ := strings.Cut(line, " ")
		switch sign {
		case ">":
			continue
		case "":
			finish()
		case "#":
		case "begin", "turn", "rewind":
			header = line
			if sign == "turn" {
				c.now = c.now.Add(c.offset(rest))
			}
		case "<":
			inbox = append(inbox, c.parseEvent(rest))
		case "=":
			c.parseAction(rest, &outcome)
		default:
			c.t.Fatalf("script has unknown line %q", line)
		}
		c.out.WriteString(line + "\n")
	}
	finish()
	return c.out.String()
}

func (c *core) begin(args string) {
	if c.row.Number != 0 {
		c.now = c.now.Add(time.Second)
	}
	fields := strings.Fields(args)
	started := &history.Started{}
	for _, option := range fields[2:] {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "parent":
			id, task, _ := strings.Cut(value, "#")
			started.Parent = &history.Parent{InstanceID: history.InstanceID(id), ExecutionID: "pe", Name: "Parent", TaskID: c.number(task)}
		case "at":
			started.ScheduledAt = dawn.Add(c.offset(value))
		case "tag":
			name, value, _ := strings.Cut(value, ":")
			if started.Tags == nil {
				started.Tags = make(map[string]string)
			}
			started.Tags[name] = value
		default:
			c.t.Fatalf("begin has unknown option %q", option)
		}
	}
	ev := history.Event{Kind: history.ExecutionStarted, Name: fields[0], Payload: json.RawMessage(fields[1]), Started: started}
	d := Begin(ev, "i", history.NewNumber(c.now.UnixMicro(), 0), c.execution(), c.row)
	if c.state != nil {
		d.Replace(&c.row, c.state)
	}
	c.decided(&d)
}

func (c *core) rewind(args string) {
	c.now = c.now.Add(time.Second)
	fields := strings.Fields(args)
	req := hub.RewindRequest{Reason: fields[0]}
	var parent *history.Parent
	for _, option := range fields[1:] {
		if id, ok := strings.CutPrefix(option, "parent="); ok {
			parent = &history.Parent{InstanceID: history.InstanceID(id), ExecutionID: "pe2", TaskID: c.row.Parent.TaskID}
		}
		req.All = req.All || option == "all"
	}
	failed := FailedInstance{c.row, c.records, c.childRows()}
	d, plan, _ := failed.Rewind(req, parent, c.now, c.execution())
	for _, u := range plan.Undone {
		c.line("undo %s", c.event(&history.Event{Kind: u.Kind, ID: u.Task, Name: u.Name, Instance: u.Instance, Failure: u.Failure}))
	}
	c.line("plan: from turn %d on, drop %d, deliver %d, run %d, set %d, rewind %v, terminate %v",
		plan.Turn, plan.Dropped, plan.Delivered, plan.Activities, plan.Timers, plan.Rewound, plan.Terminated)
	c.decided(&d)
}

// childRows are Failed children of all calls.
func (c *core) childRows() ChildRows {
	k := make(ChildRows)
	for id, call := range Survey(c.records).calls {
		if call.event.Kind == history.SubOrchestrationInstanceCreated {
			k[id] = history.Instance{Number: 1, Status: history.Failed, Parent: ParentOf(&c.row, id)}
		}
	}
	return k
}

func (c *core) turn(inbox []Message, outcome history.Outcome) {
	if c.row.Status == history.Failed {
		if d, ok := retain(c.row, c.records, inbox); ok {
			c.decided(&d)
		} else {
			c.line("nothing to keep")
		}
		return
	}
	if c.state == nil {
		c.t.Fatalf("turn without an instance that lives")
	}
	in := take(&c.row, c.state, inbox, c.now)
	for i := range in.turn.Events {
		c.line("take %s", c.event(&in.turn.Events[i]))
	}
	if n := in.accepted - len(in.turn.Events); n > 0 {
		c.line("drop %d of %d messages", n, len(inbox))
	}
	switch {
	case in.terminated != nil:
		d := terminate(c.row, c.state, in)
		c.decided(&d)
	case len(in.turn.Events) == 0 && len(c.state.Waiting) == 0:
		c.line("no turn")
	default:
		d := finish(c.row, c.state, in, outcome, "9", c.execution())
		c.decided(&d)
	}
}

// execution is the id of the next execution, should there be one.
func (c *core) execution() history.ExecutionID {
	return history.ExecutionID(fmt.Sprintf("e%d", c.executions+1))
}

// store encodes all of a decision that a store gets, in its order.
func (c *core) store(d *Decision) {
	c.stored = history.AppendInstance(c.stored, &d.Row)
	if d.Records() {
		c.stored = history.AppendTurn(c.stored, &d.Record)
	}
	for i := range d.Sent {
		c.stored = history.AppendMessage(c.stored, &d.Sent[i])
	}
	c.stored = fmt.Append(c.stored, d.SetTimers, d.ClearTimers, d.Drop, d.Abandon)
	for _, ev := range d.Schedule {
		c.stored = fmt.Append(c.stored, ev.ID)
	}
}

// decided prints a decision and makes it the present.
func (c *core) decided(d *Decision) {
	c.store(d)
	old := c.row
	if d.Erase != nil {
		c.line("erase %s, which is %s", d.Erase.ID, d.Erase.Status)
	}
	if d.Drop.End > 0 {
		c.line("drop records %d to before %d", d.Drop.First, d.Drop.End)
	}
	if d.Records() {
		kind := "turn at " + c.time(d.Record.At)
		if d.Record.Start() {
			kind = "start"
		}
		c.line("record %d: %s", d.Record.Seq, kind)
		for i := range d.Record.Events {
			c.line("  %s", c.event(&d.Record.Events[i]))
		}
	}
	if !d.RowKept {
		c.line("row %s", c.describeRow(&d.Row))
	}
	for i := range d.Sent {
		m := &d.Sent[i]
		c.line("send to %s%s: %s", m.To, prefixed("/", string(m.ExecutionID)), c.event(&m.Event))
	}
	for _, timer := range d.SetTimers {
		c.line("set timer %d at %s", timer.ID, c.time(timer.Due))
	}
	for _, timer := range d.ClearTimers {
		c.line("clear timer %d at %s", timer.ID, c.time(timer.Due))
	}
	for _, ev := range d.Schedule {
		again := ""
		if ev.Attempt > 1 {
			again = fmt.Sprint(", attempt ", ev.Attempt)
		}
		c.line("run activity %d%s", ev.ID, again)
	}
	if d.Abandon {
		c.line("abandon activities")
	}
	c.line("work flag: %t, ended: %t", d.Work(), d.Ended)
	if d.Row.ExecutionID != old.ExecutionID {
		c.executions++
	}
	c.row, c.state = d.Row, d.State
	if d.Ended {
		c.state = nil
	}
	if d.Erase != nil {
		c.records = nil
	}
	c.records = slices.DeleteFunc(c.records, func(r history.Turn) bool { return d.Drop.First <= r.Seq && r.Seq < d.Drop.End })
	if d.Records() {
		c.records = append(c.records, d.Record)
	}
}

func (c *core) describeRow(row *history.Instance) string {
	s := fmt.Sprintf("%s %s of %s, generation %d, updated %s", row.ID, row.Status, row.ExecutionID, row.Generation, c.time(row.UpdatedAt))
	if row.CustomStatus != nil {
		s += ", custom status " + string(row.CustomStatus)
	}
	if row.Reason != nil {
		s += ", reason " + string(row.Reason)
	}
	if !row.CompletedAt.IsZero() {
		s += ", completed " + c.time(row.CompletedAt)
	}
	if !row.ScheduledAt.IsZero() {
		s += ", scheduled at " + c.time(row.ScheduledAt)
	}
	return s
}

// event prints the fields that are set.
func (c *core) event(ev *history.Event) string {
	s := ev.Kind.String()
	if ev.ID != history.NoID {
		s += fmt.Sprintf(" #%d", ev.ID)
	}
	switch ev.Kind {
	case history.TaskCompleted, history.TaskFailed, history.TimerFired,
		history.SubOrchestrationInstanceCompleted, history.SubOrchestrationInstanceFailed:
		s += fmt.Sprintf(" of #%d", ev.TaskID)
	case history.ExecutionCompleted:
		s += " " + ev.Status.String()
	}
	s += prefixed(" ", ev.Name) + prefixed(" version ", ev.Version) + prefixed(" instance ", string(ev.Instance)) + prefixed(" ", string(ev.Payload))
	if !ev.FireAt.IsZero() {
		s += " at " + c.time(ev.FireAt)
	}
	if ev.Failure != nil {
		s += " failure " + ev.Failure.String()
	}
	s += prefixed(" key ", ev.Key)
	if ev.Tasks != nil {
		s += fmt.Sprintf(" tasks %v", ev.Tasks)
	}
	if ev.Recursive {
		s += " recursive"
	}
	if ev.FireAndForget {
		s += " fire and forget"
	}
	if started := ev.Started; started != nil {
		s += prefixed(" as ", string(started.ExecutionID))
		if started.Generation > 0 {
			s += fmt.Sprintf(" generation %d", started.Generation)
		}
		if started.Parent != nil {
			s += fmt.Sprintf(" for %s#%d", started.Parent.InstanceID, started.Parent.TaskID)
		}
		for _, name := range slices.Sorted(maps.Keys(started.Tags)) {
			s += fmt.Sprintf(" tag %s=%s", name, started.Tags[name])
		}
		if len(started.Keys) > 0 {
			s += fmt.Sprintf(" keys %v", started.Keys)
		}
	}
	return s
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func (c *core) time(t time.Time) string { return "+" + t.Sub(dawn).String() }

func (c *core) line(format string, args ...any) {
	fmt.Fprintf(&c.out, "> "+format+"\n", args...)
}

// parseEvent reads
//
//	done|child ID RESULT, fail|childfail ID TEXT, fired ID [OFFSET], raise NAME PAYLOAD [KEY],
//	suspend|terminate REASON, resume, start
//
// Completions address the present execution, or another one with "old " before them. A timer fires when it is due unless an offset is given.
func (c *core) parseEvent(text string) Message {
	rest, old := strings.CutPrefix(text, "old ")
	word, args, _ := strings.Cut(rest, " ")
	first, second, _ := strings.Cut(args, " ")
	ev := history.Event{At: c.now}
	m := Message{}
	completion := func(kind history.Kind) {
		ev.Kind, ev.TaskID = kind, c.number(first)
		m.Execution = c.row.ExecutionID
	}
	switch word {
	case "done":
		completion(history.TaskCompleted)
		ev.Payload = json.RawMessage(second)
	case "fail":
		completion(history.TaskFailed)
		ev.Failure = &history.Failure{Type: "E", Message: second}
	case "child":
		completion(history.SubOrchestrationInstanceCompleted)
		ev.Payload = json.RawMessage(second)
	case "childfail":
		completion(history.SubOrchestrationInstanceFailed)
		ev.Failure = &history.Failure{Type: "E", Message: second}
	case "fired":
		ev.Kind, ev.TaskID = history.TimerFired, c.number(first)
		if second != "" {
			ev.FireAt = dawn.Add(c.offset(second))
		} else if created, ok := c.state.Open[ev.TaskID]; ok {
			ev.FireAt = TimerOf(&c.row, created).Due
		}
	case "raise":
		ev.Kind, ev.Name = history.EventRaised, first
		payload, key, _ := strings.Cut(second, " ")
		ev.Payload, ev.Key = json.RawMessage(payload), key
	case "suspend":
		ev.Kind, ev.Payload = history.ExecutionSuspended, json.RawMessage(args)
	case "resume":
		ev.Kind = history.ExecutionResumed
	case "terminate":
		ev.Kind, ev.Payload = history.ExecutionTerminated, json.RawMessage(args)
	case "start":
		ev.Kind, ev.Started = history.ExecutionStarted, &history.Started{}
	default:
		c.t.Fatalf("script has unknown event %q", text)
	}
	if old {
		m.Execution = "old"
	}
	m.Event = ev
	return m
}

// parseAction reads
//
//	task ID NAME INPUT, timer ID OFFSET, cancel ID, send ID INSTANCE NAME PAYLOAD,
//	sub|spawn ID INSTANCE NAME INPUT [tag=KEY:VALUE], complete ID RESULT, fail ID TEXT [by ID ...],
//	continue ID INPUT [NAME:PAYLOAD ...], status JSON
func (c *core) parseAction(text string, o *history.Outcome) {
	word, args, _ := strings.Cut(text, " ")
	if word == "status" {
		status := json.RawMessage(args)
		if args == "" {
			status = nil
		}
		o.CustomStatus = &status
		return
	}
	id, rest, _ := strings.Cut(args, " ")
	fields := strings.Fields(rest)
	a := history.Action{ID: c.number(id)}
	switch word {
	case "task":
		a.Kind, a.Name, a.Payload = history.ScheduleTask, fields[0], json.RawMessage(fields[1])
	case "timer":
		a.Kind, a.FireAt = history.CreateTimer, dawn.Add(c.offset(rest))
	case "cancel":
		a.Kind = history.CancelTimer
	case "send":
		a.Kind, a.Instance, a.Name, a.Payload = history.SendEvent, history.InstanceID(fields[0]), fields[1], json.RawMessage(fields[2])
	case "sub", "spawn":
		a.Kind, a.Instance, a.Name, a.Payload = history.StartSubOrchestration, history.InstanceID(fields[0]), fields[1], json.RawMessage(fields[2])
		a.FireAndForget = word == "spawn"
		for _, option := range fields[3:] {
			name, value, _ := strings.Cut(strings.TrimPrefix(option, "tag="), ":")
			a.Tags = map[string]string{name: value}
		}
	case "complete":
		a.Kind, a.Status, a.Payload = history.CompleteExecution, history.Completed, json.RawMessage(rest)
	case "fail":
		a.Kind, a.Status, a.Failure = history.CompleteExecution, history.Failed, &history.Failure{Type: "E", Message: rest}
		if text, causes, ok := strings.Cut(rest, " by "); ok {
			a.Failure.Message = text
			for _, id := range strings.Fields(causes) {
				a.Tasks = append(a.Tasks, c.number(id))
			}
		}
	case "continue":
		a.Kind, a.Status, a.Payload = history.CompleteExecution, history.ContinuedAsNew, json.RawMessage(fields[0])
		for _, carried := range fields[1:] {
			name, payload, _ := strings.Cut(carried, ":")
			a.Carry = append(a.Carry, history.Event{Kind: history.EventRaised, ID: history.NoID, Name: name, Payload: json.RawMessage(payload), Key: "carried"})
		}
	default:
		c.t.Fatalf("script has unknown action %q", text)
	}
	o.Actions = append(o.Actions, a)
}

func (c *core) number(text string) int32 {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		c.t.Fatalf("script has %q for a number: %v", text, err)
	}
	return int32(n)
}

func (c *core) offset(text string) time.Duration {
	d, err := time.ParseDuration(strings.TrimPrefix(text, "+"))
	if err != nil {
		c.t.Fatalf("script has %q for a duration: %v", text, err)
	}
	return d
}

// TestTerminationOfSomebodyElsesChild: a parent that ends its children does not
// end an instance of somebody else that has the id of one.
func TestTerminationOfSomebodyElsesChild(t *testing.T) {
	event := history.Event{Kind: history.ExecutionTerminated, ID: history.NoID, Instance: "parent", TaskID: 3, Recursive: true}
	for _, test := range []struct {
		name   string
		parent *history.Parent
		want   bool
	}{
		{"the child", &history.Parent{InstanceID: "parent", ExecutionID: "any", TaskID: 3}, true},
		{"another call's child", &history.Parent{InstanceID: "parent", TaskID: 4}, false},
		{"another parent's child", &history.Parent{InstanceID: "other", TaskID: 3}, false},
		{"nobody's child", nil, false},
	} {
		row := history.Instance{Number: 1, ID: "kid", Parent: test.parent}
		in := take(&row, &history.State{}, []Message{{Event: event}}, time.Unix(1, 0))
		if got := in.terminated != nil; got != test.want || in.recursive != test.want || in.accepted != 1 {
			t.Errorf("%s: taken as a termination %t, recursive %t, looked at %d; want %t, %t, 1", test.name, got, in.recursive, in.accepted, test.want, test.want)
		}
	}
}
