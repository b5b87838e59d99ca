package host_test

import (
	"context"
	"errors"
	"testing"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
)

func TestStart(t *testing.T) {
	dir := t.TempDir()
	o := host.Options{Dir: dir, Environ: []string{}, Port: host.FreePort}
	started := 0
	o.OnReady = func(context.Context, host.Info) error { started++; return nil }
	for n := 1; n <= 2; n++ { // the second finds what the first has stored
		a, err := host.Start(t.Context(), app(), o)
		if err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			if _, err := a.Client.Start(t.Context(), "Echo", 7, client.StartOptions{ID: "x"}); err != nil {
				t.Error(err)
			}
		}
		if st, err := a.Client.Wait(t.Context(), "x"); err != nil || st.RuntimeStatus != client.Completed || a.URL == "" {
			t.Errorf("start %d: Wait(x) = %+v, %v at %q", n, st, err, a.URL)
		}
		select {
		case <-a.Ended():
			t.Error("it has ended before Close")
		default:
		}
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
		<-a.Ended()
	}
	if started != 2 {
		t.Errorf("OnReady was called %d times, want 2", started)
	}
}

func TestStartThatFails(t *testing.T) {
	wrong := perdure.New()
	perdure.AddOrchestrator(wrong, "", echo)
	if a, err := host.Start(t.Context(), wrong, host.Options{Dir: t.TempDir(), Environ: []string{}}); err == nil || a != nil {
		t.Errorf("Start of a wrong app = %v, %v; want its mistake", a, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	late := errors.New("too late")
	o := host.Options{Dir: t.TempDir(), Environ: []string{}, Port: host.FreePort}
	cancel(late)
	if a, err := host.Start(ctx, app(), o); err == nil {
		a.Close() // it was faster than the context, which limits the start only
	} else if !errors.Is(err, late) {
		t.Errorf("Start with a context that has ended: %v, want its cause", err)
	}
	a, err := host.Start(t.Context(), app(), o) // nothing of it is left
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
