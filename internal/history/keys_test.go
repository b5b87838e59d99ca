package history

import (
	"testing"
	"time"
)

// A clock that is set back puts a key that gets old sooner behind one that gets old
// later.
func TestKeyThatGotOldBehindAYoungerOneIsRememberedAnew(t *testing.T) {
	start := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	var keys Keys
	keys.Take("younger", start.Add(time.Hour))
	keys.Take("older", start)
	again := start.Add(KeyLife)
	if keys.Taken("older", again) {
		t.Fatalf("a key is remembered for more than %v", KeyLife)
	}
	keys.Take("older", again)
	if !keys.Taken("older", again.Add(time.Minute)) {
		t.Error("a key that got old and came again is not remembered")
	}
	if got, want := keys.Bytes(again), len("younger")+len("older"); got != want {
		t.Errorf("Bytes() = %d, want %d: each counts once", got, want)
	}
}
