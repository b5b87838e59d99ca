package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/nearest"
)

// filterOptions say which instances get-instances lists and purge-history
// purges.
type filterOptions struct {
	after, before  dateOption
	statuses, tags []string
	prefix, name   string
}

// filter is what filterOptions mean.
type filter struct {
	from, to     *time.Time // inclusive; nil: no bound
	statuses     []client.RuntimeStatus
	tags         map[string]string
	prefix, name string
}

// given reports whether there is any condition.
func (f *filter) given() bool {
	return f.from != nil || f.to != nil || f.statuses != nil || f.tags != nil || f.prefix != "" || f.name != ""
}

func (t *tool) filterOptions(cmd *cobra.Command) *filterOptions {
	o := &filterOptions{after: dateOption{name: "created-after"}, before: dateOption{name: "created-before"}}
	flags := cmd.Flags()
	flags.StringVar(&o.after.text, "created-after", "", "only instances created then or later: a time (UTC), a date, or how long ago, such as 24h or 7d")
	flags.StringVar(&o.before.text, "created-before", "", "only instances created then or earlier; a whole second counts to its end")
	flags.StringArrayVar(&o.statuses, "runtime-status", nil, "only instances in one of these statuses: names with blanks or commas between them")
	flags.StringVar(&o.prefix, "id-prefix", "", "only instances whose id begins so")
	flags.StringVarP(&o.name, "function-name", "n", "", "only instances of this orchestrator")
	flags.StringArrayVar(&o.tags, "tag", nil, "only instances with this tag, NAME=VALUE; may be repeated")
	cmd.RegisterFlagCompletionFunc("runtime-status", cobra.FixedCompletions(statusNames(), cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("function-name", t.completeFunctions)
	return o
}

func (o *filterOptions) read() (filter, error) {
	f := filter{prefix: o.prefix, name: o.name}
	err := firstError(
		func() (err error) { f.from, err = o.after.bound(); return },
		func() (err error) { f.to, err = o.before.bound(); return },
		func() (err error) { f.statuses, err = parseStatuses(o.statuses); return },
		func() (err error) { f.tags, err = parseTags(o.tags); return },
	)
	return f, err
}

// parseStatuses reads names in any letter case with blanks or commas between
// them (docs/contracts/cli.md 3.6).
func parseStatuses(values []string) ([]client.RuntimeStatus, error) {
	var out []client.RuntimeStatus
	for _, value := range values {
		words := strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
		if len(words) == 0 { // not all of them: a variable may not have been set
			return nil, usage("--runtime-status needs a status, such as %s", history.Completed)
		}
		for _, word := range words {
			status, err := history.ParseStatus(word)
			if err != nil {
				return nil, usage("--runtime-status: %w%s", err, nearest.Hint(word, statusNames()))
			}
			out = append(out, status)
		}
	}
	return out, nil
}

func statusNames() []string {
	var names []string
	for _, status := range history.Statuses() {
		names = append(names, status.String())
	}
	return names
}
