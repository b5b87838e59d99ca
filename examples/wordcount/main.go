// Wordcount finds the ten most frequent words in the Go source of the standard
// library: it fans out over the files in batches, folds the batches in
// sub-orchestrations, and folds these again.
//
//	go run ./examples/wordcount
//
// Kill it whenever you like, even with kill -9, and start it again: it goes on
// with the batches that were not counted, and the totals are those of a single pass.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

func main() {
	host.Main(app(), host.OnStart(report))
}

func app() *perdure.App {
	app := perdure.New()
	perdure.AddOrchestrator(app, "CountWords", CountWords)
	perdure.AddOrchestrator(app, "CountShard", CountShard)
	perdure.AddActivity(app, "ListFiles", ListFiles)
	perdure.AddActivity(app, "CountFiles", CountFiles)
	return app
}

// report starts the count, unless an earlier run has, and prints its result.
func report(ctx context.Context, c *client.Client) error {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	root := filepath.Join(string(bytes.TrimSpace(goroot)), "src")
	id, err := c.Start(ctx, "CountWords", root, client.StartOptions{ID: "wordcount", Reuse: client.ReturnExisting})
	if err != nil {
		return err
	}
	status, err := c.Wait(ctx, id)
	if err != nil {
		return err
	}
	if err := status.Err(); err != nil {
		return err
	}
	var result bytes.Buffer
	if err := json.Indent(&result, status.Output, "", "  "); err != nil {
		return err
	}
	fmt.Printf("Result of %s:\n%s\n", id, &result)
	return nil
}
