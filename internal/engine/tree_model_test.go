package engine_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

// Random trees. Every instance is a node that does what it is told by events: call
// children and wait for them or not, go on as new, end, fail. A client tells them, and
// starts, restarts, terminates, purges and rewinds them; now and then the process dies
// right after an answer. A plain model says what must be there once all has come to
// rest: which instances, in which state, and whose children they are.

// errand is what a node is told to do.
type errand struct {
	What string // call, start, race, wait, again, end or fail
	Name string // of call and start: the tag of what is started
	ID   string // of call: its id; empty: the default
}

const callNode = perdure.OrchestratorRef[int, int]("Node")

func addNodes(_ *world, app *perdure.App) {
	perdure.AddOrchestrator(app, "Node", func(ctx *perdure.OrchestrationContext, _ int) (int, error) {
		var calls []*perdure.Task[int]
		for {
			e, err := perdure.WaitForExternalEvent[errand](ctx, "Do").Await()
			if err != nil {
				return 0, err
			}
			tags := perdure.WithTags(map[string]string{"node": e.Name})
			switch last := len(calls) - 1; {
			case e.What == "call" && e.ID != "":
				calls = append(calls, callNode.Call(ctx, 0, tags, perdure.WithInstanceID(perdure.InstanceID(e.ID))))
			case e.What == "call":
				calls = append(calls, callNode.Call(ctx, 0, tags))
			case e.What == "start":
				if _, err := callNode.Start(ctx, 0, tags); err != nil {
					return 0, err
				}
			case e.What == "race" && last >= 0: // whoever wins, the call is given up
				_, _ = perdure.WhenAny(ctx, calls[last], ctx.CreateTimer(time.Second)).Await()
			case e.What == "wait" && last >= 0:
				if _, err := calls[last].Await(); err != nil {
					return 0, err
				}
			case e.What == "again":
				return 0, ctx.ContinueAsNew(0)
			case e.What == "end":
				return 0, nil
			case e.What == "fail":
				return 0, errors.New("as told")
			}
		}
	})
}

// The model.

// fact is what a node learns.
type fact struct {
	errand *errand // nil: what became of a call, or a timer that has fired
	task   int
	ok     bool
}

// pending is an action of a node: a call, a timer or a start.
type pending struct {
	what     string
	turn     int
	id, name string // of a call; the id is empty until it is known
	own      bool   // the id was given
	answered bool
	ok       bool
}

// node is an instance. Numbers are in the order of creation.
type node struct {
	number, execution int
	began             int    // the execution that did not go on from one before by a rewind
	id, name          string // the id is empty until it is known
	status            history.RuntimeStatus
	parent            int    // 0: none
	under             string // the id of the parent
	task              int    // the parent's call
	awaiting          int    // the execution of the parent that is told the end
	calledBy          int    // what began was in the parent

	turns  [][]fact
	queue  []errand  // not looked at
	tasks  []pending // by sequence id
	waits  int       // for this call; -1: for none
	races  int       // of this call with the timer after it; -1: of none
	causes []int     // calls whose failures ended it
	blur   bool      // how facts made turns was luck
}

// forest is the model of a hub.
type forest struct {
	nodes map[int]*node // that are there
	last  int           // counts nodes and executions
	later []func()      // what is on its way

	// In one operation:
	rewound map[int]bool // nodes
	told    map[int]int  // answers to nodes
	luck    bool         // what happens depends on the order of what comes at once
}

// clone copies f when nothing is on its way.
func (f *forest) clone() *forest {
	g := &forest{nodes: make(map[int]*node), last: f.last, rewound: make(map[int]bool), told: make(map[int]int)}
	for number, n := range f.nodes {
		c := *n
		c.turns, c.queue, c.tasks, c.causes = slices.Clone(n.turns), slices.Clone(n.queue), slices.Clone(n.tasks), slices.Clone(n.causes)
		g.nodes[number] = &c
	}
	return g
}

func (f *forest) next() int { f.last++; return f.last }

// all returns the nodes in the order of creation.
func (f *forest) all() (list []*node) {
	for _, number := range slices.Sorted(maps.Keys(f.nodes)) {
		list = append(list, f.nodes[number])
	}
	return list
}

func (f *forest) find(id string) *node {
	for _, n := range f.nodes {
		if n.id == id && id != "" {
			return n
		}
	}
	return nil
}

// tree returns n and all that is below it.
func (f *forest) tree(n *node) []*node {
	tree := []*node{n}
	for _, child := range f.all() {
		if child.parent == n.number {
			tree = append(tree, f.tree(child)...)
		}
	}
	return tree
}

