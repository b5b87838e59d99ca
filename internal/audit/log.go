package audit

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/perdure/perdure/internal/private"
)

// MaxFileBytes is how large a file gets, unless what is written at once is
// larger.
const MaxFileBytes = 64 << 20

// Options of a [Log]. The zero value is good.
type Options struct {
	MaxFileBytes int64        // 0: MaxFileBytes
	Logger       *slog.Logger // nil: nothing is logged
}

// Log writes the audit of a folder. Only one at a time may do so: who has it
// holds the lock of the store beside it. All methods are safe for concurrent
// use.
type Log struct {
	dir      string
	maxBytes int64
	log      *slog.Logger
	sync     func(*os.File) error // a test counts here

	gather gather

	turn chan struct{} // taken by who writes; it guards all below
	tail tail
	name string   // of the newest file; empty: there is none
	size int64    // of its lines
	left *Left    // what stands behind them
	full bool     // the next line begins another file
	lost bool     // all of this must be looked for
	sick bool     // the last write did not succeed: nobody knows what the newest file holds
	file *os.File // the newest one, at its end; nil: it is not open
}

// tail is the newest end of the chain.
type tail struct {
	head        // of the newest file
	n    uint64 // of the last line; 0: there is none
	hash string
}

// head is the first line of a file.
type head struct {
	N        uint64           `json:"n"`
	Time     time.Time        `json:"time"`
	What     string           `json:"what"`
	File     int              `json:"file"`
	Previous string           `json:"previous"`
	Left     *Left            `json:"left,omitempty"` // of the file before
	State    map[string]State `json:"state,omitempty"`
}

// whatFile is what a first line says that it is about.
const whatFile = "file"

// Left is what stands at the end of a file and is no line: a crash, or a full
// disk, left it.
type Left struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// State is something that is told when it changes, by names. It must hold no
// secrets.
type State map[string]string

// Open makes a log of the audit in dir. Nothing is read before it is needed,
// and nothing written before there is a line.
func Open(dir string, o Options) *Log {
	return &Log{
		dir: dir, maxBytes: cmp.Or(o.MaxFileBytes, MaxFileBytes), log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)),
		sync: (*os.File).Sync, turn: make(chan struct{}, 1), lost: true,
	}
}

// Append stores a line with the attributes as members, behind its number and
// time, and returns its number once it is durable. Callers that come while
// others are being stored are stored together.
func (l *Log) Append(attrs ...slog.Attr) (n uint64, err error) {
	members, err := encode(attrs)
	if err != nil {
		return 0, err
	}
	line := &entry{at: time.Now(), members: members}
	if err := l.gather.add(line, l.take, l.release, l.write); err != nil {
		return 0, err
	}
	return line.n, nil
}

func (l *Log) take()    { l.turn <- struct{}{} }
func (l *Log) release() { <-l.turn }

// Note stores a line for each of the states that is not as it was when it was
// last noted, with what has changed. Of one that was never noted there is no
// line: the first line of a file has all of them.
func (l *Log) Note(states map[string]State, attrs ...slog.Attr) error {
	before, err := l.states()
	if err != nil {
		return err
	}
	same := true
	for _, kind := range slices.Sorted(maps.Keys(states)) {
		was, known := before[kind]
		if known && maps.Equal(was, states[kind]) {
			continue
		}
		same = false
		if !known {
			continue
		}
		line := append([]slog.Attr{slog.String("what", kind)}, attrs...)
		if _, err := l.Append(append(line, slog.Any("changed", changes(was, states[kind])))...); err != nil {
			return err
		}
	}
	if same {
		return nil
	}
	l.take()
	defer l.release()
	return l.guard(func() error {
		all := map[string]State{}
		maps.Copy(all, l.tail.State)
		maps.Copy(all, states)
		return l.begin(time.Now(), all)
	})
}

// states returns what was last noted.
func (l *Log) states() (states map[string]State, err error) {
	l.take()
	defer l.release()
	err = l.guard(func() error { states = l.tail.State; return nil })
	return states, err
}

// Change is how a value was and is; nil is none.
type Change struct {
	From *string `json:"from,omitempty"`
	To   *string `json:"to,omitempty"`
}

func changes(before, now State) map[string]Change {
	out := map[string]Change{}
	for name, from := range before {
		if to, ok := now[name]; !ok {
			out[name] = Change{From: &from}
		} else if to != from {
			out[name] = Change{&from, &to}
		}
	}
	for name, to := range now {
		if _, ok := before[name]; !ok {
			out[name] = Change{To: &to}
		}
	}
	return out
}

