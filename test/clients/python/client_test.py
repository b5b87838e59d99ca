"""Every method of the DurableOrchestrationClient of PyPI's azure-functions-durable,
unchanged, against a running host; docs/contracts/http-api.md 8.2 says what its code depends on.
The program that starts this file runs it with three bindings: of the local RPC
endpoint, of the webhooks in its place, and with a key and no RPC endpoint at all,
where this client only builds links.

PERDURE_BINDING holds the binding object (docs/contracts/http-api.md 7).
"""
import asyncio
import functools
import itertools
import json
import os
import unittest
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import azure.functions as func
from azure.durable_functions import DurableOrchestrationClient, EntityId, OrchestrationRuntimeStatus
from azure.durable_functions.models.utils import http_utils

BINDING = json.loads(os.environ["PERDURE_BINDING"])
RPC = "rpcBaseUrl" in BINDING
Status = OrchestrationRuntimeStatus

client = DurableOrchestrationClient(json.dumps(BINDING), "invocation-1")
loop = asyncio.new_event_loop()  # the package keeps one session, and a session one loop
made = itertools.count()


def asynchronous(test):
    @functools.wraps(test)
    def run(self):
        loop.run_until_complete(test(self))

    return run


def tearDownModule():
    loop.run_until_complete(http_utils._close_session())  # the package leaves that to the end of the process
    loop.close()


def new_id(what):
    return f"py-{os.getpid()}-{what}-{next(made)}"


async def start(name, value=None, instance_id=None, **options):
    instance_id = instance_id or new_id(name.lower())
    started = await client.start_new(name, instance_id, value, **options)
    assert started == instance_id, started
    return instance_id


async def until(instance_id, *wanted):
    """Asks for the status until the instance has one of those."""
    for _ in range(1000):
        status = await client.get_status(instance_id)
        if status.runtime_status in wanted:
            return status
        await asyncio.sleep(0.02)
    raise AssertionError(f"{instance_id} is not {wanted}: {status.to_json()}")


async def ended(instance_id):
    return await until(instance_id, Status.Completed, Status.Failed, Status.Terminated)