func (n *node) live() bool { return !n.status.Terminal() }

// begin adds a node, which takes the place of one that has its id.
func (f *forest) begin(name, id string) *node {
	if old := f.find(id); old != nil {
		f.remove(old)
	}
	n := &node{number: f.next(), execution: f.next(), id: id, name: name, status: history.Running, waits: -1, races: -1, turns: [][]fact{nil}}
	n.began = n.execution
	f.nodes[n.number] = n
	return n
}

// got notes the id under which the node was started.
func (n *node) got(id client.InstanceID, err error) error {
	n.id = string(id)
	return err
}

// remove takes a node away; its parent, if it waits, learns of that.
func (f *forest) remove(n *node) {
	delete(f.nodes, n.number)
	if n.live() {
		f.tell(n, false)
	}
}

func (f *forest) end(n *node, status history.RuntimeStatus) {
	n.status = status
	f.tell(n, status == history.Completed)
}

// tell tells the parent of n, if there is one, how n ended.
func (f *forest) tell(n *node, ok bool) {
	if n.parent != 0 {
		f.answer(n.parent, n.awaiting, n.task, ok)
	}
}

func (f *forest) answer(parent, execution, task int, ok bool) {
	f.later = append(f.later, func() {
		n := f.nodes[parent]
		if n == nil || n.execution != execution || n.tasks[task].answered {
			return
		}
		f.told[parent]++
		f.luck = f.luck || f.told[parent] > 1
		n.blur = n.blur || f.rewound[parent] // it may come with what the rewind delivers again, or later
		if !n.live() {
			return
		}
		f.turn(n, fact{task: task, ok: ok})
	})
}

// settle lets everything happen that was caused, and what timers bring.
func (f *forest) settle() {
	for busy := true; busy; {
		for len(f.later) > 0 {
			do := f.later[0]
			f.later = f.later[1:]
			do()
		}
		busy = false
		for _, n := range f.all() {
			var fired []fact
			for task, t := range n.tasks {
				if t.what == "timer" && !t.answered && n.live() {
					fired = append(fired, fact{task: task, ok: true})
				}
			}
			if len(fired) > 0 {
				f.turn(n, fired...)
				busy = true
			}
		}
	}
}

// turn lets a live node learn facts and go on.
func (f *forest) turn(n *node, facts ...fact) {
	n.turns = append(n.turns, facts)
	n.learn(facts)
	f.run(n, len(n.turns)-1, nil)
}

func (n *node) learn(facts []fact) {
	for _, fact := range facts {
		if fact.errand != nil {
			n.queue = append(n.queue, *fact.errand)
		} else {
			n.tasks[fact.task].answered, n.tasks[fact.task].ok = true, fact.ok
		}
	}
}

// run lets the code of n go on until it waits. A replay causes nothing: before are
// the tasks as they were.
func (f *forest) run(n *node, turn int, before []pending) {
	for f.ready(n) {
		e := n.queue[0]
		n.queue = n.queue[1:]
		call := -1 // the last one
		for task, t := range n.tasks {
			if t.what == "call" {
				call = task
			}
		}
		task := len(n.tasks)
		switch {
		case before != nil && (e.What == "call" || e.What == "start" || e.What == "race" && call >= 0):
			t := before[task]
			t.answered, t.ok = false, false
			n.tasks = append(n.tasks, t)
		case e.What == "call":
			n.tasks = append(n.tasks, pending{what: "call", turn: turn, id: e.ID, own: e.ID != "", name: e.Name})
			f.call(n, task)
		case e.What == "start":
			n.tasks = append(n.tasks, pending{what: "start", turn: turn})
			f.later = append(f.later, func() { f.begin(e.Name, "") })
		case e.What == "race" && call >= 0:
			n.tasks = append(n.tasks, pending{what: "timer", turn: turn})
		case e.What == "again":
			turn, n.turns, n.tasks, n.execution = 0, [][]fact{nil}, nil, f.next()
			n.began = n.execution
			for _, e := range n.queue {
				n.turns[0] = append(n.turns[0], fact{errand: &e})
			}
		case e.What == "end":
			f.end(n, history.Completed)
		case e.What == "fail":
			f.end(n, history.Failed)
		}
		switch {
		case call < 0:
		case e.What == "race":
			n.races = call
		case e.What == "wait":
			n.waits = call
		}
	}
}

