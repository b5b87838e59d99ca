// Package corrupt damages the files of a store in every way it can think of,
// and opens it.
//
// The folders are real ones: made by an app that ran, with every kind of row,
// some hubs, tables at several levels, and ends in good order and without. Each
// cell of the matrix is one damage to one copy. What may come of it:
//
//	same     it opens, and all answers are the same
//	refused  it does not open; nothing in the folder has changed, and once the
//	         damage is taken back it opens with all
//	failed   it opens, and the reads that meet the damage fail; all others give
//	         the same answers, and once the damage is taken back all do
//	told     after an end without good order the newest log has lost its end: what is
//	         there is what was stored up to some commit, and the store says
//	         how many bytes and commits are gone
//
// Anything else fails the test: fewer or other answers, a panic, a store that
// hangs. The answers are all that the store can be asked: every row, history,
// message, timer, list and count, byte for byte.
//
// make test runs a sample of the cells, make corruption all of them, and prints
// the matrix.
package corrupt
