// Perdure manages the instances of a task hub from the command line, with the
// commands and flags that users of "func durable" know.
//
// Messages follow four rules. Results go to stdout, and nothing else does.
// Errors, warnings and explanations go to stderr. An error names the thing and, where one
// can act, what to do. The exit code tells the kind of failure (see exitCodes).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal does what signals do
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// patience bounds a command that does not wait for an instance.
const patience = time.Minute

// run is the whole program.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t := &tool{stdin: stdin, stdout: stdout, stderr: stderr, environ: os.Environ()}
	err := t.execute(ctx, args)
	if err != nil {
		t.printError(err)
	}
	return exitCode(err)
}

// tool is one invocation: its streams and the options that every command has.
type tool struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string

	dir        string // working directory, after --script-root
	taskHub    string
	connection string
	dataDir    string
	output     string
	verbose    bool
}

func (t *tool) execute(ctx context.Context, args []string) error {
	args, globals, err := normalize(args)
	if err != nil {
		return err
	}
	root := t.command()
	root.SetArgs(args)
	if err := t.enter(globals.dir); err != nil {
		return err
	}
	return root.ExecuteContext(ctx)
}

// enter makes dir the directory that files are relative to.
func (t *tool) enter(dir string) error {
	t.dir = dir
	if dir == "" {
		t.dir = "."
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("--script-root: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("--script-root: %s is not a directory", dir)
	}
	return nil
}

// path resolves a path that the user gave.
func (t *tool) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(t.dir, name)
}

func (t *tool) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "perdure",
		Short:         "Manage durable function instances",
		Long:          "Manage durable function instances.\n\nExit codes: 0 done; 1 failure; 2 wrong usage; 3 not found; 4 not possible in this state; 5 unreachable.",
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetOut(t.stdout)
	root.SetErr(t.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%w", err) })
	flags := root.PersistentFlags()
	flags.StringVarP(&t.taskHub, "task-hub-name", "t", "", "task hub (default: hubName of host.json, else DurableFunctionsHub)")
	flags.StringVar(&t.connection, "connection-string-setting", "", "name of the app setting that holds the connection string")
	flags.StringVar(&t.dataDir, "data-dir", "", "folder of the store (default: .perdure beside host.json)")
	flags.StringVarP(&t.output, "output", "o", "", "json, jsonl, table or legacy (default: table on a terminal, else legacy)")
	flags.BoolVar(&t.verbose, "verbose", false, "tell where each setting comes from")
	// Read in front of cobra, see normalize; here for the help.
	var ignored string
	flags.StringVar(&ignored, "script-root", "", "directory to work in")
	flags.StringVar(&ignored, "prefix", "", "the same as --script-root")
	root.AddCommand(t.startNew(), t.getRuntimeStatus())
	return root
}

// noArguments refuses words that are no option's.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return usage("%s takes no argument %q", cmd.Name(), args[0])
	}
	return usage("%q is not a command", args[0])
}
