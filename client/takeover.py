"""Continues an execution that has ended: what a new one takes over from it."""

from collections.abc import Iterable
from dataclasses import dataclass

from temporalio.client import Client

from client.connection import connect_to_temporal
from client.errors import RefusedError
from client.executions import find_running
from contract.execution import Takeover
from contract.readiness import Readiness
from recovery.execution.server import LaunchStatus, ServerResult
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState
from recovery.plan.diff import differences
from recovery.plan.model import RecoveryPlan
from recovery.steps.state import StepState
from settings import get_settings
from storage.history import HistoryTable


async def recorded_execution(execution_id: str) -> tuple[ExecutionState, RecoveryPlan]:
    """An execution and its frozen plan, from DynamoDB only.

    Raises:
        RefusedError: the history does not have it.
        HistoryError: the history cannot be read.
    """
    table = HistoryTable(get_settings())
    found = await table.execution(execution_id)
    if found is None:
        raise RefusedError(
            f"the history table {table.name} holds no execution {execution_id!r}",
            command="`drs-waves executions` lists them",
            request="GET /api/executions lists them",
        )
    return found


async def refuse_while_running(client: Client, state: ExecutionState, then: str) -> None:
    """Refuse to continue an execution that has not ended; `then` is what to do instead.

    Raises:
        RefusedError: it is still running.
    """
    running = await find_running(client, state.plan_id)
    if running is not None and running.execution_id == state.execution_id:
        raise RefusedError(f"{state.execution_id} is still running; {then}")


@dataclass(frozen=True)
class PreviousExecution:
    """An earlier execution that a new one continues.

    Attributes:
        state: its recorded state.
        plan: the plan to run now.
        changes: how that plan differs from the earlier one, a line each.
        named: the execution that was named; another one if that launched nothing.
        is_corrected: the plan was given, and is not the frozen one.
    """

    state: ExecutionState
    plan: RecoveryPlan
    changes: tuple[str, ...]
    named: str = ""
    is_corrected: bool = False

    @property
    def declared(self) -> float:
        """When it was declared, or else started (epoch seconds).

        What continues it counts from then too, or only the last part of a recovery would count.
        """
        declared = self.state.declared_time
        return self.state.start_time if declared is None else declared

    @property
    def takeover(self) -> Takeover:
        """The reference to it; the new execution reads its servers from the history."""
        return Takeover(execution_id=self.state.execution_id, since=self.state.start_time)

    @property
    def up(self) -> list[str]:
        """The servers of the plan to run that are recorded as launched."""
        return self._of_plan(self.state.servers_up)

    @property
    def launching(self) -> list[str]:
        """The servers of the plan to run whose recorded job may still launch them."""
        open_ = (LaunchStatus.PENDING, LaunchStatus.IN_PROGRESS)
        servers = (server for wave in self.state.waves for server in wave.servers)
        return self._of_plan(s for s in servers if s.recovery_job_id and s.launch_status in open_)

    def _of_plan(self, servers: Iterable[ServerResult]) -> list[str]:
        ids = {server.source_server_id for server in servers}
        return [i for wave in self.plan.waves for i in wave.server_ids if i in ids]

    def without_own(self, readiness: Readiness) -> Readiness:
        """The result of a check, without findings about the jobs that are taken over."""
        servers = (server for wave in self.state.waves for server in wave.servers)
        own = {(s.source_server_id, s.recovery_job_id) for s in servers if s.recovery_job_id}
        findings = [f for f in readiness.findings if (f.source_server_id, f.job_id) not in own]
        return readiness.with_findings(findings)


async def previous_execution(
    execution_id: str,
    corrected: RecoveryPlan | None,
    execution_type: ExecutionType,
    *,
    replace_drill: bool = False,
) -> PreviousExecution:
    """Read an execution to continue, with its frozen plan or a corrected one.

    With `replace_drill`, a running drill of the plan will be cancelled first.

    Raises:
        RefusedError: it has another type or plan, or is still running; nothing was started.
    """
    state, frozen = await recorded_execution(execution_id)
    _refuse_other_mode(state, execution_type)
    # What was chosen for a point in time, and by tags, is chosen once.
    plan, named = frozen, state
    if corrected is not None:
        plan = corrected.with_members_of(frozen).at_points_of(frozen)
    if has_launched_nothing(state):
        state, frozen = await earlier_with_servers(state, frozen) or (state, frozen)
    if plan.plan_id != state.plan_id:
        raise RefusedError(
            f"nothing was started: {execution_id} is of plan {state.plan_id!r}, and the corrected "
            f"plan is {plan.plan_id!r}"
        )
    running = await find_running(await connect_to_temporal(), state.plan_id)
    if running is not None and running.execution_id == execution_id:
        raise RefusedError(
            f"nothing was started: {execution_id} is still running; steer it, or cancel it first",
            command=f"`drs-waves watch {state.plan_id}`, `drs-waves cancel {state.plan_id}`",
            request=f"POST /api/executions/{execution_id}/cancel cancels it",
            running=execution_id,
        )
    drill = running is not None and running.execution_type is ExecutionType.DRILL
    if running is not None and not (replace_drill and drill):
        raise RefusedError(
            f"nothing was started: {running.execution_id} of the same plan is running; "
            "one execution of a plan runs at a time",
            running=running.execution_id,
        )
    changes = tuple(differences(frozen, plan, keeps_instances=True))
    return PreviousExecution(state, plan, changes, named.execution_id, corrected is not None)


def has_launched_nothing(state: ExecutionState) -> bool:
    """Whether it is certain that an execution has no server, and began no step."""
    return all(
        server.recovery_job_id is None
        and not wave.launches_in_doubt
        and (not wave.attempt or server.launch_status is LaunchStatus.FAILED)
        for wave in state.waves
        for server in wave.servers
    ) and not any(_may_have_begun(wave, step) for wave in state.waves for step in wave.steps)


def _may_have_begun(wave: WaveState, step: StepState) -> bool:
    """Whether a step began, or its wave may have begun it without a record so far."""
    return bool(step.attempt) or (wave.is_running and step.acts_outside)


async def earlier_with_servers(
    state: ExecutionState, plan: RecoveryPlan
) -> tuple[ExecutionState, RecoveryPlan] | None:
    """The latest earlier execution of the same type that has servers; None if there is none.

    One with servers of another point in time is none.
    """
    table = HistoryTable(get_settings())
    for each in await table.executions(plan_id=state.plan_id):
        is_earlier = each.start_time < state.start_time
        if not is_earlier or each.execution_type is not state.execution_type:
            continue
        found = await table.execution(each.execution_id)
        if found is None or has_launched_nothing(found[0]):
            continue
        # What a clean-up has terminated is not up; older executions were replaced by this one.
        is_other = found[1].points_hash != plan.points_hash
        return None if found[0].cleanup is not None or is_other else found
    return None


def _refuse_other_mode(state: ExecutionState, wanted: ExecutionType) -> None:
    if state.execution_type is wanted:
        return
    if wanted is ExecutionType.RECOVERY:
        raise RefusedError(
            f"nothing was started: {state.execution_id} is a DRILL, and a recovery never takes "
            "over a drill's servers",
            command="Omit --from: drs-waves run PLAN --recovery",
            request='Omit "FromExecution"',
        )
    raise RefusedError(
        f"nothing was started: {state.execution_id} is a RECOVERY, and a drill never takes over "
        "a recovery's servers",
        command="To continue it, add --recovery",
        request='To continue it, send "ExecutionType": "RECOVERY"',
    )
