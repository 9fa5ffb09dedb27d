"""Drills that a plan's schedule starts, on Temporal's own Schedules."""

import asyncio
import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import ScheduleBackfill, WorkflowFailureError
from typer.testing import CliRunner

from activities.schedule.made_schedule import scheduled_drill
from cli.app import app
from client.errors import RefusedError
from client.readiness.reports import look_now
from client.schedules.drill_schedules import DrillSchedules
from client.schedules.reconcile import reconcile_schedules, remove_schedules
from client.start import start_execution
from contract.execution import StartExecution
from contract.identifiers import cleanup_workflow_id, plan_workflow_id, search_attributes
from contract.schedules.drill import ScheduledDrill
from contract.schedules.kinds import ScheduleKind
from contract.temporal import TASK_QUEUE
from recovery.execution.cleanup_state import CleanupStatus
from recovery.execution.state import PlanStatus
from recovery.execution.wave import WaitingFor, WaveStatus
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import FindingCode
from recovery.schedule.cron import Cron
from recovery.schedule.model import DrillIsolation, DrillSchedule, FreezeWindow, SkipIf
from recovery.schedule.record import DrillRecord, DrillStatus, SkipCode
from settings import get_settings
from storage.readiness import ReadinessTable
from storage.schedules import ScheduleTable
from tests.end_to_end.conftest import RECOVERY, E2eEnvironment, RunningWorkers, wave_of
from tests.end_to_end.test_notifications import Receivers, receivers
from tests.end_to_end.test_signed_requests import Keys, keys
from workflows.plan.workflow import RecoveryPlanWorkflow
from workflows.schedules.scheduled_drill import ScheduledDrillWorkflow

__all__ = ["keys", "receivers"]

SATURDAYS = "0 3 * * SAT"
ALWAYS = "* * * * *"


class Schedules:
    """The schedules of a test's plans, which are registered in its table."""

    def __init__(self, env: E2eEnvironment) -> None:
        self.env = env
        self.table = ScheduleTable(get_settings())
        self.drills = DrillSchedules(self._client, self.table)

    async def _client(self) -> Any:
        return self.env.client

    async def register(self, plan: RecoveryPlan, **how: Any) -> None:
        """Register a plan as the command line and the API do."""
        await self.table.register(plan, author="ann")
        await reconcile_schedules(self.env.client, plan, **{"actor": "ann"} | how)

    async def run_now(self, plan: RecoveryPlan) -> DrillRecord:
        """Have a drill at once; what was decided."""
        return await self.drills.run_now(plan.plan_id, actor="ops")

    async def ended(self, plan: RecoveryPlan, status: DrillStatus) -> DrillRecord:
        """Await a record of the newest drill with this status."""
        async with asyncio.timeout(90):
            while True:
                found = await self.table.drills(plan.plan_id)
                if found and found[0].status is status:
                    return found[0]
                await asyncio.sleep(0.2)

    async def last_minute(self, plan: RecoveryPlan, *, before: int = 0) -> None:
        """Have Temporal start what its schedule had for a full minute, which it does once."""
        handle = self.env.client.get_schedule_handle(ScheduleKind.DRILL.schedule_id(plan.plan_id))
        minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=before)
        began = minute - timedelta(seconds=1)
        await handle.backfill(ScheduleBackfill(began, minute + timedelta(seconds=1)))


def scheduled(
    env: E2eEnvironment,
    *,
    cron: str = SATURDAYS,
    of_schedule: dict[str, Any] | None = None,
    **fields: Any,
) -> RecoveryPlan:
    """A plan of one wave with a schedule."""
    return env.plan(
        env.wave("Database"),
        schedule=DrillSchedule.model_validate(
            {"cron": cron, "cleanup_after": "1m"} | (of_schedule or {})
        ),
        isolation=DrillIsolation.NOT_NEEDED,
        **fields,
    )


