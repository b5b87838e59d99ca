package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/engine"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/httpapi"
)

// Who changes something, when it is not the holder of a key.
const (
	byApp         = "app" // its functions, through the client they are given
	byRetention   = "retention"
	byCommandLine = "command line" // without a host, or with the key in a host's endpoint file
)

// audited is a running hub as one party has it: every change that the party
// asks for is logged once, with message "management" and the attributes
//
//	who what hub [function] [instance] [reason] ... result
//
// where result is "ok" or the error. A purge of many has all that it was asked for
// and is logged when it only counts, too: who purges by accident can tell what it was.
// Other looks are not logged, nor are keys and payloads. The level is Info; starts and
// events of the app itself, which is what an app does all day, are logged at Debug. A
// start that is content with an instance that was there is no change.
type audited struct {
	*running
	who        string // unless the API says who calls
	quietRaise bool   // events to instances that are missing or have ended are discarded
}

var _ client.Hub = audited{}

func (a audited) record(ctx context.Context, what string, id history.InstanceID, reason string, err error, more ...slog.Attr) {
	who, level := cmp.Or(httpapi.Caller(ctx), a.who), slog.LevelInfo
	if who == byApp && (what == "start" || what == "raise-event") {
		level = slog.LevelDebug
	}
	if !a.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("who", who), slog.String("what", what), slog.String("hub", a.name)}
	if id != "" {
		attrs = append(attrs, slog.String("instance", string(id)))
	}
	if reason != "" {
		attrs = append(attrs, slog.String("reason", reason))
	}
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	a.log.LogAttrs(ctx, level, "management", append(append(attrs, more...), slog.String("result", result))...)
}

func (a audited) Start(ctx context.Context, r engine.StartRequest) (history.InstanceID, error) {
	var found bool
	r.Found = &found
	id, err := a.current().Start(ctx, r)
	if !found {
		a.record(ctx, "start", cmp.Or(id, r.ID), "", err, slog.String("function", r.Name))
	}
	return id, err
}

func (a audited) Raise(ctx context.Context, id history.InstanceID, r engine.RaiseRequest) error {
	err := a.current().Raise(ctx, id, r)
	a.record(ctx, "raise-event", id, "", err, slog.String("event", r.Name))
	if a.quietRaise && (errors.Is(err, engine.ErrNotFound) || errors.Is(err, engine.ErrTerminal)) {
		return nil
	}
	return err
}

func (a audited) Terminate(ctx context.Context, id history.InstanceID, r engine.TerminateRequest) error {
	err := a.current().Terminate(ctx, id, r)
	var reason string
	json.Unmarshal(r.Reason, &reason) // one that is no text is a payload, and stays out of the log
	a.record(ctx, "terminate", id, reason, err, slog.Bool("recursive", r.Recursive))
	return err
}

func (a audited) Suspend(ctx context.Context, id history.InstanceID, reason string) error {
	err := a.current().Suspend(ctx, id, reason)
	a.record(ctx, "suspend", id, reason, err)
	return err
}

func (a audited) Resume(ctx context.Context, id history.InstanceID, reason string) error {
	err := a.current().Resume(ctx, id, reason)
	a.record(ctx, "resume", id, reason, err)
	return err
}

func (a audited) Rewind(ctx context.Context, id history.InstanceID, r engine.RewindRequest) error {
	err := a.current().Rewind(ctx, id, r)
	a.record(ctx, "rewind", id, r.Reason, err, slog.Bool("all", r.All))
	return err
}

func (a audited) Restart(ctx context.Context, id history.InstanceID, r engine.RestartRequest) (history.InstanceID, error) {
	fresh, err := a.current().Restart(ctx, id, r)
	a.record(ctx, "restart", id, "", err, slog.String("as", string(fresh)))
	return fresh, err
}

func (a audited) Purge(ctx context.Context, id history.InstanceID, r engine.PurgeRequest) (engine.PurgeResult, error) {
	result, err := a.current().Purge(ctx, id, r)
	a.record(ctx, "purge", id, "", err, slog.Bool("force", r.Force), slog.Bool("recursive", r.Recursive), slog.Int("deleted", result.Deleted))
	return result, err
}

