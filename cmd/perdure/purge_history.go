package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

// purgeOptions are those of purge-history besides its filter.
type purgeOptions struct {
	id                            string
	recursive, force, dryRun, yes bool
	olderThan                     durationOption
}

func (t *tool) purgeHistory() *cobra.Command {
	cmd := t.newCommand("purge-history [ID | --runtime-status STATUS ... --created-before TIME] [--dry-run] [--yes]",
		"Remove instances that have ended, with their histories",
		"perdure purge-history --created-before 2024-11-14T19:35:00Z --runtime-status failed --yes")
	filter := t.filterOptions(cmd)
	o := purgeOptions{olderThan: durationOption{name: "older-than"}}
	flags := cmd.Flags()
	flags.StringVarP(&o.id, "id", "i", "", "one instance, instead of a filter")
	flags.BoolVar(&o.recursive, "recursive", false, "with --id: its sub-orchestrations too")
	flags.BoolVar(&o.force, "force", false, "with --id: also when it has not ended; it ends at once")
	flags.StringVar(&o.olderThan.text, "older-than", "", "only instances that ended so long ago, such as 30d")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only count")
	flags.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	t.takesWord(cmd, "id", false)
	cmd.RegisterFlagCompletionFunc("id", t.completeIDs)
	cmd.ValidArgsFunction = t.completeIDs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.id != "" {
			return t.purgeOne(cmd, &o)
		}
		if o.recursive || o.force {
			return usage("--recursive and --force go with --id: a filter never touches instances that have not ended")
		}
		f, err := filter.read()
		if err != nil {
			return err
		}
		return t.purgeBy(cmd.Context(), f, &o)
	}
	return cmd
}

// purgeBy purges what a filter matches.
func (t *tool) purgeBy(ctx context.Context, f filter, o *purgeOptions) error {
	age, err := o.olderThan.duration()
	if err == nil {
		err = t.onlyEnded(&f)
	}
	if err != nil {
		return err
	}
	asked := client.PurgeFilter{CreatedFrom: f.from, CreatedTo: secondsEnd(f.to), Statuses: f.statuses, Tags: f.tags, DryRun: o.dryRun}
	if f.prefix != "" { // it cannot be given and empty
		asked.IDPrefix = &f.prefix
	}
	if f.name != "" {
		asked.Name = &f.name
	}
	if age > 0 {
		asked.CompletedBefore = new(time.Now().Add(-age))
	}
	asked.All = !f.given() && age == 0
	if !o.dryRun && !t.coreTools && !o.yes && !t.atTerminal(t.stdin) {
		return t.confirm(false, "") // refuses, before anything is looked at
	}
	total := 0
	if ask := !o.dryRun && !o.yes && !t.coreTools; ask || !o.dryRun && t.atTerminal(t.stderr) {
		hubName := ""
		err := t.withClient(ctx, access{endless: true}, func(ctx context.Context, h *hub) error {
			preview := asked
			preview.DryRun = true
			plan, err := h.PurgeBy(ctx, preview)
			total, hubName = plan.Deleted, h.called()
			return err
		})
		if err != nil {
			return err
		}
		// Nobody else can use a store that is held open while a person thinks.
		if err := t.confirm(o.yes, fmt.Sprintf("Purge %s of %s that %s?", counted(total), hubName, f.said(o.olderThan.text, total))); err != nil {
			return err
		}
	}
	return t.withClient(ctx, access{endless: true}, func(ctx context.Context, h *hub) error {
		bar := t.progress(total)
		asked.Progress = bar.show
		done, err := h.PurgeBy(ctx, asked)
		bar.end()
		if err != nil {
			if done.Deleted > 0 {
				t.warn("until then %s were deleted", counted(done.Deleted))
			}
			return err
		}
		if !done.Complete {
			t.warn("there is more to purge: run the same command again")
		}
		what := fmt.Sprintf("of the instances of %s that %s", h.called(), f.said(o.olderThan.text, 0))
		if t.format("") == "legacy" {
			what = purgedByOriginal(f)
		}
		return t.show(purged(what, done, o.dryRun))
	})
}

// called is the hub's name as one says it.
func (h *hub) called() string {
	if h.name == "" {
		return "the host's task hub"
	}
	return "task hub " + h.name
}

