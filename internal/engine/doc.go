// Package engine makes instances durable. It owns the partitions of a hub,
// gathers what happens to an instance in its inbox, decides turn by turn what
// follows, stores each decision as one delta, and lets effects leave only once
// the delta is durable.
//
//	client operation --+                                   +--> answers to clients
//	timer ------------ +--> inbox --> turn --> commit -----+--> activities
//	activity result ---+      ^        |                   +--> timers armed
//	                          +--------+ messages to instances of this process
//
// Deciding is pure and a room of its own ([decide]): state, messages and now
// in, a decision out. The shell around it (turn.go; change.go for operations)
// loads, calls the [Executor], and hands decisions to the committer
// (commit.go), which stores whatever is ready as one commit while the next
// batch gathers. Commits of a lane are in order, so a turn may run on a message
// of it that is not durable yet: what it leads to is stored after it. An
// instance has at most one turn that is not durable; what arrives meanwhile
// becomes one turn.
//
// Ownership is a tenure (tenure.go): join the hub in the store, acquire every
// partition, read what is to be done, work until told to stop. When a commit
// does not succeed nobody knows what is stored, so the tenure ends, everything
// in memory is dropped, and the next one reads the truth. A crash is the same
// thing with a longer pause. What a crash costs:
//
//	before the commit of a start or a message  the caller got no answer; it may repeat the call
//	before the commit of a turn                the turn runs again, on the same inbox
//	while an activity runs                     it runs again: at least once
//	between an activity's end and its turn     it runs again: its result was not stored
//	after the commit, before the effects       they are found in the store: open tasks, inbox, timers
//
// The engine never looks inside payloads, never reads files or the environment,
// and knows no transport.
package engine
