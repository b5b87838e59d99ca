package main

import (
	"bufio"
	"cmp"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/perdure/perdure"
)

const (
	shardFiles = 500 // files of one sub-orchestration
	batchFiles = 25  // files of one activity
	topWords   = 10
)

// Tally is what was counted in some files.
type Tally struct {
	Files  int            `json:"files"`
	Words  int            `json:"words"`
	Counts map[string]int `json:"counts"`
}

func (t *Tally) add(other Tally) {
	t.Files += other.Files
	t.Words += other.Words
	if t.Counts == nil {
		t.Counts = make(map[string]int, len(other.Counts))
	}
	for word, n := range other.Counts {
		t.Counts[word] += n
	}
}

// Result is what the whole count comes to.
type Result struct {
	Files    int         `json:"files"`
	Words    int         `json:"words"`
	Distinct int         `json:"distinct"`
	Top      []WordCount `json:"top"`
}

// WordCount is how often a word occurs.
type WordCount struct {
	Word  string `json:"word"`
	Count int    `json:"count"`
}

// result sums a tally up: the most frequent words first, equals by name.
func (t *Tally) result() Result {
	words := make([]WordCount, 0, len(t.Counts))
	for word, n := range t.Counts {
		words = append(words, WordCount{word, n})
	}
	slices.SortFunc(words, func(a, b WordCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Word, b.Word))
	})
	return Result{t.Files, t.Words, len(t.Counts), words[:min(topWords, len(words))]}
}

// CountWords counts the words of all .go files below root.
func CountWords(ctx *perdure.OrchestrationContext, root string) (Result, error) {
	files, err := perdure.CallActivity(ctx, ListFiles, root).Await()
	if err != nil {
		return Result{}, err
	}
	var shards []*perdure.Task[Tally]
	for shard := range slices.Chunk(files, shardFiles) {
		shards = append(shards, perdure.CallSubOrchestrator(ctx, CountShard, shard))
	}
	total, err := fold(ctx, shards)
	return total.result(), err
}

// CountShard counts the words of some files, in batches side by side.
func CountShard(ctx *perdure.OrchestrationContext, files []string) (Tally, error) {
	var batches []*perdure.Task[Tally]
	for batch := range slices.Chunk(files, batchFiles) {
		batches = append(batches, perdure.CallActivity(ctx, CountFiles, batch))
	}
	return fold(ctx, batches)
}

func fold(ctx *perdure.OrchestrationContext, parts []*perdure.Task[Tally]) (total Tally, err error) {
	tallies, err := perdure.WhenAll(ctx, parts...).Await()
	for _, tally := range tallies {
		total.add(tally)
	}
	return total, err
}

// ListFiles returns the .go files below root, in order.
func ListFiles(_ context.Context, root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() && filepath.Ext(path) == ".go" {
			files = append(files, path)
		}
		return err
	})
	return files, err
}

// CountFiles counts the words of some files.
func CountFiles(ctx context.Context, files []string) (Tally, error) {
	tally := Tally{Counts: make(map[string]int)}
	for _, file := range files {
		if err := ctx.Err(); err != nil {
			return tally, err
		}
		if err := tally.countFile(file); err != nil {
			return tally, err
		}
	}
	return tally, nil
}

// countFile adds the words of a file: runs of letters, digits and underscores.
func (t *Tally) countFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	t.Files++
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		for word := range strings.FieldsFuncSeq(lines.Text(), notWord) {
			t.Words++
			t.Counts[word]++
		}
	}
	return lines.Err()
}

func notWord(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
