package store

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// Tenure is one unbroken membership in a hub: the unit of failure. Whoever has
// one owns partitions, and only the owner of a partition decides about its
// instances. A tenure ends when it leaves or is fenced. After that its methods
// return [ErrFenced], and nothing more of it is ever stored. All methods are
// safe for concurrent use.
//
//	Join --> member --Leave, or Fence by whoever takes over--> over
type Tenure interface {
	ID() TenureID
	// Lanes returns how many commits may be under way at a time, each in the
	// order of its lane.
	Lanes() int
	// Acquire makes the tenure the owner of those of partitions that nobody
	// owns, and returns what it was granted, in no order, with what was handed
	// to it; what it was granted before is not granted again. When it returns,
	// the grants are durable.
	Acquire(ctx context.Context, partitions ...int) ([]Grant, error)
	// Commit stores the deltas in order, all of them or none, behind every
	// commit of the lane before. When it returns nil they are durable, survive
	// a crash and are visible to every read. Without deltas it confirms that
	// the tenure was not fenced until now. [ErrFenced] and [ErrNoSpace] mean
	// that nothing was stored; after any other error the caller does not know,
	// and must begin another tenure and read what is there before it decides
	// anything else.
	Commit(ctx context.Context, lane int, deltas []*Delta) error
	// Beat shows that the tenure lives, and how busy it is. It returns the hub
	// as the store sees it.
	Beat(ctx context.Context, load Load) (Members, error)
	// Fence ends a tenure, this one or another. When it returns, nothing of it
	// can be stored any more, and its partitions have no owner. An id that is
	// not known, or not any more, is no error.
	Fence(ctx context.Context, id TenureID) error
	// Leave ends the tenure. What it owned has no owner then.
	Leave(ctx context.Context) error
}

// TenureID names a tenure in its hub, and is never used again; 0 is nobody.
type TenureID int64

// NewTenureID draws an id. It is random, since a counter in a store that lost
// its last commits would give an id again, and an old process its rights.
func NewTenureID() TenureID { return TenureID(1 + rand.Int64N(math.MaxInt64)) }

// Node is a process that joins a hub. Host and Address together are its place,
// which one process has at a time: another tenure there is of a process that is
// gone.
type Node struct {
	Name    string // for people
	Host    string // the machine, and its boot
	Address string // where it listens; empty: it does not
}

// Load tells how busy a tenure is. It is opaque to the store.
type Load []byte

// Grant is a partition that a tenure now owns.
type Grant struct {
	Partition int
	Epoch     Epoch  // higher than any before
	Carry     []byte // as the last owner left it; nil after a fence
}

// Handover says who owns a partition next. After the commit with it nothing of
// the owner before is stored about the partition.
type Handover struct {
	To    TenureID // owns it from then on, and acquires it; 0, or one that is over: nobody
	Carry []byte   // for the next owner; opaque to the store
}

// Members is who is in a hub, and who owns what.
type Members struct {
	Nodes  []Member
	Owners []TenureID // by partition; 0: nobody
}

// Member is a tenure as the store sees it.
type Member struct {
	Node
	ID   TenureID
	Beat uint64        // how often it has beaten
	Age  time.Duration // since then, or since it joined, by the store's clock
	Load Load          // with its last beat
}
