package host

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hubs"
)

// apiOptions say how the management API is served. The keys count where one is
// needed; elsewhere they, too, tell who calls.
func apiOptions(own *hubs.Hub, at address, keys *hubs.Keyring) httpapi.Options {
	m := own.Hubs.Config.Management
	o := httpapi.Options{
		Hub: own.ForCallers(), TaskHub: own.Name, Find: own.Hubs.Find,
		Keys: keys.Current, Identify: hubs.Identify(m.TLS.Clients), Open: !at.keyed, Links: httpapi.Links{Scope: httpapi.LinkScope(m.LinkScope), Lifetime: m.LinkLifetime, Secret: keys.LinkSecret},
		Loopback: at.loopback, AllowedHosts: m.AllowedHosts, PublicURL: m.PublicURL, UseForwarded: m.UseForwarded, HTTPS: m.TLS.Enabled(),
		AllowedOrigins: m.AllowedOrigins, AllowCredentials: m.AllowCredentials,
		MaxBodyBytes: int64(m.MaxBodyBytes), Gate: newGate(own.Hubs.Config), Logger: own.Log,
	}
	if len(o.AllowedHosts) > 0 && at.ip != nil && !at.ip.IsUnspecified() {
		o.AllowedHosts = append([]string{at.ip.String()}, o.AllowedHosts...)
	}
	return o
}

// newGate lets bodies that are on their way, and answers, take as much memory
// as work at hand may, and half of the connections wait.
func newGate(cfg *config.Config) *httpapi.Gate {
	bytes := cmp.Or(int64(cfg.MaxBacklogBytes), httpapi.GateBytes)
	body := cmp.Or(int64(cfg.Management.MaxBodyBytes), httpapi.MaxBodyBytes)
	return httpapi.NewGate(max(bytes, body), max(1, connectionLimit()/2))
}

// newAPI makes the handler of everything that the host serves at url, and the
// client of the app's hub, whose links lead there.
func newAPI(own *hubs.Hub, functions []HTTPFunction, url string, o httpapi.Options) (*httpapi.Handler, *client.Client) {
	var other http.Handler // set below: its functions get the client
	o.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { other.ServeHTTP(w, r) })
	api := httpapi.New(o)
	c := client.Local(own.ForProgram(hubs.ByApp)).WithLinks(client.LinkOptions{
		Base: cmp.Or(strings.TrimRight(o.PublicURL, "/"), url) + httpapi.BasePath, TaskHub: own.Name, Fixed: o.PublicURL != "", Forwarded: o.UseForwarded,
		Codes: func(ctx context.Context, id client.InstanceID) func(client.LinkOperation) string {
			return api.LinkCodes(ctx, id)
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/", httpFunctions(functions, c))
	own.ServeAdmin(mux)
	other = mux
	return api, c
}
