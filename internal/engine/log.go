package engine

import (
	"context"
	"log/slog"
	"strings"

	"github.com/perdure/perdure/internal/history"
)

// This file writes the log of what a [Listener] hears: failures as warnings and
// errors, starts and ends at Debug.

// logger writes what it hears.
type logger struct{ *slog.Logger }

// newLogListener returns a listener that writes to log. Commits and refusals
// are not written: they are too many, and callers are told.
func newLogListener(log *slog.Logger) Listener {
	l := logger{log}
	return Listener{
		Turn: l.turn, Attempt: l.attempt, Hold: l.hold, SlowCode: l.slowCode,
		Successes: func() bool { return l.writes(slog.LevelDebug) },
	}
}

// writes reports whether a line of that level is written at all: most are
// Debug, and making one costs more than not writing it.
func (l logger) writes(level slog.Level) bool { return l.Enabled(context.Background(), level) }

// turn tells of starts and ends. Other turns are not worth a line.
func (l logger) turn(t TurnInfo) {
	row := t.Row
	switch t.Start {
	case Dropped:
		l.Info("start dropped: its id belongs to an instance that has not ended", "instance", row.ID, "function", row.Name, "status", t.Met)
	case Replaced:
		l.Info("start replaced an instance that had ended", "instance", row.ID, "function", row.Name, "status", t.Met)
	}
	switch {
	case t.Kind == Ended && row.Status == history.Failed:
		l.failure(t)
	case !l.writes(slog.LevelDebug):
	case t.Kind == Ended:
		l.Debug("instance ended", "instance", row.ID, "execution", row.ExecutionID, "turn", t.Seq, "function", row.Name, "status", row.Status)
	case t.Kind == ContinuedAsNew:
		l.Debug("instance continued as new", "instance", row.ID, "execution", row.ExecutionID, "turn", t.Seq, "function", row.Name)
	case t.Kind == Rewound:
		l.Debug("instance rewound", "instance", row.ID, "execution", row.ExecutionID, "function", row.Name)
	case t.Kind == Started:
		l.Debug("instance started", "instance", row.ID, "execution", row.ExecutionID, "function", row.Name)
	}
}

// failure tells that an instance failed. It is an error, with the stack if
// there is one, when the code is at fault; one that passes the failure of a
// call on is not: that was told of.
func (l logger) failure(t TurnInfo) {
	level := slog.LevelWarn
	if t.End.Failure != nil && len(t.End.Tasks) == 0 {
		switch t.End.Failure.Type {
		case history.FailurePanic, history.FailureMisuse, history.FailureNonDeterministic, history.FailureActionLimit:
			level = slog.LevelError
		}
	}
	row := t.Row
	attrs := []slog.Attr{
		slog.String("instance", string(row.ID)), slog.String("execution", string(row.ExecutionID)),
		slog.Uint64("turn", uint64(t.Seq)), slog.String("function", row.Name),
	}
	if row.Parent != nil {
		attrs = append(attrs, slog.String("parent", string(row.Parent.InstanceID)))
	}
	l.write(level, "instance failed", attrs, t.End.Failure)
}

// attempt tells of one attempt at a call. A panic is an error of the code, with
// its stack; another failure is a warning, since the code may expect it.
func (l logger) attempt(a AttemptInfo) {
	attrs := []slog.Attr{
		slog.String("instance", string(a.Instance)), slog.String("execution", string(a.Execution)), slog.Uint64("turn", uint64(a.Turn)),
		slog.Int("task", int(a.Call.ID)), slog.String("function", a.Call.Name), slog.Int("attempt", int(max(a.Call.Attempt, 1))),
	}
	failure := a.End.Failure
	switch {
	case a.End.Kind == history.TaskCompleted:
		l.write(slog.LevelDebug, "activity ended", attrs, nil)
	case failure != nil && failure.Type == history.FailurePanic:
		l.write(slog.LevelError, "attempt failed", attrs, failure)
	default:
		l.write(slog.LevelWarn, "attempt failed", attrs, failure)
	}
}

// hold tells of the first hold, and when the reason changes.
func (l logger) hold(h HoldInfo) {
	if h.Again {
		return
	}
	attrs := []any{"instance", h.Instance, "function", h.Function}
	if h.Task != history.NoID {
		attrs = append(attrs, "task", h.Task)
	}
	l.Warn("held", append(attrs, "reason", h.Reason, "retryIn", h.delay)...)
}

// slowCode tells of each case once, when it is found. What it names is what an
// operator looks for in the code.
func (l logger) slowCode(s SlowCodeInfo) {
	attrs := []any{"instance", s.Instance, "function", s.Function}
	if s.Task != history.NoID {
		attrs = append(attrs, "task", s.Task)
	}
	switch s.Kind {
	case TurnBlocked:
		l.Warn("an orchestrator does not come back", append(attrs, "for", s.For, "place", s.Place)...)
	case ActivitySlow:
		l.Warn("an activity takes long", append(attrs, "for", s.For, "place", s.Place)...)
	case DeferredBlocked:
		l.Warn("deferred functions do not come back", append(attrs, "for", s.For, "place", s.Place, "leftBehind", s.LeftBehind)...)
	case LeftBehind:
		l.Warn("user code is left behind", append(attrs, "since", s.Since, "place", s.Place, "leftBehind", s.LeftBehind)...)
	case CameBack:
		l.Info("code that was left behind has come back", "instance", s.Instance, "leftBehind", s.LeftBehind)
	case SlotsTaken:
		l.Warn("activities wait: all slots are taken", "for", s.For, "slots", s.Slots, "waiting", s.Waiting, "functions", s.Functions)
	case SlotsLost:
		l.Error("too much code does not come back: its slots are not replaced any more", "replaced", s.Slots)
	}
}

// maxToldBytes bounds each text of the user's in a line.
const maxToldBytes = 8 << 10

// write writes a line. That of an error has the failure's stack, if there is
// one.
func (l logger) write(level slog.Level, message string, attrs []slog.Attr, failure *history.Failure) {
	if failure != nil {
		attrs = append(attrs, slog.String("error", shortened(failure.String())))
		if stack := failure.Trace(); level == slog.LevelError && stack != "" {
			attrs = append(attrs, slog.String("stack", shortened(stack)))
		}
	}
	l.LogAttrs(context.Background(), level, message, attrs...)
}

// shortened is text as a line of the log may have it.
func shortened(text string) string {
	if len(text) <= maxToldBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxToldBytes], "") + "..." // not half a character
}
