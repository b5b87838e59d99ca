package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/nearest"
)

func (t *tool) wait() *cobra.Command {
	cmd := t.newCommand("wait --id ID [--for completed|started|any-end] [--timeout 5m]", "Wait for an instance to start or to end",
		"perdure wait --id order-17 --for completed --timeout 5m")
	id := t.instanceID(cmd)
	goals := []string{"completed", "started", "any-end"}
	goal := cmd.Flags().String("for", "completed", "completed fails when it ends otherwise; any-end takes any end; started waits for its first turn")
	end := waitOptions{wait: true, timeout: durationOption{name: "timeout"}}
	cmd.Flags().StringVar(&end.timeout.text, "timeout", "", "give up after that long, with exit code 124 (default: never)")
	cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(goals, cobra.ShellCompDirectiveNoFileComp))
	waits := map[string]func(context.Context, *hub, string) (*client.Status, error){
		"completed": end.completed, "started": end.started, "any-end": end.anyEnd,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		wait, ok := waits[*goal]
		if !ok {
			return usage("--for %s: the value is completed, started or any-end%s", *goal, nearest.Hint(*goal, goals))
		}
		if err := end.check(); err != nil {
			return err
		}
		t.looksOn = true
		return t.withClient(cmd.Context(), access{endless: true}, func(ctx context.Context, h *hub) error {
			end.tell = t.atTerminal(t.stderr)
			status, err := wait(ctx, h, *id)
			return t.ended(status, named(*id, err), func(s *client.Status) result { return instance(s, shown{output: true}) })
		})
	}
	return cmd
}

// waitOptions are --wait and --timeout.
type waitOptions struct {
	wait    bool
	timeout durationOption
	limit   time.Duration // after check; 0: none
	tell    bool          // tell what is waited for
}

func (t *tool) waitOptions(cmd *cobra.Command, help string) *waitOptions {
	o := &waitOptions{timeout: durationOption{name: "timeout"}}
	cmd.Flags().BoolVar(&o.wait, "wait", false, help)
	cmd.Flags().StringVar(&o.timeout.text, "timeout", "", "with --wait: give up after that long, with exit code 124 (default: never)")
	return o
}

func (o *waitOptions) check() (err error) {
	if !o.wait && o.timeout.text != "" {
		return usage("--timeout goes with --wait")
	}
	o.limit, err = o.timeout.duration()
	return err
}

// until returns the status of the instance once it is one that is waited for,
// or errTimedOut at the limit, or errIdle or errUnknown at once if that cannot
// happen.
func (o *waitOptions) until(ctx context.Context, h *hub, id string, reached func(client.RuntimeStatus) bool,
	wait func(context.Context, client.InstanceID) (*client.Status, error)) (*client.Status, error) {
	limited := ctx
	if o.limit > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, o.limit)
		defer cancel()
	}
	look := h.stopped
	if h.idle == "" {
		look = h.explained
	}
	status, err := look(limited, id, reached, o.tell)
	seen := err == nil
	if seen && status == nil {
		status, err = wait(limited, client.InstanceID(id))
	}
	switch {
	case !errors.Is(err, context.DeadlineExceeded) || o.limit == 0 || ctx.Err() != nil:
		return status, err
	case !seen || errors.Is(err, client.ErrUnavailable):
		return nil, fmt.Errorf("wait for instance %s: %w after %s, and nothing is known of it: %w", id, errTimedOut, o.limit, err)
	}
	return nil, fmt.Errorf("wait for instance %s: %w after %s; it goes on", id, errTimedOut, o.limit)
}

// stopped looks at an instance that no app runs: its status if that is one that
// is waited for, else errIdle.
func (h *hub) stopped(ctx context.Context, id string, reached func(client.RuntimeStatus) bool, _ bool) (*client.Status, error) {
	status, err := h.Status(ctx, client.InstanceID(id), client.StatusOptions{})
	if err != nil || reached(status.RuntimeStatus) {
		return status, err
	}
	return nil, fmt.Errorf("instance %s is %s, and %s: %w", id, status.RuntimeStatus, h.idle, errIdle)
}

// explained looks at an instance that a running app has, and returns nothing
// unless that app cannot go on with it. A person may be told what is waited
// for.
func (h *hub) explained(ctx context.Context, id string, reached func(client.RuntimeStatus) bool, tell bool) (*client.Status, error) {
	e, err := h.Explain(ctx, client.InstanceID(id))
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil || reached(e.Status):
		return nil, nil // whatever it is, the wait finds it out
	}
	held := false // the app could not run its turn
	for _, w := range e.Waits {
		held = held || w.Kind == "worker"
	}
	switch {
	case e.Action == "start" && h.tool.url != "" && h.name != "": // whose functions run at an address, only an explanation tells
		h.idle = fmt.Sprintf("no app runs task hub %s at %s", h.name, h.tool.url)
		return h.stopped(ctx, id, reached, tell)
	case e.Action == "deploy" && held:
		return nil, fmt.Errorf("%s: %w", strings.TrimSuffix(inOneLine(e), "."), errUnknown)
	case tell:
		h.tool.warn("%s", inOneLine(e))
	}
	return nil, nil
}

// completed returns the status and errEndedBadly when the instance ends in
// another way.
func (o *waitOptions) completed(ctx context.Context, h *hub, id string) (*client.Status, error) {
	status, err := o.anyEnd(ctx, h, id)
	if err == nil && status.RuntimeStatus != history.Completed {
		err = fmt.Errorf("%w: %w", errEndedBadly, status.Err())
	}
	return status, err
}

func (o *waitOptions) anyEnd(ctx context.Context, h *hub, id string) (*client.Status, error) {
	return o.until(ctx, h, id, client.RuntimeStatus.Terminal, h.Wait)
}

func (o *waitOptions) started(ctx context.Context, h *hub, id string) (*client.Status, error) {
	begun := func(s client.RuntimeStatus) bool { return s != history.Pending }
	return o.until(ctx, h, id, begun, h.WaitStarted)
}

// ended shows a status that was waited for, also when it is not the one that
// was hoped for.
func (t *tool) ended(status *client.Status, err error, form func(*client.Status) result) error {
	if status == nil {
		return err
	}
	return errors.Join(t.show(form(status)), err)
}
