package main

import (
	"runtime/debug"
	"testing"
)

func TestVersionTellsCommitAndDate(t *testing.T) {
	checkout := []debug.BuildSetting{{Key: "vcs.revision", Value: "01094ca7a5c0ffee0123"}, {Key: "vcs.time", Value: "2026-11-20T10:11:12Z"}}
	for _, tt := range []struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"v1.2.3", nil, "v1.2.3"},
		{"", nil, "(devel)"},
		{"(devel)", checkout, "(devel) (commit 01094ca7a5c0 of 2026-11-20T10:11:12Z)"},
		{"v1.2.3", append(checkout, debug.BuildSetting{Key: "vcs.modified", Value: "true"}), "v1.2.3 (commit 01094ca7a5c0 of 2026-11-20T10:11:12Z, with changes)"},
	} {
		if got := describe(&debug.BuildInfo{Main: debug.Module{Version: tt.version}, Settings: tt.settings}); got != tt.want {
			t.Errorf("version %q with %v is %q, want %q", tt.version, tt.settings, got, tt.want)
		}
	}
}
