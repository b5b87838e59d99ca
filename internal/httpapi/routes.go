package httpapi

import (
	"net/http"

	"github.com/perdure/perdure/internal/hub"
	"github.com/perdure/perdure/internal/links"
	"github.com/perdure/perdure/internal/wire"
)

// routes are those of docs/contracts/http-api.md 1.2, in the order of matching,
// and ours after them. What is not here is 404, never 405. Entities have none
// yet.
var routes = []route{
	{
		method: http.MethodPost, pattern: "orchestrators/{name}/{id?}", serve: start, role: RoleOperate,
		lenient: []string{"taskHub", "connection", "version", "timeout", "pollingInterval", "returnInternalServerErrorOnFailure"},
		name:    "startInstance", summary: "Start an instance, and wait for its end if asked to. Without an id it gets a random one.",
		params: [][]param{startParams, waitParams}, body: "The input, any JSON; nothing is null.",
		answers: []answer{
			{202, "It is scheduled, durably.", links.Links{}},
			{200, "It has ended: the bare output if it completed, else its status.", anyJSON},
			{400, "Malformed input, an id that is not allowed, or an orchestrator that nobody has.", errorForm},
			{409, "The id belongs to an instance that may not be replaced.", errorForm},
			{429, "Too much work is at hand. Nothing was stored; Retry-After tells when to try again.", errorForm},
		},
	},
	{
		method: http.MethodGet, pattern: "instances/{id}", serve: status, role: RoleMetadata, link: links.Status,
		name: "instanceStatus", summary: "Look at an instance.",
		params: [][]param{viewParams, historyParams, {
			{name: "returnInternalServerErrorOnFailure", kind: flag, link: true, text: "Answer 500 instead of 200 when it is Failed."},
			{name: "wait", kind: seconds, ours: true, link: true, text: "Wait so long for the end."},
		}},
		answers: []answer{
			{200, "It has ended.", statusForm},
			{202, "It has not ended. Location is where to look again, Retry-After when.", statusForm},
			{404, "There is no such instance.", nil},
			{500, "It is Failed and the caller wants to hear it like this.", statusForm},
		},
	},
	{
		method: http.MethodGet, pattern: "instances", serve: list, role: RoleMetadata,
		name: "listInstances", summary: "List instances, newest first.",
		params: [][]param{filterParams, parentParams, viewParams, {
			{name: "top", kind: number, text: "Length of a page, 1 to 1000. Default 100."},
			{name: wire.TokenHeader, kind: header, text: "Asks for the next page: what the page before had in this header. Filters must be repeated."},
		}},
		answers: []answer{
			{200, "A page. Header x-ms-continuation-token leads to the next one and is empty on the last.", statusListForm},
			{400, "An unknown status, or a continuation token that is not one.", errorForm},
		},
	},
	{
		method: http.MethodDelete, pattern: "instances/{id}", serve: purge, role: RoleOperate, link: links.Purge, bodiless: true,
		errors: []errorRow{{err: hub.ErrInvalidState, code: http.StatusPreconditionFailed, form: bareText}},
		name:   "purgeInstance", summary: "Remove an instance that has ended, with its history.",
		params: [][]param{{
			{name: "force", kind: flag, text: "Remove it also if it has not ended: it is terminated first."},
			{name: "recursive", kind: flag, text: "Remove its children too, and theirs."},
			{name: "showDetails", kind: flag, text: "Tell all the numbers, as with recursive."},
		}},
		answers: []answer{
			{200, "It is gone. Only with recursive or showDetails there is more than instancesDeleted.", hub.PurgeResult{}},
			{404, "There is no such instance.", nil},
			{412, "It has not ended.", textForm},
		},
	},
	{
		method: http.MethodDelete, pattern: "instances", serve: purgeMany, role: RoleOperate, bodiless: true,
		needs: "createdTimeFrom",
		name:  "purgeInstances", summary: "Remove all ended instances that match. Live ones and entities are never touched.",
		params: [][]param{filterParams, {
			{name: "completedBefore", kind: instant, text: "Only what ended earlier."},
			{name: "limit", kind: number, text: "Stop after so many."},
			{name: "timeBudget", kind: seconds, text: "Stop, incomplete, after so long."},
			{name: "dryRun", kind: flag, text: "Count only."},
		}},
		answers: []answer{
			{200, "What was removed. Also with nothing removed when there is more to do or dryRun was asked for.", hub.PurgeResult{}},
			{400, "createdTimeFrom is missing, which a string says; or something cannot be read that would have spared instances.", anyJSON},
			{404, "Nothing matches.", nil},
		},
	},
	{
		method: http.MethodPost, pattern: "instances/{id}/raiseEvent/{event}", serve: raise, role: RoleOperate, link: links.RaiseEvent,
		name: "raiseEvent", summary: "Hand an event to an instance. It is kept until the orchestrator waits for that name.",
		params: [][]param{{{name: idempotencyHeader, kind: header, text: "The instance takes an event of one key once, however often it is sent."}}},
		body:   "The payload, as application/json; nothing is null.",
		answers: []answer{
			{202, "The event is stored.", nil},
			{400, "The body is not JSON.", errorForm},
			{404, "There is no such instance.", nil},
			{410, "It has ended.", nil},
			{429, "Too much work is at hand. Nothing was stored; Retry-After tells when to try again.", errorForm},
		},
	},
	{
		method: http.MethodPost, pattern: "instances/{id}/terminate", serve: terminate, role: RoleOperate, link: links.Terminate,
		name: "terminateInstance", summary: "End an instance. Activities that run are not stopped, their results are ignored.",
		params: [][]param{reasonParams, {
			{name: "recursive", kind: flag, text: "End the children that it waits for too, and theirs."},
			{name: "output", kind: document, text: "JSON that becomes the output instead of the reason."},
		}},
		answers: []answer{
			{202, "The request is stored.", nil},
			{400, "output is not JSON.", errorForm},
			{404, "There is no such instance.", nil},
			{410, "It has ended.", nil},
		},
	},
	{
		method: http.MethodPost, pattern: "instances/{id}/suspend", serve: suspend, role: RoleOperate, link: links.Suspend,
		name: "suspendInstance", summary: "Pause an instance. What arrives is held until it is resumed.", params: [][]param{reasonParams},
		answers: []answer{
			{202, "The request is stored.", nil},
			{404, "There is no such instance.", nil},
			{409, "It is suspended already.", errorForm},
			{410, "It has ended.", nil},
		},
	},
	{
		method: http.MethodPost, pattern: "instances/{id}/resume", serve: resume, role: RoleOperate, link: links.Resume,
		name: "resumeInstance", summary: "Let a suspended instance go on.", params: [][]param{reasonParams},
		answers: []answer{
			{202, "The request is stored.", nil},
			{404, "There is no such instance.", nil},
			{409, "It is not suspended.", errorForm},
			{410, "It has ended.", nil},
		},
	},
	{
		method: http.MethodPost, pattern: "instances/{id}/rewind", serve: rewind, role: RoleOperate, link: links.Rewind, bodiless: true,
		errors: []errorRow{
			{err: hub.ErrNotFound, code: http.StatusNotFound, form: bareText},
			{err: hub.ErrInvalidState, code: http.StatusPreconditionFailed, form: bareText},
			{err: hub.ErrUnsupported, code: http.StatusNotImplemented, form: bareText},
		},
		name: "rewindInstance", summary: "Let a failed instance go on from before its failure.",
		params: [][]param{reasonParams, {
			{name: "all", kind: flag, text: "Undo handled failures too."},
			{name: "dryRun", kind: flag, text: "Tell what would be undone, and do nothing."},
		}},
		answers: []answer{
			{202, "The request is stored.", nil},
			{200, "With dryRun: the plan.", hub.RewindPlan{}},
			{404, "There is no such instance.", textForm},
			{412, "It is not Failed.", textForm},
			{501, "The hub's store cannot do it.", textForm},
		},
	},
	{
		method: http.MethodPost, pattern: "instances/{id}/restart", serve: restart, role: RoleOperate, link: links.Restart,
		lenient: []string{"timeout", "pollingInterval"},
		errors:  []errorRow{{err: hub.ErrNotFound, code: http.StatusBadRequest, kind: "NotFound"}},
		name:    "restartInstance", summary: "Run an instance anew with its name, input, version and tags.",
		params: [][]param{{{name: "restartWithNewInstanceId", kind: flag, text: "With a new id; else in place of the instance, which must have ended. Default true."}}, waitParams},
		answers: []answer{
			{202, "It is scheduled, durably.", links.Links{}},
			{200, "It has ended: the bare output if it completed, else its status.", anyJSON},
			{400, "There is no such instance.", errorForm},
			{409, "It has not ended and was to keep its id.", errorForm},
			{429, "Too much work is at hand. Nothing was stored; Retry-After tells when to try again.", errorForm},
		},
	},
	{
		pattern: "makeprimary", serve: makePrimary, role: RoleOperate,
		name: "makePrimary", summary: "Take the app lease. There are none.",
		answers: []answer{{400, "Always.", errorForm}},
	},
	{
		method: http.MethodGet, pattern: "instances/{id}/explain", serve: explain, role: RoleRead,
		name: "explainInstance", summary: "Tell why an instance is where it is, and the one action that would move it.",
		answers: []answer{
			{200, "The explanation.", hub.Explanation{}},
			{404, "There is no such instance.", nil},
		},
	},
	{
		method: http.MethodGet, pattern: "instances/{id}/export", serve: export, role: RoleRead,
		name: "exportInstance", summary: "Read an instance with its history, to be imported elsewhere.",
		answers: []answer{
			{200, "The archive.", anyJSON},
			{404, "There is no such instance.", nil},
		},
	},
	{
		method: http.MethodPost, pattern: "import", serve: importInstance, role: RoleOperate,
		name: "importInstance", summary: "Store an exported instance as one of this hub.",
		params: [][]param{{
			{name: "instanceId", text: "Its id here. Default: that in the archive."},
			{name: "reuse", kind: reuse, text: "What to do when the id is in use. Default RefuseIfActive."},
		}}, body: "The archive.",
		answers: []answer{
			{201, "It is stored.", links.Links{}},
			{400, "That is no archive, or an id that is not allowed.", errorForm},
			{409, "The id belongs to an instance that may not be replaced.", errorForm},
			{429, "Too much work is at hand. Nothing was stored; Retry-After tells when to try again.", errorForm},
		},
	},
	{
		method: http.MethodGet, pattern: "counts", serve: count, role: RoleMetadata,
		name: "countInstances", summary: "Count the instances that match, by status.", params: [][]param{filterParams, parentParams},
		answers: []answer{
			{200, "The counts; every status is there.", countsForm},
			{400, "An unknown status.", errorForm},
		},
	},
	{
		method: http.MethodGet, pattern: "binding", serve: binding, role: RoleMetadata,
		name: "clientBinding", summary: "The object that a client of durable-functions in another language is made of.",
		answers: []answer{{200, "The binding. With a key that links may hold, it is in there.", links.Binding{}}},
	},
	{
		method: http.MethodGet, pattern: "openapi.json", serve: openAPI, role: RoleMetadata,
		name: "openAPI", summary: "This document.",
		answers: []answer{{200, "OpenAPI 3.1.", anyJSON}},
	},
}

