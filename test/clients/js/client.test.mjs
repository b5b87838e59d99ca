// Every method of the DurableClient of npm's durable-functions, unchanged, against
// a running host; docs/contracts/http-api.md 8.1 and 11 say what its code depends on. The
// program that starts this file runs it twice: once with the address of the local
// RPC endpoint in the client's binding, once without it and with a key.
//
// PERDURE_BINDING holds the binding object (docs/contracts/http-api.md 7).
import assert from "node:assert/strict";
import { test } from "node:test";
import * as df from "durable-functions";

const binding = JSON.parse(process.env.PERDURE_BINDING);
const rpc = binding.rpcBaseUrl !== undefined;
// Without it the client takes the default port for that of every host.
process.env.WEBSITE_HOSTNAME = "127.0.0.1";

const client = newClient(binding);

// newClient gives the package what a function's context would hold.
function newClient(object) {
  const input = df.input.durableClient();
  return df.getClient({ options: { extraInputs: [input] }, extraInputs: new Map([[input, object]]) });
}

let made = 0;
const newId = (what) => `js-${rpc ? "rpc" : "web"}-${what}-${++made}`;

async function start(name, options = {}) {
  const instanceId = options.instanceId ?? newId(name.toLowerCase());
  assert.equal(await client.startNew(name, { ...options, instanceId }), instanceId);
  return instanceId;
}

// until asks for the status until the instance has one of those names.
async function until(id, ...names) {
  for (let left = 1000; left > 0; left--) {
    const status = await client.getStatus(id);
    if (names.includes(status.runtimeStatus)) return status;
    await new Promise((resume) => setTimeout(resume, 20));
  }
  assert.fail(`${id} is not ${names}: ${JSON.stringify(await client.getStatus(id))}`);
}

const ended = (id) => until(id, "Completed", "Failed", "Terminated");
const request = { url: "http://caller.example:8080/api/start" };

test("startNew generates 32 hex digits", async () => {
  assert.match(await client.startNew("Echo", { input: 1 }), /^[0-9a-f]{32}$/);
});

test("startNew passes any JSON", async () => {
  for (const input of [0, false, "text", "", null, [1, [2]], { a: { b: "é ☃" } }]) {
    const status = await ended(await start("Echo", { input }));
    assert.deepEqual(status.output, input);
    assert.deepEqual(status.input, input);
  }
});

test("startNew without input sends an empty string", async () => {
  assert.equal((await ended(await start("Echo"))).output, "");
});

test("startNew passes the version", async () => {
  assert.equal((await ended(await start("Version", { version: "1.2+3" }))).output, "1.2+3");
});

test("startNew rejects an unknown orchestrator, an id in use and a bad id", async () => {
  await assert.rejects(client.startNew("Nobody"), /400/);
  const id = await start("Wait");
  await assert.rejects(client.startNew("Wait", { instanceId: id }), /409/);
  await assert.rejects(client.startNew("Wait", { instanceId: "@entity@key" }), /400/);
  await assert.rejects(client.startNew(""), /must be a valid string/);
});

test("startNew replaces an instance that has ended", async () => {
  const id = await start("Echo", { input: "old" });
  await ended(id);
  await start("Echo", { instanceId: id, input: "new" });
  assert.equal((await ended(id)).output, "new");
});

test("getStatus builds a status with dates", async () => {
  const id = await start("Echo", { input: { a: 1 } });
  const status = await ended(id);
  assert.equal(status.name, "Echo");
  assert.equal(status.instanceId, id);
  assert.ok(status.createdTime instanceof Date && !Number.isNaN(status.createdTime.getTime()));
  assert.ok(status.lastUpdatedTime >= status.createdTime);
  assert.equal(status.customStatus, null);
  assert.equal(status.history, undefined);
});

test("getStatus shows the custom status", async () => {
  const id = await start("Wait");
  assert.deepEqual((await until(id, "Running")).customStatus, { waits: "go" });
});

test("getStatus with history fills history, which this client reads", async () => {
  const id = await start("Chain", { input: 1 });
  await ended(id);
  const plain = await client.getStatus(id, { showHistory: true });
  const kinds = plain.history.map((event) => event.EventType);
  assert.deepEqual(kinds, ["ExecutionStarted", "TaskCompleted", "TaskCompleted", "TaskCompleted", "ExecutionCompleted"]);
  assert.equal(plain.history[1].FunctionName, "Double");
  assert.equal("Result" in plain.history[1], false);
  const full = await client.getStatus(id, { showHistory: true, showHistoryOutput: true });
  assert.deepEqual(full.history.slice(1, 4).map((event) => event.Result), [2, 4, 8]);
});

test("getStatus hides the input where the client can ask for it", async () => {
  const id = await start("Echo", { input: "secret" });
  await ended(id);
  const status = await client.getStatus(id, { showInput: false });
  // With an RPC endpoint the client does not send the flag.
  assert.equal(status.input, rpc ? "secret" : null);
});

