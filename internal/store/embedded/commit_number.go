package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// storeID tells a store from all others. It is made with the store, and kept by
// its copies.
type storeID uint64

func (id storeID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// numbering numbers the commits of a store, all hubs together: 1, 2, 3. Each
// batch ends with the row that holds its number, so the newest row says how far
// the tables go, and in the logs each number follows the one before: whatever
// is missing between leaves a gap.
type numbering struct {
	id storeID

	mu   sync.Mutex // held while a batch gets its number and its place in the log; guards the rest
	last uint64
	row  [numberBytes]byte // of the batch
}

const numberBytes = 16

var commitKey = []byte(newKey(0, spaceCounts))

func parseNumberRow(value []byte) (storeID, uint64, error) {
	if len(value) != numberBytes {
		return 0, 0, fmt.Errorf("the number of the last commit, of %d bytes, is damaged", len(value))
	}
	return storeID(binary.BigEndian.Uint64(value)), binary.BigEndian.Uint64(value[8:]), nil
}

// readNumber returns the number of the newest commit in r, 0 if there is none.
func readNumber(r pebble.Reader) (storeID, uint64, error) {
	value, closer, err := r.Get(commitKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	defer closer.Close() // the value is ours until then
	return parseNumberRow(value)
}

// rowHeader is what comes before the row's value in the bytes of a batch: what
// is done, the key and the value's length.
var rowHeader = append(append([]byte{byte(pebble.InternalKeyKindSet), byte(len(commitKey))}, commitKey...), numberBytes)

// numberOf returns the number that a batch in a log ends with.
func numberOf(batch []byte) (storeID, uint64, error) {
	at := len(batch) - numberBytes - len(rowHeader)
	if at < 0 || string(batch[at:at+len(rowHeader)]) != string(rowHeader) {
		return 0, 0, errors.New("it holds a batch without a number")
	}
	return parseNumberRow(batch[len(batch)-numberBytes:])
}

// append numbers a batch and puts it behind all that were written before it.
func (db *DB) append(batch *pebble.Batch) (number uint64, err error) {
	n := &db.numbering
	n.mu.Lock()
	defer n.mu.Unlock()
	binary.BigEndian.PutUint64(n.row[:8], uint64(n.id))
	binary.BigEndian.PutUint64(n.row[8:], n.last+1)
	if err := batch.Set(commitKey, n.row[:], nil); err != nil {
		return 0, err
	}
	if err := db.pebble.ApplyNoSyncWait(batch, pebble.Sync); err != nil {
		return 0, err
	}
	n.last++
	return n.last, nil
}

// settle waits until a batch is durable, and has the witness know.
func (db *DB) settle(batch *pebble.Batch, number uint64) error {
	if err := batch.SyncWait(); err != nil {
		db.Fatalf("sync of the log: %v", err) // as Apply does
	}
	db.witness.advance(number)
	return batch.Close() // it can be used again
}