// ready reports whether n looks at its queue.
func (f *forest) ready(n *node) bool {
	switch {
	case !n.live():
		return false
	case n.waits >= 0 && !n.tasks[n.waits].answered:
		return false
	case n.waits >= 0 && !n.tasks[n.waits].ok:
		n.causes = []int{n.waits}
		f.end(n, history.Failed)
		return false
	case n.races >= 0 && !n.tasks[n.races].answered && !n.tasks[len(n.tasks)-1].answered:
		return false
	}
	n.waits, n.races = -1, -1
	return len(n.queue) > 0
}

// call starts the child of a call, unless a live instance has its id.
func (f *forest) call(n *node, task int) {
	t, execution, began := n.tasks[task], n.execution, n.began
	f.later = append(f.later, func() {
		if other := f.find(t.id); other != nil && other.live() {
			f.answer(n.number, execution, task, false)
			return
		}
		child := f.begin(t.name, t.id)
		child.parent, child.under, child.task, child.awaiting = n.number, n.id, task, execution
		child.calledBy = began
	})
}

func (f *forest) terminate(n *node, deep bool) {
	tree := []*node{n}
	if deep {
		tree = f.tree(n)
	}
	for _, n := range tree {
		if n.live() {
			f.end(n, history.Terminated)
		}
	}
}

// purge returns how many instances it removes, -1 if it is refused.
func (f *forest) purge(n *node, deep, force bool) int {
	tree := []*node{n}
	if deep {
		tree = f.tree(n)
	}
	if !force && slices.ContainsFunc(tree, (*node).live) {
		return -1
	}
	for _, n := range slices.Backward(tree) {
		f.remove(n)
	}
	return len(tree)
}

// undone returns the failures that a rewind undoes, with the turns in which they
// came: those that ended n, else those of the last turn that brought any.
func (n *node) undone() map[int]int {
	latest, named := make(map[int]int), make(map[int]int)
	for turn, facts := range n.turns {
		failures := make(map[int]int)
		for _, fact := range facts {
			if fact.errand == nil && !fact.ok {
				failures[fact.task] = turn
				if slices.Contains(n.causes, fact.task) {
					named[fact.task] = turn
				}
			}
		}
		if len(failures) > 0 {
			latest = failures
		}
	}
	if len(named) > 0 {
		return named
	}
	return latest
}

// rewind lets a Failed node go on. It reports whether that is of no use, since a
// call cannot be made again.
func (f *forest) rewind(n *node) (vain bool) {
	undone, cut := n.undone(), len(n.turns)-1
	for _, turn := range undone {
		cut = min(cut, turn)
	}
	var facts []fact
	for _, fact := range slices.Concat(n.turns[cut:]...) {
		if _, undo := undone[fact.task]; fact.errand != nil || !undo && n.tasks[fact.task].turn < cut {
			facts = append(facts, fact)
		}
	}
	below := make(map[int]bool) // that end some time later: their ids are not free yet
	for task, t := range n.tasks {
		if child := f.find(t.id); t.what == "call" && t.turn >= cut && !t.answered && child != nil && child.parent == n.number && child.task == task && child.awaiting == n.execution {
			for _, n := range f.tree(child)[1:] {
				below[n.number] = n.live()
			}
			f.terminate(child, true)
		}
	}
	f.luck = f.luck || n.blur
	f.rewound[n.number] = true

	before := n.tasks
	n.execution, n.status, n.turns, n.queue, n.tasks, n.causes = f.next(), history.Running, append(n.turns[:cut:cut], facts), nil, nil, nil
	n.waits, n.races = -1, -1
	for turn := range cut {
		n.learn(n.turns[turn])
		f.run(n, turn, before)
	}
	n.learn(facts)
	var again []int
	held := make(map[string]bool) // ids of children that go on, and of calls that are made again
	lose := func(task int) {
		_, undo := undone[task]
		f.answer(n.number, n.execution, task, false)
		vain = vain || undo
	}
	for task := range n.tasks {
		t := &n.tasks[task]
		if t.what != "call" || t.answered {
			continue
		}
		_, undo := undone[task]
		child := f.find(t.id)
		ours := child != nil && child.parent == n.number && child.task == task && child.calledBy == n.began
		switch execution := n.execution; {
		case ours && child.status == history.Failed:
			held[t.id] = true
			child.awaiting = execution
			f.later = append(f.later, func() { f.rewind(child) })
		case ours && child.live():
			child.awaiting = execution
		case ours && !(child.status == history.Terminated && undo):
			f.answer(n.number, execution, task, child.status == history.Completed)
		case child == nil, ours, !child.live() && !below[child.number], !t.own:
			again = append(again, task)
		default:
			lose(task)
		}
	}
	for _, task := range again {
		switch t := &n.tasks[task]; {
		case !t.own:
			t.id = ""
			f.call(n, task)
		case held[t.id]:
			lose(task)
		default:
			held[t.id] = true
			f.call(n, task)
		}
	}
	f.run(n, cut, nil)
	return vain
}

