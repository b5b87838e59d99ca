package replay

import (
	"context"
	"log/slog"
	"sync/atomic"
)

// quietHandler drops what is logged while quiet is true: during replay, when
// the line was written already, and while the code unwinds.
type quietHandler struct {
	slog.Handler
	quiet *atomic.Bool
}

func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return !h.quiet.Load() && h.Handler.Enabled(ctx, level)
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.quiet.Load() {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.quiet}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.quiet}
}

// logger makes the session's logger when it is first asked for: most sessions
// log nothing.
func (s *Session) logger() *slog.Logger {
	if log := s.log.Load(); log != nil {
		return log
	}
	in := &s.config.Instance
	h := quietHandler{s.config.Logger.Handler(), &s.quiet}
	s.log.CompareAndSwap(nil, slog.New(h).With("instance", string(in.ID), "execution", string(in.ExecutionID)))
	return s.log.Load()
}

// Logger returns a logger that is silent during replay. It may be used from any
// goroutine.
func (c *Context) Logger() *slog.Logger { return c.s.logger() }
