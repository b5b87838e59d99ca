package decide

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// The instances and messages that the rows of TestPrecedence are made of.
var (
	mother  = &history.Parent{InstanceID: "mother", ExecutionID: "m", TaskID: 4, Number: 7}
	lives   = history.Instance{Number: 1, ID: "i", ExecutionID: "e", Status: history.Running, Parent: mother}
	waiting = history.Instance{Number: 1, ID: "i", ExecutionID: "e", Status: history.Pending, ScheduledAt: dawn.Add(time.Hour)}

	words = map[string]history.Event{
		"event":     {Kind: history.EventRaised, Name: "E"},
		"start":     {Kind: history.ExecutionStarted, Name: "F", Started: &history.Started{}},
		"child":     {Kind: history.ExecutionStarted, Name: "F", Started: &history.Started{Parent: mother}},
		"terminate": {Kind: history.ExecutionTerminated},
		"recursive": {Kind: history.ExecutionTerminated, Recursive: true},
		"of-mother": {Kind: history.ExecutionTerminated, Instance: "mother", TaskID: 4, Recursive: true},
		"of-other":  {Kind: history.ExecutionTerminated, Instance: "other", TaskID: 4},
		"tree":      endTree(&history.Instance{ID: "root", Number: 3}, dawn, nil),
		"rewound":   {Kind: history.ExecutionRewound, Started: &history.Started{Parent: mother}},
		"strange":   {Kind: history.ExecutionRewound, Started: &history.Started{Parent: &history.Parent{InstanceID: "other"}}},
		"old":       {Kind: history.TaskCompleted, TaskID: 9},
	}
)

func ended(status history.RuntimeStatus) history.Instance {
	row := lives
	row.Status = status
	return row
}

func inbox(row history.Instance, batch string) Inbox {
	in := Inbox{ID: "i", Row: &row, Now: dawn}
	if row.Number != 0 && !row.Status.Terminal() {
		in.State = &history.State{Seq: 2, Turns: 1, At: dawn.Add(-time.Minute), Open: map[int32]*history.Event{}}
	}
	for _, word := range strings.Fields(batch) {
		ev := words[word]
		in.Batch = append(in.Batch, Message{Event: ev})
	}
	return in
}

// TestPrecedence: what comes next, by what is there and what came for it.
func TestPrecedence(t *testing.T) {
	none := history.Instance{}
	for _, row := range []struct {
		name  string
		row   history.Instance
		batch string
		want  Kind
		used  string
		left  string
	}{
		{name: "a turn takes all", row: lives, batch: "event event", want: Run, used: "event event"},
		{name: "nothing for it", row: lives, batch: "old", want: Drop, used: "old"},
		{name: "a termination", row: lives, batch: "event terminate", want: Terminate, used: "event terminate"},
		{name: "a start of a child whose id is used", row: lives, batch: "event child event", want: RefuseStart, used: "child", left: "event event"},
		{name: "a start that nobody waits for", row: lives, batch: "start", want: RefuseStart, used: "start"},
		{name: "a start behind a termination waits for the end", row: lives, batch: "terminate child event", want: Terminate, used: "terminate", left: "child event"},
		{name: "a start when nothing is there", row: none, batch: "event child event", want: Start, used: "child", left: "event event"},
		{name: "a start in place of one that ended", row: ended(history.Completed), batch: "child", want: Start, used: "child"},
		{name: "a start behind a rewind waits for that", row: ended(history.Failed), batch: "rewound child", want: RewindChild, used: "rewound", left: "child"},
		{name: "a rewind goes before events", row: ended(history.Failed), batch: "event rewound", want: RewindChild, used: "rewound", left: "event"},
		{name: "a child that ended otherwise", row: ended(history.Completed), batch: "rewound", want: TellEnd, used: "rewound"},
		{name: "a child that lives", row: lives, batch: "event rewound", want: NewParent, used: "rewound", left: "event"},
		{name: "no child of that parent", row: lives, batch: "strange", want: TellMissing, used: "strange"},
		{name: "no child at all", row: none, batch: "rewound", want: TellMissing, used: "rewound"},
		{name: "events after a failure", row: ended(history.Failed), batch: "old event", want: Keep, used: "old event"},
		{name: "nothing to keep after a failure", row: ended(history.Failed), batch: "old", want: Drop, used: "old"},
		{name: "events after another end", row: ended(history.Terminated), batch: "event", want: Drop, used: "event"},
		{name: "events for nobody", row: none, batch: "event terminate", want: Drop, used: "event terminate"},
		{name: "a termination that came too late for the root", row: ended(history.Completed), batch: "event recursive", want: EndTree, used: "recursive", left: "event"},
		{name: "one behind the next start is for that", row: ended(history.Completed), batch: "child recursive", want: Start, used: "child", left: "recursive"},
		{name: "the rest of a tree, whatever is there now", row: lives, batch: "event start tree", want: EndTree, used: "tree", left: "event start"},
		{name: "a parent ends its child", row: lives, batch: "of-mother", want: Terminate, used: "of-mother"},
		{name: "a parent ends what is not its child", row: lives, batch: "event of-other", want: Drop, used: "of-other", left: "event"},
		{name: "a parent ends a child that is gone, ahead of the next", row: none, batch: "of-other child", want: Drop, used: "of-other", left: "child"},
		{name: "before its time only terminations count", row: waiting, batch: "event terminate event", want: Terminate, used: "terminate", left: "event event"},
		{name: "before its time events stay", row: waiting, batch: "event", want: Drop, left: "event"},
	} {
		t.Run(row.name, func(t *testing.T) {
			step := Open(inbox(row.row, row.batch))
			if step.Kind != row.want || spell(step.Used) != row.used || spell(step.Left) != row.left {
				t.Errorf("Open(%q) = kind %d, uses %q, leaves %q; want kind %d, %q, %q",
					row.batch, step.Kind, spell(step.Used), spell(step.Left), row.want, row.used, row.left)
			}
		})
	}
}