// The test.

// operation is one thing that the client does.
type operation struct {
	What   string
	Node   int // which one, of those that are there
	ID     string
	Deep   bool // recursive
	Force  bool // ReplaceAny; in place
	Crash  bool // right after the answer
	Errand string
}

// pick chooses the node that it is about: mostly one for which it makes sense, and
// rather a new one.
func (op *operation) pick(nodes []*node) *node {
	fit := slices.DeleteFunc(slices.Clone(nodes), func(n *node) bool {
		switch op.What {
		case "errand", "terminate":
			return !n.live()
		case "rewind":
			return n.status != history.Failed
		}
		return false
	})
	if len(fit) == 0 || op.Node%8 == 0 {
		fit = nodes
	}
	return fit[len(fit)-1-op.Node/8%len(fit)]
}

// trial applies operations to a hub and to the model.
type trial struct {
	*world
	model *forest
	wrong string // the first difference; empty: none
	done  []string
}

func (r *trial) failf(format string, args ...any) {
	if r.wrong == "" {
		r.wrong = fmt.Sprintf(format, args...)
	}
}

func (r *trial) apply(i int, op operation) {
	model, name := r.model.clone(), fmt.Sprint("n", i)
	nodes := model.all()
	if len(nodes) == 0 {
		op.What = "start"
	}
	var n *node
	id := op.ID
	if len(nodes) > 0 {
		n = op.pick(nodes)
		if op.What != "start" || op.Force {
			id = n.id
		}
	}
	ctx := context.Background()
	var want error
	var do func() error
	switch op.What {
	case "start":
		o := client.StartOptions{ID: history.InstanceID(id), Tags: map[string]string{"node": name}}
		if op.Deep {
			o.Reuse = hub.ReplaceAny
		}
		if old := model.find(id); old != nil && old.live() && !op.Deep {
			want = client.ErrAlreadyExists
			do = func() error { return ignored(r.Start(ctx, "Node", 0, o)) }
			break
		}
		begun := model.begin(name, id)
		do = func() error { return begun.got(r.Start(ctx, "Node", 0, o)) }
	case "restart":
		o := client.RestartOptions{SameID: op.Force}
		if op.Force && n.live() {
			want = client.ErrAlreadyExists
			do = func() error { return ignored(r.Restart(ctx, history.InstanceID(id), o)) }
			break
		}
		again := ""
		if op.Force {
			again = id
		}
		begun := model.begin(n.name, again)
		do = func() error { return begun.got(r.Restart(ctx, history.InstanceID(id), o)) }
	case "terminate":
		if !n.live() {
			want = client.ErrTerminal
		} else {
			model.terminate(n, op.Deep)
		}
		do = func() error {
			return r.Terminate(ctx, history.InstanceID(id), client.TerminateOptions{Recursive: op.Deep})
		}
	case "purge":
		removed := model.purge(n, op.Deep, op.Force)
		if removed < 0 {
			want = client.ErrInvalidState
		}
		do = func() error {
			result, err := r.Purge(ctx, history.InstanceID(id), client.PurgeOptions{Recursive: op.Deep, Force: op.Force})
			if err == nil && result.Deleted != removed {
				r.failf("purge removed %d, want %d", result.Deleted, removed)
			}
			return err
		}
	case "rewind":
		if n.status != history.Failed || model.rewind(n) {
			want = client.ErrInvalidState
		}
		do = func() error {
			_, planned := r.PlanRewind(ctx, history.InstanceID(id), client.RewindOptions{})
			err := r.Rewind(ctx, history.InstanceID(id), client.RewindOptions{})
			if (planned == nil) != (err == nil) {
				r.failf("PlanRewind = %v, Rewind = %v", planned, err)
			}
			return err
		}
	default:
		e := errand{What: op.Errand, Name: name}
		if e.What == "call" && op.ID != n.id && op.ID != n.under { // such a call never leaves the code
			e.ID = op.ID
		}
		if n.live() {
			model.turn(n, fact{errand: &e})
		} else {
			want = client.ErrTerminal
		}
		do = func() error { return r.Raise(ctx, history.InstanceID(id), "Do", e) }
	}
	model.settle()
	if model.luck {
		return
	}
	r.done = append(r.done, fmt.Sprintf("%s, of %q: %+v", name, id, op))
	if err := do(); !errors.Is(err, want) || want == nil && err != nil {
		r.failf("%s %s = %v, want %v", op.What, id, err, want)
	}
	if op.Crash {
		r.crash()
	}
	time.Sleep(time.Minute) // for timers
	r.settle()
	if want == nil {
		r.model = model
	}
	r.compare()
}

