package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// firstPageToken is the token that the original prints after the last page; it
// asks for the first one.
const firstPageToken = "bnVsbA=="

// listOptions are those of get-instances besides its filter.
type listOptions struct {
	top, limit, token string
	all, count, watch bool
	input, output     bool
	parent            string
}

func (t *tool) getInstances() *cobra.Command {
	cmd := t.newCommand("get-instances [--runtime-status STATUS ...] [--created-after TIME] [--top N | --all]", "List instances, newest first",
		`perdure get-instances --created-after 7d --runtime-status running failed --top 15`)
	filter := t.filterOptions(cmd)
	var o listOptions
	flags := cmd.Flags()
	flags.StringVar(&o.top, "top", "10", "instances in a page, 1 to 1000")
	flags.StringVar(&o.token, "continuation-token", "", "begin after the page that printed this token")
	flags.BoolVar(&o.all, "all", false, "all pages")
	flags.StringVar(&o.limit, "limit", "", "so many instances, in as many pages as it takes")
	flags.BoolVar(&o.count, "count", false, "only how many there are, by status")
	flags.StringVar(&o.parent, "parent", "", "only the children of the instance with this id, ended ones too")
	flags.BoolVar(&o.watch, "watch", false, "show the page, and then each instance that changes, a line each")
	flags.BoolVar(&o.input, "show-input", false, "show the inputs (default: tables do not, other formats do)")
	flags.BoolVar(&o.output, "show-output", false, "show the outputs (default: tables do not, other formats do)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := exclusive(cmd, "all", "limit", "count", "watch"); err != nil {
			return err
		}
		if o.parent == "" && cmd.Flags().Changed("parent") { // not all instances: a variable may not have been set
			return usage("--parent needs the id of an instance")
		}
		q, limit, err := o.query(filter)
		v := shown{input: o.input, output: o.output}
		if t.tellsAll(o.watch) {
			v.input = v.input || !cmd.Flags().Changed("show-input")
			v.output = v.output || !cmd.Flags().Changed("show-output")
		}
		q.OmitInput, q.OmitOutput = !v.input, !v.output
		switch {
		case err != nil:
			return err
		case o.watch:
			return t.watchInstances(cmd.Context(), q, v)
		case o.count:
			return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
				counts, err := h.Count(ctx, q)
				if err != nil {
					return err
				}
				return t.show(countResult(counts))
			})
		}
		return t.withClient(cmd.Context(), access{endless: o.all}, func(ctx context.Context, h *hub) error {
			return t.list(ctx, h, q, limit, v)
		})
	}
	return cmd
}

// tellsAll reports whether payloads are shown unless they are asked not to be:
// in every format but a table, where they would not fit.
func (t *tool) tellsAll(streams bool) bool {
	if streams {
		return t.streamFormat() != "table"
	}
	return t.format("") != "table"
}

// query returns what to ask for, and how many instances to show; 0 is all.
func (o *listOptions) query(options *filterOptions) (client.Query, int, error) {
	var q client.Query
	f, err := options.read()
	if err != nil {
		return q, 0, err
	}
	top, err := number("--top", o.top, 1000)
	if err != nil {
		return q, 0, err
	}
	limit := top
	switch {
	case o.all:
		limit, top = 0, 1000
	case o.limit != "":
		if limit, err = number("--limit", o.limit, 1<<31-1); err != nil {
			return q, 0, err
		}
		top = min(limit, 1000)
	}
	if o.token == firstPageToken {
		o.token = ""
	}
	return client.Query{
		CreatedFrom: f.from, CreatedTo: secondsEnd(f.to), Statuses: f.statuses, IDPrefix: f.prefix, Name: f.name, Tags: f.tags, Parent: client.InstanceID(o.parent),
		PageSize: top, Token: o.token,
	}, limit, nil
}

// number reads a number from 1 to most.
func number(option, text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, usage("%s %s: the value is a number from 1 to %d", option, text, most)
	}
	return n, nil
}

