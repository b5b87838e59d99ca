package history

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestStatuses(t *testing.T) {
	want := map[RuntimeStatus]struct {
		name     string
		terminal bool
	}{
		0: {"Running", false}, 1: {"Completed", true}, 2: {"ContinuedAsNew", false}, 3: {"Failed", true},
		4: {"Canceled", true}, 5: {"Terminated", true}, 6: {"Pending", false}, 7: {"Suspended", false},
	}
	if len(Statuses()) != len(want) {
		t.Errorf("Statuses() = %v, want %d", Statuses(), len(want))
	}
	for _, status := range Statuses() {
		if status.String() != want[status].name || status.Terminal() != want[status].terminal {
			t.Errorf("status %d is %s, terminal %t, want %+v", status, status, status.Terminal(), want[status])
		}
	}
	for _, status := range []RuntimeStatus{Unknown, 8, -2} {
		if status.String() != "Unknown" || status.Terminal() {
			t.Errorf("status %d is %s, terminal %t, want Unknown, false", status, status, status.Terminal())
		}
	}
}

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]RuntimeStatus{
		"Running": Running, "running": Running, "CONTINUEDASNEW": ContinuedAsNew, "0": Running, "7": Suspended,
	} {
		if got, err := ParseStatus(text); got != want || err != nil {
			t.Errorf("ParseStatus(%q) = %s, error %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Unknown", "8", "-1", "Runnin", " Running"} {
		if got, err := ParseStatus(text); err == nil || got != Unknown || !strings.Contains(err.Error(), "Pending") {
			t.Errorf("ParseStatus(%q) = %s, error %v, want an error that lists the names", text, got, err)
		}
	}
}

func TestStatusAsText(t *testing.T) {
	b, err := json.Marshal(map[string]RuntimeStatus{"s": Failed})
	if err != nil || string(b) != `{"s":"Failed"}` {
		t.Errorf("Marshal(Failed) = %s, error %v", b, err)
	}
	var in struct{ S RuntimeStatus }
	if err := json.Unmarshal([]byte(`{"s":"pending"}`), &in); err != nil || in.S != Pending {
		t.Errorf("Unmarshal(pending) = %s, error %v", in.S, err)
	}
	if err := json.Unmarshal([]byte(`{"s":7}`), &in); err != nil || in.S != Suspended {
		t.Errorf("Unmarshal(7) = %s, error %v", in.S, err)
	}
	if err := json.Unmarshal([]byte(`{"s":"nonsense"}`), &in); err == nil {
		t.Errorf("Unmarshal(nonsense) = %s, want an error", in.S)
	}
}
