package embedded

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// scheduler says when Pebble may compact: as many compactions run as Pebble
// allows itself. Pebble's own scheduler asks for that number ten times a
// second, always, so that an idle program never sleeps. This one asks when
// Pebble tells it something, and ten times a second only while a compaction
// runs: no compaction waits when none runs, since one is always allowed.
type scheduler struct {
	db    pebble.DBForCompaction
	news  chan struct{} // holds a token while there may be something to do
	stop  chan struct{} // closed by Unregister
	ended chan struct{} // closed when run has returned

	mu      sync.Mutex // guards the rest; not held while db is called, but for what needs no lock there
	running int        // compactions
	stopped bool
}

var _ pebble.CompactionScheduler = (*scheduler)(nil)

func newScheduler() *scheduler {
	return &scheduler{news: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
}

// Register implements [pebble.CompactionScheduler].
func (s *scheduler) Register(_ int, db pebble.DBForCompaction) {
	s.db = db
	go s.run() // until Unregister, which waits for it
}

// Unregister implements [pebble.CompactionScheduler].
func (s *scheduler) Unregister() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	close(s.stop)
	<-s.ended
}

// TrySchedule implements [pebble.CompactionScheduler].
func (s *scheduler) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	defer s.tell() // that one runs, or that one waits
	if !s.reserve() {
		return false, nil
	}
	return true, s
}

// UpdateGetAllowedWithoutPermission implements [pebble.CompactionScheduler].
func (s *scheduler) UpdateGetAllowedWithoutPermission() { s.tell() }

// Done implements [pebble.CompactionGrantHandle].
func (s *scheduler) Done() {
	s.release()
	s.tell()
}

// Started implements [pebble.CompactionGrantHandle].
func (s *scheduler) Started() {}

// MeasureCPU implements [pebble.CompactionGrantHandle].
func (s *scheduler) MeasureCPU(pebble.CompactionGoroutineKind) {}

// CumulativeStats implements [pebble.CompactionGrantHandle].
func (s *scheduler) CumulativeStats(pebble.CompactionGrantHandleStats) {}

func (s *scheduler) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// samplingInterval is how often Pebble is asked, while it compacts, whether it
// allows itself more by now.
const samplingInterval = 100 * time.Millisecond

// run starts compactions that had to wait.
func (s *scheduler) run() {
	defer close(s.ended)
	for {
		var sample <-chan time.Time
		if s.busy() {
			sample = time.After(samplingInterval)
		}
		select {
		case <-s.news:
		case <-sample:
		case <-s.stop:
			return
		}
		for s.reserve() {
			if waiting, _ := s.db.GetWaitingCompaction(); !waiting || !s.db.Schedule(s) {
				s.release()
				break
			}
		}
	}
}

func (s *scheduler) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running > 0
}

// reserve counts one more compaction if one more may run.
func (s *scheduler) reserve() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.running >= s.db.GetAllowedWithoutPermission() {
		return false
	}
	s.running++
	return true
}

func (s *scheduler) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
}
