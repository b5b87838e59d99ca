package ledger

import (
	"maps"
	"slices"
	"testing"
)

// TestLedger compares large sets, told in opposite orders.
func TestLedger(t *testing.T) {
	type member struct {
		number uint64
		text   string
	}
	const members = 1 << 18
	for _, tt := range []struct {
		name           string
		lacks, extra   []uint64
		rounds, differ int
	}{
		{"equal", nil, nil, 1, 0},
		{"missing", []uint64{17}, nil, 2, 1},
		{"too much", nil, []uint64{1 << 40, 3<<40 + 1}, 2, 2},
		{"both", []uint64{17, 18, 4711}, []uint64{1 << 40}, 2, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, rounds := New[member](), 0
			for rounds = range l.Rounds() {
				for n := range uint64(members) {
					if l.Asks(n) {
						l.Should(n, member{n, "x"})
					}
				}
				for i := range uint64(members) {
					if n := members - 1 - i; !slices.Contains(tt.lacks, n) {
						l.Is(n, member{n, "x"})
					}
				}
				for _, n := range tt.extra {
					l.Is(n, member{n, "x"})
				}
			}
			got := maps.Collect(l.Differing())
			if rounds != tt.rounds || len(got) != tt.differ || l.More() != 0 {
				t.Fatalf("%d rounds, %d differ (%v), %d more; want %d rounds, %d", rounds, len(got), got, l.More(), tt.rounds, tt.differ)
			}
			for m, missing := range got {
				if missing != slices.Contains(tt.lacks, m.number) {
					t.Errorf("%v is missing: %v", m, missing)
				}
			}
		})
	}
}

// TestLedgerNamesSomeOfMany has more groups differ than are looked at one by one.
func TestLedgerNamesSomeOfMany(t *testing.T) {
	l := New[uint64]()
	for range l.Rounds() {
		for n := range uint64(1000) {
			l.Should(n, n)
		}
	}
	named := len(maps.Collect(l.Differing()))
	if named < namedAtOnce || l.More() == 0 || named+l.More() > 1000 {
		t.Errorf("%d named, %d more, of 1000", named, l.More())
	}
}
