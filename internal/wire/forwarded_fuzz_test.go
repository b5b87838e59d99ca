package wire

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Whatever a proxy says, links begin with the origin of a web server and a path.
func FuzzForwarded(f *testing.F) {
	f.Add("https", "gw.example", "/a%20b")
	f.Add("HTTPS, http", " gw.example:8443 , inner", "//evil.example/")
	f.Add("http", "[::1]:80", "/a?b#c")
	f.Add("https", "user@evil", "javascript:x")
	f.Fuzz(func(t *testing.T, proto, host, prefix string) {
		origin, path, ok := Forwarded(http.Header{"X-Forwarded-Proto": {proto}, "X-Forwarded-Host": {host}, "X-Forwarded-Prefix": {prefix}})
		if !ok {
			if origin != "" || path != "" {
				t.Errorf("not believed, and yet %q, %q", origin, path)
			}
			return
		}
		u, err := url.Parse(origin + path + "/x?code=1")
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != origin ||
			u.EscapedPath() != path+"/x" || u.RawQuery != "code=1" || strings.HasPrefix(path, "//") {
			t.Errorf("origin %q and path %q make %+v, error %v", origin, path, u, err)
		}
	})
}
