package history_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/perdure/perdure/internal/history"
)

func TestBrief(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "",
		" it broke\nat line 1":         "it broke",
		strings.Repeat("x", 300):       strings.Repeat("x", 300),
		strings.Repeat("x", 301):       strings.Repeat("x", 297) + "…",
		strings.Repeat("é", 5000):      strings.Repeat("é", 148) + "…",
		"x" + strings.Repeat("é", 150): "x" + strings.Repeat("é", 148) + "…",
	} {
		if got := history.Brief(text); got != want || len(got) > history.BriefBytes || !utf8.ValidString(got) {
			t.Errorf("Brief(%.20q…) = %q of %d bytes, want %q", text, got, len(got), want)
		}
	}
}
