package embedded

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// The spaces of keys; see the package comment.
const (
	spaceHubs     = 'h'
	spaceBig      = 'b'
	spaceCounts   = 'c'
	spaceEpochs   = 'e'
	spaceTags     = 'g'
	spaceRows     = 'i'
	spaceLabels   = 'l'
	spaceMemo     = 'k'
	spaceInbox    = 'm'
	spaceIDs      = 'n'
	spaceNames    = 'o'
	spaceRecords  = 'r'
	spaceStatuses = 's'
	spaceTimers   = 't'
	spaceWork     = 'w'
)

// key is a key, or the beginning of one, that grows by its methods. They may
// write to the array of their receiver: of one key only one longer key at a
// time can be in use.
type key []byte

func newHubKey(hub uint16) key { return make(key, 0, 32).uint16(hub) }

func newKey(hub uint16, space byte) key { return newHubKey(hub).uint8(space) }

func (k key) uint8(n uint8) key   { return append(k, n) }
func (k key) uint16(n uint16) key { return binary.BigEndian.AppendUint16(k, n) }
func (k key) uint32(n uint32) key { return binary.BigEndian.AppendUint32(k, n) }
func (k key) uint64(n uint64) key { return binary.BigEndian.AppendUint64(k, n) }
func (k key) int32(n int32) key   { return k.uint32(uint32(n) ^ 1<<31) }
func (k key) int64(n int64) key   { return k.uint64(uint64(n) ^ 1<<63) }

// text appends its length too, so that no text is the beginning of another.
func (k key) text(s string) key { return append(binary.AppendUvarint(k, uint64(len(s))), s...) }

// folded appends a text with its letters in one case.
func (k key) folded(s string) key {
	at := len(k)
	k = k.text(s)
	letters := k[len(k)-len(s):]
	for i, c := range letters {
		if c >= utf8.RuneSelf {
			return k[:at].text(fold(s))
		}
		letters[i] = byte(foldRune(rune(c)))
	}
	return k
}

func (k key) number(n history.Number) key { return k.uint64(uint64(n)) }
func (k key) partition(p int) key         { return k.uint16(uint16(p)) }

// next returns the first key after all that begin with k.
func (k key) next() key {
	end := append(key(nil), k...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil // after the last key there is
}

// prefix returns the bounds of the keys that begin with k.
func (k key) prefix() *pebble.IterOptions {
	return &pebble.IterOptions{LowerBound: k, UpperBound: k.next()}
}

// fixed takes a key apart from behind.
type fixed []byte

func (f *fixed) uint64() uint64 {
	at := len(*f) - 8
	n := binary.BigEndian.Uint64((*f)[at:])
	*f = (*f)[:at]
	return n
}

func (f *fixed) uint32() uint32 {
	at := len(*f) - 4
	n := binary.BigEndian.Uint32((*f)[at:])
	*f = (*f)[:at]
	return n
}

func (f *fixed) uint16() uint16 {
	at := len(*f) - 2
	n := binary.BigEndian.Uint16((*f)[at:])
	*f = (*f)[:at]
	return n
}

func (f *fixed) number() history.Number { return history.Number(f.uint64()) }
func (f *fixed) int32() int32           { return int32(f.uint32() ^ 1<<31) }
func (f *fixed) int64() int64           { return int64(f.uint64() ^ 1<<63) }

func (h *Hub) rowKey(n history.Number) key     { return newKey(h.id, spaceRows).number(n) }
func (h *Hub) idKey(id history.InstanceID) key { return append(newKey(h.id, spaceIDs), id...) }
func (h *Hub) epochKey(partition int) key      { return newKey(h.id, spaceEpochs).partition(partition) }

func (h *Hub) recordKey(n history.Number, seq uint32) key {
	return newKey(h.id, spaceRecords).number(n).uint32(seq)
}

func (k key) message(m store.MessageKey) key {
	return k.partition(m.Partition).partition(m.From).uint64(m.Seq)
}

func (k key) timer(partition int, t *store.Timer) key {
	return k.partition(partition).int64(t.Due.UnixMicro()).number(t.Number).int32(t.ID)
}

// microsUp returns t in microseconds since 1970, rounded up.
func microsUp(t time.Time) int64 {
	micros := t.UnixMicro()
	if time.UnixMicro(micros).Before(t) && micros < math.MaxInt64 {
		micros++
	}
	return micros
}
