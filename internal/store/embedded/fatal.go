package embedded

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/perdure/perdure/internal/store"
)

// breaker hears what Pebble logs. Pebble calls Fatalf when it cannot go on, for
// example when the disk refuses a write to the log, and relies on not coming
// back. Such a call may come from a goroutine of Pebble's own, where a panic
// would end the process together with all that is not ours. So it is parked for
// good, the cause is kept for all later calls of the [DB], and whoever waits
// for Pebble also waits for broken.
type breaker struct {
	log    *slog.Logger
	again  repeats
	once   sync.Once
	broken chan struct{} // closed by fail
	cause  error         // why, an [store.ErrBroken]; set before broken is closed
}

func newBreaker(log *slog.Logger) *breaker { return &breaker{log: log, broken: make(chan struct{})} }

func (b *breaker) Infof(format string, args ...any) {
	b.log.Debug("pebble", "text", lazy{format, args})
}

func (b *breaker) Errorf(format string, args ...any) {
	b.again.warn(b.log, "pebble", "text", fmt.Sprintf(format, args...))
}

func (b *breaker) Fatalf(format string, args ...any) {
	b.fail(fmt.Errorf(format, args...))
	select {}
}

// fail breaks the store for good.
func (b *breaker) fail(why error) {
	b.once.Do(func() {
		b.cause = fmt.Errorf("%w: %w: restart the process once the cause is removed", store.ErrBroken, why)
		b.log.Error("store is broken", "error", b.cause)
		close(b.broken)
	})
}

// err returns why the store is broken, nil while it is not.
func (b *breaker) err() error {
	select {
	case <-b.broken:
		return b.cause
	default:
		return nil
	}
}

// do runs f, which may call Fatalf and so never come back, or panic, as Pebble
// does when it cannot make its next log.
func (b *breaker) do(f func() error) error {
	done := make(chan error, 1)
	go func() { // waited for below, or else parked in Fatalf
		defer func() {
			if cause := recover(); cause != nil {
				b.fail(fmt.Errorf("%v", cause))
			}
		}()
		done <- f()
	}()
	select {
	case err := <-done:
		return err
	case <-b.broken:
		return b.cause
	}
}

// listener keeps corruption from being fatal: the read that meets it fails,
// other data is sound.
func (b *breaker) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			b.again.warn(b.log, "background work of the store does not succeed", "error", err.Error())
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			b.again.warn(b.log, "store is damaged: restore the folder from a backup", "error", info.Details.Error(), "path", info.Path)
		},
	}
}

// lazy formats a message only if it is logged.
type lazy struct {
	format string
	args   []any
}

func (l lazy) LogValue() slog.Value { return slog.StringValue(fmt.Sprintf(l.format, l.args...)) }
