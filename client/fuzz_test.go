package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/perdure/perdure/client"
)

// Whatever a host answers is an answer to what was asked, or an error, which tells nothing of
// what was sent.
func FuzzAnswer(f *testing.F) {
	const status = `{"name":"F","instanceId":"x","runtimeStatus":"Failed","input":null,"customStatus":null,"output":"boom","createdTime":"2026-01-01T00:00:00Z","lastUpdatedTime":"2026-01-01T00:00:00Z"`
	f.Add(200, status+`,"historyEvents":[{"EventType":"TaskFailed","Timestamp":"2026-01-01T00:00:00Z","FailureDetails":{"InnerFailure":{}}}],"details":{"tags":{"a":"b"}}}`, "application/json", "1", "")
	f.Add(200, "["+status+"}]", "application/json", "1", "AQ")
	f.Add(202, `{"id":"x"}`, "application/json", "1", "")
	f.Add(200, `{"instancesDeleted":1}`, "application/json", "1", "")
	f.Add(200, `{"runtimeStatus":{"Running":-1}}`, "application/json", "1", "")
	f.Add(200, `{"format":"perdure-instance/1","instance":{}}`, "application/json", "1", "")
	f.Add(404, `{"Code":"NotFound","Message":"gone"}`, "application/json", "1", "")
	f.Add(302, "<html>", "text/html", "", "")
	f.Fuzz(func(t *testing.T, code int, body, media, mark, token string) {
		if code < 100 || code > 999 {
			return // the transport refuses those
		}
		web := network(func(*http.Request) (*http.Response, error) {
			headers := []string{"Content-Type", media, "x-ms-continuation-token", token}
			if mark != "" {
				headers = append(headers, "X-Perdure", mark)
			}
			return response(code, body, headers...)
		})
		c := client.Remote("http://host", client.RemoteOptions{Key: apiKey, HTTPClient: &http.Client{Transport: web}, MaxAnswerBytes: 1 << 20})
		ctx := t.Context()
		st, err := c.Status(ctx, "x", client.StatusOptions{})
		if err == nil && st.ID != "x" {
			t.Errorf("Status(x) is of %q", st.ID)
		}
		errs := []error{err, ignore(c.List(ctx, client.Query{})), ignore(c.Count(ctx, client.Query{})), ignore(c.Explain(ctx, "x")), ignore(c.Export(ctx, "x"))}
		for _, err := range c.History(ctx, "x", client.HistoryOptions{}) {
			errs = append(errs, err)
		}
		id, err := c.Start(ctx, "F", "PAYLOAD", client.StartOptions{ID: "x"})
		if err == nil && id == "" {
			t.Error("Start returns no id")
		}
		deleted, purged := c.PurgeBy(ctx, client.PurgeFilter{All: true})
		if purged == nil && deleted.Deleted < 0 {
			t.Errorf("PurgeBy deletes %d", deleted.Deleted)
		}
		for _, err := range append(errs, err, purged, c.Raise(ctx, "x", "go", "PAYLOAD")) {
			if err != nil && !strings.Contains(body+media+token, apiKey) && strings.Contains(err.Error(), apiKey) {
				t.Errorf("error %v tells the key", err)
			}
		}
	})
}