test("getStatus rejects for a missing instance", async () => {
  await assert.rejects(client.getStatus("nobody"), /HTTP 404/);
});

test("ids with blanks and other letters", async () => {
  const id = await start("Echo", { instanceId: newId("räksmörgås på svenska"), input: 7 });
  assert.equal((await ended(id)).output, 7);
});

test("getStatusAll follows the continuation over three pages", async () => {
  const ids = new Set();
  for (let i = 0; i < 210; i += 15) {
    const some = Array.from({ length: 15 }, () => start("Echo", { instanceId: newId("many") }));
    for (const id of await Promise.all(some)) ids.add(id);
  }
  const seen = (await client.getStatusAll()).map((status) => status.instanceId);
  assert.equal(new Set(seen).size, seen.length);
  for (const id of ids) assert.ok(seen.includes(id), `${id} is missing`);
});

test("getStatusBy filters by status and time", async () => {
  const createdTimeFrom = new Date(Date.now() - 1000);
  const [failed, waiting] = [await start("Fail"), await start("Wait")];
  await ended(failed);
  const createdTimeTo = new Date(Date.now() + 1000);
  const list = await client.getStatusBy({
    createdTimeFrom, createdTimeTo, runtimeStatus: [df.OrchestrationRuntimeStatus.Failed, df.OrchestrationRuntimeStatus.Terminated],
  });
  const ids = list.map((status) => status.instanceId);
  assert.ok(ids.includes(failed) && !ids.includes(waiting));
  assert.ok(list.every((status) => ["Failed", "Terminated"].includes(status.runtimeStatus)));
  assert.deepEqual(await client.getStatusBy({ createdTimeFrom: new Date("2001-01-01"), createdTimeTo: new Date("2001-01-02") }), []);
});

test("raiseEvent hands over data, and null when there is none", async () => {
  for (const [given, want] of [[{ ok: true }, { ok: true }], [undefined, null], ["x", "x"], [0, 0]]) {
    const id = await start("Wait");
    await client.raiseEvent(id, "go", given);
    assert.deepEqual((await ended(id)).output, want);
  }
});

test("raiseEvent resolves for an instance that has ended and rejects for none", async () => {
  const id = await start("Echo");
  await ended(id);
  await client.raiseEvent(id, "go", 1);
  await assert.rejects(client.raiseEvent("nobody", "go", 1), /No instance with ID/);
  await assert.rejects(client.raiseEvent(id, "", 1), /must be a valid string/);
});

test("raiseEvent names a task hub", async () => {
  const id = await start("Wait");
  await client.raiseEvent(id, "go", 5, { taskHubName: binding.taskHubName, connectionName: "Storage" });
  assert.equal((await ended(id)).output, 5);
  await assert.rejects(client.raiseEvent(id, "go", 5, { taskHubName: "NoSuchHub" }), /No instance with ID/);
  await assert.rejects(client.raiseEvent(id, "go", 5, { connectionName: "nowhere" }), /400/);
});

test("terminate ends an instance with its reason", async () => {
  const id = await start("Wait");
  await until(id, "Running");
  await client.terminate(id, "no longer wanted");
  const status = await until(id, "Terminated");
  assert.equal(status.output, "no longer wanted");
  await client.terminate(id, "again"); // 410 resolves
  await assert.rejects(client.terminate("nobody", "x"), /No instance with ID/);
});

test("suspend and resume", async () => {
  const id = await start("Wait");
  await until(id, "Running");
  await client.suspend(id, "lunch");
  const paused = await until(id, "Suspended");
  assert.equal(paused.output, "lunch");
  await assert.rejects(client.suspend(id, "again"), /409/);
  await client.raiseEvent(id, "go", "later");
  await client.resume(id, "back");
  assert.equal((await until(id, "Completed")).output, "later");
  await client.suspend(id, "too late"); // 410 resolves
  await client.resume(id, "too late");
  await assert.rejects(client.suspend("nobody", "x"), /No instance with ID/);
  await assert.rejects(client.resume("nobody", "x"), /No instance with ID/);
  const running = await start("Wait");
  await until(running, "Running");
  await assert.rejects(client.resume(running, "x"), /409/);
});

test("rewind repeats what failed and nothing else", async () => {
  const id = await start("FailOnce", { input: newId("flaky") });
  assert.equal((await ended(id)).runtimeStatus, "Failed");
  await client.rewind(id, "repaired");
  assert.deepEqual((await until(id, "Completed")).output, { before: 1, flaky: 2 });
  await assert.rejects(client.rewind(id, "again"), (error) => {
    assert.ok(!error.message.includes("[object"), error.message);
    return /Completed/.test(error.message);
  });
  await assert.rejects(client.rewind("nobody", "x"), /nobody/);
});

