// Package embedded keeps task hubs in one folder on disk, in Pebble, a
// log-structured store that runs inside the process.
//
//	<dir>/FORMAT    version of the layout below
//	<dir>/lock      held by the process that has the folder open; says who it is
//	<dir>/data/     Pebble's files; several hubs, told apart by the prefix of their keys
//
// A commit is one Pebble batch and is synced before it is acknowledged; a read
// returns only what is synced. Who writes concurrently shares a sync.
//
// # Keys
//
// Numbers are big-endian, so that keys sort as the numbers do; signed ones have
// their sign bit flipped. A key begins with its hub (u16) and its space (u8):
//
//	hub 0:  h | hub u16                                 -> hub's name and partitions, JSON
//	hub n:  b | number u64, seq u32                     -> bytes of a big record
//	        e | partition u16                           -> epoch u64
//	        i | number u64                              -> status row
//	        m | partition u16, from u16, seq u64        -> bytes of a message
//	        n | instance id                             -> number u64
//	        r | number u64, seq u32                     -> 0 and the record's bytes, or 1 alone: see b
//	        s | status u8, number u64                   -> nothing
//	        t | partition u16, due i64 in µs since 1970, number u64, timer i32 -> instance id
//	        w | partition u16, number u64               -> instance id
//
// An ordered scan of i backwards is newest first, of t is firing order, of m is
// the order of each sender. Numbers grow with time, so that i, r and s are
// written nearly in order. Big records stay out of r, which is read and compacted often.
package embedded
