package hubs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// Who changes something, when it is not the holder of a key.
const (
	ByApp         = "app" // its functions, through the client they are given
	ByRetention   = "retention"
	ByCommandLine = "command line" // without a host, or with the key in a host's endpoint file
)

// audited is a running hub as one party has it: every change that the party
// asks for is noted in the audit, before it is done and after, and logged once,
// with message "management" and the attributes
//
//	who what hub [function] [instance] [reason] ... result
//
// where result is "ok" or the error. A purge of many has all that it was asked
// for and is logged when it only counts, too: who purges by accident can tell
// what it was. Other looks are not logged, nor are keys and payloads. The level
// is Info.
//
// Starts and events of the app itself, which is what an app does all day, and
// those of callers who need no key are logged only, the app's at Debug. A start
// that is content with an instance that was there is no change, and is not
// logged.
type audited struct {
	*Hub
	who        string // unless the API says who calls
	quietRaise bool   // events to instances that are missing or have ended are discarded
}

var _ hub.Hub = audited{}

// change is something that is asked for, from before it is done to after.
type change struct {
	of     audited
	by     string // what proves who
	who    string
	what   string
	id     history.InstanceID
	reason string
	more   []slog.Attr
	noted  uint64 // line of the audit that says what was asked for; 0: there is none
}

// ask notes what is going to be done. After an error it must not be.
func (a audited) ask(ctx context.Context, what string, id history.InstanceID, reason string, more ...slog.Attr) (change, error) {
	c := change{of: a, what: what, id: id, reason: reason, more: more}
	c.by, c.who = a.caller(ctx, id)
	if what == "start" || what == "raise-event" {
		if c.by == ByApp || c.by == httpapi.CallerAnonymous {
			return c, nil
		}
	}
	attrs := []slog.Attr{slog.String("what", what), slog.String("by", c.by)}
	if c.who != "" {
		attrs = append(attrs, slog.String("who", c.who))
	}
	attrs = append(append(attrs, c.about()...), more...)
	var err error
	c.noted, err = a.Hubs.Journal.ask(attrs)
	return c, err
}

// caller is what was brought by who calls, and whose that is.
func (a audited) caller(ctx context.Context, id history.InstanceID) (by, who string) {
	switch by, who = httpapi.CallerBy(ctx); {
	case by == "" && a.who == ByCommandLine:
		return a.who, processUser()
	case by == "":
		return a.who, ""
	case by == httpapi.CallerLink:
		return by, string(id) // it is a link of this instance
	case by == bySocket:
		user, _ := ctx.Value(socketKey{}).(string)
		return by, user
	case who == ByCommandLine: // it has the endpoint's key
		return who, ""
	case who == by:
		return by, ""
	}
	return by, who
}

// processUser is who runs this process.
func processUser() string {
	if u, err := user.Current(); err == nil {
		return fmt.Sprintf("user %s (%s)", u.Uid, u.Username)
	}
	return fmt.Sprintf("user %d", os.Geteuid())
}

// about is what a line of the log and one of the audit say in the same way.
func (c *change) about() []slog.Attr {
	attrs := []slog.Attr{slog.String("hub", c.of.Name)}
	if c.id != "" {
		attrs = append(attrs, slog.String("instance", string(c.id)))
	}
	if c.reason != "" {
		attrs = append(attrs, slog.String("reason", c.reason))
	}
	return attrs
}

// done notes and logs what became of it.
func (c *change) done(ctx context.Context, err error, more ...slog.Attr) {
	result := "ok"
	if err != nil {
		result = err.Error()
	}
	if c.noted > 0 {
		attrs := []slog.Attr{slog.String("what", c.what), slog.Uint64("of", c.noted)}
		if c.id != "" {
			attrs = append(attrs, slog.String("instance", string(c.id)))
		}
		c.of.Hubs.Journal.result(append(append(attrs, more...), slog.String("result", result)))
	}
	level := slog.LevelInfo
	if c.by == ByApp && (c.what == "start" || c.what == "raise-event") {
		level = slog.LevelDebug
	}
	if !c.of.Log.Enabled(ctx, level) {
		return
	}
	attrs := append([]slog.Attr{slog.String("who", cmp.Or(httpapi.Caller(ctx), c.of.who)), slog.String("what", c.what)}, c.about()...)
	attrs = append(append(attrs, c.more...), more...)
	c.of.Log.LogAttrs(ctx, level, "management", append(attrs, slog.String("result", result))...)
}

