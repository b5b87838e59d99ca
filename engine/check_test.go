package engine_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/perdure/perdure/engine"
)

// checked checks the hub in a store, and wants nothing to disagree.
func checked(t testing.TB, store engine.Store) engine.CheckReport {
	t.Helper()
	report, found := check(t, store)
	for _, d := range found {
		t.Errorf("the hub does not agree: %s of %q: %s: %s", d.Rule, d.Instance, d.Rows, d.Says)
	}
	return report
}

// inside returns the store around which a test has put others.
func inside(t testing.TB, store engine.Store) engine.Viewer {
	if viewer, ok := store.(engine.Viewer); ok {
		return viewer
	}
	inner, ok := reflect.Indirect(reflect.ValueOf(store)).FieldByName("Store").Interface().(engine.Store)
	if !ok {
		t.Fatalf("a %T cannot be checked", store)
	}
	return inside(t, inner)
}

// check checks the hub in a store and returns what does not agree.
func check(t testing.TB, store engine.Store) (report engine.CheckReport, found []engine.Disagreement) {
	t.Helper()
	view, err := inside(t, store).View(context.Background())
	if errors.Is(err, engine.ErrBroken) {
		return report, nil // the hub was deleted
	}
	if err != nil {
		t.Fatalf("View: %v", err)
	}
	defer view.Close()
	report, err = engine.Check(context.Background(), view, engine.CheckOptions{Tell: func(d engine.Disagreement) { found = append(found, d) }})
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	if int64(len(found)) != report.Disagreements {
		t.Errorf("Check reports %d disagreements and tells %d", report.Disagreements, len(found))
	}
	return report, found
}
