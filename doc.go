// Package perdure is what authors of durable functions import.
//
// An orchestrator is an ordinary Go function that describes a long-running
// process; activities do its work. Both are registered under a durable name:
//
//	app := perdure.New()
//	perdure.AddOrchestrator(app, "Trip", Trip)
//	perdure.AddActivity(app, "BookHotel", BookHotel)
//
//	func BookHotel(ctx context.Context, city string) (Booking, error) { ... }
//
//	func Trip(ctx *perdure.OrchestrationContext, city string) (Booking, error) {
//		return perdure.CallActivity(ctx, BookHotel, city).Await()
//	}
//
// The name is part of every stored instance: renaming or moving the Go function
// changes nothing, registering it under another name does.
//
// # Rules for orchestrators
//
// An orchestrator may wait for months, across restarts of the program. It is
// brought back by running it again against its history, so it must do the same
// each time:
//
//   - time, ids and logging come from its context: Now, NewGUID, Logger;
//   - files, network, random numbers, global state and goroutines belong in
//     activities;
//   - it ranges over a map only where the order does not matter;
//   - it uses its context and tasks only itself, from its own goroutine.
//
// Code that no longer fits a stored history is noticed; see
// [App.OnNonDeterminism].
//
// When an instance is unloaded from memory, the deferred functions of its
// orchestrator run, and the context does nothing in them. Clean up what must be
// cleaned up with activities, before returning.
//
// # Errors
//
// Whatever an activity or a sub-orchestration returns as its error arrives as a
// [*TaskFailedError]. An orchestrator that returns an error ends as failed.
package perdure
