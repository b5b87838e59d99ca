package manage

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/perdure/perdure/internal/audit"
)

// audited are the kinds of which the audit tells, whoever asks.
var audited = []kind{terminate, suspend, resume, rewind, restart, purge}

// change is what operations are counted by. Each terminate has a reason of its own.
type change struct {
	kind             kind
	instance, reason string
}

// verifyAudit finds no fault in the audit, however its writer ended.
func verifyAudit(t *testing.T, folder string) {
	t.Helper()
	report, err := audit.Verify(filepath.Join(folder, "audit"), "")
	if err != nil || len(report.Faults) > 0 {
		t.Errorf("the audit has faults: %v, %v", report.Faults, err)
	}
}

// checkAudit compares the audit with the answers: what somebody was told is done is in
// it as done, and nothing else is, but what may have been done for those without an answer.
func (l *log) checkAudit(t *testing.T, folder string) {
	t.Helper()
	verifyAudit(t, folder)
	asked, done := map[string]change{}, map[change]int{}
	for line, err := range audit.Lines(filepath.Join(folder, "audit")) {
		if err != nil {
			t.Fatal(err)
		}
		text := func(member string) (s string) {
			json.Unmarshal(line.Members[member], &s) // what is not there is empty
			return s
		}
		if of := string(line.Members["of"]); of == "" {
			asked[string(line.Members["n"])] = change{kind(line.What), text("instance"), text("reason")}
		} else if text("result") == "ok" && string(line.Members["deleted"]) != "0" { // a purge of nothing
			done[asked[of]]++
		}
	}
	told, perhaps := map[change]int{}, map[change]int{}
	for i, ops := range l.operations {
		for _, op := range ops {
			switch c := (change{op.kind, id(i), op.reason}); op.answer {
			case ok:
				told[c]++
			case unknown:
				perhaps[c]++
			}
		}
	}
	for _, k := range audited {
		lines := 0
		for c, n := range done {
			if c.kind != k {
				continue
			}
			lines += n
			if n > told[c]+perhaps[c] {
				t.Errorf("the audit has %d × %v, which %d were told of and %d had no answer", n, c, told[c], perhaps[c])
			}
		}
		for c, n := range told {
			if c.kind == k && n > done[c] {
				t.Errorf("%d were told of %v, which the audit has %d times", n, c, done[c])
			}
		}
		if lines == 0 {
			t.Errorf("the audit has no %s", k)
		}
	}
}
