"""What the history has of executions, for tests of reports."""

from datetime import date
from typing import Any

from recovery.execution.cleanup_state import CleanupState, CleanupStatus
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import Decisions, OperatorDecision, WaveState, WaveStatus
from recovery.notify.notifier_state import DeliveryRecord
from recovery.plan.model import RecoveryPlan
from recovery.report.action_items import ActionItem
from recovery.report.model import ReportRecord
from recovery.steps.model import Step, StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus
from tests.cli.executions import CHAIN, START, begin

MINUTE = 60.0
SCRIPT = "<script>window.hacked = 1</script>"


def launched(server: ServerResult, end: float, **more: Any) -> ServerResult:
    given = {
        "launch_status": LaunchStatus.LAUNCHED,
        "verified": Verified.YES,
        "recovery_instance_id": f"i-{server.source_server_id[2:]}",
        "recovery_job_id": "drsjob-0123456789abcdefg",
        "recovery_point": START - 5 * MINUTE,
        "end_time": end,
    }
    return server.model_copy(update=given | more)


def complete(wave: WaveState, start: float, end: float, **more: Any) -> WaveState:
    """A wave that is COMPLETED, with all its servers."""
    wave.status, wave.attempt, wave.account_id = WaveStatus.COMPLETED, 1, "111122223333"
    wave.start_time, wave.end_time, wave.launch_end_time = start, end, end
    wave.completion_duration = end - start
    wave.servers = [launched(server, end, **more) for server in wave.servers]
    return wave


def completed(
    plan: RecoveryPlan = CHAIN, execution_type: ExecutionType = ExecutionType.DRILL
) -> ExecutionState:
    """An execution in which everything succeeded: its waves took ten minutes each."""
    state = begin(plan, execution_type)
    for number, wave in enumerate(state.waves):
        begun = START + 10 * MINUTE * number + 5
        complete(wave, begun, begun + 10 * MINUTE - 10)
    state.status, state.rpo = PlanStatus.COMPLETED, plan.rpo
    state.end_time = max(wave.end_time or 0.0 for wave in state.waves) + 1
    return state


def step_state(step_id: str, status: StepStatus, **more: Any) -> StepState:
    step = Step.model_validate({"StepId": step_id, "Tcp": {"Port": 5432}})
    return StepState.of(step, StepPhase.POST_LAUNCH).model_copy(update={"status": status} | more)


def record(state: ExecutionState, plan: RecoveryPlan = CHAIN, **more: Any) -> ReportRecord:
    return ReportRecord(state=state, plan=plan, **more)


def action_item(number: int = 1, **more: Any) -> ActionItem:
    given = {
        "execution_id": "crm-0f3b52a1c7d9",
        "number": number,
        "text": "Rehearse the DNS step",
        "owner": "network team",
        "due": date(2026, 12, 31),
        "added_by": "ann",
        "added_time": START + 3600,
    }
    return ActionItem.model_validate(given | more)


def hostile() -> ReportRecord:
    """A drill with an override, a step that was not tested and a failure; hostile texts in all."""
    text = f"{SCRIPT} \u202e\x1b[31m[a](javascript:x) {{{{ 7 * 7 }}}}"
    plan = CHAIN.model_copy(
        update={"plan_name": f"CRM {SCRIPT}", "rto": 60, "rpo": 15, "owner": text}
    )
    state = completed(plan)
    state.started_by, state.status, state.status_reason = text, PlanStatus.FAILED, text
    database, app, web = state.waves
    database.wave_name, database.status, database.status_reason = text, WaveStatus.PARTIAL, text
    database.server_names = {database.servers[0].source_server_id: text}
    database.steps = [
        step_state(
            "reachable",
            StepStatus.SKIPPED,
            decision=StepOverride.SKIP,
            actor=text,
            reason=text,
            attempt=1,
            start_time=START + 11 * MINUTE,
            end_time=START + 12 * MINUTE,
            link=f"javascript:{text}",
        ),
        step_state("dns", StepStatus.NOT_TESTED, reason=text),
    ]
    by = OperatorDecision(actor=text, time=START + 15 * MINUTE, reason=text)
    app.decisions = Decisions(approved_by=by)
    web.status, web.status_reason = WaveStatus.FAILED, text
    web.servers = [server.failed(text, at=START + 25 * MINUTE) for server in web.servers]
    state.messages = [
        MessageRecord(
            name="skip_step",
            wave_id="w0",
            step_id="reachable",
            actor=text,
            time=START + 12 * MINUTE,
            reason=text,
            accepted=True,
            effect=text,
        )
    ]
    state.cleanup = CleanupState(
        execution_id=state.execution_id,
        status=CleanupStatus.PARTIAL,
        status_reason=text,
        actor=text,
        start_time=START + 3600,
        differences=[text],
    )
    return record(
        state,
        plan,
        versions=[3],
        action_items=[action_item(text=SCRIPT, owner=SCRIPT, note=text)],
        deliveries=[
            DeliveryRecord(
                notification_id="n", channel=SCRIPT, time=START, items=1, attempts=3, error=text
            )
        ],
    )
