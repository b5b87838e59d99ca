// Package store hides what keeps a hub: it is the contract between the engine,
// which decides, and whatever makes decisions durable. A store persists deltas
// and never asks what a record or a message means.
package store

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/perdure/perdure/internal/history"
)

// Epoch counts the owners of a partition. It grows with every change of owner.
type Epoch uint64

// Errors of a [Store], to be matched with errors.Is.
var (
	// ErrFenced: the tenure is over, or does not own the partition. Nothing of
	// the commit was stored.
	ErrFenced = errors.New("another process owns the hub, or the partition")
	// ErrNoSpace: the store's disk is (nearly) full. Nothing of the commit was
	// stored; it may succeed once there is space.
	ErrNoSpace = history.ErrNoSpace
	// ErrBroken: the store cannot be used any more until it is opened anew.
	ErrBroken = errors.New("the store is broken")
)

// Store keeps one hub. It persists what it is given and never asks what a
// record or a message means. All methods are safe for concurrent use.
//
// Slices handed to a store stay the caller's, who does not change them until
// the call returns; slices that a store hands out are the receiver's to keep.
type Store interface {
	// Partitions returns how many partitions the hub has, fixed at its
	// creation.
	Partitions() int
	// Join begins a tenure of this process, which owns nothing yet. A store
	// that can have one tenure only fences the one before.
	Join(ctx context.Context, self Node) (Tenure, error)
	Reader
	Viewer
}

// Reader reads what is durable. Sequences stop at the first error, which they
// yield; each reads one consistent snapshot.
type Reader interface {
	// FindInstance returns the status row of the instance that has id now.
	FindInstance(ctx context.Context, id history.InstanceID) (row history.Instance, ok bool, err error)
	// ReadInstance calls read with the instance that has id now, as of one
	// moment. It reports whether there is one; an error of read is returned.
	ReadInstance(ctx context.Context, id history.InstanceID, read func(Snapshot) error) (ok bool, err error)
	// ListInstances returns a page of status rows, newest number first. It
	// looks at a bounded number of rows, and ends a page at [history.PageBytes]
	// of them: a page may hold fewer than q.Limit, even none, while more
	// follow.
	ListInstances(ctx context.Context, q history.Query) (Page, error)
	// CountInstances counts what q matches, by status; q.Before and q.Limit do
	// not count. Counts by nothing but status are kept, others are counted.
	CountInstances(ctx context.Context, q history.Query) (history.Counts, error)
	// Records yields the history records of an instance in order of Seq, none
	// if it does not exist.
	Records(ctx context.Context, number history.Number) iter.Seq2[Record, error]
	// LastRecord returns the newest record of an instance.
	LastRecord(ctx context.Context, number history.Number) (rec Record, ok bool, err error)

	// LastNumber returns the highest instance number that the hub ever stored
	// in a row that still exists, 0 when there is none.
	LastNumber(ctx context.Context) (history.Number, error)
	// Working yields the instances of partition whose work flag is set.
	Working(ctx context.Context, partition int) iter.Seq2[Ref, error]
	// Inbox yields the messages of partition, those of one sender in order.
	Inbox(ctx context.Context, partition int) iter.Seq2[Message, error]
	// Timers returns at most limit timers of partition that are due before
	// until, in firing order, beginning after the timer after (its zero value:
	// from the start).
	Timers(ctx context.Context, partition int, after Timer, until time.Time, limit int) ([]Timer, error)
}

// CrashNotes is what a [Store] may be besides: one whose folder or the like
// outlives a process that dies. It never asks what the words and the memo mean.
type CrashNotes interface {
	// Notes returns n words, which whoever owns the hub may write at any time,
	// without syncing anything, and what the last process left in them: as long
	// as the machine runs, they outlive the process. It returns none when n is
	// 0, and where there is no such memory. The words stay valid for as long as
	// the process lives.
	Notes(n int) (words []atomic.Uint64, before []uint64, err error)
	// Memo returns what SetMemo stored last, nil when that was nothing.
	Memo(ctx context.Context) ([]byte, error)
	// SetMemo stores a few bytes in place of those before, durably.
	SetMemo(ctx context.Context, memo []byte) error
}

