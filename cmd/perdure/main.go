// Perdure manages the instances of a task hub from the command line, with the
// commands and flags that users of "func durable" know, and what came after
// them.
//
// Messages follow four rules. Results go to stdout, and nothing else does.
// Errors, warnings, questions and progress go to stderr. An error names the
// thing and, where one can act, what to do. The exit code tells the kind of
// failure (see exitCodes).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perdure/perdure/internal/nearest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second signal does what signals do
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{stdin: stdin, stdout: stdout, stderr: stderr, environ: os.Environ(), terminal: isTerminal, doubt: doubt}
	return t.run(ctx, args)
}

// tool is one invocation: its streams and the options that every command has.
type tool struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	terminal       func(stream any) bool // whether a stream is a person's
	doubt          time.Duration         // see doubting

	name       string // of the command; empty for none
	dir        string // working directory, after --script-root
	scriptRoot string
	taskHub    string
	connection string
	dataDir    string
	url, key   string
	tls        tlsFiles // of url
	output     string
	noHeaders  bool
	color      string
	verbose    bool
	told       bool // the settings and warnings, once
	looksOn    bool // the command only looks on, until Ctrl-C: nothing is to be said then
	coreTools  bool // answer as the original does
	compat     string
}

func (t *tool) run(ctx context.Context, args []string) int {
	t.stdout, t.stderr = screenOn(t.stdout), screenOn(t.stderr)
	root := t.command()
	err := t.readCompat(args)
	if err == nil {
		err = t.execute(ctx, root, args)
	}
	if t.coreTools {
		return t.answer(root, err)
	}
	if err != nil {
		t.printError(err)
	}
	return exitCode(err)
}

func (t *tool) execute(ctx context.Context, root *cobra.Command, args []string) error {
	t.name = commandName(root, args)
	args, globals, err := normalize(args)
	if err != nil {
		return err
	}
	if t.coreTools {
		if args, err = unquote(args); err != nil {
			return err
		}
		forgive(root)
	}
	if globals.twice != "" && (!t.coreTools || destroys(t.name)) {
		return syntax("%s is given twice", globals.twice)
	}
	root.InitDefaultCompletionCmd()
	if bash, _, err := root.Find([]string{"completion", "bash"}); err == nil {
		t.withoutPackage(bash)
	}
	root.SetArgs(args)
	if err := t.enter(globals.dir); err != nil {
		return err
	}
	return root.ExecuteContext(ctx)
}