async def test_a_scheduled_drill_runs_is_cleaned_up_and_is_reported(
    env_without_worker: E2eEnvironment, receivers: Receivers
) -> None:
    env = env_without_worker
    async with RunningWorkers(env):
        schedules, plan = Schedules(env), scheduled(env)
        await schedules.register(plan)
        record = await schedules.run_now(plan)
        assert record.status is DrillStatus.RUNNING
        record = await schedules.ended(plan, DrillStatus.ENDED)
        assert (record.outcome, record.cleanup) == (PlanStatus.COMPLETED, CleanupStatus.COMPLETED)
        state = await env.recorded(record.execution_id)
        assert state.execution_type == "DRILL"
        assert state.started_by == "ops"
        (server,) = plan.waves[0].server_ids
        assert len(env.aws.accepted_launches(server)) == 1
        assert env.aws.instances_up(server) == []

        async def is_reported() -> bool:
            return ("EVENT", "DRILL_ENDED") in receivers.items()

        await env.eventually(is_reported)
        view = await schedules.drills.show(plan.plan_id)
        assert view.last == record


async def test_temporal_starts_the_drill_of_a_time_once_and_announces_it(
    env_without_worker: E2eEnvironment, receivers: Receivers
) -> None:
    env = env_without_worker
    async with RunningWorkers(env):
        schedules = Schedules(env)
        plan = scheduled(env, cron=ALWAYS, of_schedule={"announce": "2m"})
        await schedules.register(plan)
        await schedules.drills.pause(plan.plan_id, actor="ann", reason="one is enough")
        await schedules.last_minute(plan)
        record = await schedules.ended(plan, DrillStatus.ENDED)
        assert record.scheduled_time % 60 == 0
        assert record.started_by is None
        state = await env.recorded(record.execution_id)
        assert state.started_by == "schedule of ann"
        events = [what for kind, what in receivers.items() if kind == "EVENT"]
        assert events.index("DRILL_ANNOUNCED") < events.index("STARTED")
        (server,) = plan.waves[0].server_ids
        assert len(env.aws.accepted_launches(server)) == 1
        # The same time again, by somebody who may write to Temporal.
        drill = await scheduled_drill(env.client, plan.plan_id)
        assert drill is not None
        assert drill.execution_id(record.scheduled_time) == record.execution_id


async def test_a_drill_that_no_worker_took_up_in_time_is_overdue_and_not_started_later(
    env_without_worker: E2eEnvironment, receivers: Receivers
) -> None:
    env = env_without_worker
    schedules, plan = Schedules(env), scheduled(env, cron=ALWAYS)
    await schedules.register(plan)
    await schedules.drills.pause(plan.plan_id, actor="ann", reason="one is enough")
    await schedules.last_minute(plan, before=90)
    async with RunningWorkers(env):
        record = await schedules.ended(plan, DrillStatus.SKIPPED)
        assert record.skip is SkipCode.MISSED

        async def is_reported() -> bool:
            return ("EVENT", "DRILL_OVERDUE") in receivers.items()

        await env.eventually(is_reported)
        assert env.aws.accepted_launches(plan.waves[0].server_ids[0]) == []


async def test_two_triggers_at_once_start_one_drill(env: E2eEnvironment) -> None:
    schedules, plan = Schedules(env), scheduled(env)
    await schedules.register(plan)
    records = await asyncio.gather(schedules.run_now(plan), schedules.run_now(plan))
    assert sorted(each.status for each in records) == [DrillStatus.RUNNING, DrillStatus.SKIPPED]
    (skipped,) = (each for each in records if each.status is DrillStatus.SKIPPED)
    assert skipped.skip in (SkipCode.EXECUTION_RUNS, SkipCode.CLEANUP_OPEN)

    async def has_ended() -> bool:
        drills = await schedules.table.drills(plan.plan_id)
        return {each.status for each in drills} == {DrillStatus.ENDED, DrillStatus.SKIPPED}

    await env.eventually(has_ended, within=90)
    assert len(env.aws.accepted_launches(plan.waves[0].server_ids[0])) == 1


