package audit

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// whatExpire is what a line says that tells of files that are removed.
const whatExpire = "expire"

// Expire removes the files of which all lines were written before a time,
// oldest first and never the newest. A line that tells so comes before: files
// that are missing without one were removed by somebody else. It returns how
// many it has removed.
func (l *Log) Expire(before time.Time, attrs ...slog.Attr) (int, error) {
	all, err := l.expired(before)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	line := append([]slog.Attr{slog.String("what", whatExpire)}, attrs...)
	if _, err := l.Append(append(line, slog.Int("through", all[len(all)-1].File))...); err != nil {
		return 0, err
	}
	l.take()
	defer l.release()
	for i, c := range all {
		if err := os.Remove(filepath.Join(l.dir, c.name)); err != nil {
			return i, troubled(err)
		}
	}
	return len(all), syncDir(l.dir)
}

// expired returns the oldest files, up to the first one that has a line which
// is not.
func (l *Log) expired(before time.Time) ([]chapter, error) {
	l.take()
	defer l.release()
	all, _, err := chapters(l.dir)
	if err != nil {
		return nil, err
	}
	n := 0
	for n+1 < len(all) && all[n+1].Time.Before(before) {
		n++
	}
	return all[:n], nil
}
