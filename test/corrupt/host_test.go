package corrupt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/hubs"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/host"
	"github.com/perdure/perdure/internal/audit"
	"github.com/perdure/perdure/internal/config"
)

// hostFiles are the files that a host keeps beside its store.
var hostFiles = []string{"keys.json", "link-secret", "audit", "endpoint", "socket", "lock", "running-1"}

// hostJSON asks for all that has files.
const hostJSON = `{"version":"2.0","extensions":{"durableTask":{"management":{"requireKey":true,"links":{"scope":"instance"}}}}}`

// ownHost is a host in this process.
type ownHost struct {
	host.Info
	log    *lockedBuffer
	cancel context.CancelFunc
	ended  chan error
}

// lockedBuffer keeps what is logged.
type lockedBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startHost runs the app in dir until it is stopped, or returns why it does not run.
func startHost(ctx context.Context, dir string) (*ownHost, error) {
	ctx, cancel := context.WithCancel(ctx)
	h := &ownHost{log: &lockedBuffer{}, cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan host.Info, 1)
	o := host.Options{
		Dir: dir, Environ: []string{}, Logger: slog.New(slog.NewTextHandler(h.log, nil)),
		OnReady: func(_ context.Context, info host.Info) error { ready <- info; return nil },
	}
	go func() { h.ended <- host.Run(ctx, App(), o) }() // stop waits for it
	select {
	case h.Info = <-ready:
		return h, nil
	case err := <-h.ended:
		cancel()
		return nil, err
	}
}

func (h *ownHost) stop() error {
	h.cancel()
	return <-h.ended
}

// warnings is what was logged about a file that somebody should look at.
func (h *ownHost) warnings(file string) string {
	var all []string
	for line := range strings.Lines(h.log.String()) {
		serious := strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")
		if serious && strings.Contains(line, "/"+strings.TrimSuffix(file, "/")) {
			all = append(all, line)
		}
	}
	return strings.Join(all, "")
}

// hostSubject is a folder of an app that ended in good order, but for the endpoint that
// one which was killed leaves.
type hostSubject struct {
	dir    string
	key    string // of keys.json
	output string // of instance "done"
	head   string // of the audit
}