// nothing notes that nothing had to be done.
func (c *change) nothing() {
	if c.noted > 0 {
		c.of.Hubs.Journal.result([]slog.Attr{slog.String("what", c.what), slog.Uint64("of", c.noted), slog.String("instance", string(c.id)), slog.String("result", "it was there")})
	}
}

func (a audited) Start(ctx context.Context, r hub.StartRequest) (history.InstanceID, error) {
	var found bool
	r.Found = &found
	c, err := a.ask(ctx, "start", r.ID, "", slog.String("function", r.Name))
	var id history.InstanceID
	if err == nil {
		id, err = a.current().Start(ctx, r)
	}
	c.id = cmp.Or(id, r.ID)
	if found {
		c.nothing()
	} else {
		c.done(ctx, err)
	}
	return id, err
}

// What is refused before it has come whole is logged like any refusal. Nothing
// is going to be done, so the audit has no line of it.

func (a audited) CheckStart(ctx context.Context, r hub.StartRequest) error {
	return a.refused(ctx, a.Engine.Load().CheckStart(ctx, r), "start", r.ID, slog.String("function", r.Name))
}

func (a audited) CheckRaise(ctx context.Context, id history.InstanceID, r hub.RaiseRequest) error {
	return a.refused(ctx, a.Engine.Load().CheckRaise(ctx, id, r), "raise-event", id, slog.String("event", r.Name))
}

func (a audited) CheckImport(ctx context.Context, r hub.ImportRequest) error {
	return a.refused(ctx, a.Engine.Load().CheckImport(ctx, r), "import", r.ID)
}

// refused logs err, if it is one, and returns it.
func (a audited) refused(ctx context.Context, err error, what string, id history.InstanceID, more ...slog.Attr) error {
	if err != nil {
		c := change{of: a, what: what, id: id, more: more}
		c.by, c.who = a.caller(ctx, id)
		c.done(ctx, err)
	}
	return err
}

func (a audited) Raise(ctx context.Context, id history.InstanceID, r hub.RaiseRequest) error {
	c, err := a.ask(ctx, "raise-event", id, "", slog.String("event", r.Name))
	if err == nil {
		err = a.current().Raise(ctx, id, r)
	}
	c.done(ctx, err)
	if a.quietRaise && (errors.Is(err, hub.ErrNotFound) || errors.Is(err, hub.ErrTerminal)) {
		return nil
	}
	return err
}

func (a audited) Terminate(ctx context.Context, id history.InstanceID, r hub.TerminateRequest) error {
	var reason string
	json.Unmarshal(r.Reason, &reason) // one that is no text is a payload, and stays out of it
	c, err := a.ask(ctx, "terminate", id, reason, slog.Bool("recursive", r.Recursive))
	if err == nil {
		err = a.current().Terminate(ctx, id, r)
	}
	c.done(ctx, err)
	return err
}

func (a audited) Suspend(ctx context.Context, id history.InstanceID, reason string) error {
	c, err := a.ask(ctx, "suspend", id, reason)
	if err == nil {
		err = a.current().Suspend(ctx, id, reason)
	}
	c.done(ctx, err)
	return err
}

func (a audited) Resume(ctx context.Context, id history.InstanceID, reason string) error {
	c, err := a.ask(ctx, "resume", id, reason)
	if err == nil {
		err = a.current().Resume(ctx, id, reason)
	}
	c.done(ctx, err)
	return err
}

func (a audited) Rewind(ctx context.Context, id history.InstanceID, r hub.RewindRequest) error {
	c, err := a.ask(ctx, "rewind", id, r.Reason, slog.Bool("all", r.All))
	if err == nil {
		err = a.current().Rewind(ctx, id, r)
	}
	c.done(ctx, err)
	return err
}

func (a audited) Restart(ctx context.Context, id history.InstanceID, r hub.RestartRequest) (history.InstanceID, error) {
	c, err := a.ask(ctx, "restart", id, "")
	var fresh history.InstanceID
	if err == nil {
		fresh, err = a.current().Restart(ctx, id, r)
	}
	c.done(ctx, err, slog.String("as", string(fresh)))
	return fresh, err
}