// compare looks for what is there and what the model says must be: of each name as many,
// in order of creation, with the same ids, statuses and parents.
func (r *trial) compare() {
	page, err := r.inner.ListInstances(context.Background(), history.Query{Limit: 1 << 20})
	if err != nil {
		r.Fatalf("ListInstances = %v", err)
	}
	rows := make(map[string][]history.Instance)
	byNumber := make(map[history.Number]history.Instance)
	for _, row := range slices.Backward(page.Rows) {
		rows[row.Tags["node"]] = append(rows[row.Tags["node"]], row)
		byNumber[row.Number] = row
	}
	numbers := make(map[int]history.Number)
	for _, n := range r.model.all() {
		if len(rows[n.name]) == 0 {
			r.failf("%s %q is not there", n.name, n.id)
			return
		}
		row := rows[n.name][0]
		rows[n.name] = rows[n.name][1:]
		numbers[n.number] = row.Number
		if n.id == "" {
			n.id = string(row.ID)
			if p := r.model.nodes[n.parent]; p != nil && p.execution == n.awaiting {
				p.tasks[n.task].id = n.id
			}
		}
		if string(row.ID) != n.id || row.Status != n.status {
			r.failf("%s is %q, %s; want %q, %s", n.name, row.ID, row.Status, n.id, n.status)
		}
		parent, there := r.model.nodes[n.parent]
		switch {
		case n.parent == 0:
			if row.Parent != nil || row.Labels != nil {
				r.failf("%s %q has the parent %+v, want none", n.name, n.id, row.Parent)
			}
		case row.Parent == nil || !slices.Equal(row.Labels, []string{history.ParentLabel(row.Parent.Number)}):
			r.failf("%s %q has the parent %+v and the labels %q", n.name, n.id, row.Parent, row.Labels)
		case !there && byNumber[row.Parent.Number].Number != 0:
			r.failf("%s %q has the parent %+v, want one that is gone", n.name, n.id, row.Parent)
		case there && (row.Parent.Number != numbers[n.parent] || string(row.Parent.InstanceID) != parent.id || int(row.Parent.TaskID) != n.task):
			r.failf("%s %q has the parent %+v, want %s %q, task %d", n.name, n.id, row.Parent, parent.name, parent.id, n.task)
		}
	}
	for name, rest := range rows {
		for _, row := range rest {
			r.failf("%s %q is there, %s, and must not be", name, row.ID, row.Status)
		}
	}
}

// TestRandomTrees compares what operations on random trees lead to with the model, on
// both stores, kept and evicted.
func TestRandomTrees(t *testing.T) {
	ids := rapid.SampledFrom([]string{"", "", "a", "b", "c"})
	operations := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) operation {
		return operation{
			What:   rapid.SampledFrom([]string{"errand", "errand", "errand", "errand", "errand", "errand", "errand", "errand", "start", "restart", "terminate", "purge", "rewind", "rewind"}).Draw(rt, "what"),
			Node:   rapid.IntRange(0, 60).Draw(rt, "node"),
			ID:     ids.Draw(rt, "id"),
			Deep:   rapid.Bool().Draw(rt, "deep"),
			Force:  rapid.Bool().Draw(rt, "force"),
			Crash:  rapid.IntRange(0, 7).Draw(rt, "crash") == 7,
			Errand: rapid.SampledFrom([]string{"call", "call", "call", "start", "race", "wait", "wait", "wait", "again", "end", "fail", "fail"}).Draw(rt, "errand"),
		}
	}), 20, 60)
	rapid.Check(t, func(rt *rapid.T) {
		ops := operations.Draw(rt, "operations")
		open := openMemory
		if rapid.Bool().Draw(rt, "embedded") {
			open = openEmbedded
		}
		cache := -rapid.IntRange(0, 1).Draw(rt, "evicted")
		r := &trial{model: new(forest)}
		synctest.Test(t, func(t *testing.T) {
			r.world = &world{T: t, register: addNodes, inner: open(t), options: engine.Options{CacheBytes: cache}}
			r.start()
			defer r.stop()
			for i, op := range ops {
				if r.apply(i, op); r.wrong != "" {
					return
				}
			}
			r.idle()
		})
		if r.wrong != "" {
			for _, done := range r.done {
				rt.Log(done)
			}
			rt.Fatal(r.wrong)
		}
	})
}