// write stores lines behind each other and syncs them once. The turn is taken.
func (l *Log) write(lines []*entry) error {
	return l.guard(func() error {
		now := time.Now()
		size := int64(0)
		for _, line := range lines {
			size += int64(len(line.members) + sealLen + 64) // with number and time
		}
		if err := l.room(now, size); err != nil {
			return err
		}
		var text []byte
		n, hash := l.tail.n, l.tail.hash
		for _, line := range lines {
			n++
			start := len(text)
			text = appendBody(text, n, line.at, line.members)
			hash = sum(hash, text[start:])
			text = append(append(append(text, hashMember...), hash...), lineEnd...)
			line.n = n
		}
		if _, err := l.file.Write(text); err != nil {
			return troubled(err)
		}
		if err := l.sync(l.file); err != nil {
			return troubled(err)
		}
		l.size += int64(len(text))
		l.tail.n, l.tail.hash = n, hash
		return nil
	})
}

// room opens a file that so much more may go to.
func (l *Log) room(now time.Time, size int64) (err error) {
	if l.file != nil && !l.there() {
		l.damaged(l.name, "it was removed, replaced or changed by somebody else while it was written")
		l.full = true
	}
	if l.full || l.sick || l.size+size > l.maxBytes || !strings.HasPrefix(l.name, dayOf(now)) {
		return l.begin(now, l.tail.State)
	}
	if l.file == nil {
		l.file, err = private.Open(filepath.Join(l.dir, l.name), os.O_WRONLY|os.O_APPEND)
	}
	return err
}

// there reports whether the file that is written is still the one of its name,
// and as it was left. If not the chain goes on in another one, and what is
// missing is found.
func (l *Log) there() bool {
	open, err := l.file.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(filepath.Join(l.dir, l.name))
	return err == nil && os.SameFile(open, named) && open.Size() == l.size
}

func (l *Log) damaged(name, problem string) {
	l.log.Error("audit is damaged", "file", filepath.Join(l.dir, name), "problem", problem)
}

// guard calls do, which knows the newest end. After an error that is looked for
// again, and the next line begins another file.
func (l *Log) guard(do func() error) error {
	if l.lost {
		if err := l.look(); err != nil {
			return err
		}
		l.lost = false
	}
	err := do()
	if err != nil {
		l.lost, l.sick = true, true
	}
	return err
}

func (l *Log) closeFile() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// begin makes a file behind the newest one. It appears with its first line, or
// not at all.
func (l *Log) begin(now time.Time, states map[string]State) error {
	if err := makeFolder(l.dir); err != nil {
		return err
	}
	taken, err := names(l.dir)
	if err != nil {
		return err
	}
	first := head{What: whatFile, File: l.tail.File + 1, Previous: l.tail.hash, Left: l.left, State: states}
	attrs := []slog.Attr{slog.String("what", first.What), slog.Int("file", first.File), slog.String("previous", first.Previous)}
	if first.Left != nil {
		attrs = append(attrs, slog.Any("left", first.Left))
	}
	if len(states) > 0 {
		attrs = append(attrs, slog.Any("state", states))
	}
	members, err := encode(attrs)
	if err != nil {
		return err
	}
	n := l.tail.n + 1
	text := appendBody(nil, n, now, members)
	hash := sum(l.tail.hash, text)
	text = append(append(append(text, hashMember...), hash...), lineEnd...)

	path := filepath.Join(l.dir, newFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return troubled(err)
	}
	file, err := private.Open(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	name := freeName(taken, dayOf(now))
	_, err = file.Write(text)
	if err == nil {
		err = l.sync(file)
	}
	if err == nil {
		err = os.Rename(path, filepath.Join(l.dir, name))
	}
	if err == nil {
		err = syncDir(l.dir)
	}
	if err != nil {
		os.Remove(path)
		return errors.Join(troubled(err), file.Close())
	}
	l.closeFile() // all of it is durable
	l.tail = tail{first, n, hash}
	l.file, l.name, l.size, l.left, l.full, l.sick = file, name, int64(len(text)), nil, false, false
	return nil
}

// Close waits for who writes, and lets go of the file.
func (l *Log) Close() error {
	l.take()
	defer l.release()
	return l.closeFile()
}

// Head names the newest line: a chain that still has it has not been written
// anew since. It is empty when there is no line.
func (l *Log) Head() (head string, err error) {
	l.take()
	defer l.release()
	err = l.guard(func() error { head = headOf(l.tail.n, l.tail.hash); return nil })
	return head, err
}