func (a audited) PurgeBy(ctx context.Context, f engine.PurgeFilter) (engine.PurgeResult, error) {
	result, err := a.current().PurgeBy(ctx, f)
	asked := append(asked(f), slog.Int("deleted", result.Deleted), slog.Bool("complete", result.Complete))
	a.record(ctx, "purge", "", "", err, asked...)
	return result, err
}

// asked is all that a purge was asked for: what is not in it was no condition.
func asked(f engine.PurgeFilter) []slog.Attr {
	attrs := []slog.Attr{slog.Bool("dryRun", f.DryRun)}
	for _, bound := range []struct {
		name string
		at   *time.Time
	}{{"createdFrom", f.CreatedFrom}, {"createdTo", f.CreatedTo}, {"completedFrom", f.CompletedFrom}, {"completedTo", f.CompletedTo}} {
		if bound.at != nil {
			attrs = append(attrs, slog.Time(bound.name, *bound.at))
		}
	}
	if len(f.Statuses) > 0 {
		attrs = append(attrs, slog.Any("statuses", f.Statuses))
	}
	if f.IDPrefix != "" {
		attrs = append(attrs, slog.String("idPrefix", f.IDPrefix))
	}
	if f.Name != "" {
		attrs = append(attrs, slog.String("function", f.Name))
	}
	if len(f.Tags) > 0 {
		attrs = append(attrs, slog.Any("tags", f.Tags))
	}
	if f.Parent != "" {
		attrs = append(attrs, slog.String("parent", string(f.Parent)))
	}
	if len(f.Labels) > 0 {
		attrs = append(attrs, slog.Any("labels", f.Labels))
	}
	if f.Max > 0 {
		attrs = append(attrs, slog.Int("limit", f.Max))
	}
	return attrs
}

func (a audited) Import(ctx context.Context, r engine.ImportRequest) (history.InstanceID, error) {
	id, err := a.current().Import(ctx, r)
	a.record(ctx, "import", cmp.Or(id, r.ID, r.Archive.Instance.ID), "", err)
	return id, err
}

// DeleteHub removes the hub with everything in it; see [hubs.delete].
func (a audited) DeleteHub(ctx context.Context, force bool) error {
	err := a.hubs.delete(a.name, force)
	a.record(ctx, "delete-hub", "", "", err, slog.Bool("force", force))
	return err
}

func (a audited) PlanRewind(ctx context.Context, id history.InstanceID, r engine.RewindRequest) (engine.RewindPlan, error) {
	return a.current().PlanRewind(ctx, id, r)
}

func (a audited) Status(ctx context.Context, id history.InstanceID, o engine.StatusOptions) (engine.Status, error) {
	return a.current().Status(ctx, id, o)
}

func (a audited) List(ctx context.Context, q engine.Query, o engine.StatusOptions) (engine.StatusPage, error) {
	return a.current().List(ctx, q, o)
}

func (a audited) Count(ctx context.Context, q engine.Query) (engine.Counts, error) {
	return a.current().Count(ctx, q)
}

func (a audited) Explain(ctx context.Context, id history.InstanceID) (engine.Explanation, error) {
	return a.current().Explain(ctx, id)
}

func (a audited) Export(ctx context.Context, id history.InstanceID) (engine.Archive, error) {
	return a.current().Export(ctx, id)
}

func (a audited) WaitStarted(ctx context.Context, id history.InstanceID) error {
	return a.current().WaitStarted(ctx, id)
}

func (a audited) Wait(ctx context.Context, id history.InstanceID) (engine.Status, error) {
	return a.current().Wait(ctx, id)
}

// auditFile is where changes are noted that no host logs. It is there from the
// first change on, for its owner only.
type auditFile struct {
	path string

	mu   sync.Mutex // guards file
	file *os.File
}

func (a *auditFile) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		file, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, err
		}
		a.file = file
	}
	return a.file.Write(line)
}

func (a *auditFile) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}
