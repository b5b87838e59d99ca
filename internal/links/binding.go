package links

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
)

// Binding is what a Functions host hands to the client of a function in another
// language, which takes all its addresses from it (docs/contracts/http-api.md
// 7).
type Binding struct {
	TaskHubName    string   `json:"taskHubName"`
	CreationURLs   Creation `json:"creationUrls"`
	ManagementURLs Links    `json:"managementUrls"` // of an instance called [BindingID], which clients replace
	BaseURL        string   `json:"baseUrl"`
	// RequiredQuery is never empty: the JavaScript client wants one for
	// entities.
	RequiredQuery string `json:"requiredQueryStringParameters"`
	RPCBaseURL    string `json:"rpcBaseUrl,omitempty"` // ends in a slash
}

// Creation are the addresses that instances are started at. Clients replace
// {functionName} and the literal [/{instanceId}] (docs/contracts/http-api.md
// 6.3).
type Creation struct {
	New     string `json:"createNewInstancePostUri"`
	AndWait string `json:"createAndWaitOnNewInstancePostUri"`
}

// BindingID stands for an instance id in a [Binding].
const BindingID = "INSTANCEID"

// ClientBinding returns the binding for the API at base. An empty code is left
// out.
func ClientBinding(base, taskHub, connection, code, rpcBase string) Binding {
	base = strings.TrimRight(base, "/")
	start, required := base+"/orchestrators/{functionName}[/{instanceId}]?", "connection="+url.QueryEscape(connection)
	if code != "" {
		required = "code=" + url.QueryEscape(code)
	}
	return Binding{
		TaskHubName: taskHub,
		CreationURLs: Creation{
			New:     start + required,
			AndWait: start + "timeout={timeoutInSeconds}&pollingInterval={intervalInSeconds}&" + required,
		},
		ManagementURLs: Management(base, taskHub, connection, code, BindingID),
		BaseURL:        base,
		RequiredQuery:  required,
		RPCBaseURL:     rpcBase,
	}
}

// JSON is the binding as clients read it, with & as it is.
func (b Binding) JSON() []byte { return encode(b) }

// encode is json.Marshal without escapes for HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v) // strings always encode
	return bytes.TrimRight(b.Bytes(), "\n")
}
