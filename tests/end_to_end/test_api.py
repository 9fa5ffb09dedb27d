"""Drills over HTTP, on a real server process: from a plan's registration to its clean-up."""

import asyncio
from typing import Any

import httpx
import pytest

from client.executions import find_running
from recovery.plan.model import RecoveryPlan
from tests.end_to_end.api_server import (
    STARTS_A_MINUTE,
    Served,
    as_file,
    register,
    served,
    stack,
    started,
    started_server,
    watching,
)
from tests.end_to_end.conftest import SPEED, E2eEnvironment

__all__ = ["served", "stack", "started_server"]
# Longer than any test watches it.
_LONG = 60 * SPEED


async def view(caller: httpx.AsyncClient, execution_id: str) -> dict[str, Any]:
    """An execution as the API shows it."""
    answer = await caller.get(f"/executions/{execution_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def until_ended(caller: httpx.AsyncClient, execution_id: str) -> dict[str, Any]:
    """Await the end of an execution by its events; its last state."""
    last: dict[str, Any] = {}
    async with asyncio.timeout(60), watching(caller, execution_id) as events:
        async for event in events:
            last = event.data
            if last["EndTime"]:
                break
    return last


async def until_launching(caller: httpx.AsyncClient, execution_id: str) -> None:
    """Await the launch of an execution's first wave."""
    async with asyncio.timeout(60), watching(caller, execution_id) as events:
        async for event in events:
            if event.data["Waves"][0]["Status"] == "IN_PROGRESS":
                return


def long_plan(env: E2eEnvironment, **fields: Any) -> RecoveryPlan:
    """A plan that runs until it is cancelled."""
    slow = env.aws.servers(1, LaunchSeconds=_LONG)
    return env.plan(env.wave("Database", servers=slow), **fields)


@pytest.mark.slow
async def test_a_drill_goes_from_registration_to_clean_up_over_http(
    env: E2eEnvironment, served: Served
) -> None:
    ops = served.caller("ops@example.com", "operator")
    plan = env.plan(
        env.wave("Database", servers=2), env.wave("App", "Database"), plan_name="CRM", rto=60
    )
    checked = (await ops.post("/plans/validate", json=as_file(plan))).json()
    assert (checked["PlanHash"], checked["CriticalPath"]) == (plan.plan_hash, ["database", "app"])
    await register(ops, plan)
    assert (await ops.get(f"/plans/{plan.plan_id}/readiness")).json()["Findings"] == []
    answer = await ops.post(f"/plans/{plan.plan_id}/executions", json={})
    assert answer.status_code == 202
    execution_id = answer.json()["ExecutionId"]
    assert answer.headers["location"] == f"/api/executions/{execution_id}"

    states: list[dict[str, Any]] = []
    numbers: list[int] = []
    async with asyncio.timeout(60), watching(ops, execution_id) as events:
        async for event in events:
            if event.event == "state":
                states.append(event.data)
                numbers.append(int(event.id))
            elif event.event == "end":
                break
    # It came by itself, at every change, and the last one is the recorded end.
    assert numbers == sorted(set(numbers))
    assert len(states) > 3
    assert states[0]["Status"] == "IN_PROGRESS"
    assert (states[-1]["Status"], states[-1]["StartedBy"]) == ("COMPLETED", "ops@example.com")
    assert (await env.recorded(execution_id)).started_by == "ops@example.com"

    shown = await view(ops, execution_id)
    assert shown["Execution"] == states[-1]
    assert (shown["Remaining"], shown["Error"]) == (None, None)
    assert shown["CriticalPath"] == ["database", "app"]
    assert f"drs-plan%2F{plan.plan_id}/" in shown["Links"]["Execution"]
    assert [link["WaveId"] for link in shown["Links"]["Waves"]] == ["database", "app"]

    listed = (await ops.get("/executions", params={"plan_id": plan.plan_id})).json()["Executions"]
    assert [row["ExecutionId"] for row in listed] == [execution_id]
    (row,) = [
        row
        for row in (await ops.get("/plans")).json()["Plans"]
        if row["Newest"]["PlanId"] == plan.plan_id
    ]
    assert (row["Newest"]["Version"], row["Newest"]["Author"]) == (1, "ops@example.com")
    assert (row["LastDrill"]["ExecutionId"], row["LastDrill"]["Status"]) == (
        execution_id,
        "COMPLETED",
    )

    assert (await ops.get(f"/executions/{execution_id}/cleanup")).status_code == 404
    # The plan's workflow closes a moment after its end is recorded.
    await env.end(plan, execution_id)
    accepted = await ops.post(f"/executions/{execution_id}/cleanup")
    assert accepted.status_code == 202
    for _ in range(100):
        cleanup = (await ops.get(f"/executions/{execution_id}/cleanup")).json()
        if cleanup["Status"] not in ("WAITING", "IN_PROGRESS"):
            break
        await asyncio.sleep(0.2)
    assert (cleanup["Status"], cleanup["Actor"]) == ("COMPLETED", "ops@example.com")
    assert len(cleanup["Terminated"]) == 3


async def test_a_running_execution_has_its_remaining_time_and_a_link_to_temporal(
    env: E2eEnvironment, served: Served
) -> None:
    ops = served.caller("shows", "operator")
    plan = long_plan(env)
    execution_id = await started(ops, plan)
    await until_launching(ops, execution_id)
    shown = await view(ops, execution_id)
    assert 0 < shown["Remaining"]["Seconds"] < 10
    assert shown["Links"]["Execution"].endswith(f"/workflows/drs-plan%2F{plan.plan_id}")
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(shown["Links"]["Execution"])).status_code == 200
    running = (await ops.get("/executions", params={"state": "IN_PROGRESS"})).json()
    assert execution_id in [row["ExecutionId"] for row in running["Executions"]]
    assert (await ops.post(f"/executions/{execution_id}/cancel", json={})).status_code == 200


