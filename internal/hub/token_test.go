package hub_test

import (
	"errors"
	"math"
	"testing"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

func TestContinuationTokens(t *testing.T) {
	for _, next := range []history.Number{0, 1, 1 << 40, math.MaxUint64} {
		token := hub.ContinuationToken(next)
		if got, err := hub.ParseContinuationToken(token); got != next || err != nil || (token == "") != (next == 0) {
			t.Errorf("ParseContinuationToken(%q) = %d, %v; want %d", token, got, err, next)
		}
	}
	for _, token := range []string{"x", "AQAAAAAAAAAA", "AgAAAAAAAAAB", "AQAAAAAAAAAB=", "AQAAAAAA\nAAAB", "AQAAAAAAAAABAA", "!"} {
		if got, err := hub.ParseContinuationToken(token); !errors.Is(err, hub.ErrInvalidArgument) {
			t.Errorf("ParseContinuationToken(%q) = %d, %v; want ErrInvalidArgument", token, got, err)
		}
	}
}

func FuzzContinuationToken(f *testing.F) {
	f.Add("")
	f.Add("AQAAAAAAAAAB")
	f.Add("AQAAAAAA\r\nAAAB")
	f.Fuzz(func(t *testing.T, token string) {
		next, err := hub.ParseContinuationToken(token)
		if err != nil {
			if !errors.Is(err, hub.ErrInvalidArgument) {
				t.Errorf("ParseContinuationToken(%q) fails with %v, want ErrInvalidArgument", token, err)
			}
			return
		}
		if back := hub.ContinuationToken(next); back != token {
			t.Errorf("ParseContinuationToken(%q) = %d, whose token is %q", token, next, back)
		}
	})
}
