// Command restate measures Restate with its Go SDK. The server is a process of
// its own; it calls the handlers, which are in this process, and so are the
// clients, which call the server's ingress.
//
// An activity can be written in two ways. Journaled: a closure that the handler
// runs itself, and whose result the server writes to its journal. Dispatched: a
// handler of another service, which the server calls, as an engine does that may
// run activities elsewhere than orchestrations.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"

	restate "github.com/restatedev/sdk-go"
	"github.com/restatedev/sdk-go/ingress"
	"github.com/restatedev/sdk-go/server"

	"github.com/perdure/perdure/bench/peers/peer"
)

func main() {
	var binary, activities string
	peer.Main(peer.Program{
		Flags: func(flags *flag.FlagSet) {
			flags.StringVar(&binary, "server", "restate-server", "`file` of the server's program")
			flags.StringVar(&activities, "activities", "journaled", "`way` of activities: journaled or dispatched")
		},
		Open: func(ctx context.Context, dir string, waiting func()) (peer.System, peer.About, error) {
			if activities != "journaled" && activities != "dispatched" {
				return nil, peer.About{}, fmt.Errorf("-activities is %q, must be journaled or dispatched", activities)
			}
			n, err := startNode(ctx, binary, dir)
			if err != nil {
				return nil, peer.About{}, err
			}
			n.about.System = "restate-" + activities
			s, err := deploy(ctx, n, activities, waiting)
			return s, n.about, err
		},
	})
}

// system is a Restate server and, in this process, the handlers that it calls.
type system struct {
	node    *node
	ingress *ingress.Client
	service string // of the orchestrations: Journaled or Dispatched
	end     context.CancelFunc
	ended   chan error // sent the end of the handlers' server
}

// deploy serves the handlers and makes them known to the Restate server, which
// is the system's from now on.
func deploy(ctx context.Context, n *node, activities string, waiting func()) (*system, error) {
	serving, end := context.WithCancel(context.WithoutCancel(ctx))
	s := &system{node: n, end: end, ended: make(chan error, 1)}
	s.service = map[string]string{"journaled": "Journaled", "dispatched": "Dispatched"}[activities]
	var http2 http.Protocols
	http2.SetUnencryptedHTTP2(true) // the default client would open a connection for nearly each call
	s.ingress = ingress.NewClient(n.ingress, ingress.WithHttpClient(&http.Client{Transport: &http.Transport{Protocols: &http2}}))
	handlers := server.NewRestate().
		WithLogger(slog.DiscardHandler, true).
		Bind(restate.Reflect(Journaled{})).
		Bind(restate.Reflect(Dispatched{})).
		Bind(restate.Reflect(Activities{})).
		Bind(restate.Reflect(AwaitGo{waiting}))
	address, err := freeAddress()
	if err != nil {
		return nil, errors.Join(err, n.stop())
	}
	go func() { s.ended <- handlers.Start(serving, address) }() // Close ends it and waits
	if err := n.register(ctx, "http://"+address); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *system) Close() error {
	err := s.node.stop()
	s.end()
	return errors.Join(err, <-s.ended)
}

func (s *system) Hello(ctx context.Context) ([]string, error) {
	return ingress.Service[restate.Void, []string](s.ingress, s.service, "Hello").Request(ctx, restate.Void{})
}

func (s *system) FanOut(ctx context.Context, n int) (int, error) {
	return ingress.Service[int, int](s.ingress, s.service, "FanOut").Request(ctx, n)
}

func (s *system) Chain(ctx context.Context, n int) (int, error) {
	return ingress.Service[int, int](s.ingress, s.service, "Chain").Request(ctx, n)
}

func (s *system) AwaitGo(ctx context.Context, id string) (int, error) {
	return ingress.Workflow[restate.Void, int](s.ingress, "AwaitGo", id, "Run").Request(ctx, restate.Void{})
}

func (s *system) Raise(ctx context.Context, id string, value int) error {
	_, err := ingress.Workflow[int, restate.Void](s.ingress, "AwaitGo", id, "Go").Request(ctx, value)
	return err
}

// Journaled has the orchestrations whose activities are closures.
type Journaled struct{}

func (Journaled) Hello(ctx restate.Context) ([]string, error) {
	var greetings []string
	for _, city := range peer.Cities {
		greeting, err := restate.Run(ctx, func(restate.RunContext) (string, error) { return peer.SayHello(city), nil })
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

func (Journaled) FanOut(ctx restate.Context, n int) (int, error) {
	runs := make([]restate.RunAsyncFuture[int], n)
	for i := range runs {
		runs[i] = restate.RunAsync(ctx, func(restate.RunContext) (int, error) { return peer.Next(i), nil })
	}
	sum := 0
	for _, run := range runs {
		value, err := run.Result()
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

func (Journaled) Chain(ctx restate.Context, n int) (int, error) {
	value := 0
	for range n {
		var err error
		if value, err = restate.Run(ctx, func(restate.RunContext) (int, error) { return peer.Next(value), nil }); err != nil {
			return 0, err
		}
	}
	return value, nil
}

// Dispatched has the orchestrations whose activities are handlers.
type Dispatched struct{}

func (Dispatched) Hello(ctx restate.Context) ([]string, error) {
	var greetings []string
	for _, city := range peer.Cities {
		greeting, err := restate.Service[string](ctx, "Activities", "SayHello").Request(city)
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

func (Dispatched) FanOut(ctx restate.Context, n int) (int, error) {
	calls := make([]restate.ResponseFuture[int], n)
	for i := range calls {
		calls[i] = restate.Service[int](ctx, "Activities", "Next").RequestFuture(i)
	}
	sum := 0
	for _, call := range calls {
		value, err := call.Response()
		if err != nil {
			return 0, err
		}
		sum += value
	}
	return sum, nil
}

func (Dispatched) Chain(ctx restate.Context, n int) (int, error) {
	value := 0
	for range n {
		var err error
		if value, err = restate.Service[int](ctx, "Activities", "Next").Request(value); err != nil {
			return 0, err
		}
	}
	return value, nil
}

// Activities has the activities as handlers.
type Activities struct{}

func (Activities) SayHello(_ restate.Context, city string) (string, error) {
	return peer.SayHello(city), nil
}

func (Activities) Next(_ restate.Context, n int) (int, error) { return peer.Next(n), nil }

// AwaitGo is a Restate workflow: what an instance awaits from outside is a
// durable promise, which a second handler of the same workflow resolves.
type AwaitGo struct{ waiting func() }

func (w AwaitGo) Run(ctx restate.WorkflowContext) (int, error) {
	w.waiting()
	return restate.Promise[int](ctx, "Go").Result()
}

func (AwaitGo) Go(ctx restate.WorkflowSharedContext, value int) error {
	return restate.Promise[int](ctx, "Go").Resolve(value)
}
