package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

// pause is between two looks of what watches.
const pause = time.Second

func (t *tool) getHistory() *cobra.Command {
	cmd := t.newCommand("get-history --id ID [--follow]", "Show the history of an instance", "perdure get-history --id order-17")
	id := t.instanceID(cmd)
	follow := cmd.Flags().Bool("follow", false, "show events as they come, until the instance has ended; a JSON line each unless -o table")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *follow {
			return t.followHistory(cmd.Context(), *id)
		}
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, c *client.Client) error {
			events, err := readHistory(ctx, c, *id, 0)
			if err != nil {
				return t.noHistory(named(*id, err))
			}
			return t.show(historyResult(*id, events))
		})
	}
	return cmd
}

// readHistory returns the events after a position.
func readHistory(ctx context.Context, c *client.Client, id string, after int64) ([]client.Event, error) {
	var events []client.Event
	for ev, err := range c.History(ctx, id, client.HistoryOptions{Inputs: true, Outputs: true, After: after}) {
		if err != nil {
			return nil, err
		}
		events = append(events, ev)
	}
	return events, nil
}

// noHistory is about an instance that is not there: scripts that know the original
// read its empty history.
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

func historyResult(id string, events []client.Event) result {
	ours, legacy := eventForm{id: id}, eventForm{id: id, legacy: true}
	lines, classic, rows := []any{}, []any{}, []row{eventHead}
	for i := range events {
		ev := &events[i].Event
		lines = append(lines, ours.event(ev))
		classic = append(classic, legacy.event(ev))
		rows = append(rows, eventRow(ev))
	}
	return result{document: lines, lines: lines, rows: rows, legacy: classic}
}

// followHistory shows events until the instance has ended.
func (t *tool) followHistory(ctx context.Context, id string) error {
	form, err := t.streamFormat("--follow")
	if err != nil {
		return err
	}
	return t.withClient(ctx, access{endless: true}, func(ctx context.Context, c *client.Client) error {
		var after int64
		for {
			status, err := t.current(ctx, c, id) // first: what comes later is read again
			if err != nil {
				return err
			}
			events, err := readHistory(ctx, c, id, after)
			if err != nil {
				return named(id, err)
			}
			for i := range events {
				after = events[i].Position
				if err := t.showEvent(form, id, &events[i]); err != nil {
					return err
				}
			}
			if status.Terminal() {
				return nil
			}
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	})
}

func (t *tool) showEvent(format, id string, ev *client.Event) error {
	if format == "jsonl" {
		return encode(t.stdout, "", eventForm{id: id}.event(&ev.Event))
	}
	r := cells(eventRow(&ev.Event))
	_, err := fmt.Fprintf(t.stdout, "%-28s %-34s %s %s\n", r[0], r[1], r[2], r[3])
	return err
}

// streamFormat is the format of what shows lines as they come.
func (t *tool) streamFormat(option string) (string, error) {
	switch {
	case t.output == "json" || t.output == "legacy":
		return "", usage("%s goes with --output jsonl or table, since it shows more and more", option)
	case t.output == "table" || t.output == "" && t.terminal(t.stdout):
		return "table", nil
	}
	return "jsonl", nil
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
