package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// pause is between two looks of what watches.
const pause = time.Second

func (t *tool) getHistory() *cobra.Command {
	cmd := t.newCommand("get-history --id ID [--raw] [--follow]", "Show the history of an instance", "perdure get-history --id order-17")
	id := t.instanceID(cmd)
	raw := cmd.Flags().Bool("raw", false, "every event as it was recorded, frames of turns included (default: what was called and what became of it in one line; -o legacy is always raw)")
	follow := cmd.Flags().Bool("follow", false, "show events as they come, a line each, until the instance has ended")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *follow {
			return t.followHistory(cmd.Context(), *id, *raw)
		}
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			o := client.HistoryOptions{Inputs: true, Outputs: true, Merged: !*raw && t.format("") != "legacy"}
			events, err := readHistory(ctx, h, *id, o)
			if err != nil {
				return t.noHistory(named(*id, err))
			}
			return t.show(historyResult(*id, events, o.Merged))
		})
	}
	return cmd
}

func readHistory(ctx context.Context, h *hub, id string, o client.HistoryOptions) ([]client.Event, error) {
	var events []client.Event
	for ev, err := range h.History(ctx, client.InstanceID(id), o) {
		if err != nil {
			return nil, err
		}
		events = append(events, ev)
	}
	return events, nil
}

// noHistory is about an instance that is not there: scripts that know the
// original read its empty history.
func (t *tool) noHistory(err error) error {
	if _, ok := errors.AsType[*missing](err); !ok {
		return err
	}
	if t.format("") == "legacy" {
		fmt.Fprintln(t.stdout, "[]")
	}
	if t.coreTools {
		return nil
	}
	return err
}

func historyResult(id string, events []client.Event, merged bool) result {
	ours, legacy := eventForm{id: id, merged: merged}, eventForm{id: id, legacy: true}
	lines, classic, rows := []any{}, []any{}, []row{eventHead(merged)}
	for i := range events {
		lines = append(lines, ours.event(&events[i]))
		classic = append(classic, legacy.event(&events[i]))
		rows = append(rows, eventRow(&events[i], merged))
	}
	return result{document: lines, lines: lines, rows: rows, legacy: classic}
}

// followHistory shows events until the instance has ended. Where no app runs
// nothing comes.
func (t *tool) followHistory(ctx context.Context, id string, raw bool) error {
	if err := t.checkStream("--follow"); err != nil {
		return err
	}
	t.looksOn = true
	return t.withClient(ctx, access{endless: true}, func(ctx context.Context, h *hub) error {
		var after int64
		calls := map[int32]*history.Event{} // what was called, by task
		for {
			status, err := h.current(ctx, id) // first: what comes later is read again
			if err != nil {
				return err
			}
			events, err := readHistory(ctx, h, id, client.HistoryOptions{Inputs: true, Outputs: true, After: after})
			if err != nil {
				return named(id, err)
			}
			for i := range events {
				ev := &events[i]
				after = ev.Position
				if !raw {
					if frame(ev.Kind) {
						continue
					}
					if ev.Kind.Scheduling() {
						calls[ev.ID] = &ev.RecordedEvent
					}
					ev.Scheduled = calls[ev.TaskID]
				}
				if err := t.showEvent(id, ev); err != nil {
					return err
				}
			}
			switch {
			case status.Terminal():
				return nil
			case h.idle != "":
				return fmt.Errorf("instance %s is %s, and %s: %w", id, status, h.idle, errIdle)
			}
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	})
}

// frame reports whether an event of this kind only frames a turn.
func frame(k history.Kind) bool {
	return k == history.OrchestratorStarted || k == history.OrchestratorCompleted
}

func (t *tool) showEvent(id string, ev *client.Event) error {
	if t.streamFormat() == "jsonl" {
		return encode(t.stdout, "", eventForm{id: id}.event(ev))
	}
	r := cells(eventRow(ev, false))
	_, err := fmt.Fprintf(t.stdout, "%-24s %-34s %s %s\n", r[0], r[1], r[2], r[3])
	return err
}

// checkStream refuses formats that show all at once.
func (t *tool) checkStream(option string) error {
	if t.output == "json" || t.output == "legacy" {
		return usage("%s goes with --output jsonl or table, since it shows more and more", option)
	}
	return nil
}

// streamFormat is the format of what shows lines as they come.
func (t *tool) streamFormat() string {
	if t.output == "jsonl" || t.output == "" && t.coreTools {
		return "jsonl"
	}
	return "table"
}

// sleep returns early with the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
