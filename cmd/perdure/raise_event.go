package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/perdure/perdure/client"
)

func (t *tool) raiseEvent() *cobra.Command {
	cmd := t.newCommand("raise-event --id ID --event-name NAME [--event-data JSON]", "Raise an external event for an instance",
		"perdure raise-event --id order-17 --event-name Approved --event-data @approval.json")
	id := t.instanceID(cmd)
	var name string
	var noCheck bool
	var data payloadOptions
	cmd.Flags().StringVar(&name, "event-name", "", "name that the orchestrator waits for (required)")
	data.register(cmd, "event-data")
	cmd.RegisterFlagCompletionFunc("event-name", t.completeEvents(id))
	cmd.Flags().BoolVar(&noCheck, "no-check", false, "succeed also when there is no such instance, or it has ended")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if name == "" && t.coreTools {
			name = randomEvent()
		}
		if name == "" {
			return syntax("--event-name is required")
		}
		payload, err := t.payload(&data)
		if err != nil {
			return err
		}
		return t.withClient(cmd.Context(), access{}, func(ctx context.Context, h *hub) error {
			err := h.Raise(ctx, client.InstanceID(*id), name, payload)
			nobody := errors.Is(err, client.ErrTerminal) || errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrHubNotFound)
			switch {
			case err == nil:
				h.waits("the event")
			case nobody && t.coreTools:
			case nobody && noCheck:
				return t.show(sentence(fmt.Sprintf("Nobody took event '%s': %v", name, err), object{{"instanceId", *id}, {"eventName", name}, {"raised", false}}))
			case errors.Is(err, client.ErrTerminal):
				return h.howEnded(ctx, *id, err)
			default:
				return named(*id, err)
			}
			return t.show(sentence(fmt.Sprintf("Raised event '%s' to instance '%s'", name, *id),
				object{{"instanceId", *id}, {"eventName", name}}))
		})
	}
	return cmd
}

// howEnded adds to an error about an instance that has ended how and when it
// did.
func (h *hub) howEnded(ctx context.Context, id string, err error) error {
	status, unknown := h.Status(ctx, client.InstanceID(id), client.StatusOptions{OmitInput: true, OmitOutput: true})
	switch {
	case unknown != nil || !status.Terminal():
		return err
	case status.CompletedAt.IsZero():
		return fmt.Errorf("%w: it is %s", err, status.RuntimeStatus)
	}
	return fmt.Errorf("%w: it is %s since %s", err, status.RuntimeStatus, second(status.CompletedAt))
}

// randomEvent is what the original calls an event without a name.
func randomEvent() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return fmt.Sprintf("Event_%x", b)
}
