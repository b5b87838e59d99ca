package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
)

// Assertion 119 of go-api: a start by a Ref gives a handle whose Wait is typed.
func TestGoAPI119_TypedRuns(t *testing.T) {
	const echo = perdure.OrchestratorRef[[]int, []int]("Echo")
	const fail = perdure.OrchestratorRef[string, int]("Fail")
	const text = perdure.OrchestratorRef[string, int]("Echo") // whose result is no int
	run(t, []row{
		{119, "Wait returns the result", false, func(h *testHub) {
			run, err := client.Start(h.Context(), h.Client, echo, []int{1, 2}, client.StartOptions{ID: "x"})
			h.done("Start", err)
			if got, err := run.Wait(h.Context()); err != nil || len(got) != 2 || got[1] != 2 || run.ID() != "x" {
				h.Errorf("Wait of %s = %v, %v; want [1 2]", run.ID(), got, err)
			}
		}},
		{119, "a failure is an error", false, func(h *testHub) {
			run, err := client.Start(h.Context(), h.Client, fail, "why", client.StartOptions{})
			h.done("Start", err)
			if got, err := run.Wait(h.Context()); err == nil || !strings.Contains(err.Error(), "Failed") {
				h.Errorf("Wait = %v, %v; want how it ended", got, err)
			}
		}},
		{119, "a result of another type is an error", false, func(h *testHub) {
			run, err := client.Start(h.Context(), h.Client, text, "words", client.StartOptions{})
			h.done("Start", err)
			if got, err := run.Wait(h.Context()); err == nil {
				h.Errorf("Wait = %v; want an error", got)
			}
		}},
		{119, "a start that is refused", false, func(h *testHub) {
			_, err := client.Start(h.Context(), h.Client, perdure.OrchestratorRef[int, int]("Nope"), 1, client.StartOptions{})
			if !errors.Is(err, client.ErrUnknownOrchestrator) {
				h.Errorf("Start(Nope) error = %v", err)
			}
		}},
	})
}
