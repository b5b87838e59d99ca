package engine

import (
	"context"
	"log/slog"
	"strings"

	"github.com/perdure/perdure/internal/decide"
	"github.com/perdure/perdure/internal/history"
)

// This file tells the log what became of functions: failures as warnings and
// errors, starts and ends at Debug. A line is written when what it tells is durable,
// once: not by replay, and not by a decision that was not stored and is made again.

// told is what the log tells of a decision besides what the decision itself says.
type told struct {
	endings []ending
	start   string                // what became of a start that no parent waits for
	met     history.RuntimeStatus // of the instance that the start met
}

// ending is a completion, and the event that scheduled what it ends.
type ending struct {
	execution history.ExecutionID
	call, end *history.Event
}

// toldOf finds what the log is to tell of a step besides its decision.
func (t *tenure) toldOf(inst *instance, step *decide.Step) *told {
	switch step.Kind {
	case decide.Run, decide.Terminate:
		return t.endings(&inst.row, inst.state, step.Incoming())
	case decide.RefuseStart:
		if step.Asked().Started.Parent == nil {
			return &told{start: "start dropped: its id belongs to an instance that has not ended", met: inst.row.Status}
		}
	case decide.Start:
		if inst.exists() && step.Asked().Started.Parent == nil {
			return &told{start: "start replaced an instance that had ended", met: inst.row.Status}
		}
	}
	return nil
}

// endings finds what the log is to tell of the completions among events, which
// are about to be applied to st, the fold of row: the attempts that failed; at
// Debug those that did not, too.
func (t *tenure) endings(row *history.Instance, st *history.State, events []history.Event) *told {
	var found *told
	for i := range events {
		ev := &events[i]
		switch ev.Kind {
		case history.TaskFailed:
		case history.SubOrchestrationInstanceFailed:
			if tellsItself(ev.Failure) {
				continue
			}
		case history.TaskCompleted:
			if !t.logs(slog.LevelDebug) {
				continue
			}
		default:
			continue
		}
		if call := st.Open[ev.TaskID]; call != nil {
			if found == nil {
				found = new(told)
			}
			found.endings = append(found.endings, ending{row.ExecutionID, call, ev})
		}
	}
	return found
}

// tellsItself reports whether a child that ended with the failure has a line of its
// own: it has unless it was never there, or was ended by others.
func tellsItself(failure *history.Failure) bool {
	switch {
	case failure == nil:
		return true
	case failure.Type == history.FailureAlreadyExists, failure.Type == history.FailureMissing, failure.Type == history.FailureTerminated:
		return false
	}
	return true
}

func (t *tenure) logs(level slog.Level) bool { return t.log.Enabled(context.Background(), level) }

// tell writes the lines about a decision that is durable.
func (t *tenure) tell(d *decision) {
	row := &d.Row
	if d.told != nil {
		for i := range d.told.endings {
			t.tellEnding(d, &d.told.endings[i])
		}
		if d.told.start != "" {
			t.log.Info(d.told.start, "instance", row.ID, "function", row.Name, "status", d.told.met)
		}
	}
	switch {
	case !d.Records():
	case d.Ended && d.State != nil && d.State.Completed != nil && row.Status == history.Failed:
		t.tellFailure(d, d.State.Completed)
	case !t.logs(slog.LevelDebug):
	case d.Ended && d.State != nil && d.State.Completed != nil:
		t.log.Debug("instance ended", "instance", row.ID, "execution", row.ExecutionID, "turn", d.Record.Seq, "function", row.Name, "status", row.Status)
	case d.Ended:
	case d.Drop.End > 0:
		t.log.Debug("instance continued as new", "instance", row.ID, "execution", row.ExecutionID, "turn", d.Record.Seq, "function", row.Name)
	case d.Record.Start():
		t.log.Debug("instance started", "instance", row.ID, "execution", row.ExecutionID, "function", row.Name)
	}
}

// tellEnding tells of one attempt at a call.
func (t *tenure) tellEnding(d *decision, e *ending) {
	attrs := []slog.Attr{
		slog.String("instance", string(d.Row.ID)), slog.String("execution", string(e.execution)), slog.Uint64("turn", uint64(d.Record.Seq)),
		slog.Int("task", int(e.call.ID)), slog.String("function", e.call.Name), slog.Int("attempt", int(max(e.call.Attempt, 1))),
	}
	failure := e.end.Failure
	switch {
	case e.end.Kind == history.TaskCompleted:
		t.write(slog.LevelDebug, "activity ended", attrs, nil)
	case failure != nil && failure.Type == history.FailurePanic:
		t.write(slog.LevelError, "attempt failed", attrs, failure)
	default:
		t.write(slog.LevelWarn, "attempt failed", attrs, failure)
	}
}

// tellFailure tells that an instance failed. It is an error, with the stack if
// there is one, when the code is at fault; one that passes the failure of a call on
// is not: that was told of.
func (t *tenure) tellFailure(d *decision, end *history.Event) {
	level := slog.LevelWarn
	if end.Failure != nil && len(end.Tasks) == 0 {
		switch end.Failure.Type {
		case history.FailurePanic, history.FailureMisuse, history.FailureNonDeterministic, history.FailureActionLimit:
			level = slog.LevelError
		}
	}
	row := &d.Row
	attrs := []slog.Attr{
		slog.String("instance", string(row.ID)), slog.String("execution", string(row.ExecutionID)),
		slog.Uint64("turn", uint64(d.Record.Seq)), slog.String("function", row.Name),
	}
	if row.Parent != nil {
		attrs = append(attrs, slog.String("parent", string(row.Parent.InstanceID)))
	}
	t.write(level, "instance failed", attrs, end.Failure)
}

// maxToldBytes bounds each text of the user's in a line.
const maxToldBytes = 8 << 10

// write writes a line. That of an error has the failure's stack, if there is one.
func (t *tenure) write(level slog.Level, message string, attrs []slog.Attr, failure *history.Failure) {
	if failure != nil {
		attrs = append(attrs, slog.String("error", shortened(failure.String())))
		if stack := failure.Trace(); level == slog.LevelError && stack != "" {
			attrs = append(attrs, slog.String("stack", shortened(stack)))
		}
	}
	t.log.LogAttrs(context.Background(), level, message, attrs...)
}

// shortened is text as a line of the log may have it.
func shortened(text string) string {
	if len(text) <= maxToldBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxToldBytes], "") + "..." // not half a character
}
