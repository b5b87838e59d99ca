package engine

import (
	"context"
	"slices"
	"time"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// numbering gives out the numbers of a partition's instances: the time of
// creation, in microseconds, and never the same twice. Clocks jump: one that
// was ahead for a while leaves numbers of a time that has not come. When it is
// right again, numbers go on in the time between, which nobody has used. Where
// that is not known, after a clock that goes back into times that were used,
// they follow the highest one.
type numbering struct {
	last int64 // given out last
	end  int64 // where the gap ends that they are from; 0: they are the highest
	top  int64 // the highest that was given out
	gaps []gap // times that the clock passed over, in order
}

// gap is a stretch of microseconds from which no number was given out.
type gap struct{ from, to int64 } // to is the first that does not belong to it

const (
	// A clock that is less behind is not followed: numbers come in the order of
	// creation.
	followBack = int64(time.Second / time.Microsecond)
	maxGaps    = 16
)

// newNumbering goes on after the highest number that was ever used, and in
// free.
func newNumbering(last history.Number, free gap) numbering {
	n := numbering{last: last.Micros(), top: last.Micros()}
	n.passedOver(free)
	return n
}

// unused finds the gap between now and the first number stored after it, for a
// start at which the highest number, last, is of a time that has not come.
func unused(ctx context.Context, store store.Reader, now time.Time, last history.Number) (gap, error) {
	if last.Micros() <= now.UnixMicro()+followBack {
		return gap{}, nil
	}
	q := history.Query{CreatedFrom: &now, Limit: treePageSize}
	for {
		page, err := store.ListInstances(ctx, q)
		if err != nil {
			return gap{}, err
		}
		if n := len(page.Rows); n > 0 {
			last = page.Rows[n-1].Number
		}
		if q.Before = page.Next; page.Next == 0 {
			return gap{now.UnixMicro(), last.Micros()}, nil
		}
	}
}

// next returns the number of an instance that is created now.
func (n *numbering) next(now time.Time, partition int) history.Number {
	micros := now.UnixMicro()
	if micros+followBack < n.last || n.end != 0 && max(micros, n.last+1) >= n.end {
		n.move(micros)
	}
	next := max(micros, n.last+1)
	if n.end == 0 && n.top != 0 && next > n.top+followBack {
		n.passedOver(gap{n.top + 1, next})
	}
	n.last, n.top = next, max(n.top, next)
	return history.NewNumber(next, partition)
}

// move leaves the stretch that numbers are given out from: into the gap that
// has the time micros, else behind all that are used.
func (n *numbering) move(micros int64) {
	if n.end != 0 {
		n.passedOver(gap{n.last + 1, n.end})
	}
	n.last, n.end = n.top, 0
	i := slices.IndexFunc(n.gaps, func(g gap) bool { return g.from <= micros && micros < g.to })
	if i < 0 || micros+followBack >= n.top {
		return
	}
	g := n.gaps[i]
	n.gaps = slices.Delete(n.gaps, i, i+1)
	n.last, n.end = micros-1, g.to
	n.passedOver(gap{g.from, micros})
}

// passedOver remembers a gap if it is worth it, and the youngest ones only.
func (n *numbering) passedOver(g gap) {
	if g.to-g.from <= followBack {
		return
	}
	i, _ := slices.BinarySearchFunc(n.gaps, g, func(a, b gap) int { return int(min(max(a.from-b.from, -1), 1)) })
	if n.gaps = slices.Insert(n.gaps, i, g); len(n.gaps) > maxGaps {
		n.gaps = slices.Delete(n.gaps, 0, 1)
	}
}
