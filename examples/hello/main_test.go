package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/perdure/perdure/host"
)

// serve runs the app on a free port while test runs.
func serve(t *testing.T, test func(url string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := host.Options{Dir: t.TempDir(), Environ: []string{}}
	o.OnReady = func(_ context.Context, info host.Info) error {
		test(info.URL)
		cancel()
		return nil
	}
	host.HTTP("POST /orchestrators/{name}/wait", StartAndWait)(&o)
	if err := host.Run(ctx, app(), o); err != nil {
		t.Error(err)
	}
}

func TestStartAndWait(t *testing.T) {
	const greetings = `["Hello Tokyo!","Hello Seattle!","Hello London!"]`
	serve(t, func(url string) {
		for _, tt := range []struct {
			path, body string
			code       int
			want       string
		}{
			{"/orchestrators/E1_HelloSequence/wait?timeout=2&retryInterval=0.5", "", 200, greetings},
			{"/api/orchestrators/E1_HelloSequence/wait", "{}", 200, greetings},
			{"/orchestrators/E1_HelloApproved/wait?timeout=0.1&retryInterval=0.05", "", 202, `"statusQueryGetUri":"` + url + "/runtime/webhooks/durabletask/instances/"},
			{"/orchestrators/E1_HelloSequence/wait?timeout=2&retryInterval=3", "", 400, "longer than timeout"},
			{"/orchestrators/E1_HelloSequence/wait?timeout=soon", "", 400, "timeout=soon"},
			{"/orchestrators/E1_HelloSequence/wait", "{", 400, "not valid JSON"},
			{"/orchestrators/Nobody/wait", "", 400, "Nobody"},
			{"/orchestrators/E1_HelloSequence/other", "", 404, ""},
		} {
			res, err := http.Post(url+tt.path, "application/json", strings.NewReader(tt.body))
			if err != nil {
				t.Error(err)
				return
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode != tt.code || !strings.Contains(string(body), tt.want) {
				t.Errorf("POST %s = %d %s (%v), want %d and %s", tt.path, res.StatusCode, body, err, tt.code, tt.want)
			}
		}
	})
}
