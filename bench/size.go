package main

import "time"

// size is how much each workload does.
type size struct {
	hellos     int           // orchestrations for throughput
	starts     int           // starts that are only accepted
	latencies  int           // orchestrations one at a time
	fanOut     int           // activities side by side
	chain      int           // activities one after another
	shortChain int           // a divisor of chain: the same for a short history, to show what length costs
	events     int           // instances that wait for an event
	stored     int           // completed instances in the store
	waiting    int           // instances that wait for an event
	idle       time.Duration // for which nothing happens
	overload   time.Duration // for which more comes than goes
	inbox      int           // events that one instance has got
	bigPayload int           // bytes of one
	ended      int           // instances that end while memory is measured
	listed     int           // instances stored while pages are read
	pages      int           // queries, each followed for some pages
	purged     int           // instances that are purged
	floor      int           // orchestrations' worth of bytes for the floor
	syncs      int           // appends for the disk's own rate

	pulse            int   // orchestrations for the throughput at one point of a curve
	growthSteps      int   // of chains of one length
	growthBytes      int   // of payloads of one size
	growthStored     []int // the x of the curves
	growthIdle       []int
	growthHistory    []int
	growthPayload    []int
	growthPartitions []int
}

var (
	full = size{
		hellos: 20_000, starts: 100_000, latencies: 500, fanOut: 5_000, chain: 1_000, shortChain: 200, events: 500,
		stored: 1_000_000, waiting: 1_000_000, idle: 5 * time.Second, overload: 15 * time.Second, inbox: 100_000, bigPayload: 1 << 20, ended: 100_000, listed: 1_000_000, pages: 2_000, purged: 1_000_000, floor: 20_000, syncs: 2_000,
		pulse: 3_000, growthSteps: 2_000, growthBytes: 256 << 20,
		growthStored:     []int{1_000, 10_000, 100_000, 1_000_000},
		growthIdle:       []int{1_000, 10_000, 100_000, 1_000_000},
		growthHistory:    []int{10, 100, 1_000, 10_000, 100_000},
		growthPayload:    []int{0, 256, 4 << 10, 64 << 10, 1 << 20},
		growthPartitions: []int{1, 4, 16, 64, 256, 1_024},
	}
	small = size{
		hellos: 50, starts: 50, latencies: 5, fanOut: 20, chain: 20, shortChain: 5, events: 10,
		stored: 1_000, waiting: 200, idle: 10 * time.Millisecond, overload: 50 * time.Millisecond, inbox: 100, bigPayload: 1 << 10, ended: 100, listed: 20_000, pages: 50, purged: 2_000, floor: 200, syncs: 10,
		pulse: 10, growthSteps: 10, growthBytes: 64 << 10,
		growthStored:     []int{10, 100},
		growthIdle:       []int{10, 100},
		growthHistory:    []int{10, 100},
		growthPayload:    []int{0, 256, 1 << 10},
		growthPartitions: []int{1, 4},
	}
)

// How many operations of the client are under way at a time.
const (
	callers     = 100
	manyCallers = 1_000
)
