package main

import "github.com/perdure/perdure/internal/nearest"

// didYouMean names what word is probably a slip of; see [nearest.Hint].
func didYouMean(word string, candidates []string) string { return nearest.Hint(word, candidates) }
