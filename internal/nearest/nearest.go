// Package nearest finds the name that somebody probably meant.
package nearest

import "strings"

// Hint names the candidate that word is probably a slip of, else those that it
// is the beginning of, as the end of a message; empty when there are none.
func Hint(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, least := "", max(2, len(word)/3)+1
	if len(word) < 4 {
		least = 2
	}
	var longer []string
	for _, candidate := range candidates {
		lower := strings.ToLower(candidate)
		if d := distance(word, lower); d < least && lower != word {
			best, least = candidate, d
		}
		if len(word) > 1 && strings.HasPrefix(lower, word) && lower != word {
			longer = append(longer, candidate)
		}
	}
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(longer) > 0:
		return "; did you mean " + strings.Join(longer, " or ") + "?"
	}
	return ""
}

// distance counts the letters to insert, drop or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
