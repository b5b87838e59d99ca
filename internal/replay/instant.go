package replay

import (
	"sync/atomic"
	"time"
)

// instant is a time of a history, UTC in units of 100 ns, that any goroutine
// may read while another one sets it. At first it is the time 1970-01-01.
type instant struct{ ticks atomic.Int64 }

const ticksPerSecond = int64(time.Second / 100)

func (i *instant) set(t time.Time) {
	i.ticks.Store(t.Unix()*ticksPerSecond + int64(t.Nanosecond()/100))
}

func (i *instant) get() time.Time {
	n := i.ticks.Load()
	return time.Unix(n/ticksPerSecond, n%ticksPerSecond*100).UTC()
}
