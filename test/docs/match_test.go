package docs

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// match reports whether got is what want shows; "..." in want stands for
// anything, several lines included. Blanks around both do not count.
func match(want, got string) bool {
	clean := func(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\r", "")) }
	pattern := strings.ReplaceAll(regexp.QuoteMeta(clean(want)), `\.\.\.`, `.*`)
	return regexp.MustCompile(`(?s)\A` + pattern + `\z`).MatchString(clean(got))
}

// compact drops the blanks of JSON; other text stays as it is.
func compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		ok        bool
	}{
		{"a", "a\n", true},
		{"a", "ab", false},
		{"a...c", "abc", true},
		{"...\nb\n...", "a\nb\nc\r\n", true},
		{"a.c", "abc", false},
		{`"at": "..."`, `"at": "2030"`, true},
	} {
		if ok := match(tt.want, tt.got); ok != tt.ok {
			t.Errorf("match(%q, %q) = %v, want %v", tt.want, tt.got, ok, tt.ok)
		}
	}
}
