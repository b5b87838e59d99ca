package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/private"
)

// Report is what [Verify] found.
type Report struct {
	Files  int       `json:"files"`
	Lines  int       `json:"lines"`
	From   time.Time `json:"from,omitzero"` // of the oldest line
	To     time.Time `json:"to,omitzero"`   // of the newest
	Head   string    `json:"head"`          // names the newest line, see [Log.Head]
	Faults []Finding `json:"faults"`        // what is not as it was written
	Notes  []Finding `json:"notes"`         // what a crash, a running write or retention explains
}

// Finding is one thing, and where.
type Finding struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"` // in the file, from 1
	Text string `json:"text"`
}

// maxFindings are told; more say nothing new.
const maxFindings = 100

// Verify reads the audit in dir and finds what is not as it was written: lines
// and files that were edited, put in, put elsewhere or taken away.
//
// The newest lines can be cut off, and whoever may write to the folder can
// write everything from some line to the end anew, with new hashes. That is
// found when the head of an earlier time, noted elsewhere, is given: a line of
// that number and hash must still be there. Empty is none.
//
// It may run while the audit is written.
func Verify(dir, head string) (Report, error) {
	v := verifier{dir: dir, Report: Report{Faults: []Finding{}, Notes: []Finding{}}}
	if head != "" {
		number, hash, ok := strings.Cut(head, ":")
		n, err := strconv.ParseUint(number, 10, 64)
		if !ok || err != nil || n == 0 || len(hash) != hashLen {
			return Report{}, fmt.Errorf("%q is not the head of an audit: a number, a colon and %d characters", head, hashLen)
		}
		v.wanted, v.wantedHash = n, strings.ToLower(hash)
	}
	all, unread, err := chapters(dir)
	if err != nil {
		return Report{}, err
	}
	for _, name := range unread {
		v.file = name
		v.fault(1, "its first line is missing or not true: the lines of this file belong nowhere")
	}
	for i, c := range all {
		if err := v.chapter(c, i == len(all)-1); err != nil {
			return Report{}, err
		}
	}
	v.end(all)
	return v.Report, nil
}

type verifier struct {
	Report
	dir  string
	file string // that is read

	n        uint64 // of the line before
	hash     string // that it says
	number   int    // of the file before
	left     *Left  // of the file before
	leftLine bool   // there is a line in it
	leftAt   int
	through  int // files up to this one were removed by retention, as lines tell

	wanted     uint64 // the line that must be there; 0: none
	wantedHash string
	met        bool
}

func (v *verifier) fault(line int, format string, args ...any) {
	if len(v.Faults) < maxFindings {
		v.Faults = append(v.Faults, Finding{v.file, line, fmt.Sprintf(format, args...)})
	}
}

func (v *verifier) note(line int, format string, args ...any) {
	if len(v.Notes) < maxFindings {
		v.Notes = append(v.Notes, Finding{v.file, line, fmt.Sprintf(format, args...)})
	}
}

