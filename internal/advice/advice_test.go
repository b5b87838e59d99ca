package advice_test

import (
	"testing"

	"github.com/perdure/perdure/internal/advice"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/hub"
)

func TestCommand(t *testing.T) {
	for _, tt := range []struct {
		operation, id, event string
		want                 string
	}{
		{"resume", "order-17", "", "perdure resume --id order-17"},
		{"rewind", "i 1", "", "perdure rewind --id 'i 1'"},
		{"restart", "-x", "", "perdure restart --id=-x"},
		{"terminate", "it's", "", `perdure terminate --id 'it'\''s'`},
		{"terminate", "", "", "perdure terminate --id ''"},
		{"raise-event", "x", "Go on", "perdure raise-event --id x --event-name 'Go on'"},
	} {
		if got := advice.Command(tt.operation, history.InstanceID(tt.id), tt.event); got != tt.want {
			t.Errorf("Command(%q, %q, %q) = %s, want %s", tt.operation, tt.id, tt.event, got, tt.want)
		}
	}
}

func TestRender(t *testing.T) {
	x := hub.Explanation{Action: "rewind", Target: "x", Advice: "Deploy mended code, then: " + hub.TheAction}
	for range 2 { // the second time over HTTP
		if advice.Render(&x); x.Advice != "Deploy mended code, then: perdure rewind --id x" {
			t.Errorf("Advice = %q", x.Advice)
		}
	}
}