func (a audited) Purge(ctx context.Context, id history.InstanceID, r hub.PurgeRequest) (hub.PurgeResult, error) {
	c, err := a.ask(ctx, "purge", id, "", slog.Bool("force", r.Force), slog.Bool("recursive", r.Recursive))
	var result hub.PurgeResult
	if err == nil {
		result, err = a.current().Purge(ctx, id, r)
	}
	c.done(ctx, err, slog.Int("deleted", result.Deleted))
	return result, err
}

func (a audited) PurgeBy(ctx context.Context, f hub.PurgeFilter) (hub.PurgeResult, error) {
	if a.who == ByRetention && !f.DryRun {
		// It looks again and again, and mostly there is nothing to be noted.
		look := f
		look.DryRun, look.Max = true, 1
		if result, err := a.current().PurgeBy(ctx, look); err != nil || result.Deleted == 0 {
			c := change{of: a, what: "purge", more: asked(f)}
			c.done(ctx, err, slog.Int("deleted", 0), slog.Bool("complete", result.Complete))
			return result, err
		}
	}
	c, err := change{of: a, what: "purge", more: asked(f)}, error(nil)
	if !f.DryRun {
		c, err = a.ask(ctx, "purge", "", "", asked(f)...)
	}
	var result hub.PurgeResult
	if err == nil {
		result, err = a.current().PurgeBy(ctx, f)
	}
	c.done(ctx, err, slog.Int("deleted", result.Deleted), slog.Bool("complete", result.Complete))
	return result, err
}

// asked is all that a purge was asked for: what is not in it was no condition.
func asked(f hub.PurgeFilter) []slog.Attr {
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

func (a audited) Import(ctx context.Context, r hub.ImportRequest) (history.InstanceID, error) {
	c, err := a.ask(ctx, "import", cmp.Or(r.ID, r.Archive.Instance.ID), "")
	var id history.InstanceID
	if err == nil {
		id, err = a.current().Import(ctx, r)
	}
	c.done(ctx, err)
	return id, err
}

// Export changes nothing, but what it gives away is all of an instance.
func (a audited) Export(ctx context.Context, id history.InstanceID) (hub.Archive, error) {
	c, err := a.ask(ctx, "export", id, "")
	var archive hub.Archive
	if err == nil {
		archive, err = a.current().Export(ctx, id)
	}
	c.done(ctx, err)
	return archive, err
}

// DeleteHub removes the hub with everything in it; see [hubs.delete].
func (a audited) DeleteHub(ctx context.Context, force bool) error {
	c, err := a.ask(ctx, "delete-hub", "", "", slog.Bool("force", force))
	if err == nil {
		err = a.Hubs.delete(ctx, a.Name, force)
	}
	c.done(ctx, err)
	return err
}

func (a audited) PlanRewind(ctx context.Context, id history.InstanceID, r hub.RewindRequest) (hub.RewindPlan, error) {
	return a.current().PlanRewind(ctx, id, r)
}

func (a audited) Status(ctx context.Context, id history.InstanceID, o hub.StatusOptions) (hub.Status, error) {
	return a.current().Status(ctx, id, o)
}

func (a audited) List(ctx context.Context, q hub.ListRequest, o hub.StatusOptions) (hub.StatusPage, error) {
	return a.current().List(ctx, q, o)
}

func (a audited) MergedHistory(ctx context.Context, id history.InstanceID, inputs, outputs bool) (hub.Status, []hub.MergedEvent, error) {
	return a.current().MergedHistory(ctx, id, inputs, outputs)
}

func (a audited) Count(ctx context.Context, q history.Query) (history.Counts, error) {
	return a.current().Count(ctx, q)
}

func (a audited) Explain(ctx context.Context, id history.InstanceID) (hub.Explanation, error) {
	return a.current().Explain(ctx, id)
}

func (a audited) WaitStarted(ctx context.Context, id history.InstanceID) error {
	return a.current().WaitStarted(ctx, id)
}

func (a audited) Wait(ctx context.Context, id history.InstanceID) (hub.Status, error) {
	return a.current().Wait(ctx, id)
}
