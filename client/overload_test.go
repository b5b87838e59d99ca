package client_test

import (
	"testing"
	"time"

	"github.com/perdure/perdure/client"
)

func TestOverload(t *testing.T) {
	run(t, []row{{says: "is told apart on every transport and leaves nothing", test: func(h *testHub) {
		h.stop()
		h.options.MaxBacklogBytes = 1
		h.start()
		ctx := h.Context()
		_, err := h.Start(ctx, "Echo", 1, client.StartOptions{ID: "later", StartAt: time.Now().Add(time.Hour)})
		h.done("Start", err)
		h.done("Raise", h.Raise(ctx, "later", "go", nil)) // stays at hand until the start is due

		_, err = h.Start(ctx, "Echo", 1, client.StartOptions{ID: "refused"})
		h.refused("Start", err, client.ErrResourceExhausted)
		h.refused("Raise", h.Raise(ctx, "later", "go", nil), client.ErrResourceExhausted)
		_, err = h.Restart(ctx, "later", client.RestartOptions{})
		h.refused("Restart", err, client.ErrResourceExhausted)
		_, err = h.Status(ctx, "refused", client.StatusOptions{})
		h.refused("Status", err, client.ErrNotFound)

		h.done("Terminate", h.Terminate(ctx, "later", client.TerminateOptions{Wait: true}))
		_, err = h.Start(ctx, "Echo", 1, client.StartOptions{ID: "refused"})
		h.done("Start", err)
		_, err = h.Wait(ctx, "refused")
		h.done("Wait", err)
	}}})
}
