package engine

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/perdure/perdure/internal/history"
)

// clock is a moment of the tests of numbers, in seconds.
func clock(seconds float64) time.Time {
	return time.UnixMicro(1_700_000_000_000_000 + int64(seconds*1e6)).UTC()
}

// Numbers tell when an instance was created: also after the clock was ahead, or behind,
// and is right again.
func TestNumbersFollowTheClock(t *testing.T) {
	const day = 86_400
	n := newNumbering(0, gap{})
	for _, step := range []struct {
		name      string
		now, want float64
	}{
		{"right", 0, 0},
		{"at the same time", 0, 0.000001},
		{"a day ahead", day, day},
		{"still ahead", day + 5, day + 5},
		{"right again", 10, 10},
		{"later", 20, 20},
		{"a little back", 19.5, 20.000001},
		{"ahead again, where numbers were used", day + 5, day + 5.000001},
		{"right again, as before", 30, 30},
		{"an hour behind, where numbers may have been used", -3600, day + 5.000002},
		{"right again, at last", 40, 40},
		{"the day after", day + 60, day + 60},
	} {
		if got := n.next(clock(step.now), 3).CreatedAt(); !got.Equal(clock(step.want)) {
			t.Errorf("%s, at %v: number of %v, want %v", step.name, step.now, got.Sub(clock(0)).Seconds(), step.want)
		}
	}
}

// No number is given out twice, and none that was used before, whatever the clock does.
func TestNumbersAreUnique(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := history.NewNumber(clock(0).UnixMicro(), 7)
		n, seen := newNumbering(first, gap{}), map[history.Number]bool{first: true}
		now := clock(0)
		for range rapid.IntRange(1, 200).Draw(t, "instances") {
			switch rapid.IntRange(0, 3).Draw(t, "clock") {
			case 0: // as it should
				now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "us")) * time.Microsecond)
			case 1: // jumps
				now = now.Add(time.Duration(rapid.IntRange(-20, 20).Draw(t, "s")) * time.Second)
			case 2: // stands
			case 3: // is put right
				now = clock(float64(rapid.IntRange(0, 20).Draw(t, "right")))
			}
			number := n.next(now, 3)
			if seen[number] || number.Micros() <= first.Micros() {
				t.Fatalf("number %d is given out twice, or lies before the first", number.Micros())
			}
			seen[number] = true
		}
	})
}
