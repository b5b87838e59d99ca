package audit

import (
	"encoding/json"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/perdure/perdure/internal/private"
)

// Line is a line as it was read. Whether it is true is for [Verify] to say.
type Line struct {
	N       uint64
	Time    time.Time
	What    string
	Members map[string]json.RawMessage // all of them
}

// Lines reads the lines of dir, oldest first. What is no line is left out.
func Lines(dir string) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		all, _, err := chapters(dir)
		if err != nil {
			yield(Line{}, err)
			return
		}
		for _, c := range all {
			if !readLines(filepath.Join(dir, c.name), yield) {
				return
			}
		}
	}
}

func readLines(path string, yield func(Line, error) bool) (more bool) {
	file, err := private.Open(path, os.O_RDONLY)
	if err != nil {
		return yield(Line{}, err)
	}
	defer file.Close()
	for in := newLines(file); ; {
		text, err := in.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return yield(Line{}, troubled(err))
		}
		if line, ok := readLine(text); ok && !yield(line, nil) {
			return false
		}
		if err != nil {
			return true
		}
	}
}

func readLine(text []byte) (line Line, ok bool) {
	if _, _, ok := open(text); !ok || json.Unmarshal(text, &line.Members) != nil {
		return Line{}, false
	}
	for name, to := range map[string]any{"n": &line.N, "time": &line.Time, "what": &line.What} {
		if json.Unmarshal(line.Members[name], to) != nil {
			return Line{}, false
		}
	}
	return line, true
}
