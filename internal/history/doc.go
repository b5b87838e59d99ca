// Package history is the floor that the programming model and the engine both
// stand on: what happened (events), what user code asks for (actions), who an
// instance is (ids, statuses, failures), and the fold that turns the first into
// what is still open.
//
// An instance's history is a list of records, one for each turn:
//
//	start   ExecutionStarted [EventRaised ...]        written when the execution is created
//	turn 1  incoming events, scheduling events        written when its first turn commits
//	turn 2  incoming events, scheduling events
//	 ...
//	turn n  incoming events, ExecutionCompleted
//
// The start record is a turn that has not happened yet: its events are the
// first incoming events of turn 1. Readers see them merged (see [Turns]). Each
// turn is framed by OrchestratorStarted and OrchestratorCompleted, which carry
// nothing but the turn's time and so are implied, not stored (see [Flatten]).
//
// The package has no goroutine, no clock and no I/O, and decides nothing: the
// engine decides, this package remembers.
package history
