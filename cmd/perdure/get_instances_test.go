package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// A list for a table carries no payloads; why a row failed is asked for, one by one.
func TestTablesAskForNoPayloads(t *testing.T) {
	const row = `{"name":"Fail","instanceId":"f","runtimeStatus":"Failed","input":null,"customStatus":null,"output":%s,"createdTime":"2026-01-01T00:00:00Z","lastUpdatedTime":"2026-01-01T00:00:00Z"}`
	var asked []string // payloads of each request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, fmt.Sprintf("%s input=%s output=%s", r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], q.Get("showInput"), q.Get("showOutput")))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("x-ms-continuation-token", "")
		if strings.HasSuffix(r.URL.Path, "/instances") {
			fmt.Fprintf(w, "["+row+"]", "null")
			return
		}
		fmt.Fprintf(w, row, `"it broke"`)
	}))
	defer server.Close()
	for _, tt := range []struct {
		args []string
		want []string
		text string
	}{
		{[]string{"list"}, []string{"instances input=false output=false", "f input= output="}, "it broke"},
		{[]string{"list", "--show-output"}, []string{"instances input=false output="}, "OUTPUT"},
		{[]string{"list", "--show-input"}, []string{"instances input= output=false", "f input= output="}, "INPUT"},
		{[]string{"list", "-o", "json"}, []string{"instances input= output="}, "instances"},
		{[]string{"list", "-o", "jsonl", "--show-input", "false"}, []string{"instances input=false output="}, `"f"`},
		{[]string{"list", "--runtime-status", "completed", "-o", "legacy"}, []string{"instances input= output="}, "InstanceId"},
		{[]string{"show", "f"}, []string{"f input=false output=false", "f input= output="}, "it broke"},
	} {
		asked = nil
		p := newPerson(t, t.TempDir(), "", false)
		if code := p.does(t, append(tt.args, "--url", server.URL+"/runtime/webhooks/durabletask")...); code != 0 || !slices.Equal(asked, tt.want) || !strings.Contains(p.out.String(), tt.text) {
			t.Errorf("%q = %d, asks %q, stdout %q, stderr %q; want it to ask %q", tt.args, code, asked, &p.out, &p.err, tt.want)
		}
	}
}
