package client_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
)

// busy is a hub that refuses terminations because of a status, and is asked for none.
type busy struct {
	httpapi.Hub
	t *testing.T
}

func (b busy) Terminate(context.Context, history.InstanceID, hub.TerminateRequest) error {
	return hub.InState(history.Completed, "%w: %w: it is Completed", hub.ErrInvalidState, hub.ErrTerminal)
}

func (b busy) Status(context.Context, history.InstanceID, hub.StatusOptions) (hub.Status, error) {
	b.t.Error("the status was asked for once more")
	return hub.Status{}, errors.New("no")
}

// A refusal tells the status that was in the way, and nobody asks for it again.
func TestRefusalsTellTheStatus(t *testing.T) {
	server := httptest.NewServer(httpapi.New(httpapi.Options{Hub: busy{t: t}, TaskHub: "Hub", Open: true, Loopback: true}))
	defer server.Close()
	for transport, c := range map[string]*client.Client{"local": client.Local(busy{t: t}), "http": client.Remote(server.URL, client.RemoteOptions{})} {
		err := c.Terminate(t.Context(), "x", client.TerminateOptions{})
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != client.Completed || !errors.Is(err, client.ErrTerminal) {
			t.Errorf("%s: Terminate = %v, want ErrTerminal with status Completed", transport, err)
		}
	}
}
