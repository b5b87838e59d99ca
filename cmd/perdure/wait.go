package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/history"
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
	waits := map[string]func(context.Context, *client.Client, string) (*client.Status, error){
		"completed": end.completed, "started": end.started, "any-end": end.anyEnd,
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		wait, ok := waits[*goal]
		if !ok {
			return usage("--for %s: the value is completed, started or any-end%s", *goal, didYouMean(*goal, goals))
		}
		if err := end.check(); err != nil {
			return err
		}
		return t.withClient(cmd.Context(), access{endless: true}, func(ctx context.Context, c *client.Client) error {
			status, err := wait(ctx, c, *id)
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

// within limits a wait; its end is errTimedOut.
func (o *waitOptions) within(ctx context.Context, id string, wait func(context.Context) (*client.Status, error)) (*client.Status, error) {
	if o.limit == 0 {
		return wait(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, o.limit)
	defer cancel()
	status, err := wait(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("wait for instance %s: %w after %s; it goes on", id, errTimedOut, o.limit)
	}
	return status, err
}

// completed returns the status and errEndedBadly when the instance ends in
// another way.
func (o *waitOptions) completed(ctx context.Context, c *client.Client, id string) (*client.Status, error) {
	status, err := o.anyEnd(ctx, c, id)
	if err == nil && status.Status != history.Completed {
		err = fmt.Errorf("%w: %w", errEndedBadly, status.Err())
	}
	return status, err
}

func (o *waitOptions) anyEnd(ctx context.Context, c *client.Client, id string) (*client.Status, error) {
	return o.within(ctx, id, func(ctx context.Context) (*client.Status, error) { return c.WaitForCompletion(ctx, id) })
}

func (o *waitOptions) started(ctx context.Context, c *client.Client, id string) (*client.Status, error) {
	return o.within(ctx, id, func(ctx context.Context) (*client.Status, error) { return c.WaitStarted(ctx, id) })
}

// ended shows a status that was waited for, also when it is not the one that was
// hoped for.
func (t *tool) ended(status *client.Status, err error, form func(*client.Status) result) error {
	if status == nil {
		return err
	}
	return errors.Join(t.show(form(status)), err)
}
