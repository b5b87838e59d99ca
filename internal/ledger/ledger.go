// Package ledger compares two sets whose members come in different orders, in
// memory that does not grow with them: instances by their numbers with timers
// by their due times, say.
//
// Both sets are told in a first round, of which a sum for each of many groups
// of members is kept. Where the sums differ the sets do, and in a second round
// the members of some of those groups are kept and compared one by one.
package ledger

import (
	"hash/maphash"
	"iter"
)

const (
	groups      = 1 << 16
	namedAtOnce = 64 // groups whose members are kept in the second round
)

// Ledger compares a set that should be with one that is. Create one with [New].
type Ledger[M comparable] struct {
	seed   maphash.Seed
	sums   []uint64        // by group: of what should be, less what is
	asked  map[uint64]bool // groups of the second round; nil in the first
	more   int             // groups that differ besides
	differ map[M]int       // how often a member should be more than it is
}

// New returns a ledger of two empty sets.
func New[M comparable]() *Ledger[M] {
	return &Ledger[M]{seed: maphash.MakeSeed(), sums: make([]uint64, groups)}
}

// Rounds yields once, and once more if the sets differ. Both sets are to be
// told in each round, as they were in the first.
func (l *Ledger[M]) Rounds() iter.Seq[int] {
	return func(yield func(int) bool) {
		if yield(1) && l.doubt() {
			yield(2)
		}
	}
}

// doubt begins the second round; false if there is nothing to ask.
func (l *Ledger[M]) doubt() bool {
	l.asked, l.differ = make(map[uint64]bool), make(map[M]int)
	for group, sum := range l.sums {
		switch {
		case sum == 0:
		case len(l.asked) < namedAtOnce:
			l.asked[uint64(group)] = true
		default:
			l.more++
		}
	}
	return len(l.asked) > 0
}

func (l *Ledger[M]) group(number uint64) uint64 {
	return maphash.Comparable(l.seed, number) % groups
}

// Asks reports whether this round needs the members that belong to number.
func (l *Ledger[M]) Asks(number uint64) bool { return l.asked == nil || l.asked[l.group(number)] }

// Should tells a member, which belongs to number, of the set that should be.
func (l *Ledger[M]) Should(number uint64, m M) { l.tell(number, m, 1) }

// Is tells a member, which belongs to number, of the set that is.
func (l *Ledger[M]) Is(number uint64, m M) { l.tell(number, m, -1) }

func (l *Ledger[M]) tell(number uint64, m M, times int) {
	group := l.group(number)
	if l.asked == nil {
		l.sums[group] += uint64(times) * maphash.Comparable(l.seed, m)
		return
	}
	if !l.asked[group] {
		return
	}
	if l.differ[m] += times; l.differ[m] == 0 {
		delete(l.differ, m)
	}
}

// Differing yields, after the rounds, members that are in one of the sets only,
// in no order: missing are those that should be, the others are too much.
func (l *Ledger[M]) Differing() iter.Seq2[M, bool] {
	return func(yield func(M, bool) bool) {
		for m, times := range l.differ {
			if !yield(m, times > 0) {
				return
			}
		}
	}
}

// More tells in how many groups the sets differ besides those whose members
// [Ledger.Differing] yields; each has one such member or more.
func (l *Ledger[M]) More() int { return l.more }