test("purgeInstanceHistory", async () => {
  const id = await start("Echo");
  await ended(id);
  assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 1);
  assert.equal((await client.purgeInstanceHistory(id)).instancesDeleted, 0);
  await assert.rejects(client.getStatus(id), /HTTP 404/);
  const running = await start("Wait");
  await assert.rejects(client.purgeInstanceHistory(running), /412/);
  await client.getStatus(running);
});

test("purgeInstanceHistoryBy", async () => {
  const createdTimeFrom = new Date(Date.now() - 60_000);
  const [failed, waiting] = [await start("Fail"), await start("Wait")];
  await ended(failed);
  const result = await client.purgeInstanceHistoryBy({ createdTimeFrom, runtimeStatus: [df.OrchestrationRuntimeStatus.Failed] });
  assert.ok(result.instancesDeleted >= 1);
  await assert.rejects(client.getStatus(failed), /HTTP 404/);
  await client.getStatus(waiting);
  const none = { createdTimeFrom: new Date("2001-01-01"), createdTimeTo: new Date("2001-01-02") };
  assert.equal((await client.purgeInstanceHistoryBy(none)).instancesDeleted, 0);
  const active = await client.purgeInstanceHistoryBy({ createdTimeFrom, runtimeStatus: [df.OrchestrationRuntimeStatus.Running] });
  assert.equal(active.instancesDeleted, 0);
  await client.getStatus(waiting);
  if (rpc) await assert.rejects(client.purgeInstanceHistoryBy({}), /400/);
  else await assert.rejects(client.purgeInstanceHistoryBy({}), /must be a valid Date/);
});

test("createHttpManagementPayload has links that work", async () => {
  const id = await start("Wait");
  const payload = client.createHttpManagementPayload(id);
  assert.equal(payload.id, id);
  assert.ok(Object.values(payload).every((value) => typeof value === "string" && value.includes(id)));
  assert.equal((await fetch(payload.statusQueryGetUri)).status, 202);
  const event = payload.sendEventPostUri.replace("{eventName}", "go");
  const raised = await fetch(event, { method: "POST", body: "11", headers: { "content-type": "application/json" } });
  assert.equal(raised.status, 202);
  assert.equal((await ended(id)).output, 11);
  assert.equal((await fetch(payload.restartPostUri, { method: "POST" })).status, 202);
  assert.equal((await fetch(payload.purgeHistoryDeleteUri, { method: "DELETE" })).status, 200);
});

test("createCheckStatusResponse takes the origin of the request", async () => {
  const response = client.createCheckStatusResponse(request, "abc");
  assert.equal(response.status, 202);
  assert.equal(response.headers.get("Retry-After"), "10");
  const body = await response.json();
  assert.equal(body.statusQueryGetUri, response.headers.get("Location"));
  assert.ok(body.statusQueryGetUri.startsWith("http://caller.example:8080/runtime/webhooks/durabletask/instances/abc?"));
});

test("waitForCompletionOrCreateCheckStatusResponse", async () => {
  const options = { timeoutInMilliseconds: 200, retryIntervalInMilliseconds: 50 };
  const patient = { timeoutInMilliseconds: 20_000, retryIntervalInMilliseconds: 20 };
  const done = await client.waitForCompletionOrCreateCheckStatusResponse(request, await start("Echo", { input: 3 }), patient);
  assert.equal(done.status, 200);
  assert.equal(await done.json(), 3);
  const failed = await client.waitForCompletionOrCreateCheckStatusResponse(request, await start("Fail"), patient);
  assert.equal(failed.status, 500);
  assert.equal((await failed.json()).runtimeStatus, "Failed");
  const waiting = await start("Wait");
  const later = await client.waitForCompletionOrCreateCheckStatusResponse(request, waiting, options);
  assert.equal(later.status, 202);
  assert.equal((await later.json()).id, waiting);
  await client.terminate(waiting, "enough");
  const ended = await client.waitForCompletionOrCreateCheckStatusResponse(request, waiting, patient);
  assert.equal(ended.status, 200);
  assert.equal((await ended.json()).runtimeStatus, "Terminated");
  await assert.rejects(client.waitForCompletionOrCreateCheckStatusResponse(request, "nobody", options), /HTTP 404/);
  await assert.rejects(
    client.waitForCompletionOrCreateCheckStatusResponse(request, waiting, { timeoutInMilliseconds: 1, retryIntervalInMilliseconds: 2 }),
    /bigger than retry/,
  );
});

test("entities: a missing one does not exist; there are no entities to signal yet", async () => {
  const entity = new df.EntityId("Counter", "a");
  assert.equal((await client.readEntityState(entity)).entityExists, false);
  await assert.rejects(client.signalEntity(entity, "add", 1), /4\d\d/);
});

test("a wrong key rejects", { skip: rpc && "the local endpoint asks for none" }, async () => {
  const other = JSON.parse(process.env.PERDURE_BINDING.replaceAll(/code=[^"&]+/g, "code=wrong"));
  await assert.rejects(newClient(other).getStatus("x"), /401/);
  await assert.rejects(newClient(other).startNew("Echo"), /401/);
});
