package wire

import (
	"net/http"
	"testing"
)

func TestForwarded(t *testing.T) {
	for _, tt := range []struct {
		proto, host, prefix string
		origin, path        string // none: not believed
	}{
		{"https", "gw.example", "", "https://gw.example", ""},
		{"HTTPS, http", " gw.example:8443 , inner", "/wam/syncer/, /x", "https://gw.example:8443", "/wam/syncer"},
		{"http", "[::1]:80", "/a%20b", "http://[::1]:80", "/a%20b"},
		{"https", "gw.example", "wam", "https://gw.example", ""},
		{"https", "gw.example", "//evil.example", "https://gw.example", ""},
		{"https", "gw.example", "/a?b", "https://gw.example", ""},
		{"https", "gw.example", "/a b", "https://gw.example", ""},
		{"javascript", "evil/path?", "", "", ""},
		{"https", "evil/path?", "", "", ""},
		{"https", "user@evil", "", "", ""},
		{"https", "a b", "", "", ""},
		{"https", ":80", "", "", ""},
		{"ftp", "gw.example", "", "", ""},
		{"", "gw.example", "", "", ""},
		{"https", "", "/a", "", ""},
	} {
		h := http.Header{"X-Forwarded-Proto": {tt.proto}, "X-Forwarded-Host": {tt.host}, "X-Forwarded-Prefix": {tt.prefix}}
		if origin, prefix, ok := Forwarded(h); origin != tt.origin || prefix != tt.path || ok != (tt.origin != "") {
			t.Errorf("Forwarded(%q) = %q, %q, %v; want %q, %q", h, origin, prefix, ok, tt.origin, tt.path)
		}
	}
}
