package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// A list for a table carries no payloads and yet tells why rows failed: there is one
// request for a page, and one for an instance that is shown.
func TestTablesAskForNoPayloads(t *testing.T) {
	const row = `{"name":"Fail","instanceId":"%s","runtimeStatus":"Failed","input":null,"customStatus":null,"output":null,
		"createdTime":"2026-01-01T00:00:00Z","lastUpdatedTime":"2026-01-01T00:00:00Z",
		"details":{"executionId":"e","createdTime":"2026-01-01T00:00:00Z","lastUpdatedTime":"2026-01-01T00:00:00Z","failureText":"%s broke"}}`
	const bare, noInput, noOutput, all = "input=false output=false", "input=false output=", "input= output=false", "input= output="
	var asked []string // payloads of each request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		asked = append(asked, fmt.Sprintf("%s input=%s output=%s", r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:], q.Get("showInput"), q.Get("showOutput")))
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("x-ms-continuation-token", "")
		switch {
		case !strings.HasSuffix(r.URL.Path, "/instances"):
			fmt.Fprintf(w, row, "f", "f")
		case r.Header.Get("x-ms-continuation-token") == "":
			w.Header().Set("x-ms-continuation-token", "more")
			fmt.Fprintf(w, "["+row+","+row+"]", "f", "f", "g", "g")
		default:
			fmt.Fprintf(w, "["+row+"]", "h", "h")
		}
	}))
	defer server.Close()
	for _, tt := range []struct {
		args []string
		want []string
		text string
	}{
		{[]string{"list", "--top", "2"}, []string{"instances " + bare}, "f broke"},
		{[]string{"list", "--all"}, []string{"instances " + bare, "instances " + bare}, "h broke"},
		{[]string{"list", "--top", "2", "--show-output"}, []string{"instances " + noInput}, "OUTPUT"},
		{[]string{"list", "--top", "2", "--show-input"}, []string{"instances " + noOutput}, "g broke"},
		{[]string{"list", "--all", "-o", "json"}, []string{"instances " + all, "instances " + all}, "instances"},
		{[]string{"list", "--top", "2", "-o", "jsonl", "--show-input", "false"}, []string{"instances " + noInput}, `"f"`},
		{[]string{"list", "--top", "2", "--runtime-status", "completed", "-o", "legacy"}, []string{"instances " + all}, "InstanceId"},
		{[]string{"show", "f"}, []string{"f " + bare}, "f broke"},
	} {
		asked = nil
		p := newPerson(t, t.TempDir(), "", false)
		if code := p.does(t, append(tt.args, "--url", server.URL+"/runtime/webhooks/durabletask")...); code != 0 || !slices.Equal(asked, tt.want) || !strings.Contains(p.out.String(), tt.text) {
			t.Errorf("%q = %d, asks %q, stdout %q, stderr %q; want it to ask %q", tt.args, code, asked, &p.out, &p.err, tt.want)
		}
	}
}

// A document that is written item by item is the one that would be written as a whole.
func TestArrayWriter(t *testing.T) {
	for n := range 3 {
		var got, want strings.Builder
		a := arrayWriter{w: &got, name: "instances"}
		items := []any{}
		for i := range n {
			item := object{{"name", "<F>"}, {"tags", map[string]int{"a": i}}, {"none", []any{}}}
			if err := a.add(item); err != nil {
				t.Fatal(err)
			}
			items = append(items, item)
			if json.Valid([]byte(got.String())) {
				t.Errorf("without its end it is JSON: %s", &got)
			}
		}
		tail := object{{"continuationToken", ""}}
		if err := errors.Join(a.end(tail), encode(&want, "  ", object{{"instances", items}}.concat(tail))); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Errorf("with %d items it is %s, want %s", n, &got, &want)
		}
	}
}
