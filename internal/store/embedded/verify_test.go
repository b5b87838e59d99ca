package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/store"
)

// filled returns a folder with tables of several flushes and a log that has commits
// which are in no table. The answers are what it holds.
func filled(t *testing.T) (dir string, answers []string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "store")
	hub, owner := openHub(t, source, Options{})
	for i := range 12 {
		n := history.Number(i + 1)
		id := history.InstanceID(fmt.Sprint("i", i))
		delta := &store.Delta{
			Number: n, ID: id, OldStatus: history.Unknown, Row: &history.Instance{Number: n, ID: id, Name: "N", Status: history.Running},
			Record: &store.Record{Seq: 1, Bytes: make([]byte, 500*i)},
		}
		if err := owner.Commit(t.Context(), 0, []*store.Delta{delta}); err != nil {
			t.Fatal(err)
		}
		if i%4 == 3 && i < 8 {
			if err := hub.db.pebble.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	answers, err := answersOf(t, hub)
	if err := errors.Join(err, hub.db.Close()); err != nil { // else Pebble might remove files while they are copied
		t.Fatal(err)
	}
	return source, answers
}

// copied returns a copy of a folder.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// answersOf reads all that a hub holds.
func answersOf(t *testing.T, hub *Hub) (answers []string, err error) {
	for _, status := range append(history.Statuses(), history.Unknown) {
		q := history.Query{Statuses: []history.RuntimeStatus{status}}
		if status == history.Unknown {
			q = history.Query{}
		}
		page, err := hub.ListInstances(t.Context(), q)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			found, ok, err := hub.FindInstance(t.Context(), row.ID)
			if err != nil {
				return nil, err
			}
			answers = append(answers, fmt.Sprint(status, row.Number, row.ID, row.Name, row.Status, found.Number, ok))
			for record, err := range hub.Records(t.Context(), row.Number) {
				if err != nil {
					return nil, err
				}
				answers = append(answers, fmt.Sprint(record.Seq, len(record.Bytes)))
			}
		}
	}
	counts, err := hub.CountInstances(t.Context(), history.Query{})
	return append(answers, fmt.Sprint(counts)), err
}

// reopened returns what a folder holds, or why it does not say.
func reopened(t *testing.T, dir string) ([]string, error) {
	db, err := Open(dir, Options{})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	hub, err := db.Hub("h", store.HubOptions{})
	if err != nil {
		t.Errorf("the store is opened without its hub: %v", err)
		return nil, err
	}
	return answersOf(t, hub)
}

func TestUndamagedStoreHasAll(t *testing.T) {
	t.Parallel()
	dir, want := filled(t)
	for range 2 {
		got, err := reopened(t, dir)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
	}
}

// Whatever file is damaged or missing, a store gives the same answers or none.
func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	whole, want := filled(t)
	var files []string
	err := filepath.WalkDir(whole, func(path string, d fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(whole, path); name != "." && name != lockName {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func(content []byte) []byte{
		"cut by a byte": func(c []byte) []byte { return c[:max(0, len(c)-1)] },
		"cut by half":   func(c []byte) []byte { return c[:len(c)/2] },
		"emptied":       func([]byte) []byte { return nil },
	}
	for at := range 8 {
		damages[fmt.Sprintf("flipped at %d/8", at)] = func(c []byte) []byte {
			end := len(c) // of what was written
			for end > 0 && c[end-1] == 0 {
				end--
			}
			if end > 0 {
				c[end*at/8] ^= 0x10
			}
			return c
		}
	}
	refused := make(map[string]int)
	check := func(dir, what string) {
		got, err := reopened(t, dir)
		switch {
		case err != nil:
			refused[strings.Fields(what)[0]]++
		case !slices.Equal(got, want):
			t.Errorf("%s: got\n%v\nwant\n%v", what, got, want)
		}
	}
	for _, name := range files {
		dir := copied(t, whole)
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		check(dir, name+" removed")
		content, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			continue // a folder
		}
		for damage, do := range damages {
			dir := copied(t, whole)
			if err := os.WriteFile(filepath.Join(dir, name), do(slices.Clone(content)), 0o600); err != nil {
				t.Fatal(err)
			}
			check(dir, name+" "+damage)
		}
	}
	for _, name := range []string{"FORMAT", "witness", "data"} {
		if refused[name] == 0 {
			t.Errorf("no damage to %s was refused; refused were %v", name, refused)
		}
	}
	t.Log(refused)
}

// A folder's older file in place of the newer one does not hide what came after.
func TestOlderFilesAreRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "store")
	number := history.Number(0)
	var want []string
	run := func(flushes int) { // a process's life
		hub, owner := openHub(t, dir, Options{})
		for flush := range flushes + 1 {
			for range 5 {
				number++
				id := history.InstanceID(fmt.Sprint("i", number))
				delta := &store.Delta{Number: number, ID: id, OldStatus: history.Unknown, Row: &history.Instance{Number: number, ID: id, Name: "N"}}
				if err := owner.Commit(t.Context(), 0, []*store.Delta{delta}); err != nil {
					t.Fatal(err)
				}
			}
			if flush < flushes {
				if err := hub.db.pebble.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var err error
		if want, err = answersOf(t, hub); err != nil {
			t.Fatal(err)
		}
		if err := hub.db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	run(1)
	older := copied(t, dir)
	run(2)
	newer := copied(t, dir)
	err := filepath.WalkDir(older, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(older, path)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at := copied(t, newer)
		if err := os.WriteFile(filepath.Join(at, name), content, 0o600); err != nil {
			return err
		}
		if got, err := reopened(t, at); err == nil && !slices.Equal(got, want) {
			t.Errorf("with the older %s: got\n%v\nwant\n%v", name, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