async def test_a_message_is_kept_with_the_authenticated_subject_as_its_actor(
    env: E2eEnvironment, served: Served
) -> None:
    ops, lead = served.caller("ops", "operator"), served.caller("lead", "approver")
    slow = env.aws.servers(1, LaunchSeconds=_LONG)
    plan = env.plan(
        env.wave("Database", servers=slow),
        env.wave("App", "Database"),
        env.wave("Web", approval_required=True),
    )
    execution_id = await started(ops, plan)
    await until_launching(ops, execution_id)
    at = f"/executions/{execution_id}"
    skipped = await ops.post(f"{at}/skip_wave", json={"Wave": "app", "Reason": "not today"})
    assert skipped.status_code == 200
    assert skipped.json()["WorkerAnswered"] is True
    approved = await lead.post(f"{at}/approve_wave", json={"Wave": "web", "Approve": False})
    assert approved.status_code == 200, approved.text
    rejected = await ops.post(f"{at}/retry_wave", json={"Wave": "database"})
    assert rejected.status_code == 409
    assert rejected.headers["content-type"] == "application/problem+json"
    assert "retry-wave was rejected: " in rejected.json()["detail"]
    # A claimed actor is no field of ours.
    claimed = await ops.post(f"{at}/pause", json={"Actor": "root"})
    assert claimed.status_code == 422
    assert (await ops.post(f"{at}/pause")).status_code == 200
    assert (await ops.post(f"{at}/cancel", json={"Reason": "enough"})).status_code == 200
    await until_ended(ops, execution_id)
    expected = [
        ("skip_wave", "ops", True, True),
        ("approve_wave", "lead", True, True),
        ("retry_wave", "ops", True, False),
        ("pause", "ops", True, True),
        # It is a request to Temporal, which cannot be signed.
        ("cancel", "ops", False, True),
    ]

    async def all_are_recorded() -> bool:
        # Recording goes on beside the plan's end, item by item.
        body = (await ops.get(f"{at}/messages")).json()["Messages"]
        keys = ("Name", "Actor", "ActorVerified", "Accepted")
        return [tuple(m[key] for key in keys) for m in body] == expected

    await env.eventually(all_are_recorded)
    assert (await env.recorded(execution_id)).messages[0].actor == "ops"
    assert (await ops.post(f"{at}/resume")).status_code == 409


