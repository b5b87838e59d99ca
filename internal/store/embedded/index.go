package embedded

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
)

// indexed reports whether the instance is in the indexes and in the counts:
// entities are not.
func indexed(id history.InstanceID) bool { return !strings.HasPrefix(string(id), "@") }

// stretches yields the beginnings of the index keys of a row whose stored
// status is status; each key ends with the row's number. The name, the tags and
// the labels of an instance never change.
func (w *writer) stretches(row *history.Instance, status history.RuntimeStatus) iter.Seq[key] {
	return func(yield func(key) bool) {
		if !indexed(row.ID) || !yield(w.space(spaceStatuses).uint8(uint8(status))) || !yield(w.space(spaceNames).folded(row.Name)) {
			return
		}
		for name, value := range row.Tags {
			if !yield(w.space(spaceTags).text(name).text(value)) {
				return
			}
		}
		for _, label := range row.Labels {
			if !yield(w.space(spaceLabels).text(label)) {
				return
			}
		}
	}
}

func (h *Hub) statusStretch(status history.RuntimeStatus) key {
	return newKey(h.id, spaceStatuses).uint8(uint8(status))
}

func (h *Hub) nameStretch(name string) key {
	return newKey(h.id, spaceNames).folded(name)
}

func (h *Hub) tagStretch(name, value string) key {
	return newKey(h.id, spaceTags).text(name).text(value)
}

func (h *Hub) labelStretch(label string) key {
	return newKey(h.id, spaceLabels).text(label)
}

// fold returns the same text for all that strings.EqualFold holds for equal.
func fold(text string) string { return strings.Map(foldRune, text) }

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	return unicode.ToLower(least)
}

// numbers is a set of instance numbers that is walked downwards: what is asked
// of it gets lower from call to call.
type numbers interface {
	// below returns the highest number of the set that is below before.
	below(before history.Number) (n history.Number, ok bool, err error)
}

// What looking at a key costs, of the budget of a search: the next key of an
// iterator, and one somewhere else. Reading and decoding a row costs as much as
// the latter.
const (
	stepCost = 1
	seekCost = 20
)

// nearSteps is how many keys a stretch steps over, at most, before it seeks.
const nearSteps = 8

// stretch is the numbers at the ends of the keys that begin alike.
type stretch struct {
	it     *pebble.Iterator // bounded to them
	key    key              // their beginning
	spent  *int
	at     history.Number // where it stands
	near   int            // so many steps are worth a try before the next seek; few if they led nowhere before
	begun  bool
	ended  bool
	odd    error                 // what cannot be read
	status history.RuntimeStatus // of a stretch of statuses
}

func (s *stretch) below(before history.Number) (history.Number, bool, error) {
	if s.begun && (s.ended || s.at < before) {
		return s.at, !s.ended, nil
	}
	if s.begun {
		for range max(s.near, 1) {
			*s.spent += stepCost
			if !s.stand(s.it.Prev()) || s.at < before {
				s.near = nearSteps
				return s.at, !s.ended, cmp.Or(s.odd, s.it.Error())
			}
		}
		s.near /= 2
	}
	s.begun = true
	*s.spent += seekCost
	s.stand(s.it.SeekLT(s.key.number(before)))
	return s.at, !s.ended, cmp.Or(s.odd, s.it.Error())
}

// stand notes where the iterator is, if it is somewhere.
func (s *stretch) stand(valid bool) bool {
	k := s.it.Key()
	if valid && len(k) != len(s.key)+8 {
		s.odd, valid = fmt.Errorf("the key of an index, %x, is damaged", k), false
	}
	if s.ended = !valid; valid {
		s.at = history.Number(binary.BigEndian.Uint64(k[len(k)-8:]))
	}
	return valid
}

// union is the stretches of some statuses as one set. They are few, so it looks
// at each.
type union []*stretch

func (u union) below(before history.Number) (history.Number, bool, error) {
	var highest history.Number
	found := false
	for _, s := range u {
		n, ok, err := s.below(before)
		if err != nil {
			return 0, false, err
		}
		if ok && (!found || n > highest) {
			highest, found = n, true
		}
	}
	return highest, found, nil
}

// status returns the status whose stretch holds n, which below returned last.
func (u union) status(n history.Number) history.RuntimeStatus {
	for _, s := range u {
		if !s.ended && s.at == n {
			return s.status
		}
	}
	return history.Unknown
}

// listed is a set whose numbers are known, the highest first.
type listed struct{ numbers []history.Number }

func (l *listed) below(before history.Number) (history.Number, bool, error) {
	for len(l.numbers) > 0 && l.numbers[0] >= before {
		l.numbers = l.numbers[1:]
	}
	if len(l.numbers) == 0 {
		return 0, false, nil
	}
	return l.numbers[0], true, nil
}

// intersection is what all of some sets, at least one, have in common.
type intersection []numbers

// below returns the highest common number below before. It goes from set to
// set, each time down to the highest number that the next one has, until all
// agree. Before each round it asks enough: once that says so it returns
// stopped, and n as a bound: nothing common is at or above it.
func (in intersection) below(before history.Number, enough func(history.Number) bool) (n history.Number, ok, stopped bool, err error) {
	agreed := 0
	for i := 0; agreed < len(in); i = (i + 1) % len(in) {
		if i == 0 && enough(before) {
			return before, false, true, nil
		}
		m, ok, err := in[i].below(before)
		if err != nil || !ok {
			return 0, false, false, err
		}
		if m == before-1 && agreed > 0 {
			agreed++
		} else {
			agreed = 1
		}
		before = m + 1
	}
	return before - 1, true, false, nil
}
