package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
)

// terminatePatience is how long terminate waits for the effect.
const terminatePatience = 30 * time.Second

func (t *tool) terminate() *cobra.Command {
	cmd := t.newCommand("terminate --id ID [--reason TEXT]", "End an instance", `perdure terminate --id order-17 --reason "no longer wanted"`)
	id := t.instanceID(cmd)
	var o client.TerminateOptions
	var noWait bool
	timeout := durationOption{name: "timeout"}
	cmd.Flags().StringVar(&o.Reason, "reason", "", "becomes the output of the instance")
	cmd.Flags().BoolVar(&o.Recursive, "recursive", false, "end the sub-orchestrations that it waits for too")
	cmd.Flags().StringVar(&timeout.text, "timeout", "", "how long to wait for the effect (default 30s)")
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return when the request is stored")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		limit, err := timeout.duration()
		if err == nil {
			err = exclusive(cmd, "timeout", "no-wait")
		}
		if err != nil {
			return err
		}
		end := waitOptions{wait: true, limit: limit}
		if limit == 0 {
			end.limit = terminatePatience
		}
		return t.withClient(cmd.Context(), access{endless: true}, func(ctx context.Context, h *hub) error {
			status := history.Terminated
			asked := sentence(fmt.Sprintf("Asked '%s' to terminate", *id), object{{"instanceId", *id}})
			switch err := h.Terminate(ctx, client.InstanceID(*id), o); {
			case errors.Is(err, client.ErrTerminal):
				status, err = h.current(ctx, *id)
				if err != nil {
					return err
				}
			case err != nil:
				return t.notFound(named(*id, err))
			case noWait:
				h.ends()
				return t.show(asked)
			default:
				if h.idle == "" {
					fmt.Fprintf(t.stderr, "asked %s to terminate; waiting up to %s\n", *id, end.limit)
				}
				ended, err := end.anyEnd(ctx, h, *id)
				if errors.Is(err, errIdle) && !t.coreTools {
					h.ends()
					return t.show(asked)
				}
				if err != nil {
					return err
				}
				status = ended.RuntimeStatus
			}
			if status != history.Terminated {
				return fmt.Errorf("terminate %s: %w: it is %s", *id, client.ErrInvalidState, status)
			}
			return t.show(sentence(fmt.Sprintf("Successfully terminated '%s'", *id), object{{"instanceId", *id}, {"runtimeStatus", status}}))
		})
	}
	return cmd
}

// ends tells that an instance that was asked to end does so later, if that is
// so.
func (h *hub) ends() {
	h.later("it ends when the app starts; the request waits in %s", h.dir)
}

// current is where an instance stands.
func (h *hub) current(ctx context.Context, id string) (client.RuntimeStatus, error) {
	status, err := h.Status(ctx, client.InstanceID(id), client.StatusOptions{OmitInput: true, OmitOutput: true})
	if err != nil {
		return history.Unknown, named(id, err)
	}
	return status.RuntimeStatus, nil
}
