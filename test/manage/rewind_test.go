package manage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/test/process"
)

// Trees that were approved and then failed deep down are rewound while the
// program is killed: all of them complete, and nothing has to be approved again.
func TestRewindKilledInTheMiddle(t *testing.T) {
	const trees, kills = 60, 5
	program, folder := process.Build(t, "./program"), t.TempDir()
	flag := filepath.Join(t.TempDir(), "repaired")
	root := func(i int) string { return fmt.Sprint("root-", i) }

	p := process.Begin(t, program, folder)
	for i := range trees {
		if _, err := p.Start(t.Context(), "Root", Order{root(i), flag}, client.StartOptions{ID: client.InstanceID(root(i))}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range trees {
		for {
			err := p.Raise(t.Context(), client.InstanceID(root(i)+"-leaf"), "approval", "boss "+root(i))
			if err == nil {
				break
			}
			if !errors.Is(err, client.ErrNotFound) { // it is about to be created
				t.Fatal(err)
			}
		}
	}
	for i := range trees {
		if status, err := p.Wait(t.Context(), client.InstanceID(root(i))); err != nil || status.RuntimeStatus != history.Failed {
			t.Fatalf("%s: %+v, %v; want Failed: the flag is not there", root(i), status, err)
		}
	}
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	rewound := map[int]bool{}
	for range kills {
		time.AfterFunc(rand.N(60*time.Millisecond), p.Kill)
		for i := range trees {
			err := p.Rewind(p.Gone, client.InstanceID(root(i)), client.RewindOptions{Reason: "repaired"})
			switch {
			case err == nil, errors.Is(err, client.ErrInvalidState): // one without an answer did it
				rewound[i] = true
			case !errors.Is(err, client.ErrUnavailable) && !errors.Is(err, context.Canceled):
				t.Fatalf("Rewind(%s): %v", root(i), err)
			}
		}
		<-p.Gone.Done()
		p = process.Begin(t, program, folder)
	}
	for i := range trees {
		if rewound[i] {
			continue
		}
		if err := p.Rewind(t.Context(), client.InstanceID(root(i)), client.RewindOptions{Reason: "repaired"}); err != nil && !errors.Is(err, client.ErrInvalidState) {
			t.Fatalf("Rewind(%s): %v", root(i), err)
		}
	}
	for i := range trees {
		status, err := p.Wait(t.Context(), client.InstanceID(root(i)))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%q", "boss "+root(i)); status.RuntimeStatus != history.Completed || string(status.Output) != want {
			t.Errorf("%s is %s with %s, want Completed with %s", root(i), status.RuntimeStatus, status.Output, want)
		}
	}
	p.Stop(t)
}
