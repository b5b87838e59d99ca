// Package embedded keeps task hubs in one folder on disk, in Pebble, a
// log-structured store that runs inside the process.
//
//	<dir>/FORMAT    version of the layout below, and the store's id
//	<dir>/witness   number of the last commit that was acknowledged, or of one a little before
//	<dir>/lock      held by the process that has the folder open; says who it is
//	<dir>/running-N what runs now in hub N, for the process after one that dies
//	<dir>/data/     Pebble's files; several hubs, told apart by the prefix of their keys
//
// A commit is one Pebble batch and is synced before it is acknowledged; a read
// returns only what is synced. The commits of one hub follow each other, since
// each adds to the counts of the one before. All are numbered, over all hubs:
// before Pebble may change anything, Open makes sure that no number is missing
// up to the one that the witness has (docs/adr/0014).
//
// # Keys
//
// Numbers are big-endian, so that keys sort as the numbers do; signed ones have
// their sign bit flipped. A key begins with its hub (u16) and its space (u8):
//
//	hub 0:  c                                           -> store's id u64, number of the last commit u64
//	        h | hub u16                                 -> hub's name and partitions, JSON; or that it was deleted
//	hub n:  b | number u64, seq u32                     -> bytes of a big record
//	        c | status u8                               -> how many instances have it, u64
//	        e | partition u16                           -> epoch u64
//	        g | tag's name, its value, number u64       -> nothing
//	        i | number u64                              -> status row
//	        k                                           -> memo
//	        l | label, number u64                       -> nothing
//	        m | partition u16, from u16, seq u64        -> bytes of a message
//	        n | instance id                             -> number u64
//	        o | orchestrator's name, number u64         -> nothing
//	        r | number u64, seq u32                     -> 0 and the record's bytes, or 1 alone: see b
//	        s | status u8, number u64                   -> nothing
//	        t | partition u16, due i64 in µs since 1970, number u64, timer i32 -> instance id
//	        w | partition u16, number u64               -> instance id
//
// Names in g, l and o are preceded by their length (uvarint), so that none is
// the beginning of another; those in o are folded to one letter case. Entities,
// whose ids begin with '@', are not in c, g, l, o and s.
//
// An ordered scan of i backwards is newest first, of t is firing order, of m is
// the order of each sender. Numbers grow with time, so that i, r and s are
// written nearly in order. Big records stay out of r, which is read and
// compacted often.
//
// # Queries
//
// Each key of g, l, o and s ends with a number, so the indexes that a query can
// use are walked together, newest first: each in turn seeks to the highest
// number that the others have left possible. A page stops at a budget, so that
// it takes a few milliseconds whatever the query, and the next one goes on from
// there.
//
// # Erasing
//
// Instances that are neighbours in i, as those of a bulk purge are, go by a few
// range tombstones: nothing else can have keys with numbers between theirs.
// What a later commit stores there, for a number given out earlier, comes after
// the tombstone and stays. A hub goes by one tombstone; its number is not given
// out again. What was erased by tombstones is compacted in the background, once
// nothing more is being erased.
package embedded
