package replay

import (
	"testing"
	"time"

	"github.com/perdure/perdure/internal/history"
)

func TestAnInstantIsKept(t *testing.T) {
	var i instant
	for _, want := range []time.Time{
		{},
		history.MinTime,
		history.MaxTime.UTC().Truncate(100 * time.Nanosecond),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_900, time.UTC),
		time.Date(2026, 2, 3, 4, 5, 6, 700, time.UTC),
	} {
		if i.set(want); i.get() != want {
			t.Errorf("%v was set, %v is got", want, i.get())
		}
	}
}
