package embedded

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// namesPeriod is how often the names in the folder are looked at.
const namesPeriod = 400 * time.Millisecond

// names are what the names in the folder stood for when the store was opened. A
// folder that is moved, removed or put back under a running process keeps its
// open files: what is written to them is where nobody looks for it.
type names struct {
	was   map[string]fs.FileInfo // by path
	stop  chan struct{}
	ended chan struct{}
}

func readNames(dir string) (names, error) {
	n := names{was: map[string]fs.FileInfo{}, stop: make(chan struct{}), ended: make(chan struct{})}
	for _, name := range []string{lockName, witnessFile, dataFolder} {
		path := filepath.Join(dir, name)
		info, err := os.Lstat(path)
		if err != nil {
			return names{}, err
		}
		n.was[path] = info
	}
	return n, nil
}

// check returns an error if a name stands for something else now, or for
// nothing.
func (n names) check() error {
	for path, was := range n.was {
		info, err := os.Lstat(path)
		if err != nil {
			return fmt.Errorf("the store's folder was removed under it: %w", err)
		}
		if !os.SameFile(was, info) {
			return fmt.Errorf("the store's folder was replaced under it: %s is another one", path)
		}
	}
	return nil
}

// watch checks again and again, and tells the first error.
func (n names) watch(broken func(error)) {
	defer close(n.ended)
	ticks := time.NewTicker(namesPeriod)
	defer ticks.Stop()
	for {
		select {
		case <-n.stop:
			return
		case <-ticks.C:
			if err := n.check(); err != nil {
				broken(err)
				return
			}
		}
	}
}

// close ends watch.
func (n names) close() {
	if n.stop != nil {
		close(n.stop)
		<-n.ended
	}
}
