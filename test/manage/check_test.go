package manage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// operation is one call of a client about one instance.
type operation struct {
	kind   kind
	reason string // of a termination
	answer string

	// Since the test began. An operation without an answer has happened before
	// answered, when its program was gone, or it never has.
	called, answered time.Duration
}

func (o *operation) String() string {
	return fmt.Sprintf("%12v %-12s %s -> %s", o.called, o.kind, o.reason, o.answer)
}

// world is a state that an instance may be in, and which of the calls under way
// have taken effect in it.
type world struct {
	state state
	done  map[int]bool // by index; only calls that have not been answered yet
}

func (w *world) key() string {
	return w.state.key() + fmt.Sprint(slices.Sorted(maps.Keys(w.done)))
}

// maxWorlds bounds the search: more means that the test asks for too much.
const maxWorlds = 200_000

// explain looks for a serial order of the operations, each between its call and
// its answer, that leads to all their answers. It returns an empty text, or
// where no order goes on.
func explain(ops []operation) string {
	type edge struct {
		at   time.Duration
		call bool
		op   int
	}
	var edges []edge
	for i, op := range ops {
		edges = append(edges, edge{op.called, true, i}, edge{op.answered, false, i})
	}
	slices.SortStableFunc(edges, func(a, b edge) int {
		switch {
		case a.at != b.at:
			return int(min(max(a.at-b.at, -1), 1))
		case a.call && !b.call: // at the same instant they overlap
			return -1
		case b.call && !a.call:
			return 1
		}
		return 0
	})

	worlds := []world{{state: state{phase: absent}, done: map[int]bool{}}}
	open := map[int]bool{}
	for _, e := range edges {
		if e.call {
			open[e.op] = true
			continue
		}
		worlds = advance(ops, worlds, open)
		if len(worlds) > maxWorlds {
			return fmt.Sprintf("more than %d ways to explain the answers; the test is too wild", maxWorlds)
		}
		delete(open, e.op)
		var left []world
		for _, w := range worlds {
			switch {
			case w.done[e.op]:
				w.done = maps.Clone(w.done)
				delete(w.done, e.op)
				left = append(left, w)
			case ops[e.op].answer == unknown: // it never happened
				left = append(left, w)
			}
		}
		if len(left) == 0 {
			return unexplained(ops, e.op, open, worlds)
		}
		worlds = distinct(left)
	}
	return ""
}

// advance returns every world that can be reached while the open calls are
// under way, the given ones included.
func advance(ops []operation, worlds []world, open map[int]bool) []world {
	seen := map[string]bool{}
	var all []world
	add := func(w world) {
		if key := w.key(); !seen[key] {
			seen[key] = true
			all = append(all, w)
		}
	}
	for _, w := range worlds {
		add(w)
	}
	for at := 0; at < len(all) && len(all) <= maxWorlds; at++ {
		w := all[at]
		for _, next := range w.state.moves() {
			add(world{next, w.done})
		}
		for i := range open {
			if w.done[i] {
				continue
			}
			answer, next := w.state.apply(ops[i].kind, ops[i].reason)
			if answer == ops[i].answer || ops[i].answer == unknown {
				taken := maps.Clone(w.done)
				taken[i] = true
				add(world{next, taken})
			}
		}
	}
	return all
}

func distinct(worlds []world) []world {
	seen := map[string]bool{}
	return slices.DeleteFunc(worlds, func(w world) bool {
		key := w.key()
		was := seen[key]
		seen[key] = true
		return was
	})
}

// unexplained tells of the answer that no order leads to, and what came before.
func unexplained(ops []operation, at int, open map[int]bool, worlds []world) string {
	var b strings.Builder
	fmt.Fprintf(&b, "no serial order explains\n  %v\nstates it may have been in:\n", &ops[at])
	for _, w := range worlds[:min(len(worlds), 10)] {
		fmt.Fprintf(&b, "  %s\n", w.key())
	}
	fmt.Fprintln(&b, "calls under way:")
	for i := range open {
		fmt.Fprintf(&b, "  %v\n", &ops[i])
	}
	fmt.Fprintln(&b, "calls before:")
	before := slices.DeleteFunc(slices.Clone(ops), func(o operation) bool { return o.called > ops[at].answered })
	slices.SortFunc(before, func(a, b operation) int { return int(min(max(a.called-b.called, -1), 1)) })
	for _, op := range before[max(0, len(before)-25):] {
		fmt.Fprintf(&b, "  %v .. %v\n", &op, op.answered)
	}
	return b.String()
}