// Ref names an instance in both ways.
type Ref struct {
	Number history.Number
	ID     history.InstanceID
}

// Record is one encoded [history.Turn]. Bytes are opaque to the store.
type Record struct {
	Seq   uint32
	Bytes []byte
}

// Snapshot is what a store holds of one instance as of one moment. It is good
// until whoever was given it returns, and not for concurrent use.
type Snapshot struct {
	Row     history.Instance
	Records iter.Seq2[Record, error]                // in order of Seq
	Last    func() (rec Record, ok bool, err error) // the newest record
}

// Message is an event on its way to an instance: a row in the inbox of the
// target's partition from the commit that sent it to the commit of the turn
// that consumed it.
type Message struct {
	MessageKey
	Bytes []byte // encoded, opaque to the store
}

// MessageKey identifies a message in its hub. Seq grows with every message of
// the sending partition, across its owners.
type MessageKey struct {
	Partition int // of the target
	From      int // partition that sent it; clients send through the target's own
	Seq       uint64
}

// Timer is a row of the durable timer index. Due, Number and ID together are
// its key.
type Timer struct {
	Due      time.Time // to the microsecond
	Number   history.Number
	ID       int32 // sequence id of the timer; history.NoID wakes a scheduled start
	Instance history.InstanceID
}

// Flag is a change to an instance's work flag.
type Flag int8

const (
	Keep  Flag = iota // as it is
	Set               // this instance must be looked at when its partition changes hands
	Clear             // nothing to do until a message or a timer comes
)

// Delta is what one decision changes: a turn, a start, a message accepted. It
// is stored as a unit; all fields but Partition are optional. Within a delta the order is: Erase, DropRecords, then everything else; keys within
// one part are distinct.
type Delta struct {
	Partition int // that decided; whoever commits owns it

	// Number and ID name the instance that Row, OldStatus, Record, DropRecords
	// and Work are about.
	Number history.Number
	ID     history.InstanceID

	Row       *history.Instance     // the new status row, with the Name, Tags and Labels of the one before; nil when unchanged
	OldStatus history.RuntimeStatus // Status of the row that Row replaces; history.Unknown when there is none
	Record    *Record               // appended to the history
	// DropRecords erases the records with First <= Seq < End; zero erases none.
	DropRecords struct{ First, End uint32 }
	Work        Flag

	// Erase is the stored row of an instance to remove entirely: row, indexes,
	// records, work flag, and the id's mapping unless Row takes the id over.
	// Its timers are listed in ClearTimers by whoever decides.
	Erase *history.Instance

	Consumed    []MessageKey // messages to delete; a missing one is not an error
	Sent        []Message    // messages to store
	SetTimers   []Timer
	ClearTimers []Timer // a missing one is not an error; Instance is not looked at

	Release *Handover // gives Partition up: the last delta about it by this owner
}

// Page is a part of what a query matches. Instances created after the first
// page was read are on none of the pages that follow it.
type Page struct {
	Rows       []history.Instance // newest number first
	Unreadable []Unreadable       // the same; nothing but indexes tells whether they match
	Next       history.Number     // Query.Before of the next page; 0: this is the last one
}

// All yields what is on the page, newest first: a row, or one that is
// unreadable.
func (p *Page) All() iter.Seq2[*history.Instance, *Unreadable] {
	return func(yield func(*history.Instance, *Unreadable) bool) {
		rows, bad := p.Rows, p.Unreadable
		for len(rows)+len(bad) > 0 {
			if len(bad) == 0 || len(rows) > 0 && rows[0].Number > bad[0].Number {
				if !yield(&rows[0], nil) {
					return
				}
				rows = rows[1:]
				continue
			}
			if !yield(nil, &bad[0]) {
				return
			}
			bad = bad[1:]
		}
	}
}

// Unreadable is a status row that cannot be decoded: it is damaged, or a newer
// build wrote it.
type Unreadable struct {
	Number  history.Number
	ID      history.InstanceID // empty if that cannot be read either
	Problem string
}
