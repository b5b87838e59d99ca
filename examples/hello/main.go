// Hello is the first durable function: an orchestrator that calls one activity
// three times, each after the other.
//
//	go run ./examples/hello
//
// It starts one instance, prints its status and goes on serving until Ctrl-C.
// Stop it whenever you like: what has not finished goes on at the next start.
//
// Its HTTP function starts an orchestrator and answers with the outcome, or with
// where to look for it if that takes longer than timeout:
//
//	curl -X POST 'http://127.0.0.1:7071/orchestrators/E1_HelloSequence/wait?timeout=2&retryInterval=0.5'
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

func main() {
	host.Main(app(), host.OnStart(greet), host.HTTP("POST /orchestrators/{name}/wait", StartAndWait))
}

func app() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "E1_HelloSequence", HelloSequence)
	perdure.AddOrchestrator(app, "E1_HelloApproved", HelloApproved)
	perdure.AddActivity(app, "E1_SayHello", SayHello)
	return app
}

// HelloSequence greets three cities, one after the other.
func HelloSequence(ctx *perdure.OrchestrationContext, _ any) ([]string, error) {
	var greetings []string
	for _, city := range []string{"Tokyo", "Seattle", "London"} {
		greeting, err := perdure.CallActivity(ctx, SayHello, city).Await()
		if err != nil {
			return nil, err
		}
		greetings = append(greetings, greeting)
	}
	return greetings, nil
}

// HelloApproved greets whomever the event "Approval" names.
func HelloApproved(ctx *perdure.OrchestrationContext, _ any) (string, error) {
	name, err := perdure.WaitForExternalEvent[string](ctx, "Approval").Await()
	if err != nil {
		return "", err
	}
	return perdure.CallActivity(ctx, SayHello, name).Await()
}

// SayHello greets name.
func SayHello(_ context.Context, name string) (string, error) {
	return "Hello " + name + "!", nil
}

// greet starts an instance and prints how it ended.
func greet(ctx context.Context, c *client.Client) error {
	id, err := c.Start(ctx, "E1_HelloSequence", nil, client.StartOptions{})
	if err != nil {
		return err
	}
	status, err := c.Wait(ctx, id)
	if err != nil {
		return err
	}
	var output bytes.Buffer
	if err := json.Indent(&output, status.Output, "", "  "); err != nil {
		return err
	}
	fmt.Printf("Instance %s: %s\n%s\n", id, status.RuntimeStatus, output.String())
	return nil
}

// StartAndWait starts the orchestrator that the path names, with the body as its
// input, and waits for its end.
func StartAndWait(c *client.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := startAndWait(c, w, r)
		switch {
		case errors.Is(err, client.ErrInvalidArgument):
			http.Error(w, err.Error(), http.StatusBadRequest)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

func startAndWait(c *client.Client, w http.ResponseWriter, r *http.Request) error {
	timeout, err := seconds(r, "timeout", 10*time.Second)
	if err != nil {
		return err
	}
	poll, err := seconds(r, "retryInterval", time.Second)
	if err != nil {
		return err
	}
	if poll > timeout {
		return fmt.Errorf("%w: retryInterval %v is longer than timeout %v", client.ErrInvalidArgument, poll, timeout)
	}
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%w: %w", client.ErrInvalidArgument, err)
	}
	id, err := c.Start(r.Context(), r.PathValue("name"), json.RawMessage(input), client.StartOptions{})
	if err != nil {
		return err
	}
	return c.WaitOrCheckStatus(w, r, id, client.WaitOptions{Timeout: timeout, Poll: poll})
}

// seconds reads a parameter such as 0.5.
func seconds(r *http.Request, name string, otherwise time.Duration) (time.Duration, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 || n > 230 {
		return 0, fmt.Errorf("%w: %s=%s is not a number of seconds up to 230", client.ErrInvalidArgument, name, text)
	}
	return time.Duration(n * float64(time.Second)), nil
}
