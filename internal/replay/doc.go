// Package replay runs the code of one execution of an orchestrator, turn by
// turn, against its history.
//
// A [Session] takes the turns of the execution in order and applies their
// events one at a time; the code runs whenever what it waits for has happened,
// and what it asks for becomes actions. Turns that are recorded already are
// applied in the same way, except that the actions must then fit what was
// recorded. So a session that stays in memory and one that is rebuilt from
// history do the same, and how events were grouped into turns is of no
// influence on what the code sees, apart from the time.
//
// External events are queued by name as they come, and nothing else; the code
// takes them when it looks (look.go). A look that cannot end parks the code and
// is tried again when it may be able to (parked.go). Which events are taken
// follows from the code and the history, and is recorded nowhere.
//
// [Context] is the code's side: everything untyped that package perdure builds
// its typed calls from. The package knows no user types, no store and no clock.
package replay
