// Package decide hides how an instance goes on: its state, the messages for it
// and the time go in, a decision comes out.
//
// It is pure. It calls no store and no code of a user, looks at no clock,
// starts no goroutine and draws no random number; what it needs of those comes
// in as a value. The same input gives the same decision, byte for byte, which
// the scripts in testdata/turn hold. It can be driven by hand, see the example
// of [Open]:
//
//	Inbox -- Open --> Step: code must run, something must be read, or nothing
//	                   |
//	                   +-- Close(Answer) --> Decision: what is to be stored and sent
//
// Only an instance's owner calls it, for one instance at a time. What a step is
// about is found by a table of rules, precedence; a second kind of addressee,
// such as an entity, has a table of its own and shares messages, steps and
// decisions.
//
// Each file uses names of those above it, and of none below:
//
//	message.go       what is in an inbox
//	call.go          who called whom, what answers a call, and the timers behind one
//	decision.go      what is to change about an instance, as one unit
//	begin.go         an instance begins, is replaced, or is erased
//	tree.go          the children of one that has ended end
//	turn.go          events come in, code has run or the instance is terminated
//	past.go          the history of an execution, by turns and calls
//	failure.go       why it failed, and what a failed attempt led to
//	children.go      what a rewind does about children
//	rewind.go        a Failed instance goes on
//	keep.go          a Failed instance keeps events until then
//	record_check.go  what no engine can have stored
//	archive.go       an instance comes from elsewhere, or goes there
//	step.go          what comes next: Open and Close
package decide
