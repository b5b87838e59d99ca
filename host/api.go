package host

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/perdure/perdure/client"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/history"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/wire"
)

// apiOptions say how the management API is served. The keys count where one is
// needed; elsewhere they, too, tell who calls.
func apiOptions(own *running, at address, keys *keyring) httpapi.Options {
	m := own.hubs.cfg.Management
	o := httpapi.Options{
		Hub: own.forCallers(), TaskHub: own.name, Find: own.hubs.find,
		Keys: keys.current, Identify: identify(m.TLS.Clients), Open: !at.keyed, Links: httpapi.Links{Scope: httpapi.LinkScope(m.LinkScope), Lifetime: m.LinkLifetime, Secret: keys.linkSecret},
		Loopback: at.loopback, AllowedHosts: m.AllowedHosts, PublicURL: m.PublicURL, UseForwarded: m.UseForwarded, HTTPS: m.TLS.Enabled(),
		AllowedOrigins: m.AllowedOrigins, AllowCredentials: m.AllowCredentials,
		MaxBodyBytes: int64(m.MaxBodyBytes), Gate: newGate(own.hubs.cfg), Logger: own.log,
	}
	if len(o.AllowedHosts) > 0 && !at.ip.IsUnspecified() {
		o.AllowedHosts = append([]string{at.ip.String()}, o.AllowedHosts...)
	}
	return o
}

// newGate lets bodies that are on their way, and answers, take as much memory as work
// at hand may, and half of the connections wait.
func newGate(cfg *config.Config) *httpapi.Gate {
	bytes := cmp.Or(int64(cfg.MaxBacklogBytes), httpapi.GateBytes)
	body := cmp.Or(int64(cfg.Management.MaxBodyBytes), httpapi.MaxBodyBytes)
	return httpapi.NewGate(max(bytes, body), max(1, connectionLimit()/2))
}

// newAPI makes the handler of everything that the host serves at url, and the
// client of the app's hub, whose links lead there.
func newAPI(own *running, functions []HTTPFunction, url string, o httpapi.Options) (*httpapi.Handler, *client.Client) {
	var other http.Handler // set below: its functions get the client
	o.Other = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { other.ServeHTTP(w, r) })
	api := httpapi.New(o)
	c := client.Local(own.forProgram(byApp)).WithLinks(client.LinkOptions{
		Base: cmp.Or(strings.TrimRight(o.PublicURL, "/"), url) + httpapi.BasePath, TaskHub: own.name, Fixed: o.PublicURL != "", Forwarded: o.UseForwarded,
		Codes: func(ctx context.Context, id string) func(client.LinkOperation) string {
			return api.LinkCodes(ctx, history.InstanceID(id))
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/", httpFunctions(functions, c))
	mux.Handle("POST "+deleteHubPath, deleteHub(own))
	mux.Handle("POST "+checkPath, serveCheck(own))
	mux.Handle("POST "+adminPath+backupWord, admin(own.backUpHere))
	other = mux
	return api, c
}

// deleteHubPath is where the command line has a running host delete a hub. It is
// no part of the management API, and only the command line gets in: whoever may read the
// endpoint could delete the folder.
const deleteHubPath = "/admin/perdure/delete-hub"

func deleteHub(own *running) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.Mark, wire.Served)
		if !fromCommandLine(r.Context()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		name, force, err := whatToDelete(r.URL.RawQuery, own.name)
		if err != nil {
			httpapi.WriteError(w, fmt.Errorf("%w: %w", hub.ErrInvalidArgument, err))
			return
		}
		hub, err := own.hubs.lookUp(r.Context(), name)
		if err == nil {
			err = hub.forCallers().DeleteHub(r.Context(), force)
		}
		if err != nil {
			httpapi.WriteError(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// whatToDelete reads what is asked of deleteHub, own being the hub if none is named. As
// in the API, what is not understood is an error: it must not stand for the app's own hub.
func whatToDelete(query, own string) (name string, force bool, err error) {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return "", false, err
	}
	name = own
	for parameter, values := range asked {
		value := values[0]
		switch {
		case len(values) > 1:
			err = fmt.Errorf("parameter %s is given twice", parameter)
		case parameter == "taskHub":
			name, err = value, wire.CheckHubName(value)
		case parameter == "force" && (value == "true" || value == "false"):
			force = value == "true"
		case parameter == "force":
			err = fmt.Errorf("force %q is not true or false", value)
		default:
			err = fmt.Errorf("unknown parameter %q; known here are taskHub, force", parameter)
		}
		if err != nil {
			return "", false, err
		}
	}
	return name, force, nil
}
