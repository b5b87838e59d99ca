package embedded

import (
	"log/slog"
	"sync"
	"time"
)

// repeatsPeriod is how often a message is logged that comes again and again, as
// that of work which Pebble tries until it succeeds.
const repeatsPeriod = 10 * time.Second

// repeats logs a message the first time, and then with how often it came since.
type repeats struct {
	mu   sync.Mutex // guards said
	said map[string]*repeated
}

type repeated struct {
	at    time.Time // when it was logged
	since int       // how often it came since then
}

// warn logs a warning, unless the same message was logged a moment ago.
func (r *repeats) warn(log *slog.Logger, message string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.said[message]
	if !ok {
		last = &repeated{}
		if r.said == nil {
			r.said = make(map[string]*repeated)
		}
		r.said[message] = last
	}
	if last.since++; time.Since(last.at) < repeatsPeriod {
		return
	}
	if last.since > 1 {
		args = append(args, "times", last.since)
	}
	log.Warn(message, args...)
	*last = repeated{at: time.Now()}
}
