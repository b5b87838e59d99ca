package httpapi

import (
	"net/http"
	"net/url"

	"github.com/perdure/perdure/history"
)

// linkSuffixes are the links of a check-status payload, in order: what follows
// the instance's address, before the query (spec/http-api.md 6.1). Braces are
// literal: callers replace them.
var linkSuffixes = []struct{ key, path, parameter string }{
	{"statusQueryGetUri", "", ""},
	{"sendEventPostUri", "/raiseEvent/{eventName}", ""},
	{"terminatePostUri", "/terminate", "reason={text}&"},
	{"rewindPostUri", "/rewind", "reason={text}&"},
	{"purgeHistoryDeleteUri", "", ""},
	{"restartPostUri", "/restart", ""},
	{"suspendPostUri", "/suspend", "reason={text}&"},
	{"resumePostUri", "/resume", "reason={text}&"},
}

// checkStatus is the 202 that tells a caller where to look.
func checkStatus(r *request, id history.InstanceID) response {
	// PathEscape writes a blank as %20: a '+' would be taken literally.
	address := r.origin() + BasePath + "/instances/" + url.PathEscape(string(id))
	query := "taskHub=" + url.QueryEscape(r.taskHub) + "&connection=" + url.QueryEscape(r.connection)
	if len(r.handler.Keys) > 0 {
		query += "&code=" + url.QueryEscape(r.handler.Keys[0])
	}
	body := (&object{}).str("id", string(id))
	for _, link := range linkSuffixes {
		body.str(link.key, address+link.path+"?"+link.parameter+query)
	}
	return response{code: http.StatusAccepted, location: address + "?" + query, retryAfter: 10, body: body.json()}
}
