// Package storetest is the suite that every [store.Store] has to pass, and a
// store that fails on demand. It is a room for tests: only tests import it.
//
// What a store does beyond the contract, such as how it survives a crash, its
// own tests show. A bug found in one store becomes a case of this suite.
package storetest

import (
	"testing"

	"github.com/perdure/perdure/internal/store"
)

// Fixture is a store under test.
type Fixture struct {
	Store  store.Store
	Reopen func() store.Store // closes the store and opens what it left; nil: it leaves nothing
	Close  func()             // closes the store; nil: nothing to do

	OneTenure bool // the store has one tenure at a time: cases that need several are left out
}

// Open makes an empty store. It fails t if it cannot.
type Open func(t *testing.T, partitions int) Fixture

// Run runs the suite, each case on a store of its own.
func Run(t *testing.T, open Open) {
	for _, tt := range []struct {
		name string
		run  func(*room)
	}{
		{"Partitions", testPartitions},
		{"Acquire", testAcquire},
		{"Empty", testEmpty},
		{"Canceled", testCanceled},
		{"StopEarly", testStopEarly},
		{"Copies", testCopies},
		{"Row", testRow},
		{"SameInstanceInOneCommit", testSameInstanceInOneCommit},
		{"Records", testRecords},
		{"ReadInstance", testReadInstance},
		{"DropRecords", testDropRecords},
		{"Erase", testErase},
		{"EraseBig", testEraseBig},
		{"Takeover", testTakeover},
		{"EraseWithinOneCommit", testEraseWithinOneCommit},
		{"Work", testWork},
		{"Inbox", testInbox},
		{"InboxWithinOneCommit", testInboxWithinOneCommit},
		{"Timers", testTimers},
		{"OwnOnly", testOwnOnly},
		{"TenureEnds", testTenureEnds},
		{"Beat", testBeat},
		{"Share", testShare},
		{"Release", testRelease},
		{"Handover", testHandover},
		{"EpochsGrow", testEpochsGrow},
		{"Lanes", testLanes},
		{"Refused", testRefused},
		{"ListOrder", testListOrder},
		{"ListBytes", testListBytes},
		{"ListFilters", testListFilters},
		{"ListCombined", testListCombined},
		{"ListLabels", testListLabels},
		{"ListEntities", testListEntities},
		{"ListWhileWriting", testListWhileWriting},
		{"ListManyIDs", testListManyIDs},
		{"Counts", testCounts},
		{"CountsAfterFaults", testCountsAfterFaults},
		{"EraseMany", testEraseMany},
		{"EraseManyWhileWriting", testEraseManyWhileWriting},
		{"Reopen", testReopen},
		{"Concurrent", testConcurrent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := enter(t, open(t, partitions))
			defer r.leave()
			tt.run(r)
		})
	}
	t.Run("Random", func(t *testing.T) {
		t.Parallel()
		testRandom(t, open)
	})
}
