package perdure_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/store/memory"
	"github.com/perdure/perdure/internal/worker"
)

// runs starts the orchestrator Main of an app, which [host.Main] would serve, raises an
// event for each name in events, and prints how it ended.
func runs(app *perdure.App, input any, events ...string) {
	w, err := worker.New(app, worker.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	e := engine.New(memory.New(4), w, engine.Options{})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.Run(ctx) // it is stopped
	}()
	defer func() { stop(); <-ended }()
	text, err := json.Marshal(input)
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := e.Start(ctx, hub.StartRequest{Name: "Main", Input: text})
	for _, name := range events {
		if err == nil {
			err = e.Raise(ctx, id, hub.RaiseRequest{Name: name, Payload: json.RawMessage("true")})
		}
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	status, err := e.Wait(ctx, id)
	switch {
	case err != nil:
		fmt.Println(err)
	case status.Instance.Status == history.Completed:
		fmt.Println(string(status.Output))
	default:
		fmt.Println(status.Instance.Status, status.FailureText)
	}
}
