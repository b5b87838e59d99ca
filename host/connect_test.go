package host_test

import (
	"errors"
	"testing"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

// A program connects to a hub with nothing but what users can name.
func TestConnect(t *testing.T) {
	o := host.ConnectOptions{Dir: t.TempDir(), Environ: []string{}, TaskHub: "Orders"}
	if _, err := host.Connect(t.Context(), o); !errors.Is(err, client.ErrHubNotFound) || !errors.Is(err, host.ErrNoStore) {
		t.Errorf("Connect error = %v, want ErrHubNotFound and ErrNoStore", err)
	}
	o.Create = true
	c, err := host.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(t.Context(), "Order", 1, client.StartOptions{ID: "x"}); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	o.Create = false
	c, err = host.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if st, err := c.Status(t.Context(), "x", client.StatusOptions{}); err != nil || st.RuntimeStatus != client.Pending || c.Served {
		t.Errorf("Status = %+v, %v, served %t; want Pending, and no host", st, err, c.Served)
	}
	o.TaskHub = "1"
	if _, err := host.Connect(t.Context(), o); err == nil {
		t.Error("Connect to a hub of a wrong name succeeds")
	}
}
