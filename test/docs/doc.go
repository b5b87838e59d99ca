// Package docs runs the documentation: every fenced snippet of README.md, of
// the other files beside it and of docs/. What a fence may say, and what
// becomes of it:
//
//	go                       declarations, or the inside of an orchestrator (ctx is its context):
//	                         built, together with the document's other ones; imports are added
//	go examples/NAME/main.go a whole program: built in a module of its own
//	go main.go, main_test.go a program that the reader writes: put into the document's folder
//	sh                       commands: run by bash, in order, in a folder of the document's own;
//	                         perdure is the built command, 7071 the port of the last program
//	text, json               directly below sh: what the commands print; "..." stands for anything
//	json host.json           a file, written into that folder; so is local.settings.json
//	text picture             a drawing, for people only
//
// Some commands are not left to bash. "go run ./examples/NAME", or "go run ."
// of the reader's own module, starts the built program on a free port and ends
// the one before, as a reader does with Ctrl-C. "pkill -9 NAME" kills it, once
// it has printed what is shown below. In "go get" and "go install" of @latest,
// a replace puts this repository in the place of the release. "make TARGET"
// only has to name a target, and "cd bench && go ..." is taken as it is, as is
// "cd bench/peers && go ...": CI runs the one, and bench and bench/peers test
// themselves.
//
// Anything else fails the test: no snippet can hide. Code that is indented
// instead of fenced may be these two commands and JSON only. Printed JSON is
// compared without blanks and with what comes on standard output; text with all
// that a terminal would show.
package docs
