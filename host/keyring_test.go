package host_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perdure/perdure/host"
)

// keyText is a key as keys.json has it.
func keyText(name, role, value string) string {
	return fmt.Sprintf(`{"name":%q,"role":%q,"value":%q}`, name, role, value)
}

func TestKeysChangeWithoutARestart(t *testing.T) {
	dir := withHostJSON(t, limitedLinks)
	var log journal
	r := start(t, dir, host.Options{Logger: log.logger()})
	defer r.stop(t)
	first := theKey(t, dir)
	const ci, ci2, eye = "0123456789abcdef-ci-1", "0123456789abcdef-ci-2", "0123456789abcdef-eye"
	system := keyText("durabletask_extension", "operate", first)
	wantCode(t, 401, r.URL+list, "x-functions-key", ci)

	writeKeys(t, dir, system+","+keyText("ci", "operate", ci)+","+keyText("eye", "read", eye))
	byFirst := linksOf(t, r.URL+api+"/orchestrators/Wait/a", "x-functions-key", first)["statusQueryGetUri"]
	byCI := linksOf(t, r.URL+api+"/orchestrators/Wait/b", "x-functions-key", ci)["statusQueryGetUri"]
	byProgram := r.Client.Links("a").StatusQueryGetURI
	wantCode(t, 202, byCI)
	if code, body := request(t, http.MethodPost, r.URL+api+"/orchestrators/Wait", "x-functions-key", eye); code != 403 || !strings.Contains(body, "eye has the role read, and this needs operate") {
		t.Errorf("start with a key that reads = %d %s, want 403 and why", code, body)
	}
	wantCode(t, 200, r.URL+list, "x-functions-key", eye)

	// A file that is as long, and written at the same moment, counts too.
	writeKeys(t, dir, system+","+keyText("ci", "operate", ci2)+","+keyText("eye", "read", eye))
	wantCode(t, 401, r.URL+list, "x-functions-key", ci)
	wantCode(t, 200, r.URL+list, "x-functions-key", ci2)
	wantCode(t, 401, byCI)
	wantCode(t, 202, byFirst)
	wantCode(t, 202, byProgram)

	// What cannot be used changes nothing, and is told once.
	for range 3 {
		for _, bad := range []string{`{"name":"ci"}`, keyText("ci", "admin", ci)} {
			writeKeys(t, dir, bad)
			for range 3 {
				wantCode(t, 200, r.URL+list, "x-functions-key", ci2)
				wantCode(t, 401, r.URL+list, "x-functions-key", ci)
			}
		}
		writeKeys(t, dir, keyText("ci", "admin", ci))
	}
	if n := strings.Count(log.String(), "keys.json cannot be used"); n != 2 { // what comes again is counted: see repeats
		t.Errorf("the log complains %d times about two mistakes:\n%s", n, &log)
	}
	path := filepath.Join(dir, ".perdure", "keys.json")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantCode(t, 200, r.URL+list, "x-functions-key", ci2)
	wantCode(t, 401, r.URL+list)

	// The system key may go too: its links go with it, and the program's stay.
	writeKeys(t, dir, keyText("ci", "read", ci2))
	wantCode(t, 401, r.URL+list, "x-functions-key", first)
	wantCode(t, 200, r.URL+list, "x-functions-key", ci2)
	wantCode(t, 401, byFirst)
	wantCode(t, 202, byProgram)
	for _, want := range []string{`"added":["ci","eye"]`, `"removed":["durabletask_extension","eye"]`, `"changed":["ci"]`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not hold %s:\n%s", want, &log)
		}
	}
	for _, secret := range []string{first, ci, ci2, eye} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds a key:\n%s", &log)
		}
	}
}

func TestTheSecretOfLinks(t *testing.T) {
	dir := withHostJSON(t, limitedLinks)
	path := filepath.Join(dir, ".perdure", "link-secret")
	r := start(t, dir, host.Options{})
	link := linksOf(t, r.URL+api+"/orchestrators/Wait/x", "x-functions-key", theKey(t, dir))["statusQueryGetUri"]
	_, rest, _ := strings.Cut(link, api)
	r.stop(t)
	r = start(t, dir, host.Options{})
	wantCode(t, 202, r.URL+api+rest) // a restart ends no link
	r.stop(t)
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := host.Run(t.Context(), app(), host.Options{Dir: dir, Environ: []string{}}); err == nil || !strings.Contains(err.Error(), "link-secret is damaged: delete it") {
		t.Errorf("Run with a damaged secret error = %v, want it to say what to do", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	r = start(t, dir, host.Options{})
	defer r.stop(t)
	wantCode(t, 401, r.URL+api+rest)
}
