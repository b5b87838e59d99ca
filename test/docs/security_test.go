package docs

import (
	"os"
	"path/filepath"
	"testing"
)

// TestSecurity keeps the threat model of SECURITY.md honest: each kind of attacker
// can do this, cannot do that, and there is a test of it.
func TestSecurity(t *testing.T) {
	root := repository(t)
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	const heading = "Who can do what"
	rows := tablesOf(string(text))[heading]
	if len(rows) == 0 {
		t.Fatalf("SECURITY.md has no table under the heading %s", heading)
	}
	checkTests(t, root, heading, rows, testsIn(t, root))
	for _, row := range rows {
		if len(row) != 4 || row[1] == "" || row[2] == "" || len(row.tests()) == 0 {
			t.Errorf("%s: want who, what they can and cannot do, and tests", row[0])
		}
	}
}
