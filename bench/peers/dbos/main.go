// Command dbos measures DBOS Transact Go, on PostgreSQL or on SQLite. DBOS is a
// library: clients, orchestrations and activities are all in this process, the
// store is all that is elsewhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"

	"github.com/perdure/perdure/bench/peers/peer"
)

func main() { peer.Main(program()) }

func program() peer.Program {
	var kind string
	return peer.Program{
		Flags: func(flags *flag.FlagSet) {
			flags.StringVar(&kind, "store", "sqlite", "`kind` of store: sqlite or postgres")
		},
		Open: func(ctx context.Context, dir string, waiting func()) (peer.System, peer.About, error) {
			st, err := openStore(ctx, kind, dir)
			if err != nil {
				return nil, peer.About{}, err
			}
			s, err := launch(ctx, st, waiting)
			return s, st.about, err
		},
	}
}

// store is where DBOS keeps its state, ready for use.
type store struct {
	about  peer.About
	config dbos.Config // the part that names the store
	close  func() error
}

func openStore(ctx context.Context, kind, dir string) (*store, error) {
	switch kind {
	case "sqlite":
		return openSQLite(ctx, dir)
	case "postgres":
		return openPostgres(ctx, dir)
	}
	return nil, fmt.Errorf("-store is %q, must be sqlite or postgres", kind)
}

// system is DBOS in this process. A DBOS workflow is an orchestration, a step is
// an activity, and an event is a message.
type system struct {
	dbos.Context
	store   *store
	waiting func()
}

// launch starts DBOS on a store, which is the system's from now on.
func launch(ctx context.Context, st *store, waiting func()) (*system, error) {
	st.config.AppName = "peer"
	st.config.Logger = slog.New(slog.DiscardHandler)
	c, err := dbos.NewContext(ctx, st.config)
	if err != nil {
		return nil, errors.Join(err, st.close())
	}
	s := &system{Context: c, store: st, waiting: waiting}
	dbos.RegisterWorkflow(c, hello)
	dbos.RegisterWorkflow(c, fanOut)
	dbos.RegisterWorkflow(c, chain)
	dbos.RegisterWorkflow(c, s.awaitGo)
	if err := dbos.Launch(c); err != nil {
		return nil, errors.Join(err, st.close())
	}
	return s, nil
}

func (s *system) Close() error {
	return errors.Join(dbos.Shutdown(s.Context, 10*time.Second), s.store.close())
}

func (s *system) Hello(context.Context) ([]string, error) {
	return complete(s, hello, "")
}

func (s *system) FanOut(_ context.Context, n int) (int, error) {
	return complete(s, fanOut, n)
}

func (s *system) Chain(_ context.Context, n int) (int, error) {
	return complete(s, chain, n)
}

func (s *system) AwaitGo(_ context.Context, id string) (int, error) {
	return complete(s, s.awaitGo, "", dbos.WithWorkflowID(id))
}

func (s *system) Raise(_ context.Context, id string, value int) error {
	return dbos.Send(s, id, value, "Go")
}

// complete starts a workflow and waits for its result.
func complete[P, R any](s *system, w dbos.Workflow[P, R], input P, options ...dbos.WorkflowOption) (R, error) {
	handle, err := dbos.RunWorkflow(s, w, input, options...)
	if err != nil {
		var none R
		return none, err
	}
	return handle.GetResult()
}

func hello(ctx dbos.Context, _ string) ([]string, error) {
	var greetings []string
	for _, city := range peer.Cities {
		greeting, err := dbos.RunAsStep(ctx, func(context.Context) (string, error) { return peer.SayHello(city), nil })
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

func fanOut(ctx dbos.Context, n int) (int, error) {
	steps := make([]<-chan dbos.StepOutcome[int], n)
	for i := range steps {
		var err error
		if steps[i], err = dbos.Go(ctx, func(context.Context) (int, error) { return peer.Next(i), nil }); err != nil {
			return 0, err
		}
	}
	sum := 0
	for _, step := range steps {
		outcome := <-step
		if outcome.Err != nil {
			return 0, outcome.Err
		}
		sum += outcome.Result
	}
	return sum, nil
}

func chain(ctx dbos.Context, n int) (int, error) {
	value := 0
	for range n {
		var err error
		if value, err = dbos.RunAsStep(ctx, func(context.Context) (int, error) { return peer.Next(value), nil }); err != nil {
			return 0, err
		}
	}
	return value, nil
}

func (s *system) awaitGo(ctx dbos.Context, _ string) (int, error) {
	s.waiting()
	return dbos.Recv[int](ctx, "Go", time.Hour)
}