// chapter reads one file.
func (v *verifier) chapter(c chapter, newest bool) error {
	before := v.file
	v.begin(c, before)
	v.file = c.name
	file, err := private.Open(filepath.Join(v.dir, c.name), os.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	v.Files++
	v.n, v.hash, v.number, v.left, v.leftLine = c.N-1, c.Previous, c.File, nil, false
	rest, in := sha256.New(), newLines(file)
	for at := 1; ; at++ {
		line, err := in.next()
		if err != nil && !errors.Is(err, io.EOF) {
			return troubled(err)
		}
		if len(line) > 0 {
			if body, hash, ok := open(line); ok {
				v.line(at, body, hash)
			} else if v.left == nil {
				v.left, v.leftAt = &Left{}, at
			}
		}
		if v.left != nil {
			_, _, ok := open(line)
			v.leftLine = v.leftLine || ok
			v.left.Bytes += int64(len(line))
			rest.Write(line)
		}
		if err != nil {
			break
		}
	}
	if v.left == nil {
		return nil
	}
	v.left.SHA256 = hex.EncodeToString(rest.Sum(nil))
	switch {
	case v.leftLine:
		v.fault(v.leftAt, "this is no line, and there are lines behind it: it was edited, or the disk is damaged")
	case newest:
		v.note(v.leftAt, "the last line is not whole (%d bytes): it is being written, or a crash or somebody cut it; it was not acknowledged", v.left.Bytes)
	}
	return nil
}

// begin compares a file with the one before it.
func (v *verifier) begin(c chapter, before string) {
	first := v.number == 0
	if !first && v.left != nil && !v.leftLine {
		v.file = before
		if c.Left != nil && *c.Left == *v.left {
			v.note(v.leftAt, "the last line is not whole (%d bytes): a crash cut it, as the next file tells; it was not acknowledged", v.left.Bytes)
		} else {
			v.fault(v.leftAt, "the last %d bytes are no line, and the next file does not tell of them", v.left.Bytes)
		}
	}
	v.file = c.name
	switch {
	case first:
		if c.File == 1 && c.Previous != "" {
			v.fault(1, "it is the first file, and yet follows another one")
		}
	case c.File == v.number:
		v.fault(1, "it has the number %d, as %s: one of them is a copy", c.File, before)
	case c.File != v.number+1:
		v.fault(1, "%s missing before it", counted(v.number+1, c.File-1, "file"))
	case c.Previous != v.hash:
		v.fault(1, "it does not follow the last line of %s: lines were cut off there, or changed", before)
	case c.Left != nil && v.left == nil:
		v.fault(1, "it tells of %d bytes at the end of %s that are not there", c.Left.Bytes, before)
	}
	if !first && c.File == v.number+1 && c.N != v.n+1 {
		v.fault(1, "it begins with number %d, and %s ends with %d", c.N, before, v.n)
	}
}

// line looks at one that has the form of a line.
func (v *verifier) line(at int, body []byte, hash string) {
	var said struct {
		N       uint64    `json:"n"`
		Time    time.Time `json:"time"`
		What    string    `json:"what"`
		Through int       `json:"through"`
	}
	err := json.Unmarshal(append(body[:len(body):len(body)], '}'), &said)
	switch follows := sum(v.hash, body) == hash; {
	case err != nil:
		v.fault(at, "this is no JSON: it was edited")
	case said.N > v.n+1:
		v.fault(at, "%s missing before it", counted(v.n+1, said.N-1, "line"))
	case said.N <= v.n:
		v.fault(at, "it has the number %d, and comes behind number %d: it was put there", said.N, v.n)
	case !follows:
		v.fault(at, "number %d does not follow from the line before: this one or that one was edited", said.N)
	}
	if err == nil {
		v.n = said.N
	}
	v.hash = hash
	v.Lines++
	if v.From.IsZero() {
		v.From = said.Time
	}
	v.To = said.Time
	if said.What == whatExpire {
		v.through = max(v.through, said.Through)
	}
	if v.wanted == said.N && v.wantedHash == hash {
		v.met = true
	}
}

// end is about the whole.
func (v *verifier) end(all []chapter) {
	v.file = ""
	v.Head = headOf(v.n, v.hash)
	if len(all) > 0 && all[0].File > 1 {
		if all[0].File-1 > v.through {
			v.fault(0, "%s missing, and no line tells that retention removed them", counted(1, all[0].File-1, "file"))
		} else {
			v.note(0, "retention has removed the files up to number %d", all[0].File-1)
		}
	}
	switch {
	case v.wanted == 0 || v.met:
	case len(all) > 0 && v.wanted < all[0].N && v.through > 0:
		v.note(0, "line %d is older than what is kept: whether it was as given cannot be told", v.wanted)
	case v.wanted > v.n:
		v.fault(0, "line %d is missing: the newest lines were cut off", v.wanted)
	default:
		v.fault(0, "line %d has another hash than given: it and what follows was written anew", v.wanted)
	}
}

// headOf names a line.
func headOf(n uint64, hash string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d:%s", n, hash)
}

// counted names things from one number to another, with a verb.
func counted[N int | uint64](from, to N, what string) string {
	if from == to {
		return fmt.Sprintf("%s %d is", what, from)
	}
	return fmt.Sprintf("%ss %d to %d are", what, from, to)
}