func buildHost(t *testing.T) *hostSubject {
	t.Helper()
	s := &hostSubject{dir: t.TempDir(), output: `"HELLO"`}
	if err := os.WriteFile(filepath.Join(s.dir, "host.json"), []byte(hostJSON), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := startHost(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.key, err = readKey(s.path("keys.json")); err != nil {
		t.Fatal(err)
	}
	c := client.Remote(h.URL, client.RemoteOptions{Key: s.key})
	for _, id := range []string{"done", "other"} {
		if _, err := c.Start(t.Context(), "Chain", "hello", client.StartOptions{ID: client.InstanceID(id)}); err != nil {
			t.Fatal(err)
		}
		if st, err := c.Wait(t.Context(), client.InstanceID(id)); err != nil || string(st.Output) != s.output {
			t.Fatalf("Wait(%s) = %+v, %v", id, st, err)
		}
	}
	if _, err := c.Purge(t.Context(), "other", client.PurgeOptions{}); err != nil {
		t.Fatal(err)
	}
	endpoint, err := os.ReadFile(s.path("endpoint"))
	if err := errors.Join(err, h.stop(), os.WriteFile(s.path("endpoint"), endpoint, 0o600)); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(s.path("audit"), "")
	if err != nil || len(report.Faults) > 0 {
		t.Fatalf("the undamaged audit: %+v, %v", report, err)
	}
	s.head = report.Head
	return s
}

func (s *hostSubject) path(name string) string { return filepath.Join(s.dir, ".perdure", name) }

// readKey returns the value of the first key in a file of keys.
func readKey(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	var file struct {
		SystemKeys []struct{ Value string } `json:"systemKeys"`
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.SystemKeys) == 0 {
		return "", fmt.Errorf("%s: no keys: %v", path, err)
	}
	return file.SystemKeys[0].Value, nil
}

// try damages a copy of the folder, runs the app on it, and returns what comes of it.
func (s *hostSubject) try(ctx context.Context, dir string, d damage) (outcome, string, error) {
	if err := copyTree(s.dir, dir, func(string) bool { return false }); err != nil {
		return "", "", err
	}
	defer os.RemoveAll(dir)
	own := &hostSubject{dir: dir}
	if err := d.apply(own.path(d.file)); err != nil {
		return "", "", err
	}
	damaged, _ := os.ReadFile(own.path(d.file)) // nothing if it is no file any more
	h, err := startHost(ctx, dir)
	if err != nil {
		return refused, err.Error(), nil
	}
	bad := s.askHost(ctx, h)
	key, keyErr := readKey(own.path("keys.json"))
	if bad == "" && !s.opens(ctx, h, key) {
		bad = fmt.Sprintf("the key in keys.json does not open it (%v)", keyErr)
	}
	after, _ := os.ReadFile(own.path(d.file))
	if err := h.stop(); err != nil {
		bad = fmt.Sprintf("it ended with %v", err)
	}
	if bad != "" {
		return wrong, bad, nil
	}
	report, err := audit.Verify(own.path("audit"), s.head)
	if about := h.warnings(d.file); about != "" || err != nil || len(report.Faults)+len(report.Notes) > 0 || keysNoted(own.path("audit"), s.head) {
		return told, fmt.Sprint(about, report.Faults, report.Notes, err), nil
	}
	before, _ := os.ReadFile(s.path(d.file))
	switch {
	case strings.HasPrefix(d.file, "running-"):
		return same, "", nil // nobody reads it after an end in good order
	case bytes.Equal(bytes.TrimSpace(after), bytes.TrimSpace(before)):
		return same, "", nil
	case !bytes.Equal(after, damaged):
		return remade, "", nil
	}
	return wrong, "it is used as it is, and nothing tells of it", nil
}

// askHost asks a running host with the endpoint's own client what it must know, and
// returns what is wrong.
func (s *hostSubject) askHost(ctx context.Context, h *ownHost) string {
	st, err := h.Client.Status(ctx, "done", client.StatusOptions{})
	if err != nil || string(st.Output) != s.output {
		return fmt.Sprintf("instance done: %+v, %v", st, err)
	}
	if counts, err := h.Client.Count(ctx, client.Query{}); err != nil || counts.Total() != 1 {
		return fmt.Sprintf("counts %v, %v", counts, err)
	}
	for _, key := range []string{"", strings.Repeat("x", len(s.key))} {
		if s.opens(ctx, h, key) {
			return fmt.Sprintf("the key %q opens it", key)
		}
	}
	return ""
}

func (s *hostSubject) opens(ctx context.Context, h *ownHost, key string) bool {
	st, err := client.Remote(h.URL, client.RemoteOptions{Key: key}).Status(ctx, "done", client.StatusOptions{})
	return err == nil && string(st.Output) == s.output
}

// keysNoted reports whether the audit tells of other keys after the line of head.
func keysNoted(dir, head string) bool {
	var last uint64
	fmt.Sscan(strings.Split(head, ":")[0], &last)
	for line, err := range audit.Lines(dir) {
		if err == nil && line.N > last && line.What == "keys" {
			return true
		}
	}
	return false
}

// TestHostFiles damages what the host keeps beside the store, in turn, and runs the app.
func TestHostFiles(t *testing.T) {
	s := buildHost(t)
	all, err := s.damages()
	if err != nil {
		t.Fatal(err)
	}
	if !*full {
		all = sample(all)
	}
	m, scratch := matrix{}, t.TempDir()
	for n, d := range all {
		name := "host: " + d.String()
		if !strings.Contains(name, *only) {
			continue
		}
		o, why, err := s.try(t.Context(), filepath.Join(scratch, fmt.Sprint(n)), d)
		if err != nil {
			o, why = wrong, err.Error()
		}
		m.add(d, o)
		if o == wrong {
			t.Errorf("%s: %s", name, why)
		} else if *only != "" {
			t.Logf("%s: %s %s", name, o, why)
		}
	}
	if *full {
		fmt.Printf("\nhost\n\n%s", m)
	}
}

func (s *hostSubject) damages() (all []damage, err error) {
	names, err := listFiles(filepath.Join(s.dir, ".perdure"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if first, _, _ := strings.Cut(name, "/"); !slices.Contains(hostFiles, first) {
			continue
		}
		all = append(all, ofName(name, strings.HasSuffix(name, "/"))...)
		info, err := os.Stat(s.path(name))
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		content, err := os.ReadFile(s.path(name))
		if err != nil {
			return nil, err
		}
		all = append(all, ofContent(name, content)...)
	}
	return all, nil
}

// TestDamagedEndpoint damages the endpoint of a host that runs: who connects reaches that host
// or is refused.
func TestDamagedEndpoint(t *testing.T) {
	s := buildHost(t)
	h, err := startHost(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.stop()
	cfg, err := config.Load(config.Source{Dir: s.dir, Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(s.path("endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	all := append(ofName("endpoint", false), ofContent("endpoint", content)...)
	if !*full {
		all = sample(all)
	}
	m := matrix{}
	for _, d := range all {
		if err := d.apply(s.path("endpoint")); err != nil {
			t.Fatal(err)
		}
		// Connect waits for a store without a host: that is a refusal, too, and comes in time.
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		got, err := reach(ctx, cfg)
		cancel()
		switch {
		case err != nil:
			m.add(d, refused)
		case got == s.output:
			m.add(d, same)
		default:
			m.add(d, wrong)
			t.Errorf("%s: output %s, not %s", d, got, s.output)
		}
		if err := errors.Join(os.RemoveAll(s.path("endpoint")), os.WriteFile(s.path("endpoint"), content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := reach(t.Context(), cfg); err != nil || got != s.output {
		t.Errorf("with the endpoint as it was: %s, %v", got, err)
	}
	if *full {
		fmt.Printf("\nconnect\n\n%s", m)
	}
}

// reach connects to whoever has the store and returns the output of instance done.
func reach(ctx context.Context, cfg *config.Config) (string, error) {
	c, err := hubs.Connect(ctx, cfg, false, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer c.Close()
	st, err := c.Status(ctx, "done", client.StatusOptions{})
	if err != nil {
		return "", err
	}
	return string(st.Output), nil
}
