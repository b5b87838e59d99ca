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
		_, err := h.StartNew(ctx, "Echo", 1, client.StartOptions{ID: "later", StartAt: time.Now().Add(time.Hour)})
		h.done("StartNew", err)
		h.done("RaiseEvent", h.RaiseEvent(ctx, "later", "go", nil)) // stays at hand until the start is due

		_, err = h.StartNew(ctx, "Echo", 1, client.StartOptions{ID: "refused"})
		h.refused("StartNew", err, client.ErrResourceExhausted)
		h.refused("RaiseEvent", h.RaiseEvent(ctx, "later", "go", nil), client.ErrResourceExhausted)
		_, err = h.Restart(ctx, "later", client.RestartOptions{})
		h.refused("Restart", err, client.ErrResourceExhausted)
		_, err = h.GetStatus(ctx, "refused", client.GetOptions{})
		h.refused("GetStatus", err, client.ErrNotFound)

		h.done("Terminate", h.Terminate(ctx, "later", client.TerminateOptions{Wait: true}))
		_, err = h.StartNew(ctx, "Echo", 1, client.StartOptions{ID: "refused"})
		h.done("StartNew", err)
		_, err = h.WaitForCompletion(ctx, "refused")
		h.done("WaitForCompletion", err)
	}}})
}
