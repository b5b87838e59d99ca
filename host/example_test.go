package host_test

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

func greet(_ *perdure.OrchestrationContext, name string) (string, error) { return "Hello " + name, nil }

func greeter() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "Greet", greet)
	return app
}

// A whole program: an app with an HTTP function of its own, and one instance at its start.
func ExampleMain() {
	host.Main(greeter(),
		host.HTTP("GET /hello", func(c *client.Client) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				id, err := c.Start(r.Context(), "Greet", "Ada", client.StartOptions{})
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				c.WriteCheckStatus(w, r, id, client.CheckStatusOptions{})
			})
		}),
		host.OnStart(func(ctx context.Context, c *client.Client) error {
			_, err := c.Start(ctx, "Greet", "world", client.StartOptions{})
			return err
		}))
}

// A program that runs an app while it does other things, such as a test.
func ExampleStart() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	app, err := host.Start(context.Background(), greeter(), host.Options{Dir: dir, Port: host.NoPort})
	if err != nil {
		panic(err)
	}
	defer app.Close()

	id, err := app.Client.Start(context.Background(), "Greet", "Ada", client.StartOptions{})
	if err != nil {
		panic(err)
	}
	status, err := app.Client.Wait(context.Background(), id)
	if err != nil {
		panic(err)
	}
	text, err := client.Result[string](status)
	fmt.Println(text, err)
	// Output: Hello Ada <nil>
}

// A program that is not the host leaves work for it.
func ExampleConnect() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	hub, err := host.Connect(context.Background(), host.ConnectOptions{Dir: dir, Create: true})
	if err != nil {
		panic(err)
	}
	defer hub.Close()

	id, err := hub.Start(context.Background(), "Greet", "Ada", client.StartOptions{ID: "later"})
	fmt.Println(id, err, "served:", hub.Served)
	// Output: later <nil> served: false
}
