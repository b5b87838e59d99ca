package links

import (
	"net/url"
	"reflect"
	"testing"
)

const base = "http://localhost:7071/runtime/webhooks/durabletask"

func TestManagementIsTheCheckStatusPayload(t *testing.T) {
	const i, q = base + "/instances/my%20%C3%A9%2Bid", "taskHub=Hub&connection=Storage&code=K+%26"
	want := `{"id":"my é+id","statusQueryGetUri":"` + i + `?` + q + `","sendEventPostUri":"` + i + `/raiseEvent/{eventName}?` + q +
		`","terminatePostUri":"` + i + `/terminate?reason={text}&` + q + `","rewindPostUri":"` + i + `/rewind?reason={text}&` + q +
		`","purgeHistoryDeleteUri":"` + i + `?` + q + `","restartPostUri":"` + i + `/restart?` + q +
		`","suspendPostUri":"` + i + `/suspend?reason={text}&` + q + `","resumePostUri":"` + i + `/resume?reason={text}&` + q + `"}`
	if got := string(Management(base+"/", "Hub", "Storage", "K &", "my é+id").JSON()); got != want {
		t.Errorf("Management = %s, want %s", got, want)
	}
	if got, want := Management(base, "Hub", "Storage", "", "x").StatusQueryGetURI, base+"/instances/x?taskHub=Hub&connection=Storage"; got != want {
		t.Errorf("status link without a code = %s, want %s", got, want)
	}
}

func TestScopedAsksForACodeForEachLink(t *testing.T) {
	l := Scoped(base, "Hub", "Storage", "x", func(op Operation) string { return string(op) })
	v := reflect.ValueOf(l)
	codes := map[string]bool{}
	for i := 1; i < v.NumField(); i++ {
		u, err := url.Parse(v.Field(i).String())
		if err != nil {
			t.Fatal(err)
		}
		codes[u.Query().Get("code")] = true
	}
	if len(codes) != 8 {
		t.Errorf("codes of the links = %v, want 8 different ones", codes)
	}
}

func TestLinksAreFilledIn(t *testing.T) {
	// Braces of the id are escaped: they are not taken for a placeholder.
	l := Management(base, "Hub", "Storage", "", "{text}{eventName}")
	const i, q = base + "/instances/%7Btext%7D%7BeventName%7D", "taskHub=Hub&connection=Storage"
	for _, tt := range []struct{ got, want string }{
		{l.Event("é/ {text}"), i + "/raiseEvent/%C3%A9%2F%20%7Btext%7D?" + q},
		{l.Terminate("a & b"), i + "/terminate?reason=a+%26+b&" + q},
		{l.Rewind("{text}"), i + "/rewind?reason=%7Btext%7D&" + q},
		{l.Suspend(""), i + "/suspend?reason=&" + q},
		{l.Resume("x"), i + "/resume?reason=x&" + q},
	} {
		if tt.got != tt.want {
			t.Errorf("link = %s, want %s", tt.got, tt.want)
		}
	}
}
