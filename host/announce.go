package host

import (
	"fmt"
	"io"

	"github.com/perdure/perdure"
	"github.com/perdure/perdure/httpapi"
)

// announce lists functions and addresses the way func start does.
func announce(w io.Writer, app *perdure.App, info Info) {
	if w == nil {
		return
	}
	fmt.Fprintf(w, "Functions:\n\n")
	for _, name := range app.Functions().Orchestrators.Names() {
		fmt.Fprintf(w, "\t%s: orchestrationTrigger\n", name)
	}
	for _, name := range app.Functions().Activities.Names() {
		fmt.Fprintf(w, "\t%s: activityTrigger\n", name)
	}
	base := info.URL + httpapi.BasePath
	fmt.Fprintf(w, "\nTask hub: %s\n\nHTTP:\n\n", info.TaskHub)
	fmt.Fprintf(w, "\tstart:     [POST] %s/orchestrators/{functionName}[/{instanceId}]\n", base)
	fmt.Fprintf(w, "\tstatus:    [GET]  %s/instances/{instanceId}\n", base)
	fmt.Fprintf(w, "\tevent:     [POST] %s/instances/{instanceId}/raiseEvent/{eventName}\n", base)
	fmt.Fprintf(w, "\tterminate: [POST] %s/instances/{instanceId}/terminate?reason={text}\n", base)
	fmt.Fprintf(w, "\tsuspend:   [POST] %s/instances/{instanceId}/suspend?reason={text}\n", base)
	fmt.Fprintf(w, "\tresume:    [POST] %s/instances/{instanceId}/resume?reason={text}\n\n", base)
}
