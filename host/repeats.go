package host

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"
)

// repeats is a handler of logs that tells a warning or an error once, and when
// it has come again within repeatTime how often: a cause that stays must not
// fill the disk.
type repeats struct {
	slog.Handler
	told *told
	with string // what WithAttrs and WithGroup added
}

const (
	repeatTime = 10 * time.Second
	maxRepeats = 1000 // different ones that are known; then all begin anew
)

// told is what was logged lately.
type told struct {
	mu    sync.Mutex // guards the rest
	lines map[string]*line
	until time.Time // when the oldest of lines has been there for repeatTime
}

// line is a record that was logged, and how often it has come since.
type line struct {
	handler slog.Handler
	record  slog.Record
	again   int
}

func newRepeats(h slog.Handler) *repeats {
	return &repeats{Handler: h, told: &told{lines: make(map[string]*line)}}
}

func (h *repeats) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &repeats{h.Handler.WithAttrs(attrs), h.told, h.with + fmt.Sprint(attrs)}
}

func (h *repeats) WithGroup(name string) slog.Handler {
	return &repeats{h.Handler.WithGroup(name), h.told, h.with + name + "."}
}

func (h *repeats) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return h.Handler.Handle(ctx, r)
	}
	key := bytes.NewBufferString(fmt.Sprintf("%d %s %s", r.Level, r.Message, h.with))
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(key, " %s", a)
		return true
	})
	t := h.told
	t.mu.Lock()
	if !r.Time.Before(t.until) || len(t.lines) == maxRepeats {
		t.sumUp(ctx)
	}
	if known := t.lines[key.String()]; known != nil {
		known.again++
		t.mu.Unlock()
		return nil
	}
	if len(t.lines) == 0 {
		t.until = r.Time.Add(repeatTime)
	}
	t.lines[key.String()] = &line{h.Handler, r.Clone(), 0}
	t.mu.Unlock()
	return h.Handler.Handle(ctx, r)
}

// end tells what is left to be told.
func (h *repeats) end() {
	h.told.mu.Lock()
	defer h.told.mu.Unlock()
	h.told.sumUp(context.Background())
}

// sumUp tells of each line how often it came again, and begins anew. mu is
// held.
func (t *told) sumUp(ctx context.Context) {
	for _, l := range t.lines {
		if l.again > 0 {
			l.record.AddAttrs(slog.Int("repeated", l.again))
			l.handler.Handle(ctx, l.record)
		}
	}
	clear(t.lines)
}

// remote is what the HTTP server says of where a request came from: without it,
// what it logs of many is the same.
var remote = regexp.MustCompile(` (from|for) \S+:`)

// serverLog has what an HTTP server says.
type serverLog struct{ log *slog.Logger }

func (s serverLog) Write(text []byte) (int, error) {
	s.log.Warn("http server", "text", remote.ReplaceAllString(string(bytes.TrimSpace(text)), ":"))
	return len(text), nil
}
