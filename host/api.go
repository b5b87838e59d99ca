package host

import (
	"cmp"
	"net/http"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/history"
	"github.com/perdure/perdure/httpapi"
)

// apiOptions say how the management API is served. The keys of keys.json count
// where one is needed; elsewhere they, too, tell who calls.
func apiOptions(own *running, at address, keys []storedKey, endpointKey string) httpapi.Options {
	m := own.hubs.cfg.Management
	o := httpapi.Options{
		Hub: own.forCallers(), TaskHub: own.name, Find: own.hubs.find,
		Open: !at.keyed, Links: httpapi.Links{Scope: httpapi.LinkScope(m.LinkScope), Lifetime: m.LinkLifetime},
		Loopback: at.loopback, AllowedHosts: m.AllowedHosts, PublicURL: m.PublicURL, UseForwarded: m.UseForwarded,
		AllowedOrigins: m.AllowedOrigins, AllowCredentials: m.AllowCredentials,
		MaxBodyBytes: int64(m.MaxBodyBytes), Logger: own.log,
	}
	if len(o.AllowedHosts) > 0 && !at.ip.IsUnspecified() {
		o.AllowedHosts = append([]string{at.ip.String()}, o.AllowedHosts...)
	}
	for _, k := range keys {
		o.Keys = append(o.Keys, httpapi.Key{Name: k.Name, Value: k.Value})
	}
	o.Keys = append(o.Keys, httpapi.Key{Name: byCommandLine, Value: endpointKey}) // not the first: links do not hold it
	return o
}

// newAPI makes the handler of everything that the host serves at url, and the
// client of the app's hub, whose links lead there.
func newAPI(own *running, functions []HTTPFunction, url string, o httpapi.Options) (*httpapi.Handler, *client.Client) {
	var other http.Handler // set below: its functions get the client
	o.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { other.ServeHTTP(w, r) })
	api := httpapi.New(o)
	c := client.Local(own.forProgram(byApp)).WithLinks(client.LinkOptions{
		Base: cmp.Or(o.PublicURL, url) + httpapi.BasePath, TaskHub: own.name, Fixed: o.PublicURL != "", Forwarded: o.UseForwarded,
		Code: func(id string, op client.LinkOperation) string {
			return api.LinkCode(own.name, history.InstanceID(id), op)
		},
	})
	other = httpFunctions(functions, c)
	return api, c
}
