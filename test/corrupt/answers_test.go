package corrupt

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
	"github.com/perdure/perdure/internal/store/embedded"
)

// answers are what a store says to each question: a text, or an error.
type answers map[string]answer

type answer struct {
	text string
	err  error
}

// survey is what a store is asked about, taken from the undamaged one.
type survey []hubSurvey

type hubSurvey struct {
	name    string
	rows    []history.Instance
	queries map[string]history.Query
}

// takeSurvey asks an undamaged store what there is.
func takeSurvey(t *testing.T, dir string) survey {
	t.Helper()
	db, err := embedded.Open(dir, embedded.Options{MinFreeBytes: 1})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer db.Close()
	var s survey
	for _, name := range db.Hubs() {
		hub, err := db.Hub(name, store.HubOptions{})
		if err != nil {
			t.Fatal(err)
		}
		h := hubSurvey{name: name, queries: map[string]history.Query{"all": {}}}
		for row, err := range list(t.Context(), hub, history.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			h.rows = append(h.rows, row)
			h.queries["status "+row.Status.String()] = history.Query{Statuses: []history.RuntimeStatus{row.Status}}
			h.queries["name "+row.Name] = history.Query{Name: row.Name}
			for tag, value := range row.Tags {
				h.queries["tag "+tag+" "+value] = history.Query{Tags: map[string]string{tag: value}}
			}
			for _, label := range row.Labels {
				h.queries["label "+label] = history.Query{Labels: []string{label}}
			}
		}
		s = append(s, h)
	}
	return s
}

// list yields all rows that q matches.
func list(ctx context.Context, hub *embedded.Hub, q history.Query) iter.Seq2[history.Instance, error] {
	return func(yield func(history.Instance, error) bool) {
		for {
			page, err := hub.ListInstances(ctx, q)
			if err != nil {
				yield(history.Instance{}, err)
				return
			}
			for _, row := range page.Rows {
				if !yield(row, nil) {
					return
				}
			}
			if len(page.Unreadable) > 0 {
				yield(history.Instance{}, fmt.Errorf("unreadable: %v", page.Unreadable))
				return
			}
			if q.Before = page.Next; page.Next == 0 {
				return
			}
		}
	}
}

// ask asks an open store everything.
func (s survey) ask(ctx context.Context, db *embedded.DB) answers {
	all := answers{"hubs": {text: strings.Join(db.Hubs(), " ")}}
	for _, h := range s {
		hub, err := db.Hub(h.name, store.HubOptions{})
		if err != nil {
			all[h.name+" | hub"] = answer{err: err}
			continue
		}
		h.ask(ctx, hub, func(question string, text string, err error) {
			all[h.name+" | "+question] = answer{text, err}
		})
	}
	return all
}

func (h *hubSurvey) ask(ctx context.Context, hub *embedded.Hub, add func(question, text string, err error)) {
	add("hub", fmt.Sprint(hub.Partitions(), " partitions"), nil)
	for name, q := range h.queries {
		text, err := join(list(ctx, hub, q), func(row history.Instance) string { return rowText(&row) })
		add("list "+name, text, err)
		counts, err := hub.CountInstances(ctx, q)
		add("count "+name, countText(counts), err)
	}
	last, err := hub.LastNumber(ctx)
	add("last number", fmt.Sprint(last), err)
	for p := range hub.Partitions() {
		text, err := join(hub.Working(ctx, p), func(r store.Ref) string { return fmt.Sprint(r) })
		add(fmt.Sprint("work ", p), text, err)
		text, err = join(hub.Inbox(ctx, p), func(m store.Message) string { return fmt.Sprint(m.MessageKey, string(m.Bytes)) })
		add(fmt.Sprint("inbox ", p), text, err)
		timers, err := hub.Timers(ctx, p, store.Timer{}, time.UnixMicro(math.MaxInt64/2), math.MaxInt32)
		add(fmt.Sprint("timers ", p), fmt.Sprint(timers), err)
	}
	memo, err := hub.Memo(ctx)
	add("memo", string(memo), err)
	for _, row := range h.rows {
		found, ok, err := hub.FindInstance(ctx, row.ID)
		add("instance "+string(row.ID), fmt.Sprint(ok, rowText(&found)), err)
		text, err := join(hub.Records(ctx, row.Number), recordText)
		add("history "+string(row.ID), text, err)
		record, ok, err := hub.LastRecord(ctx, row.Number)
		add("last turn "+string(row.ID), fmt.Sprint(ok, recordText(record)), err)
	}
}

func join[T any](seq iter.Seq2[T, error], text func(T) string) (string, error) {
	var lines []string
	for item, err := range seq {
		if err != nil {
			return "", err
		}
		lines = append(lines, text(item))
	}
	return strings.Join(lines, "\n"), nil
}

func rowText(row *history.Instance) string { return string(history.AppendInstance(nil, row)) }

func recordText(r store.Record) string { return fmt.Sprint(r.Seq, " ", string(r.Bytes)) }

func countText(c history.Counts) string {
	var all []string
	for _, status := range slices.Sorted(maps.Keys(c)) {
		if c[status] != 0 {
			all = append(all, fmt.Sprint(status, " ", c[status]))
		}
	}
	return strings.Join(all, ", ")
}

// compare tells how got differs from the answers of the undamaged store: wrong is the
// first other answer, "" if there is none, and failed how many reads failed.
func (want answers) compare(got answers) (wrong string, failed int) {
	for _, question := range slices.Sorted(maps.Keys(want)) {
		a, asked := got[question]
		hub, _, _ := strings.Cut(question, " | ")
		switch {
		case !asked && got[hub+" | hub"].err == nil && wrong == "":
			wrong = "not asked: " + question
		case !asked || a.err != nil:
			failed++
		case a.text != want[question].text && wrong == "":
			wrong = fmt.Sprintf("%s: %.100q, not %.100q", question, a.text, want[question].text)
		}
	}
	return wrong, failed
}
