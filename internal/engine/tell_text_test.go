package engine

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTextsOfTheLogAreCutBetweenCharacters(t *testing.T) {
	got := shortened(strings.Repeat("€", maxToldBytes))
	if !utf8.ValidString(got) || len(got) > maxToldBytes+len("...") || !strings.HasSuffix(got, "€...") {
		t.Errorf("shortened(€…) ends with %q and has %d bytes", got[len(got)-8:], len(got))
	}
}