async def test_a_key_starts_one_execution_however_often_and_late_it_comes(
    env: E2eEnvironment, served: Served
) -> None:
    ops, night = served.caller("keys", "operator"), served.caller("others", "operator")
    # It runs for eight seconds, until the others have asked.
    slow = env.aws.servers(1, LaunchSeconds=8 * SPEED)
    plan = env.plan(env.wave("Database", servers=slow))
    await register(ops, plan)

    async def start(caller: httpx.AsyncClient, **request: Any) -> httpx.Response:
        path = f"/plans/{plan.plan_id}/executions"
        return await caller.post(path, json=request, headers={"Idempotency-Key": "monday"})

    # More than may be started within a minute.
    answers = await asyncio.gather(*(start(ops) for _ in range(3 * STARTS_A_MINUTE)))
    assert sorted({answer.status_code for answer in answers}) == [200, 202]
    assert [answer.status_code for answer in answers].count(202) == 1
    (execution_id,) = {answer.json()["ExecutionId"] for answer in answers}
    other = await start(ops, CleanupAfterSeconds=60)
    assert other.status_code == 422
    assert "another request" in other.json()["detail"]
    # Another subject's key of the same name is a different key.
    assert (await start(night)).status_code == 409
    await until_ended(ops, execution_id)
    late = await start(ops)
    assert (late.status_code, late.json()["ExecutionId"]) == (200, execution_id)
    listed = await ops.get("/executions", params={"plan_id": plan.plan_id})
    assert len(listed.json()["Executions"]) == 1
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_a_real_recovery_needs_its_confirmation_at_every_step(
    env: E2eEnvironment, served: Served
) -> None:
    ops, root = served.caller("cautious", "operator"), served.caller("root", "admin")
    plan = long_plan(env)
    await register(ops, plan)
    path = f"/plans/{plan.plan_id}/executions"
    for wrong in ({}, {"Confirmation": "other"}, {"Confirmation": plan.plan_id.upper()}):
        refused = await ops.post(path, json={"ExecutionType": "RECOVERY", **wrong})
        assert refused.status_code == 422
        assert "nothing was started" in refused.json()["detail"]
    relaunch = {"Confirmation": plan.plan_id, "Relaunch": [plan.waves[0].server_ids[0]]}
    assert (await ops.post(path, json=relaunch)).status_code == 403
    assert await find_running(env.client, plan.plan_id) is None

    recovery = {"ExecutionType": "RECOVERY", "Confirmation": plan.plan_id}
    execution_id = (await ops.post(path, json=recovery)).json()["ExecutionId"]
    await until_launching(ops, execution_id)
    at = f"/executions/{execution_id}"
    unsure = await ops.post(f"{at}/cancel", json={"Reason": "a slip"})
    assert unsure.status_code == 422
    assert "nothing was cancelled" in unsure.json()["detail"]
    sure = {"Reason": "all is well", "Confirmation": plan.plan_id}
    assert (await ops.post(f"{at}/cleanup", json={"Force": True, **_confirmed(plan)})).status_code
    assert (await ops.post(f"{at}/cancel", json=sure)).status_code == 200
    await env.until(plan, lambda s: s.end_time is not None)
    await env.eventually(lambda: _recorded_end(env, execution_id))
    forced = {"Force": True, **_confirmed(plan)}
    assert (await ops.post(f"{at}/cleanup", json=forced)).status_code == 403
    assert (await root.post(f"{at}/cleanup", json={"Force": True})).status_code == 422
    assert (await root.post(f"{at}/cleanup", json=_confirmed(plan))).status_code == 422


def _confirmed(plan: RecoveryPlan) -> dict[str, str]:
    return {"Confirmation": plan.plan_id}


async def _recorded_end(env: E2eEnvironment, execution_id: str) -> bool:
    return (await env.recorded(execution_id)).end_time is not None


async def test_too_many_starts_within_a_minute_are_rejected(
    env: E2eEnvironment, served: Served
) -> None:
    hasty, calm = served.caller("hasty", "operator"), served.caller("calm", "operator")
    allowed = 0
    while (answer := await hasty.post("/plans/none/executions", json={})).status_code == 404:
        allowed += 1
        # A minute of the clock may begin in between.
        assert allowed <= 2 * STARTS_A_MINUTE
    assert (answer.status_code, allowed >= STARTS_A_MINUTE) == (429, True)
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert (await calm.post("/plans/none/executions", json={})).status_code == 404


async def test_the_job_log_of_a_wave_says_why_a_server_failed(
    env: E2eEnvironment, served: Served
) -> None:
    ops = served.caller("logs", "operator")
    error = "InsufficientInstanceCapacity: there is none left"
    bad = env.aws.servers(1, Outcome="failed-late", RawError=error)
    plan = env.plan(
        env.wave("Database", servers=[*env.aws.servers(1), *bad]), env.wave("App", "Database")
    )
    execution_id = await started(ops, plan)
    await until_ended(ops, execution_id)
    answer = await ops.get(f"/executions/{execution_id}/waves/database/jobs")
    assert answer.status_code == 200, answer.text
    (job,) = answer.json()["Jobs"]
    assert (job["Type"], job["Status"], job["Error"]) == ("LAUNCH", "COMPLETED", None)
    events = [line["Event"] for line in job["Lines"]]
    assert (events[0], events[-1]) == ("JOB_START", "JOB_END")
    failures = [line for line in job["Lines"] if line["RawError"]]
    assert [(line["SourceServerId"], line["RawError"]) for line in failures] == [(bad[0], error)]
    assert all(line["Time"] for line in job["Lines"])
    # It was never launched.
    never = await ops.get(f"/executions/{execution_id}/waves/app/jobs")
    assert never.json() == {"Jobs": []}
    assert (await ops.get(f"/executions/{execution_id}/waves/no/jobs")).status_code == 404


