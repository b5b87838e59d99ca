package host

import (
	"cmp"
	"fmt"
	"io"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/internal/config"
	"github.com/perdure/perdure/internal/httpapi"
	"github.com/perdure/perdure/internal/hubs"
	"github.com/perdure/perdure/internal/registry"
)

// announce lists functions and addresses the way func start does, and where the
// keys are, but never a key.
func announce(o Options, app *perdure.App, cfg *config.Config, at address, info Info) {
	w := o.Stdout
	if w == nil {
		return
	}
	fmt.Fprintf(w, "Functions:\n\n")
	for _, name := range registry.Of(app).Orchestrators.Names() {
		fmt.Fprintf(w, "\t%s: orchestrationTrigger\n", name)
	}
	for _, name := range registry.Of(app).Activities.Names() {
		fmt.Fprintf(w, "\t%s: activityTrigger\n", name)
	}
	for _, f := range o.Timers {
		fmt.Fprintf(w, "\t%s: timerTrigger (%s)\n", f.Name, f.Schedule)
	}
	for _, f := range o.HTTP {
		fmt.Fprintf(w, "\t%s: httpTrigger\n", f.Pattern)
	}
	fmt.Fprintf(w, "\nTask hub: %s\n\n", info.TaskHub)
	if info.URL != "" {
		announceHTTP(w, cmp.Or(cfg.Management.PublicURL, info.URL)+httpapi.BasePath)
	}
	if info.RPCBaseURL != "" {
		fmt.Fprintf(w, "Local RPC endpoint: %s\n\n", info.RPCBaseURL)
	}
	if at.keyed {
		fmt.Fprintf(w, "A key is needed, as x-functions-key or code: it is in %s\n\n", hubs.KeysPath(cfg.DataDir))
	}
}

func announceHTTP(w io.Writer, base string) {
	fmt.Fprintf(w, "HTTP:\n\n")
	fmt.Fprintf(w, "\tstart:     [POST] %s/orchestrators/{functionName}[/{instanceId}]\n", base)
	fmt.Fprintf(w, "\tstatus:    [GET]  %s/instances/{instanceId}\n", base)
	fmt.Fprintf(w, "\tevent:     [POST] %s/instances/{instanceId}/raiseEvent/{eventName}\n", base)
	fmt.Fprintf(w, "\tterminate: [POST] %s/instances/{instanceId}/terminate?reason={text}\n", base)
	fmt.Fprintf(w, "\tsuspend:   [POST] %s/instances/{instanceId}/suspend?reason={text}\n", base)
	fmt.Fprintf(w, "\tresume:    [POST] %s/instances/{instanceId}/resume?reason={text}\n\n", base)
}