async def test_nothing_starts_in_a_freeze_window_nor_unless_the_plan_is_ready(
    env_without_worker: E2eEnvironment,
    receivers: Receivers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = env_without_worker
    window = {"From": "2020-01-01T00:00Z", "To": "2120-01-01T00:00Z", "Reason": "year end"}
    file = tmp_path / "freeze.json"
    file.write_text(json.dumps({"Freeze": []}))
    monkeypatch.setenv("DRS_WAVES_FREEZE_FILE", str(file))
    get_settings.cache_clear()
    async with RunningWorkers(env):
        schedules = Schedules(env)
        own = scheduled(env, freeze=[FreezeWindow.model_validate(window)])
        await schedules.register(own)
        view = await schedules.drills.show(own.plan_id)
        assert view.next_text.endswith("; skipped: a freeze window")
        assert (await schedules.run_now(own)).skip is SkipCode.FREEZE
        # The file is read before each drill.
        file.write_text(json.dumps({"Freeze": [window]}))
        other = scheduled(env)
        await schedules.register(other)
        record = await schedules.run_now(other)
        assert record.skip is SkipCode.FREEZE
        assert "year end" in record.reason
        file.write_text(json.dumps({"Freeze": []}))
        unknown = scheduled(env, of_schedule={"skip_if": SkipIf.NOT_READY})
        await schedules.register(unknown)
        record = await schedules.run_now(unknown)
        assert (record.status, record.skip) == (DrillStatus.SKIPPED, SkipCode.NOT_READY)
        assert [await schedules.ended(each, DrillStatus.SKIPPED) for each in (own, other)]
        skipped = [("EVENT", "DRILL_SKIPPED")] * 3

        async def are_notified() -> bool:
            return receivers.items() == skipped

        await env.eventually(are_notified)


async def test_a_real_recovery_skips_drills_in_its_account_and_holds_back_those_that_run(
    env: E2eEnvironment,
) -> None:
    schedules = Schedules(env)
    running = env.plan(
        env.wave("Database"),
        env.wave("App", "Database", approval_required=True),
        env.wave("Web", "App"),
    )
    drill = await start_execution(env.client, running)
    await env.until(running, lambda s: wave_of(s, "App").waiting_for is WaitingFor.APPROVAL)
    # It launches nothing for a while: it waits for an approval.
    recovery = env.plan(env.wave("Cache", approval_required=True))
    recovery_id = await start_execution(
        env.client, recovery, execution_type=RECOVERY, confirmation=recovery.plan_id
    )
    await env.until(recovery, lambda s: wave_of(s, "Cache").waiting_for is WaitingFor.APPROVAL)
    plan = scheduled(env)
    await schedules.register(plan)
    record = await schedules.run_now(plan)
    assert record.skip is SkipCode.RECOVERY_RUNS
    assert recovery_id in record.reason
    await approve(env, running, "app")
    state = await env.until(running, lambda s: wave_of(s, "App").waiting_for is WaitingFor.RECOVERY)
    assert recovery_id in wave_of(state, "App").status_reason
    assert wave_of(state, "App").status is WaveStatus.WAITING
    await approve(env, recovery, "cache")
    ended = await env.end(recovery, recovery_id)
    state = await env.end(running, drill)
    assert (ended.status, state.status) == (PlanStatus.COMPLETED, PlanStatus.COMPLETED)
    start = wave_of(state, "App").start_time
    assert start is not None
    assert ended.end_time is not None
    assert start > ended.end_time


async def approve(env: E2eEnvironment, plan: RecoveryPlan, wave: str) -> None:
    """Approve a wave."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["approve-wave", plan.plan_id, wave])
    assert result.exit_code == 0, result.output


async def test_a_registration_makes_changes_and_removes_the_schedule(
    env_without_worker: E2eEnvironment,
) -> None:
    env = env_without_worker
    schedules, plan = Schedules(env), scheduled(env, of_schedule={"time_zone": "Europe/Berlin"})
    for _ in range(2):
        await schedules.register(plan)
    view = await schedules.drills.show(plan.plan_id)
    cron = Cron.parse(SATURDAYS, "Europe/Berlin")
    assert view.next_times == list(itertools.islice(cron.times(time.time()), 3))
    await schedules.drills.pause(plan.plan_id, actor="ann", reason="holidays")
    daily = plan.model_copy(
        update={"schedule": DrillSchedule(cron="30 2 * * *", cleanup_after="2h")}
    )
    assert daily.plan_hash == plan.plan_hash
    await schedules.register(daily)
    view = await schedules.drills.show(plan.plan_id)
    assert (view.cron, view.time_zone, view.is_paused) == ("30 2 * * *", "UTC", True)
    assert view.note == "paused by ann: holidays"
    registered = await schedules.table.plan(plan.plan_id)
    assert registered is not None
    assert registered.version.version == 2

    async def is_listed() -> bool:
        found = await schedules.drills.list()
        return [(e.plan_id, e.cron, e.is_paused) for e in found] == [
            (plan.plan_id, "30 2 * * *", True)
        ]

    await env.eventually(is_listed)
    view = await schedules.drills.resume(plan.plan_id, actor="ann", reason="")
    assert view.next_times
    await schedules.register(daily.model_copy(update={"schedule": None}))
    with pytest.raises(RefusedError, match="no schedule"):
        await schedules.drills.show(plan.plan_id)
    await remove_schedules(env.client, plan.plan_id)


async def test_a_look_finds_a_schedule_that_is_missing_or_another(env: E2eEnvironment) -> None:
    schedules, plan = Schedules(env), scheduled(env)

    async def found() -> list[str]:
        report = await look_now(env.client, ReadinessTable(get_settings()), plan.plan_id)
        return [f.message for f in report.findings if f.code is FindingCode.DRILLS_NOT_SCHEDULED]

    await schedules.register(plan)
    assert await found() == []
    handle = env.client.get_schedule_handle(ScheduleKind.DRILL.schedule_id(plan.plan_id))
    await handle.delete()
    assert await found() == ["Temporal has no schedule of its drills"]
    await schedules.register(plan)
    at_night = DrillSchedule(cron="30 2 * * *", cleanup_after="2h")
    await schedules.table.register(plan.model_copy(update={"schedule": at_night}), author="ann")
    (message,) = await found()
    assert "no such schedule" in message


@pytest.mark.parametrize(
    "cron", ["*/20 1-3,5 * * MON-FRI", "0 0 1 JAN,jul *", "5 4 28/2 * *", ALWAYS]
)
@pytest.mark.slow
async def test_our_times_of_a_cron_expression_are_those_of_temporal(
    env_without_worker: E2eEnvironment, cron: str
) -> None:
    schedules = Schedules(env_without_worker)
    zone = "America/New_York"
    plan = scheduled(env_without_worker, cron=cron, of_schedule={"time_zone": zone})
    now = time.time()
    await schedules.register(plan)
    handle = env_without_worker.client.get_schedule_handle(
        ScheduleKind.DRILL.schedule_id(plan.plan_id)
    )
    times = [t.timestamp() for t in (await handle.describe()).info.next_action_times]
    ours = list(itertools.islice(Cron.parse(cron, zone).times(now), 6))
    # A minute may have begun since.
    ours = [each for each in ours if each >= times[0]]
    assert times[: len(ours)] == ours
    assert len(ours) > 4


@pytest.mark.slow
async def test_another_registered_plan_than_the_schedules_is_not_drilled(
    env: E2eEnvironment,
) -> None:
    schedules, plan = Schedules(env), scheduled(env)
    await schedules.register(plan)
    # As if Temporal had not answered the registration.
    await schedules.table.register(
        plan.model_copy(update={"waves": [env.wave("Other")]}), author="ann"
    )
    assert (await schedules.run_now(plan)).skip is SkipCode.OTHER_PLAN


@pytest.mark.slow
async def test_a_signed_schedule_starts_its_drills_and_nothing_else(
    env_without_worker: E2eEnvironment, keys: Keys
) -> None:
    env = env_without_worker
    async with RunningWorkers(env):
        schedules, plan = Schedules(env), scheduled(env, cron=ALWAYS)
        (server,) = plan.waves[0].server_ids
        await schedules.register(plan, signer=keys.api)
        await schedules.drills.pause(plan.plan_id, actor="ann", reason="one is enough")
        await schedules.last_minute(plan)
        record = await schedules.ended(plan, DrillStatus.ENDED)
        assert (record.outcome, record.cleanup) == (PlanStatus.COMPLETED, CleanupStatus.COMPLETED)
        assert env.aws.instances_up(server) == []
        launched = len(env.aws.accepted_launches(server))

        # A drill at another time, as somebody who may only write to Temporal would have it.
        handle = env.client.get_schedule_handle(ScheduleKind.DRILL.schedule_id(plan.plan_id))
        await handle.trigger()
        refused = await schedules.ended(plan, DrillStatus.SKIPPED)
        assert refused.skip is SkipCode.REFUSED
        assert "not of a time of the signed schedule" in refused.reason
        # One by a person is signed by itself.
        record = await schedules.drills.run_now(plan.plan_id, actor="ops", signer=keys.api)
        assert record.status is DrillStatus.RUNNING
        await schedules.ended(plan, DrillStatus.ENDED)
        assert len(env.aws.accepted_launches(server)) == launched + 1

        # Another plan with the signature of this one.
        drill = await scheduled_drill(env.client, plan.plan_id)
        assert drill is not None
        other = scheduled(env, cron=ALWAYS)
        await schedules.table.register(other, author="mallory")
        record = await _forged(env, drill, other)
        assert record.skip is SkipCode.REFUSED
        assert env.aws.accepted_launches(other.waves[0].server_ids[0]) == []

        # The plan's own workflow with this signature: at another time, or as a recovery.
        assert drill.signed is not None
        old = record.scheduled_time - record.scheduled_time % 60 - 7200
        recovery = {"execution_type": RECOVERY, "confirmation": plan.plan_id}
        for refusal, fields in (
            ("began at", {"scheduled_time": old}),
            ("drills only", {"scheduled_time": old + 7200, **recovery}),
            ("not of a time", {"scheduled_time": None}),
        ):
            await _started_by_hand(env, plan, drill, refusal, **fields)
        assert len(env.aws.accepted_launches(server)) == launched + 1


@pytest.mark.slow
async def test_the_signature_of_a_schedule_starts_nothing_in_a_freeze_window_or_once_removed(
    env_without_worker: E2eEnvironment,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = env_without_worker
    file = tmp_path / "freeze.json"
    window = {"From": "2020-01-01T00:00Z", "To": "2120-01-01T00:00Z"}
    file.write_text(json.dumps({"Freeze": [window]}))
    monkeypatch.setenv("DRS_WAVES_FREEZE_FILE", str(file))
    get_settings.cache_clear()
    async with RunningWorkers(env):
        schedules, plan = Schedules(env), scheduled(env, cron=ALWAYS)
        (server,) = plan.waves[0].server_ids
        await schedules.register(plan, signer=keys.api)
        await schedules.drills.pause(plan.plan_id, actor="ann", reason="by hand")
        drill = await scheduled_drill(env.client, plan.plan_id)
        assert drill is not None
        # By somebody who may write to Temporal, past the workflow that decides.
        minute = time.time() // 60 * 60
        await _started_by_hand(env, plan, drill, "freeze window", scheduled_time=minute)
        file.write_text(json.dumps({"Freeze": []}))
        await schedules.register(plan.model_copy(update={"schedule": None}))
        await _started_by_hand(env, plan, drill, "no such schedule", scheduled_time=minute - 60)
        assert env.aws.accepted_launches(server) == []


async def _started_by_hand(
    env: E2eEnvironment, plan: RecoveryPlan, drill: ScheduledDrill, refusal: str, **fields: Any
) -> None:
    """Start a plan's workflow with the signature of its schedule; await its refusal."""
    start = StartExecution(
        execution_id=drill.execution_id(fields["scheduled_time"] or 0.0),
        plan=plan,
        started_by=drill.started_by,
        start_time=time.time(),
        signed=drill.signed,
    ).model_copy(update=fields)
    with pytest.raises(WorkflowFailureError):
        await env.client.execute_workflow(
            RecoveryPlanWorkflow.run,
            start,
            id=plan_workflow_id(plan.plan_id),
            task_queue=TASK_QUEUE,
            # As `start_execution` has them: without them, it is no open execution of the plan.
            search_attributes=search_attributes(
                plan.plan_id, start.execution_id, start.execution_type, PlanStatus.IN_PROGRESS
            ),
        )
    (wave,) = (await env.recorded(start.execution_id)).waves
    assert wave.status_reason
    assert refusal in wave.status_reason


async def _forged(env: E2eEnvironment, drill: ScheduledDrill, other: RecoveryPlan) -> DrillRecord:
    changed = {"plan_id": other.plan_id, "plan_hash": other.plan_hash}
    return await env.client.execute_workflow(
        ScheduledDrillWorkflow.run,
        drill.model_copy(update=changed),
        id="forged",
        task_queue=TASK_QUEUE,
    )


@pytest.mark.slow
async def test_a_revoked_schedule_starts_nothing(
    env_without_worker: E2eEnvironment, keys: Keys
) -> None:
    env = env_without_worker
    async with RunningWorkers(env):
        schedules, plan = Schedules(env), scheduled(env, cron=ALWAYS)
        unsigned = scheduled(env, cron=ALWAYS)
        await schedules.register(unsigned)
        await schedules.drills.pause(unsigned.plan_id, actor="ann", reason="")
        await schedules.last_minute(unsigned)
        record = await schedules.ended(unsigned, DrillStatus.SKIPPED)
        assert record.skip is SkipCode.REFUSED
        assert "not signed" in record.reason
        await schedules.register(plan, signer=keys.api)
        view = await schedules.drills.revoke(plan.plan_id, actor="ann", reason="key lost")
        assert view.is_paused
        # The signature is kept: an unsigned registration does not make another.
        await schedules.register(plan)
        await schedules.last_minute(plan, before=1)
        record = await schedules.ended(plan, DrillStatus.SKIPPED)
        assert record.skip is SkipCode.REFUSED
        assert "ann revoked it" in record.reason
        # Signing it again makes another one.
        await schedules.drills.sign(plan.plan_id, actor="ann", signer=keys.api)
        await schedules.last_minute(plan)
        await schedules.ended(plan, DrillStatus.ENDED)


@pytest.mark.slow
async def test_the_command_line_shows_pauses_and_runs_schedules(env: E2eEnvironment) -> None:
    schedules, plan = Schedules(env), scheduled(env, of_schedule={"time_zone": "Europe/Berlin"})
    await schedules.register(plan)

    async def shown(*arguments: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["schedule", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    first = await shown("show", plan.plan_id)
    assert "Sat " in first
    assert "UTC)" in first
    assert "PAUSED: paused by" in await shown("pause", plan.plan_id, "--reason", "holidays")
    await shown("resume", plan.plan_id)
    record = DrillRecord.model_validate_json(await shown("run-now", plan.plan_id, "--json"))
    assert record.status is DrillStatus.RUNNING
    await schedules.ended(plan, DrillStatus.ENDED)

    async def is_listed() -> bool:
        return "ENDED: " in await shown("list")

    await env.eventually(is_listed)


@pytest.mark.slow
async def test_a_drill_that_is_replaced_by_a_recovery_ends_cancelled(env: E2eEnvironment) -> None:
    schedules, plan = Schedules(env), scheduled(env)
    await schedules.register(plan)
    record = await schedules.run_now(plan)
    handle = env.client.get_workflow_handle(plan_workflow_id(plan.plan_id))
    await handle.cancel(reason="Replaced by a real recovery")
    await env.client.get_workflow_handle(cleanup_workflow_id(record.execution_id)).cancel()
    record = await schedules.ended(plan, DrillStatus.ENDED)
    assert record.outcome is PlanStatus.CANCELLED
