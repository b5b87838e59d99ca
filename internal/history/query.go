package history

import (
	"slices"
	"strings"
	"time"
)

// Query filters status rows; all that is given must hold. Zero fields do not
// filter; a time does unless it is nil, the zero time too: it is long ago.
// Instances whose id begins with '@' belong to entities: they are left out
// unless IDPrefix asks for them.
type Query struct {
	CreatedFrom   *time.Time // inclusive, to the microsecond
	CreatedTo     *time.Time // inclusive
	CompletedFrom *time.Time // inclusive; leaves out what has not ended
	CompletedTo   *time.Time // inclusive; leaves out what has not ended
	Statuses      []RuntimeStatus
	IDPrefix      string            // letter case counts
	Name          string            // of the orchestrator, in any letter case
	Tags          map[string]string // all of them with these values
	Labels        []string          // all of them; see [ParentLabel]
	// Parent leaves out all but the children of instances that have, or had,
	// this id. A store need not look it up in an index: what else is known
	// belongs in Labels.
	Parent InstanceID
	Before Number // only numbers below; where the page before ended
	Limit  int    // at most so many rows; 0 means 100
}

// PageBytes is how many bytes of payloads a page of a list holds before it ends
// early: it has at least one instance, and what a page takes is about as much
// and one instance more.
const PageBytes = 4 << 20

// RowBytes is how much of a row counts for [PageBytes].
func RowBytes(row *Instance) int { return len(row.CustomStatus) + len(row.Reason) }

// Counts says how many instances there are in each status; a status without any
// may be missing.
type Counts map[RuntimeStatus]int64

// Total returns the sum.
func (c Counts) Total() int64 {
	var n int64
	for _, count := range c {
		n += count
	}
	return n
}

// Matches reports whether q asks for row, leaving Limit aside.
func (q *Query) Matches(row *Instance) bool {
	micros := row.Number.Micros()
	switch {
	case q.Before != 0 && row.Number >= q.Before:
	case q.CreatedFrom != nil && micros < q.CreatedFrom.UnixMicro():
	case q.CreatedTo != nil && micros > q.CreatedTo.UnixMicro():
	case q.CompletedFrom != nil && (row.CompletedAt.IsZero() || row.CompletedAt.Before(*q.CompletedFrom)):
	case q.CompletedTo != nil && (row.CompletedAt.IsZero() || row.CompletedAt.After(*q.CompletedTo)):
	case len(q.Statuses) > 0 && !slices.Contains(q.Statuses, row.Status):
	case !strings.HasPrefix(string(row.ID), q.IDPrefix):
	case strings.HasPrefix(string(row.ID), "@") && q.IDPrefix == "":
	case q.Name != "" && !strings.EqualFold(q.Name, row.Name):
	case !tagged(row.Tags, q.Tags):
	case slices.ContainsFunc(q.Labels, func(label string) bool { return !slices.Contains(row.Labels, label) }):
	case q.Parent != "" && (row.Parent == nil || row.Parent.InstanceID != q.Parent):
	default:
		return true
	}
	return false
}

func tagged(tags, want map[string]string) bool {
	for name, value := range want {
		if got, ok := tags[name]; !ok || got != value {
			return false
		}
	}
	return true
}

// Tellable is q with times that stores can compare.
func (q Query) Tellable() Query {
	for _, at := range []**time.Time{&q.CreatedFrom, &q.CreatedTo, &q.CompletedFrom, &q.CompletedTo} {
		if *at != nil {
			*at = new(Tellable(**at))
		}
	}
	return q
}
