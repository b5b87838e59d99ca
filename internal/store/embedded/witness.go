package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The witness is a file outside of Pebble that knows the number of the last
// commit that was acknowledged, or of one a little before:
//
//	"perdure witness\n" | id u64 | number u48, checksum u16
//
// The number is one word, which a disk has whole or not at all. Where the
// platform can, the file is mapped into memory: the operating system then has
// each number when the process has gone. It is durable, for when power fails,
// within witnessDelay or witnessCommits.
const (
	witnessFile    = "witness"
	witnessTitle   = "perdure witness\n"
	witnessBytes   = len(witnessTitle) + 16
	witnessWordAt  = witnessBytes - 8
	witnessDelay   = time.Second / 2
	witnessCommits = 1000
)

// seal returns a number as the word of a witness.
func seal(number uint64) uint64 {
	const odd = 0x9e3779b97f4a7c15 // a multiple of it has each bit of the number in its upper ones
	return number<<16 | number*odd>>48 ^ odd>>48
}

// unseal returns the number in a word, and whether it is one.
func unseal(word uint64) (number uint64, ok bool) {
	return word >> 16, seal(word>>16) == word
}

// readWitness returns the number that a witness of store id knows.
func readWitness(disk vfs.FS, dir string, id storeID) (number uint64, err error) {
	content, err := readSmall(disk, disk.PathJoin(dir, witnessFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("its file %s is missing", witnessFile)
	}
	if err != nil {
		return 0, err
	}
	if len(content) != witnessBytes || !strings.HasPrefix(content, witnessTitle) {
		return 0, fmt.Errorf("its file %s is damaged", witnessFile)
	}
	if whose := storeID(binary.LittleEndian.Uint64([]byte(content[len(witnessTitle):]))); whose != id {
		return 0, fmt.Errorf("its file %s belongs to store %s, not to %s", witnessFile, whose, id)
	}
	number, ok := unseal(binary.LittleEndian.Uint64([]byte(content[witnessWordAt:])))
	if !ok {
		return 0, fmt.Errorf("its file %s is damaged", witnessFile)
	}
	return number, nil
}

// writeWitness makes the witness of a store, or another in its place.
func writeWitness(disk vfs.FS, dir string, id storeID, number uint64) error {
	content := binary.LittleEndian.AppendUint64([]byte(witnessTitle), uint64(id))
	return writeWhole(disk, dir, witnessFile, string(binary.LittleEndian.AppendUint64(content, seal(number))))
}

// witness is the file of an open store.
type witness struct {
	broken func(error) // what is told that the file cannot be written
	timer  *time.Timer // runs since the first commit that is not durable yet
	dirty  atomic.Bool // whether it runs
	word   *atomic.Uint64

	mu     sync.Mutex // held while the file is synced; guards the rest
	file   vfs.File
	memory mapped // of the file; nil where it cannot be mapped
	closed bool
}

// openWitness goes on with the witness of a store, from number on.
func openWitness(disk vfs.FS, dir string, number uint64, broken func(error)) (*witness, error) {
	file, err := disk.OpenReadWrite(disk.PathJoin(dir, witnessFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	w := &witness{broken: broken, file: file}
	if w.memory, err = mapFile(file, witnessBytes); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if w.word = w.memory.word(witnessWordAt); w.word == nil {
		w.word = new(atomic.Uint64)
	}
	w.timer = time.AfterFunc(witnessDelay, w.settle)
	w.timer.Stop()
	w.word.Store(littleEndian(seal(number)))
	if err := w.sync(); err != nil {
		return nil, errors.Join(err, w.memory.unmap(), file.Close())
	}
	return w, nil
}

// littleEndian turns a number into the word that has its bytes in that order,
// or back.
func littleEndian(n uint64) uint64 {
	var bytes [8]byte
	binary.LittleEndian.PutUint64(bytes[:], n)
	return binary.NativeEndian.Uint64(bytes[:])
}

// known is the number of the last commit that is known to be durable.
func (w *witness) known() uint64 {
	number, _ := unseal(littleEndian(w.word.Load()))
	return number
}

// advance notes that the commit with that number is durable, and all before it.
func (w *witness) advance(number uint64) {
	for {
		word := w.word.Load()
		if known, _ := unseal(littleEndian(word)); known >= number {
			return
		}
		if w.word.CompareAndSwap(word, littleEndian(seal(number))) {
			break
		}
	}
	switch {
	case number%witnessCommits == 0:
		w.timer.Reset(0)
	case w.dirty.CompareAndSwap(false, true):
		w.timer.Reset(witnessDelay)
	}
}

// settle syncs what has been noted since the last time.
func (w *witness) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.dirty.Store(false)
	if err := w.sync(); err != nil {
		w.broken(err)
	}
}

func (w *witness) sync() error {
	if w.memory != nil {
		return w.memory.sync()
	}
	word := binary.NativeEndian.AppendUint64(nil, w.word.Load())
	if _, err := w.file.WriteAt(word, int64(witnessWordAt)); err != nil {
		return err
	}
	return w.file.SyncData()
}

// close makes the last number durable. Nothing is noted any more.
func (w *witness) close() error {
	if w == nil { // it was not opened
		return nil
	}
	w.timer.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return errors.Join(w.sync(), w.memory.unmap(), w.file.Close())
}