// commandName is the command that args begin with; empty when there is none of
// that name.
func commandName(root *cobra.Command, args []string) string {
	words := commandWords(slices.DeleteFunc(slices.Clone(args), isOption))
	if len(words) == 0 {
		return ""
	}
	cmd, _, err := root.Find(words[:1])
	if err != nil || cmd == root {
		return ""
	}
	return cmd.Name()
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

// variable returns an environment variable, empty when it is not set.
func (t *tool) variable(name string) string {
	for _, entry := range slices.Backward(t.environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

const long = `Manage durable function instances: on the data folder, through the program that
has it open, or on another machine with --url and --key (PERDURE_URL, PERDURE_KEY).
Every command can also be written as perdure durable COMMAND.

Exit codes: 0 done; 1 failure, or an instance that ended badly; 2 wrong usage; 3 not
found; 4 not possible in this state; 5 unreachable; 6 a check found what does not agree;
124 a wait timed out, or no app runs that could end it; 130 interrupted.
--compat core-tools (PERDURE_COMPAT) answers as func durable does.`

// Commands are listed as they are declared: the classic ones first.
func init() { cobra.EnableCommandSorting = false }

// command is the table of commands.
func (t *tool) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "perdure",
		Short:         "Manage durable function instances",
		Long:          long,
		Version:       version(),
		SilenceErrors: true, SilenceUsage: true,
		Args:              t.noArguments,
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error { return t.check() },
	}
	root.SetOut(t.stdout)
	root.SetErr(t.stderr)
	root.SetFlagErrorFunc(flagError)
	t.commonFlags(root)
	root.AddGroup(&cobra.Group{ID: "classic", Title: "Commands of func durable:"}, &cobra.Group{ID: "more", Title: "More commands:"})
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	addGroup(root, "classic", t.startNew(), t.getRuntimeStatus(), t.getHistory(), t.getInstances(), t.raiseEvent(),
		t.terminate(), t.rewind(), t.purgeHistory(), t.deleteTaskHub())
	addGroup(root, "more", t.wait(), t.suspend(), t.resume(), t.restart(), t.explain(), t.export(), t.importArchive(), t.backup(), t.restore(), t.audit(), t.keys(), t.checkCommand(), t.doctor(), t.versionCommand())
	return root
}

func addGroup(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, cmd := range commands {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
}

// commonFlags declares what every command understands.
func (t *tool) commonFlags(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVarP(&t.taskHub, "task-hub-name", "t", "", "task hub (default: hubName of host.json, else DurableFunctionsHub)")
	flags.StringVar(&t.connection, "connection-string-setting", "", "name of the app setting that holds the connection string")
	flags.StringVar(&t.dataDir, "data-dir", "", "folder of the store (default: .perdure beside host.json, else the nearest one upwards)")
	flags.StringVar(&t.url, "url", "", "address of a host, instead of a folder (default: PERDURE_URL)")
	flags.StringVar(&t.key, "key", "", "key of that host (default: PERDURE_KEY, which other users of the machine cannot see)")
	flags.StringVar(&t.tls.ca, "ca-file", "", "certificates of who may have signed that host's, in PEM (default: PERDURE_CA_FILE, else the system's)")
	flags.StringVar(&t.tls.cert, "cert", "", "certificate to show to that host, in PEM (default: PERDURE_CERT)")
	flags.StringVar(&t.tls.certKey, "cert-key", "", "its key (default: PERDURE_CERT_KEY)")
	flags.StringVarP(&t.output, "output", "o", "", "json, jsonl, table or legacy, which is that of func durable (default: table, or a sentence)")
	flags.BoolVar(&t.noHeaders, "no-headers", false, "tables without the first line")
	flags.StringVar(&t.color, "color", "", "auto, always or never: statuses of tables in color (default: on a terminal, unless NO_COLOR is set)")
	flags.BoolVar(&t.verbose, "verbose", false, "tell where each setting comes from")
	// Read in front of cobra, see normalize and readCompat; here for help and
	// completion.
	flags.StringVar(&t.scriptRoot, "script-root", "", "directory to work in")
	flags.StringVar(&t.scriptRoot, "prefix", "", "the same as --script-root")
	flags.StringVar(&t.compat, "compat", "", "core-tools: exit codes, streams and leniency of func durable (default: PERDURE_COMPAT)")
	root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions(colorModes, cobra.ShellCompDirectiveNoFileComp))
	root.RegisterFlagCompletionFunc("compat", cobra.FixedCompletions([]string{coreTools, "none"}, cobra.ShellCompDirectiveNoFileComp))
	root.RegisterFlagCompletionFunc("task-hub-name", t.completeHubs)
}

// check refuses common options that make no sense, before anything is done.
func (t *tool) check() error {
	return firstError(t.checkFormat, t.checkColor, t.checkAddress)
}

// shortNames are other names of commands.
var shortNames = map[string][]string{
	"start-new": {"start"}, "get-runtime-status": {"show", "status"}, "get-history": {"history"}, "get-instances": {"list", "ls"},
	"raise-event": {"send", "raise"}, "purge-history": {"purge", "rm"}, "delete-task-hub": {"delete-hub"},
}

// newCommand is a command without arguments.
func (t *tool) newCommand(use, short, example string) *cobra.Command {
	name, _, _ := strings.Cut(use, " ")
	if names := shortNames[name]; names != nil {
		short += " (" + strings.Join(names, ", ") + ")"
	}
	return &cobra.Command{Use: use, Short: short, Example: "  " + example, Aliases: shortNames[name], Args: t.noArguments}
}

// instanceID declares --id, which may also be the command's only word.
func (t *tool) instanceID(cmd *cobra.Command) *string {
	id := cmd.Flags().StringP("id", "i", "", "id of the instance (required)")
	t.takesWord(cmd, "id", true)
	cmd.RegisterFlagCompletionFunc("id", t.completeIDs)
	cmd.ValidArgsFunction = t.completeIDs
	return id
}

// takesWord lets the value of an option be the command's only word. The
// original ignores words.
func (t *tool) takesWord(cmd *cobra.Command, option string, required bool) {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(option) && len(args) > 0 && !t.coreTools {
			if args[0] == "" {
				return syntax("%s is empty", spokenNames[option])
			}
			if err := cmd.Flags().Set(option, args[0]); err != nil {
				return err
			}
			args = args[1:]
		}
		if required && !cmd.Flags().Changed(option) {
			return syntax("--%s is required", option)
		}
		return t.noArguments(cmd, args)
	}
}

// spokenNames are the things that may be a command's only word, by their
// options.
var spokenNames = map[string]string{
	"id": "the id", "function-name": "the name of the orchestrator", "task-hub-name": "the name of the task hub",
}

// noArguments refuses words that are no option's.
func (t *tool) noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case !cmd.HasParent():
		var names []string
		for _, known := range cmd.Commands() {
			names = append(append(names, known.Name()), known.Aliases...)
		}
		return syntax("%q is not a command%s", args[0], nearest.Hint(args[0], names))
	case t.coreTools && !destroys(cmd.Name()):
		return nil
	}
	return syntax("%s takes no argument %q", cmd.Name(), args[0])
}

// exclusive refuses more than one of the options.
func exclusive(cmd *cobra.Command, names ...string) error {
	given := ""
	for _, name := range names {
		if !cmd.Flags().Changed(name) {
			continue
		}
		if given != "" {
			return usage("--%s and --%s exclude each other", given, name)
		}
		given = name
	}
	return nil
}

// flagError names the option that was probably meant: one of those of the
// command.
func flagError(cmd *cobra.Command, err error) error {
	word, found := strings.CutPrefix(err.Error(), "unknown flag: ")
	if !found {
		return syntax("%w", err)
	}
	var names []string
	cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, "--"+flag.Name) })
	return syntax("%w%s", err, nearest.Hint(word, names))
}