async def test_forecasts_are_of_one_plan_and_of_several_at_once(
    env: E2eEnvironment, served: Served
) -> None:
    ops = served.caller("forecasts", "operator")
    plans = [env.plan(env.wave("Database"), env.wave("App", "Database")) for _ in range(2)]
    for plan in plans:
        await register(ops, plan)
    one = (await ops.get(f"/plans/{plans[0].plan_id}/forecast")).json()
    assert one["Plans"][0]["CriticalPath"] == ["database", "app"]
    ids = [plan.plan_id for plan in plans]
    both = (await ops.post("/forecast", json={"PlanIds": ids})).json()
    assert [each["PlanId"] for each in both["Plans"]] == ids
    assert both["Jobs"] >= one["Jobs"]
    unknown = await ops.post("/forecast", json={"PlanIds": [*ids, "nothing"]})
    assert unknown.status_code == 404


async def queries_answered(env: E2eEnvironment) -> float:
    """How many QueryWorkflow calls Temporal has served, by its own count."""
    async with httpx.AsyncClient() as client:
        body = (await client.get(f"http://127.0.0.1:{env.stack.metrics_port}/metrics")).text
    return sum(
        float(line.rpartition(" ")[2])
        for line in body.splitlines()
        if line.startswith("service_requests{") and 'operation="QueryWorkflow"' in line
        and f'namespace="{env.client.namespace}"' in line
        and 'service_name="frontend"' in line
    )  # fmt: skip


@pytest.mark.slow
async def test_fifty_watchers_cost_temporal_no_more_than_one(
    env: E2eEnvironment, served: Served
) -> None:
    ops = served.caller("watches", "operator")
    plan = long_plan(env)
    execution_id = await started(ops, plan)
    await until_launching(ops, execution_id)

    async def cost(watchers: int) -> float:
        """What so many who watch for three seconds cost."""
        before = await queries_answered(env)

        async def watch() -> None:
            async with watching(ops, execution_id) as events:
                assert (await anext(events)).event == "state"
                await asyncio.sleep(3)

        await asyncio.gather(*(watch() for _ in range(watchers)))
        return await queries_answered(env) - before

    one = await cost(1)
    fifty = await cost(50)
    assert one >= 2
    # One more where the seconds fall otherwise.
    assert fifty <= one + 1
    assert (await ops.post(f"/executions/{execution_id}/cancel", json={})).status_code == 200


@pytest.mark.slow
async def test_polling_stops_after_the_last_watcher_disconnects(
    env: E2eEnvironment, served: Served
) -> None:
    ops = served.caller("leaves", "operator")
    plan = long_plan(env)
    execution_id = await started(ops, plan)
    async with watching(ops, execution_id) as events:
        await anext(events)
    await asyncio.sleep(1.5)
    before = await queries_answered(env)
    await asyncio.sleep(2.5)
    assert await queries_answered(env) == before > 0
    assert (await ops.post(f"/executions/{execution_id}/cancel", json={})).status_code == 200


async def test_health_reports_its_parts_without_a_token(
    env: E2eEnvironment, served: Served
) -> None:
    anonymous = served.with_token(None)
    assert (await anonymous.get("/health")).json() == {
        "Temporal": True,
        "Worker": True,
        "Launches": True,
        "History": True,
    }


@pytest.mark.parametrize("kind", ["application/yaml", "text/plain; charset=utf-8"])
async def test_an_invalid_plan_is_rejected_with_all_problems_and_lines(
    served: Served, kind: str
) -> None:
    ops = served.caller("ops")
    text = "PlanId: crm\nWaves:\n  - WaveId: db\n    ServerIds: [x]\n    Retry: 1\n"
    answer = await ops.post("/plans/validate", content=text, headers={"Content-Type": kind})
    assert answer.status_code == 422
    problems = {each.get("line"): each for each in answer.json()["problems"]}
    assert {4, 5} <= set(problems)
    assert problems[5]["wave"] == "db"
    assert "did you mean Retries?" in problems[5]["detail"]