def now():
    """Times that the client sends are in UTC and have no zone."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def ids(statuses):
    return [status.instance_id for status in statuses]


def ask(method, url, body=None):
    """Uses a link, as somebody else would, and returns status and body."""
    request = urllib.request.Request(url, method=method, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


REQUEST = func.HttpRequest("POST", "http://caller.example:8080/api/start", body=b"")


class Links(unittest.TestCase):
    """What the client makes of its binding alone."""

    def test_create_http_management_payload(self):
        payload = client.create_http_management_payload("abc")
        self.assertEqual(payload["id"], "abc")
        self.assertTrue(all("abc" in link for link in payload.values()), payload)
        self.assertFalse(any("INSTANCEID" in link for link in payload.values()), payload)

    def test_get_client_response_links_takes_the_origin_of_the_request(self):
        links = client.get_client_response_links(REQUEST, "abc")
        self.assertTrue(links["statusQueryGetUri"].startswith(
            "http://caller.example:8080/runtime/webhooks/durabletask/instances/abc?"), links)
        self.assertEqual(client.get_client_response_links(None, "abc"), client.create_http_management_payload("abc"))

    def test_create_check_status_response(self):
        response = client.create_check_status_response(REQUEST, "abc")
        self.assertEqual(response.status_code, 202)
        self.assertEqual(response.headers["Retry-After"], "10")
        body = json.loads(response.get_body())
        self.assertEqual(body, client.get_client_response_links(REQUEST, "abc"))
        self.assertEqual(response.headers["Location"], body["statusQueryGetUri"])

    def test_links_work(self):
        instance_id = new_id("links")
        payload = client.create_http_management_payload(instance_id)
        self.assertEqual(ask("GET", payload["statusQueryGetUri"])[0], 404)
        creation = BINDING["creationUrls"]["createNewInstancePostUri"]
        creation = creation.replace("{functionName}", "Wait").replace("[/{instanceId}]", "/" + instance_id)
        code, body = ask("POST", creation, b"1")
        self.assertEqual(code, 202, body)
        self.assertEqual(json.loads(body)["id"], instance_id)
        self.assertEqual(ask("GET", payload["statusQueryGetUri"])[0], 202)
        text = lambda key: payload[key].replace("{text}", quote("é 5%"))
        self.assertEqual(ask("POST", text("suspendPostUri"))[0], 202)
        self.assertEqual(ask("POST", text("resumePostUri"))[0], 202)
        event = payload["sendEventPostUri"].replace("{eventName}", "go")
        self.assertEqual(ask("POST", event, b"11")[0], 202)
        code, body = ask("GET", payload["statusQueryGetUri"] + "&wait=60")
        self.assertEqual((code, json.loads(body)["output"]), (200, 11))
        self.assertEqual(ask("POST", text("rewindPostUri"))[0], 412)
        self.assertEqual(ask("POST", text("terminatePostUri"))[0], 410)
        code, body = ask("POST", payload["restartPostUri"])
        self.assertEqual(code, 202, body)
        again = json.loads(body)
        self.assertNotEqual(again["id"], instance_id)
        self.assertEqual(ask("POST", again["terminatePostUri"].replace("{text}", "enough"))[0], 202)
        self.assertEqual(ask("DELETE", payload["purgeHistoryDeleteUri"])[0], 200)
        self.assertEqual(ask("GET", payload["statusQueryGetUri"])[0], 404)


@unittest.skipIf(RPC, "there is an RPC endpoint")
class WithoutRPC(unittest.TestCase):
    """Without an RPC endpoint this client can do nothing else."""

    @asynchronous
    async def test_everything_else_raises(self):
        for call in (
            client.start_new("Echo"), client.get_status("x"), client.get_status_all(), client.get_status_by(),
            client.raise_event("x", "go"), client.terminate("x", "r"), client.suspend("x", "r"), client.resume("x", "r"),
            client.rewind("x", "r"), client.restart("x"), client.purge_instance_history("x"),
            client.purge_instance_history_by(datetime.min), client.read_entity_state(EntityId("a", "b")),
            client.signal_entity(EntityId("a", "b"), "op"),
            client.wait_for_completion_or_create_check_status_response(REQUEST, "x"),
        ):
            with self.assertRaises(Exception):
                await call

    def test_a_link_with_a_wrong_key_is_refused(self):
        other = json.loads(json.dumps(BINDING).replace(BINDING["requiredQueryStringParameters"], "code=wrong"))
        payload = DurableOrchestrationClient(json.dumps(other)).create_http_management_payload("abc")
        code, body = ask("GET", payload["statusQueryGetUri"])
        self.assertEqual(code, 401)
        json.loads(body or b"null")


@unittest.skipUnless(RPC, "this client calls an RPC endpoint only")
class Client(unittest.TestCase):
    # start_new

    @asynchronous
    async def test_start_new_generates_32_hex_digits(self):
        self.assertRegex(await client.start_new("Echo", client_input=1), "^[0-9a-f]{32}$")

    @asynchronous
    async def test_start_new_sends_a_string_that_holds_json(self):
        for value in (0, False, "text", "", [1, [2]], {"a": {"b": "é ☃"}}):
            instance_id = await start("Echo", value)
            await ended(instance_id)
            status = await client.get_status(instance_id, show_input=True)
            self.assertEqual(json.loads(status.output), value)
            self.assertEqual(status.input_, status.output)

    @asynchronous
    async def test_start_new_without_input(self):
        self.assertIsNone((await ended(await start("Echo"))).output)

    @asynchronous
    async def test_start_new_passes_the_version(self):
        self.assertEqual((await ended(await start("Version", version="1.2+3"))).output, "1.2+3")

    @asynchronous
    async def test_start_new_names_the_unknown_orchestrator(self):
        with self.assertRaisesRegex(Exception, "Nobody"):
            await client.start_new("Nobody")

    @asynchronous
    async def test_start_new_refuses_an_id_in_use_and_a_bad_id(self):
        instance_id = await start("Wait")
        with self.assertRaisesRegex(Exception, instance_id):
            await client.start_new("Wait", instance_id)
        for bad in ("@entity@key", "x" * 300):
            with self.assertRaisesRegex(Exception, bad[:10]):
                await client.start_new("Wait", bad)

    @asynchronous
    async def test_start_new_replaces_an_instance_that_has_ended(self):
        instance_id = await start("Echo", "old")
        await ended(instance_id)
        await start("Echo", "new", instance_id)
        self.assertEqual((await ended(instance_id)).output, '"new"')

    @asynchronous
    async def test_ids_with_blanks_and_percent_signs_and_other_letters(self):
        instance_id = await start("Wait", None, new_id("räksmörgås på 50%-"))
        await client.raise_event(instance_id, "GO", 1)
        self.assertEqual((await ended(instance_id)).instance_id, instance_id)
        self.assertEqual(ids(await client.get_status_by(instance_id_prefix=instance_id)), [instance_id])
        self.assertEqual((await client.purge_instance_history(instance_id)).instances_deleted, 1)

    # get_status

    @asynchronous
    async def test_get_status_has_dates(self):
        instance_id = await start("Echo", {"a": 1})
        status = await ended(instance_id)
        self.assertTrue(status)
        self.assertEqual((status.name, status.instance_id), ("Echo", instance_id))
        self.assertLessEqual(status.created_time, status.last_updated_time)
        self.assertEqual(status.created_time.utcoffset(), timedelta(0))
        self.assertIsNone(status.custom_status)
        self.assertIsNone(status.history)
        self.assertEqual(status.to_json()["runtimeStatus"], "Completed")

    @asynchronous
    async def test_get_status_shows_the_custom_status(self):
        status = await until(await start("Wait"), Status.Running)
        self.assertEqual(status.custom_status, {"waits": "go"})

    @asynchronous
    async def test_get_status_with_history(self):
        instance_id = await start("Chain", 1)
        failed = await ended(instance_id)
        # The input is a string that holds 1, which Chain cannot read.
        self.assertEqual(failed.runtime_status, Status.Failed)
        with_number = json.loads(ask("POST", client.create_http_management_payload(instance_id)["restartPostUri"])[1])
        instance_id = with_number["id"]
        await ended(instance_id)
        status = await client.get_status(instance_id, show_history=True)
        self.assertEqual([event["EventType"] for event in status.history], ["ExecutionStarted", "ExecutionCompleted"])

    @asynchronous
    async def test_get_status_of_a_missing_instance_is_false(self):
        status = await client.get_status("nobody")
        self.assertFalse(status)
        self.assertIsNone(status.runtime_status)

    # lists

    @asynchronous
    async def test_get_status_all_is_the_first_page(self):
        made = [await start("Echo", i) for i in range(3)]
        seen = ids(await client.get_status_all())
        self.assertEqual(len(seen), len(set(seen)))
        self.assertTrue(set(made) <= set(seen), (made, seen))

    @asynchronous
    async def test_get_status_by(self):
        prefix, minute = new_id("by"), timedelta(minutes=1)
        begun = now() - minute
        failed, waiting = await start("Fail", None, prefix + "-failed"), await start("Wait", None, prefix + "-waiting")
        await ended(failed)
        await until(waiting, Status.Running)
        by = client.get_status_by
        self.assertCountEqual(ids(await by(instance_id_prefix=prefix)), [failed, waiting])
        self.assertEqual(ids(await by(instance_id_prefix=prefix, runtime_status=[Status.Failed, Status.Terminated])), [failed])
        self.assertEqual(ids(await by(instance_id_prefix=prefix, runtime_status=[Status.Running])), [waiting])
        everything = await by(begun, now() + minute, list(Status), prefix)
        self.assertCountEqual(ids(everything), [failed, waiting])
        self.assertCountEqual(ids(await by(datetime.min, datetime.max, instance_id_prefix=prefix)), [failed, waiting])
        self.assertEqual(await by(now() + minute, instance_id_prefix=prefix), [])
        self.assertEqual(await by(created_time_to=begun, instance_id_prefix=prefix), [])
        self.assertEqual(await by(created_time_to=datetime.min, instance_id_prefix=prefix), [])
        self.assertEqual(await by(datetime(2001, 1, 1), datetime(2001, 1, 2)), [])

    # raise_event

    @asynchronous
    async def test_raise_event_sends_a_string_that_holds_json(self):
        for value in ({"ok": True}, None, "x", 0):
            instance_id = await start("Wait")
            await client.raise_event(instance_id, "go", value)
            self.assertEqual(json.loads((await ended(instance_id)).output), value)

    @asynchronous
    async def test_raise_event_of_an_ended_and_a_missing_instance(self):
        instance_id = await start("Echo")
        await ended(instance_id)
        with self.assertRaisesRegex(Exception, "is gone"):
            await client.raise_event(instance_id, "go", 1)
        with self.assertRaisesRegex(Exception, "No instance with ID nobody found"):
            await client.raise_event("nobody", "go", 1)
        with self.assertRaisesRegex(Exception, "No instance with ID"):
            await client.raise_event("nobody at 50%", "100%", 1)
        with self.assertRaises(ValueError):
            await client.raise_event(instance_id, "")

    @asynchronous
    async def test_raise_event_names_a_task_hub(self):
        instance_id = await start("Wait")
        with self.assertRaisesRegex(Exception, "No instance with ID"):
            await client.raise_event(instance_id, "go", 5, "NoSuchHub")
        with self.assertRaises(Exception):
            await client.raise_event(instance_id, "go", 5, None, "nowhere")
        await client.raise_event(instance_id, "go", 5, client._orchestration_bindings.task_hub_name, "Storage")
        self.assertEqual((await ended(instance_id)).output, "5")

    # terminate, suspend, resume

    @asynchronous
    async def test_terminate(self):
        instance_id = await start("Wait")
        await client.terminate(instance_id, "é & 100% done?")
        self.assertEqual((await until(instance_id, Status.Terminated)).output, "é & 100% done?")
        await client.terminate(instance_id, "again")  # 410 is fine
        with self.assertRaisesRegex(Exception, "No instance with ID 'nobody' found"):
            await client.terminate("nobody", "x")

    @asynchronous
    async def test_suspend_and_resume(self):
        instance_id = await start("Wait")
        await until(instance_id, Status.Running)
        await client.suspend(instance_id, "lunch at 50%")
        self.assertEqual((await until(instance_id, Status.Suspended)).output, "lunch at 50%")
        with self.assertRaisesRegex(Exception, "409"):
            await client.suspend(instance_id, "again")
        await client.raise_event(instance_id, "go", "later")
        await client.resume(instance_id, "back")
        self.assertEqual((await until(instance_id, Status.Completed)).output, '"later"')
        await client.suspend(instance_id, "too late")  # 410 is fine
        await client.resume(instance_id, "too late")
        for call in (client.suspend, client.resume):
            with self.assertRaisesRegex(Exception, "No instance with ID 'nobody' found"):
                await call("nobody", "x")
        running = await start("Wait")
        await until(running, Status.Running)
        with self.assertRaisesRegex(Exception, "409"):
            await client.resume(running, "x")

    # rewind, restart

    @asynchronous
    async def test_rewind_repeats_what_failed_and_nothing_else(self):
        instance_id = await start("FailOnce", new_id("flaky"))
        self.assertEqual((await ended(instance_id)).runtime_status, Status.Failed)
        await client.rewind(instance_id, "disk at 95% – repaired")
        self.assertEqual((await until(instance_id, Status.Completed)).output, {"before": 1, "flaky": 2})
        with self.assertRaisesRegex(Exception, "Completed"):
            await client.rewind(instance_id, "again")
        with self.assertRaisesRegex(Exception, "No instance with ID nobody found"):
            await client.rewind("nobody", "x")

    @asynchronous
    async def test_rewind_names_a_task_hub(self):
        instance_id = await start("Fail")
        await ended(instance_id)
        with self.assertRaisesRegex(Exception, "No instance with ID"):
            await client.rewind(instance_id, "x", "NoSuchHub")
        await client.rewind(instance_id, "x", client._orchestration_bindings.task_hub_name, "Storage")

    @asynchronous
    async def test_restart(self):
        instance_id = await start("Echo", "again")
        await ended(instance_id)
        # The package returns the whole body of the answer, not the id that it promises.
        other = (await client.restart(instance_id))["id"]
        self.assertNotEqual(other, instance_id)
        self.assertEqual((await ended(other)).output, '"again"')
        self.assertEqual((await client.restart(instance_id, restart_with_new_instance_id=False))["id"], instance_id)
        await ended(instance_id)
        waiting = await start("Wait")
        with self.assertRaisesRegex(Exception, "409"):
            await client.restart(waiting, False)
        with self.assertRaises(Exception):
            await client.restart("nobody")

    # purge

    @asynchronous
    async def test_purge_instance_history(self):
        instance_id = await start("Echo")
        await ended(instance_id)
        self.assertEqual((await client.purge_instance_history(instance_id)).instances_deleted, 1)
        self.assertEqual((await client.purge_instance_history(instance_id)).instances_deleted, 0)
        self.assertFalse(await client.get_status(instance_id))
        running = await start("Wait")
        with self.assertRaisesRegex(Exception, "412"):
            await client.purge_instance_history(running)
        self.assertTrue(await client.get_status(running))

    @asynchronous
    async def test_purge_instance_history_by(self):
        begun, minute = now() - timedelta(minutes=1), timedelta(minutes=1)
        failed, done, waiting = await start("Fail"), await start("Echo"), await start("Wait")
        await ended(failed)
        await ended(done)
        purge = client.purge_instance_history_by
        with self.assertRaises(ValueError):
            await purge()
        for nothing in (
            purge(datetime(2001, 1, 1), datetime(2001, 1, 2)),
            purge(begun, datetime.min),  # a time, not "no end"
            purge(datetime.min, datetime.min),
            purge(now() + minute),
            purge(datetime.max, datetime.max),
            purge(begun, None, [Status.Running, Status.Pending, Status.Suspended]),
        ):
            self.assertEqual((await nothing).instances_deleted, 0)
        self.assertTrue(await client.get_status(failed))
        self.assertTrue(await client.get_status(done))
        self.assertGreaterEqual((await purge(begun, now() + minute, [Status.Failed])).instances_deleted, 1)
        self.assertFalse(await client.get_status(failed))
        self.assertTrue(await client.get_status(done))
        self.assertGreaterEqual((await purge(datetime.min, datetime.max)).instances_deleted, 1)
        self.assertFalse(await client.get_status(done))
        self.assertTrue(await client.get_status(waiting))

    # wait_for_completion_or_create_check_status_response

    @asynchronous
    async def test_wait_for_completion_or_create_check_status_response(self):
        wait = client.wait_for_completion_or_create_check_status_response
        body = lambda response: json.loads(response.get_body())
        done = await wait(REQUEST, await start("Echo", [3]), 20_000, 20)
        self.assertEqual((done.status_code, body(done)), (200, [3]))
        failed = await wait(REQUEST, await start("Fail"), 20_000, 20)
        self.assertEqual((failed.status_code, body(failed)["runtimeStatus"]), (500, "Failed"))
        waiting = await start("Wait")
        later = await wait(REQUEST, waiting, 100, 50)
        self.assertEqual((later.status_code, body(later)["id"]), (202, waiting))
        await client.terminate(waiting, "enough")
        over = await wait(REQUEST, waiting, 20_000, 20)
        self.assertEqual((over.status_code, body(over)["runtimeStatus"]), (200, "Terminated"))
        missing = await wait(REQUEST, "nobody", 100, 50)
        self.assertEqual(missing.status_code, 202)
        with self.assertRaisesRegex(Exception, "bigger than"):
            await wait(REQUEST, waiting, 1, 2)

    # entities

    @asynchronous
    async def test_entities_do_not_exist_yet(self):
        entity = EntityId("Counter", "a")
        state = await client.read_entity_state(entity, client._orchestration_bindings.task_hub_name, "Storage")
        self.assertFalse(state.entity_exists)
        with self.assertRaisesRegex(Exception, "404"):
            await client.signal_entity(entity, "add", 1)

    # all at once

    @asynchronous
    async def test_many_at_once(self):
        started = await asyncio.gather(*(client.start_new("Echo", client_input=i) for i in range(60)))
        outputs = await asyncio.gather(*(ended(instance_id) for instance_id in started))
        self.assertEqual([json.loads(status.output) for status in outputs], list(range(60)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