func counted(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

// said is what a filter asks for, as one says it of so many instances.
func (f *filter) said(age string, n int) string {
	have, are, were := "have", "are", "were"
	if n == 1 {
		have, are, were = "has", "is", "was"
	}
	parts := []string{have + " ended"}
	say := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if len(f.statuses) > 0 {
		parts[0] = are + " " + strings.ReplaceAll(joined(f.statuses), ",", " or ")
	}
	if f.from != nil {
		say("%s created at %s or later", were, instant(*f.from))
	}
	if f.to != nil {
		say("%s created at %s or earlier", were, instant(*f.to))
	}
	if age != "" {
		say("ended more than %s ago", age)
	}
	if f.prefix != "" {
		say("%s an id that begins with %q", have, f.prefix)
	}
	if f.name != "" {
		say("%s of orchestrator %s", are, f.name)
	}
	for _, name := range slices.Sorted(maps.Keys(f.tags)) {
		say("%s tag %s=%s", have, name, f.tags[name])
	}
	if last := len(parts) - 1; last > 0 {
		return strings.Join(parts[:last], ", ") + " and " + parts[last]
	}
	return parts[0]
}

// onlyEnded drops the statuses of live instances, which are never purged by a
// filter, with a warning. Only such ones are a mistake.
func (t *tool) onlyEnded(f *filter) error {
	var ended []client.RuntimeStatus
	for _, status := range f.statuses {
		if status.Terminal() {
			ended = append(ended, status)
		}
	}
	switch {
	case len(f.statuses) > 0 && len(ended) == 0:
		return usage("--runtime-status: only instances that have ended are purged: Completed, Failed, Terminated, Canceled")
	case len(ended) < len(f.statuses):
		t.warn("instances that have not ended are left alone: only %s are purged", joined(ended))
	}
	f.statuses = ended
	return nil
}

// purgedByOriginal is what the original's report says was purged.
func purgedByOriginal(f filter) string {
	from, to := "0001-01-01T00:00:00Z", "9999-12-30T23:59:59Z"
	if f.from != nil {
		from = instant(*f.from)
	}
	if f.to != nil {
		to = instant(*f.to)
	}
	text := fmt.Sprintf("for all instances created between '%s' and '%s'", from, to)
	if len(f.statuses) > 0 {
		text += fmt.Sprintf(" and whose runtime status matches one of the following: [%s]", joined(f.statuses))
	}
	return text
}

func joined(statuses []client.RuntimeStatus) string {
	names := make([]string, len(statuses))
	for i, status := range statuses {
		names[i] = status.String()
	}
	return strings.Join(names, ",")
}

// purged tells of a purge, or of its rehearsal, in the words that scripts know.
func purged(what string, r client.PurgeResult, dryRun bool) result {
	head := "Purged orchestration history " + what
	if dryRun {
		head = "Dry run, nothing is deleted: orchestration history " + what
	}
	text := fmt.Sprintf("%s\nInstances deleted: %d\nRows deleted: %d", head, r.Deleted, r.Events)
	return sentence(text, object{
		{"instancesDeleted", r.Deleted}, {"eventsDeleted", r.Events}, {"skipped", r.Skipped}, {"isComplete", r.Complete}, {"dryRun", dryRun},
	})
}

// purgeOne purges one instance.
func (t *tool) purgeOne(cmd *cobra.Command, o *purgeOptions) error {
	for _, name := range []string{"created-after", "created-before", "runtime-status", "id-prefix", "function-name", "tag", "older-than"} {
		if err := exclusive(cmd, "id", name); err != nil {
			return err
		}
	}
	if o.dryRun && o.recursive {
		return usage("--dry-run counts one instance, not those that --recursive adds")
	}
	if !o.dryRun {
		hubName := "the host's task hub"
		if name, err := t.hubName(); err == nil {
			hubName = "task hub " + name
		}
		if err := t.confirm(o.yes, fmt.Sprintf("Purge instance %s of %s?", o.id, hubName)); err != nil {
			return err
		}
	}
	return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
		do := t.purgeInstance
		if o.dryRun {
			do = t.previewPurge
		}
		done, err := do(ctx, h, o)
		if err != nil {
			return named(o.id, err)
		}
		return t.show(purged(fmt.Sprintf("of instance '%s'", o.id), done, o.dryRun))
	})
}

func (t *tool) purgeInstance(ctx context.Context, h *hub, o *purgeOptions) (client.PurgeResult, error) {
	return h.Purge(ctx, client.InstanceID(o.id), client.PurgeOptions{Force: o.force, Recursive: o.recursive, MustExist: true})
}

func (t *tool) previewPurge(ctx context.Context, h *hub, o *purgeOptions) (client.PurgeResult, error) {
	status, err := h.current(ctx, o.id)
	if err == nil && !status.Terminal() && !o.force {
		err = fmt.Errorf("purge %s: %w: it is %s", o.id, client.ErrInvalidState, status)
	}
	if err != nil {
		return client.PurgeResult{}, err
	}
	events, err := readHistory(ctx, h, o.id, client.HistoryOptions{})
	stored := 0
	for i := range events {
		if !frame(events[i].Kind) {
			stored++
		}
	}
	return client.PurgeResult{Deleted: 1, Events: stored, Complete: true}, err
}

// progress draws a bar on stderr, if a person looks there.
type progress struct {
	tool  *tool
	total int // 0: nothing is drawn
}

func (t *tool) progress(total int) *progress {
	if !t.atTerminal(t.stderr) {
		total = 0
	}
	return &progress{t, total}
}

const barWidth = 40

func (p *progress) show(r client.PurgeResult) {
	if p.total == 0 {
		return
	}
	done := min(barWidth, barWidth*(r.Deleted+r.Skipped)/p.total)
	draw(p.tool.stderr, fmt.Sprintf("\r[%s%s] %d of %d", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), r.Deleted, p.total)) // a bar that cannot be drawn is missed by nobody
}

// end leaves the bar behind.
func (p *progress) end() {
	if p.total > 0 {
		fmt.Fprintln(p.tool.stderr)
	}
}
