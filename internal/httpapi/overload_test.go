package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/perdure/perdure/internal/engine"
	"github.com/perdure/perdure/internal/httpapi"
)

// What brings work is refused while too much is at hand, everything else gets
// through, and the refusal ends by itself.
func TestOverloadIs429WithRetryAfter(t *testing.T) {
	runSiteOn(t, functions(), engine.Options{Hub: "TestHub", MaxBacklogBytes: 1}, httpapi.Options{}, func(s *site) {
		s.want(202, "POST", base+"/orchestrators/Echo/done", `1`)
		s.want(200, "GET", base+"/instances/done?wait=5", "")
		archive := s.want(200, "GET", base+"/instances/done/export", "").Body.String()

		// An event for a start that is not due stays at hand.
		due := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		s.want(202, "POST", base+"/orchestrators/Wait/later?startAt="+due, "")
		s.want(202, "POST", base+"/instances/later/raiseEvent/go", `1`, "Content-Type", "application/json")
		for _, work := range []struct{ path, body string }{
			{"/orchestrators/Echo", `1`},
			{"/instances/later/raiseEvent/go", `2`},
			{"/instances/done/restart", ""},
			{"/import?instanceId=copy", archive},
		} {
			w := s.want(429, "POST", base+work.path, work.body, "Content-Type", "application/json")
			if got := w.Header().Get("Retry-After"); got != "1" {
				s.Errorf("POST %s: Retry-After = %q, want 1", work.path, got)
			}
			for _, part := range []string{`"Code":"ResourceExhausted"`, "task hub TestHub", "maxBacklogBytes", "try again"} {
				if !strings.Contains(w.Body.String(), part) {
					s.Errorf("POST %s: body %s does not hold %s", work.path, w.Body, part)
				}
			}
		}
		s.want(404, "GET", base+"/instances/copy", "")
		s.want(200, "GET", base+"/instances/done", "")
		s.want(200, "DELETE", base+"/instances/done", "")
		s.want(202, "POST", base+"/instances/later/suspend", "")
		s.want(202, "POST", base+"/instances/later/resume", "")
		s.want(202, "POST", base+"/instances/later/terminate", "")
		s.want(200, "GET", base+"/instances/later?wait=5", "")

		s.want(202, "POST", base+"/orchestrators/Echo/again", `1`)
		s.want(200, "GET", base+"/instances/again?wait=5", "")
	})
}