// spell names messages as the rows do.
func spell(batch []Message) string {
	var spelled []string
	for i := range batch {
		ev := &batch[i].Event
		for word, like := range words {
			if ev.Kind == like.Kind && ev.Instance == like.Instance && ev.Recursive == like.Recursive && ev.Started == like.Started {
				spelled = append(spelled, word)
			}
		}
	}
	return strings.Join(spelled, " ")
}

// TestNoMessageIsLost: a step uses some messages of the batch and leaves the others, in
// their order, whatever came; and steps end.
func TestNoMessageIsLost(t *testing.T) {
	all := make([]string, 0, len(words))
	for word := range words {
		all = append(all, word)
	}
	slices.Sort(all)
	random := rand.New(rand.NewPCG(1, 2))
	rows := []history.Instance{{}, lives, waiting, ended(history.Completed), ended(history.Failed), ended(history.Terminated)}
	for range 20_000 {
		in := inbox(rows[random.IntN(len(rows))], "")
		for k := range random.IntN(6) {
			in.Batch = append(in.Batch, Message{Event: words[all[random.IntN(len(all))]]})
			in.Batch[k].Key.Seq = uint64(k)
		}
		step := Open(in)
		if len(step.Used)+len(step.Left) != len(in.Batch) {
			t.Fatalf("Open(%q) of %s uses %q and leaves %q", spell(in.Batch), in.Row.Status, spell(step.Used), spell(step.Left))
		}
		seen := make(map[uint64]bool)
		for _, part := range [][]Message{step.Used, step.Left} {
			for _, m := range part {
				seen[m.Key.Seq] = true
			}
		}
		early := in.Row.ScheduledAt.After(in.Now) // the terminations were taken out of the middle
		if len(seen) != len(in.Batch) || !early && !slices.IsSortedFunc(step.Left, func(a, b Message) int { return int(a.Key.Seq) - int(b.Key.Seq) }) {
			t.Fatalf("Open(%q) of %s uses %q and leaves %q", spell(in.Batch), in.Row.Status, spell(step.Used), spell(step.Left))
		}
		if len(step.Used) == 0 && len(in.Batch) > 0 && !early {
			t.Fatalf("Open(%q) of %s uses nothing", spell(in.Batch), in.Row.Status)
		}
	}
}