// list shows limit instances, all if that is 0. JSON is shown as it is read,
// and a document has no end if something goes wrong; everything else at once,
// so that what is cut short is not mistaken for the whole.
func (t *tool) list(ctx context.Context, h *hub, q client.Query, limit int, v shown) error {
	form := t.format("")
	var found []*client.Status
	document := arrayWriter{w: t.stdout, name: "instances"}
	for shown := 0; ; {
		if limit > 0 {
			q.PageSize = min(q.PageSize, limit-shown)
		}
		page, err := h.List(ctx, q)
		if err != nil {
			return err
		}
		shown += len(page.Items)
		for _, s := range page.Items {
			switch form {
			case "json":
				err = document.add(newRecord(s, v))
			case "jsonl":
				err = encode(t.stdout, "", newRecord(s, v))
			case "table":
				s.CustomStatus = nil // which it does not show
				found = append(found, s)
			default:
				found = append(found, s)
			}
			if err != nil {
				return err
			}
		}
		q.Token = page.Token
		if page.Token == "" || limit > 0 && shown >= limit {
			break
		}
	}
	var err error
	switch form {
	case "json":
		err = document.end(object{{"continuationToken", q.Token}})
	case "table":
		v = v.of(found...)
		rows := []row{tableHead(v)}
		for _, s := range found {
			rows = append(rows, tableRow(s, v))
		}
		err = t.writeTable(rows)
	case "legacy":
		err = t.showLegacy(found, q.Token, v)
	}
	if err != nil {
		return err
	}
	if q.Token != "" && (form == "jsonl" || form == "table") {
		t.warn("there are more: --continuation-token %s", q.Token)
	}
	return nil
}

func (t *tool) showLegacy(found []*client.Status, token string, v shown) error {
	classic := []any{}
	for _, s := range found {
		classic = append(classic, newLegacy(s, v))
	}
	if err := encode(t.stdout, "  ", classic); err != nil {
		return err
	}
	_, err := fmt.Fprintf(t.stdout, "Continuation token for next set of results: '%s'\n", token)
	return err
}

// countResult shows counts of statuses, those with instances only.
func countResult(counts client.Counts) result {
	byStatus, rows := object{}, []row{{"STATUS", "INSTANCES"}}
	for _, status := range history.Statuses() {
		if n := counts[status]; n > 0 {
			byStatus = byStatus.with(status.String(), n)
			rows = append(rows, row{status.String(), fmt.Sprint(n)})
		}
	}
	return result{document: object{{"counts", byStatus}, {"total", counts.Total()}}, rows: append(rows, row{"Total", fmt.Sprint(counts.Total())})}
}

// watchInstances shows a page, and from then on every instance of it that is
// new or has changed, until it is interrupted. Where no app runs nothing
// changes.
func (t *tool) watchInstances(ctx context.Context, q client.Query, v shown) error {
	if err := t.checkStream("--watch"); err != nil {
		return err
	}
	t.looksOn = true
	return t.withClient(ctx, access{endless: true}, func(ctx context.Context, h *hub) error {
		known := map[string]string{} // what was shown of each instance
		for {
			page, err := h.List(ctx, q)
			if err != nil {
				return err
			}
			for i := len(page.Items) - 1; i >= 0; i-- { // the newest one last, as lines go
				s := page.Items[i]
				state := fmt.Sprint(s.ExecutionID, s.RuntimeStatus, string(s.CustomStatus))
				if known[string(s.ID)] == state {
					continue
				}
				known[string(s.ID)] = state
				if err := t.showChange(s, v); err != nil {
					return err
				}
			}
			if h.idle != "" {
				return fmt.Errorf("%s, so nothing changes: %w", h.idle, errIdle)
			}
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		}
	})
}

func (t *tool) showChange(s *client.Status, v shown) error {
	if t.streamFormat() == "jsonl" {
		return encode(t.stdout, "", newRecord(s, v))
	}
	r := cells(row{string(s.ID), s.Name})
	return draw(t.stdout, fmt.Sprintf("%s  %s %s  %s\n", second(s.UpdatedAt), t.paint(fmt.Sprintf("%-10s", s.RuntimeStatus)), r[0], r[1]))
}
