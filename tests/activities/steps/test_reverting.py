"""What a step replaced is put back, unless someone else has changed it since."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.exceptions import ApplicationError

from activities.access.verifier import RequestVerifier
from activities.steps.reverting import RevertActivities
from aws.targets import TargetClients
from contract.steps import RevertResult, StartRevert
from recovery.access.audit import AuditPlace
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.operator.confirmation import RequestRefusalCode, revert_refusal
from recovery.plan.model import RecoveryPlan, Wave
from recovery.steps.model import Step, StepPhase
from recovery.steps.replaced import RevertView
from recovery.steps.state import StepState
from security.audit_log import AuditLog
from settings import Settings
from storage.history import HistoryTable
from tests.activities.steps.kinds.test_route53_record import OLD, SET, values, zone
from tests.activities.steps.kinds.test_routing_control import ARN, REGIONS
from tests.activities.steps.step_calls import step_activities, step_call
from tests.aws_in_process import Attempt, LocalAws, Temporal

ID = "crm-0f3b52a1c7d9"


class Table:
    """A history that has one execution."""

    def __init__(self, step: Step, before: Any) -> None:
        wave = Wave.model_validate(
            {"WaveId": "cutover", "Region": "us-west-2", "Servers": []}
            | {"Steps": [step.model_dump(mode="json")]}
        )
        self.plan = RecoveryPlan(plan_id="crm", plan_name="CRM", waves=[wave])
        state = StepState.of(step, StepPhase.ALONE)
        state.before = before
        waves = [WaveState(wave_id="cutover", wave_name="Cut-over", steps=[state])]
        self.state = ExecutionState(
            execution_id=ID,
            plan_id="crm",
            plan_name="CRM",
            execution_type=ExecutionType.RECOVERY,
            plan_hash="",
            started_by="ana",
            start_time=0.0,
            waves=waves,
        )

    async def execution(self, execution_id: str) -> tuple[ExecutionState, RecoveryPlan]:
        return self.state, self.plan


class Reverts:
    """Putting back one step, as an operator does it."""

    def __init__(self, settings: Settings, temporal: Temporal, step: Step, before: Any) -> None:
        table = cast(HistoryTable, Table(step, before))
        verifier = RequestVerifier(settings, AuditLog(AuditPlace.WORKER))
        clients = TargetClients(settings)
        self._activities = RevertActivities(clients, settings, table, verifier)
        self._temporal = temporal
        self.start = StartRevert(
            execution_id=ID, plan_id="crm", step=f"cutover/{step.step_id}", actor="ana"
        )

    async def run(self, start: StartRevert, number: int = 1) -> RevertResult:
        attempt = Attempt(self._temporal, number=number)
        info = attempt.environment.info
        attempt.environment.info = replace(info, workflow_type="RevertStepWorkflow")
        return await attempt.run(self._activities.revert_step, start)

    async def look(self) -> RevertView:
        return (await self.run(self.start)).view

    def confirmed(self, view: RevertView, **keys: Any) -> StartRevert:
        return self.start.model_copy(update={"view": view, "confirmation": self.start.step} | keys)


async def applied(settings: Settings, temporal: Temporal, **step: Any) -> Reverts:
    """Run a step, and prepare to put back what it replaced."""
    call = step_call(**step)
    start = await Attempt(temporal).run(step_activities(settings).start_step, call)
    return Reverts(settings, temporal, call.step, start.before)


@pytest.mark.parametrize("records", [[OLD], []])
async def test_a_record_is_put_back(
    aws: LocalAws, fast: Settings, temporal: Temporal, records: list[Any]
) -> None:
    zone(aws, *records)
    before = values(aws)
    reverts = await applied(fast, temporal, Route53Record=SET)
    assert values(aws) != before
    view = await reverts.look()
    assert values(aws) != before
    result = await reverts.run(reverts.confirmed(view))
    assert values(aws) == before
    assert "all DNS servers have it" in result.text
    # A repeat after a lost worker.
    assert "as it was" in (await reverts.run(reverts.confirmed(view), number=2)).text


async def test_what_someone_else_set_is_put_back_by_force_only(
    aws: LocalAws, fast: Settings, temporal: Temporal
) -> None:
    zone(aws, OLD)
    reverts = await applied(fast, temporal, Route53Record=SET)
    shown = await reverts.look()
    zone(aws, OLD | {"Values": ["foreign.example.com"]})
    with pytest.raises(ApplicationError, match="has changed since it was shown"):
        await reverts.run(reverts.confirmed(shown, is_forced=True))
    view = await reverts.look()
    with pytest.raises(ApplicationError, match="by force only"):
        await reverts.run(reverts.confirmed(view))
    assert values(aws) == {"shop.example.com.CNAME": ["foreign.example.com"]}
    await reverts.run(reverts.confirmed(view, is_forced=True))
    assert values(aws) == {"shop.example.com.CNAME": ["old.example.com"]}


async def test_a_routing_control_is_put_back(
    aws: LocalAws, fast: Settings, temporal: Temporal
) -> None:
    aws.apply(RoutingControls=[{"RoutingControlArn": ARN, "Name": "shop", "State": "Off"}])
    url = aws.server.endpoint_url
    endpoints = {each: f"{url}/_recovery-cluster/{each}/v1" for each in REGIONS}
    spec = {"RoutingControlArn": ARN, "State": "On", "ClusterEndpoints": endpoints}
    reverts = await applied(fast, temporal, RoutingControl=spec)
    view = await reverts.look()
    assert (view.now, view.was) == ("On", "Off")
    await reverts.run(reverts.confirmed(view))
    assert (await reverts.look()).now == "Off"


async def test_without_a_signature_nothing_is_put_back(
    aws: LocalAws, fast: Settings, temporal: Temporal, tmp_path: Path
) -> None:
    zone(aws, OLD)
    reverts = await applied(fast, temporal, Route53Record=SET)
    view = await reverts.look()
    reverts._activities._verifier.is_required = True
    with pytest.raises(ApplicationError, match="not signed"):
        await reverts.run(reverts.confirmed(view))
    assert values(aws) == {"shop.example.com.CNAME": ["new.example.com"]}


async def test_what_is_not_known_is_not_put_back(
    aws: LocalAws, fast: Settings, temporal: Temporal
) -> None:
    step = step_call(Route53Record=SET).step
    with pytest.raises(ApplicationError, match="replaced nothing that is known"):
        await Reverts(fast, temporal, step, None).look()


def test_the_confirmation_is_the_step() -> None:
    view = RevertView(place="record", now="b", was="a", set_to="b")
    assert revert_refusal(view, "w/s", "w/s", is_forced=False) is None
    for given, code in (
        (None, RequestRefusalCode.MISSING),
        ("", RequestRefusalCode.WRONG),
        ("crm", RequestRefusalCode.WRONG),
    ):
        refused = revert_refusal(view, "w/s", given, is_forced=True)
        assert refused is not None
        assert refused.code is code
        assert "'w/s'" in refused.text
