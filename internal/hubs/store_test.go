package hubs

import "testing"

func TestTablesLeaveFilesToConnections(t *testing.T) {
	files, ok := MaxFiles()
	if got := tableLimit(); ok && (got < 1 || got > 1000 || uint64(got) > files/4) {
		t.Errorf("tableLimit = %d of %d files", got, files)
	}
}