// Headers of the API.
const (
	idempotencyHeader = "Idempotency-Key"
)

// commonParams are those of every route.
var commonParams = []param{
	{name: "taskHub", link: true, text: "A hub of this server. Default: the app's own."},
	{name: "connection", link: true, text: "Storage or AzureWebJobsStorage; they mean the same."},
	{name: "code", link: true, text: "A key, if one is needed and not in header x-functions-key; or what a link has here."},
}

var startParams = []param{
	{name: "version", text: "Of the orchestrator. Default: that of the hub."},
	{name: "reuse", kind: reuse, text: "What to do when the id is in use. Default RefuseIfActive."},
	{name: "startAt", kind: instant, text: "Not before."},
	{name: tagParam, text: "A tag of the instance, as often as needed."},
	{name: "returnInternalServerErrorOnFailure", kind: flag, text: "Taken and not heeded: an instance that fails while a start waits is no 500."},
}

var waitParams = []param{
	{name: "timeout", kind: seconds, text: "Wait so long for the end, 230 at most."},
	{name: "pollingInterval", kind: seconds, text: "Must not be longer than timeout; says nothing otherwise."},
}

var viewParams = []param{
	{name: "showInput", kind: flag, link: true, text: "Show the input. Default true."},
	{name: "showOutput", kind: flag, ours: true, link: true, text: "Show the output. Default true."},
	{name: "showDetails", kind: flag, ours: true, link: true, text: "Add what clients of others do not know: details, and ids in the history."},
}

