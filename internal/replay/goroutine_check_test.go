package replay

import (
	"sync/atomic"
	"testing"
)

func TestBuildsThatCannotTellGoroutinesApart(t *testing.T) {
	if err := CheckRuntime(); err != nil {
		t.Error(err)
	}
	var n atomic.Uintptr
	for what, broken := range map[string]func() uintptr{
		"nothing is known":         func() uintptr { return 0 },
		"all are one":              func() uintptr { return 1 },
		"one is another each time": func() uintptr { return n.Add(1) },
	} {
		if checkGoroutines(broken) == nil {
			t.Errorf("no error although %s", what)
		}
	}
}
