// Package audit keeps the record of who changed what: files of lines in one
// folder, of which nothing in the middle can be edited, cut or taken away
// unseen.
//
//	2026-11-26.jsonl    {"n":41,"time":...,"what":"file","file":7,"previous":"<hash of line 40>",...,"hash":"..."}
//	                    {"n":42,"time":...,"what":"terminate",...,"hash":"..."}
//	2026-11-26-2.jsonl  {"n":43,"time":...,"what":"file","file":8,"previous":"<hash of line 42>",...,"hash":"..."}
//
// A line is a JSON object. Its last member is the SHA-256, in hexadecimal, of
// the hash of the line before, as text, followed by the line up to the comma in
// front of "hash". The first line of a file holds the hash of the last line of
// the file before; in the first file of all that is empty. Lines and files are
// numbered. A day has a file of its own, in UTC, and a second one when the
// first is full.
//
// A file that a crash left with half a line at its end is never written to
// again: the next file begins, and its first line tells how many bytes are no
// line, and their hash. So a line is either whole or told of, and hides none.
//
// What is proven, and what is not: [Verify].
package audit
