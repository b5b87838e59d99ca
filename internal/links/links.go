// Package links builds the addresses of one instance that callers are handed:
// where to look, raise an event, terminate and so on
// (docs/contracts/http-api.md 6.1). It is the same for the HTTP API, which
// answers with them, and for clients, which build them without asking anyone.
package links

import (
	"net/url"
	"strings"
)

// Links are the addresses of one instance, in the order and under the names
// that every client knows. {eventName} and {text} in them are literal: the
// methods fill them in.
type Links struct {
	ID                    string `json:"id"`
	StatusQueryGetURI     string `json:"statusQueryGetUri"`
	SendEventPostURI      string `json:"sendEventPostUri"` // holds {eventName}
	TerminatePostURI      string `json:"terminatePostUri"` // this and the others with a reason hold {text}
	RewindPostURI         string `json:"rewindPostUri"`
	PurgeHistoryDeleteURI string `json:"purgeHistoryDeleteUri"`
	RestartPostURI        string `json:"restartPostUri"`
	SuspendPostURI        string `json:"suspendPostUri"`
	ResumePostURI         string `json:"resumePostUri"`
}

// Operation is what a link allows.
type Operation string

// The operations that have a link.
const (
	Status     Operation = "status"
	RaiseEvent Operation = "raiseEvent"
	Terminate  Operation = "terminate"
	Rewind     Operation = "rewind"
	Purge      Operation = "purge"
	Restart    Operation = "restart"
	Suspend    Operation = "suspend"
	Resume     Operation = "resume"
)

// Management returns the links of instance id below base, such as
// "https://example.org/runtime/webhooks/durabletask". An empty taskHub or code
// is left out.
func Management(base, taskHub, connection, code, id string) Links {
	return Scoped(base, taskHub, connection, id, func(Operation) string { return code })
}

// Scoped is [Management] with a code for each operation.
func Scoped(base, taskHub, connection, id string, code func(Operation) string) Links {
	address := strings.TrimRight(base, "/") + "/instances/" + Segment(id)
	hub := "connection=" + url.QueryEscape(connection)
	if taskHub != "" { // else it is the host's own
		hub = "taskHub=" + url.QueryEscape(taskHub) + "&" + hub
	}
	link := func(op Operation, path, parameter string) string {
		text := address + path + "?" + parameter + hub
		if c := code(op); c != "" {
			text += "&code=" + url.QueryEscape(c)
		}
		return text
	}
	const reason = "reason={text}&"
	return Links{
		ID:                    id,
		StatusQueryGetURI:     link(Status, "", ""),
		SendEventPostURI:      link(RaiseEvent, "/raiseEvent/{eventName}", ""),
		TerminatePostURI:      link(Terminate, "/terminate", reason),
		RewindPostURI:         link(Rewind, "/rewind", reason),
		PurgeHistoryDeleteURI: link(Purge, "", ""),
		RestartPostURI:        link(Restart, "/restart", ""),
		SuspendPostURI:        link(Suspend, "/suspend", reason),
		ResumePostURI:         link(Resume, "/resume", reason),
	}
}

// Event is where to POST the payload of an event of that name.
func (l Links) Event(name string) string {
	return strings.Replace(l.SendEventPostURI, "{eventName}", Segment(name), 1)
}

// Terminate is where to POST to end the instance; an empty reason is none.
func (l Links) Terminate(reason string) string { return because(l.TerminatePostURI, reason) }

// Rewind is where to POST to rewind the instance.
func (l Links) Rewind(reason string) string { return because(l.RewindPostURI, reason) }

// Suspend is where to POST to suspend the instance.
func (l Links) Suspend(reason string) string { return because(l.SuspendPostURI, reason) }

// Resume is where to POST to resume the instance.
func (l Links) Resume(reason string) string { return because(l.ResumePostURI, reason) }

func because(link, reason string) string {
	return strings.Replace(link, "{text}", url.QueryEscape(reason), 1)
}

// JSON is the check-status payload. Unlike json.Marshal it leaves & as it is,
// so that the links can be copied out of the text.
func (l Links) JSON() []byte { return encode(l) }

// Segment is text as a segment of a path. A blank is %20 and a plus %2B: a '+'
// is a plus for some hosts and a blank for others.
func Segment(text string) string { return strings.ReplaceAll(url.PathEscape(text), "+", "%2B") }