var historyParams = []param{
	{name: "showHistory", kind: flag, link: true, text: "Add the history."},
	{name: "showHistoryOutput", kind: flag, link: true, text: "Show results in it."},
}

var reasonParams = []param{{name: "reason", kind: prose, link: true, text: "Why. {text}, {{text}} and undefined are none."}}

// parentParams are for reading only: what purges a tree is recursive.
var parentParams = []param{{name: "parentInstanceId", ours: true, text: "A child of this instance, in whatever execution of it."}}

// filterParams select instances; all that are given must hold.
var filterParams = []param{
	{name: "createdTimeFrom", kind: instant, text: "Created then or later. Required to remove instances."},
	{name: "createdTimeTo", kind: instant, text: "Created then or earlier; a whole second counts until its end."},
	{name: "completedTimeFrom", kind: instant, ours: true, text: "Ended then or later."},
	{name: "completedTimeTo", kind: instant, ours: true, text: "Ended then or earlier; a whole second counts until its end."},
	{name: "runtimeStatus", kind: statuses, text: "In one of these statuses, in any letter case."},
	{name: "instanceIdPrefix", text: "The id begins so. Letter case counts."},
	{name: "name", ours: true, text: "The orchestrator has this name, in any letter case."},
	{name: tagParam, ours: true, text: "The tag NAME has this value."},
}
