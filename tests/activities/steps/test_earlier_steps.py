"""What an execution that is taken over has begun: its waves are stopped, then asked."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from activities.execution_state import StateUnavailableError
from activities.steps.earlier_steps import begun_steps, close_waves
from contract.identifiers import step_attempt_id
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.execution.wave import WaveState, WaveStatus
from recovery.steps.model import StepKind
from recovery.steps.replaced import StepRevert
from recovery.steps.state import StepState, StepStatus
from tests.recovery.step_plans import plan_with_steps, read, step

EXECUTION = "crm-0f3b52a1c7d9"
UNREADABLE = RPCError("no worker", RPCStatusCode.DEADLINE_EXCEEDED, b"")


@dataclass
class Waves:
    """Temporal with the waves' workflows of an execution.

    Attributes:
        running: by attempt, the state of the first wave; or why it cannot be read.
        log: what was done with its workflows.
    """

    running: dict[int, WaveState | RPCError] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def get_workflow_handle(self, workflow_id: str) -> "_Wave":
        return _Wave(self, int(workflow_id.rpartition("/")[2]))


@dataclass
class _Wave:
    waves: Waves
    attempt: int

    def _found(self) -> WaveState | RPCError:
        return self.waves.running.get(
            self.attempt, RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b"")
        )

    async def signal(self, name: str, **how: Any) -> None:
        self.waves.log.append(f"{name} {self.attempt}")
        if self.attempt not in self.waves.running:
            raise RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b"")

    async def query(self, name: str, **how: Any) -> WaveState:
        self.waves.log.append(f"{name} {self.attempt}")
        found = self._found()
        if isinstance(found, RPCError):
            raise found
        return found


def recorded(status: WaveStatus = WaveStatus.IN_PROGRESS) -> ExecutionState:
    """An execution whose first wave runs, with two steps of which none began, by the history."""
    steps = [step(StepKind.LAMBDA, "first"), step(StepKind.TCP, "second")]
    state = ExecutionState.begin(
        read(plan_with_steps(steps)),
        execution_id=EXECUTION,
        execution_type=ExecutionType.DRILL,
        started_by="ops",
        now=0.0,
    )
    wave = state.waves[0]
    wave.status, wave.attempt, wave.has_workflow, wave.revision = status, 1, True, 10
    return state


async def closed(
    waves: Waves, state: ExecutionState, *, must_answer: bool = True
) -> list[StepState]:
    """The steps of the first wave."""
    found = await close_waves(cast(Client, waves), state, must_answer=must_answer)
    return found[state.waves[0].wave_id]


def begun(state: ExecutionState, *, revision: int = 20, **changes: Any) -> WaveState:
    """The first wave as its workflow has it."""
    wave = state.waves[0].model_copy(deep=True, update={"revision": revision})
    update = {"attempt": 1, "status": StepStatus.RUNNING} | changes
    wave.steps[0] = wave.steps[0].model_copy(update=update)
    return wave


async def test_a_wave_that_still_runs_begins_nothing_any_more_before_it_is_asked() -> None:
    state = recorded()
    waves = Waves({1: begun(state)})
    steps = await closed(waves, state)
    assert waves.log[:2] == ["plan_closed 1", "status 1"]
    assert (steps[0].attempt, steps[0].status) == (1, StepStatus.RUNNING)


async def test_an_attempt_of_a_wave_that_the_history_does_not_know_is_asked_too() -> None:
    state = recorded()
    failed = begun(state, status=StepStatus.FAILED)
    waves = Waves({1: failed, 2: begun(state, revision=30, attempt=2)})
    steps = await closed(waves, state)
    assert "plan_closed 2" in waves.log
    assert (steps[0].attempt, steps[0].status) == (2, StepStatus.RUNNING)


async def test_what_only_a_wave_knows_that_it_began_is_kept_although_the_plan_recorded_later() -> (
    None
):
    state = recorded()
    wave = begun(state)
    state.waves[0].revision = 30
    steps = await closed(Waves({1: wave}), state)
    assert (steps[0].attempt, steps[0].status) == (1, StepStatus.RUNNING)


async def test_what_an_operator_decided_after_its_wave_had_ended_is_kept() -> None:
    state = recorded(WaveStatus.FAILED)
    wave = begun(state, status=StepStatus.FAILED)
    skipped = {"attempt": 1, "status": StepStatus.SKIPPED}
    state.waves[0].steps[0] = state.waves[0].steps[0].model_copy(update=skipped)
    state.waves[0].revision = 30
    steps = await closed(Waves({1: wave}), state)
    assert steps[0].status is StepStatus.SKIPPED


async def test_what_acts_in_a_wave_that_nobody_can_ask_is_in_doubt_under_its_own_attempt() -> None:
    state = recorded()
    wave_id = state.waves[0].wave_id
    first, second = await closed(Waves(), state)
    expected = (1, StepStatus.OUTCOME_UNKNOWN, step_attempt_id(EXECUTION, wave_id, "first", 1))
    assert (first.attempt, first.status, first.attempt_id) == expected
    assert (second.attempt, second.status) == (0, StepStatus.PENDING)


async def test_a_wave_that_does_not_answer_is_asked_again_and_then_its_steps_are_in_doubt() -> None:
    state = recorded()
    waves = Waves({1: UNREADABLE})
    with pytest.raises(StateUnavailableError, match="no worker"):
        await closed(waves, state)
    steps = await closed(waves, state, must_answer=False)
    assert steps[0].status is StepStatus.OUTCOME_UNKNOWN


async def test_steps_of_a_wave_that_had_ended_are_as_the_history_has_them() -> None:
    steps = await closed(Waves(), recorded(WaveStatus.FAILED))
    assert [each.status for each in steps] == [StepStatus.PENDING] * 2


async def test_what_was_put_back_since_is_known_from_the_history() -> None:
    state = recorded(WaveStatus.FAILED)
    wave = begun(state, status=StepStatus.SUCCEEDED)
    revert = StepRevert(
        wave_id=wave.wave_id,
        step_id="first",
        actor="ann",
        time=9.0,
        place="record",
        replaced="new",
        put_back="old",
    )
    state.waves[0].steps[0].reverts = [revert]
    steps = await closed(Waves({1: wave}), state)
    assert (steps[0].status, steps[0].reverts) == (StepStatus.SUCCEEDED, [revert])


def continued(state: ExecutionState, **changes: Any) -> ExecutionState:
    """An execution that took over another one, and ended before its first wave began."""
    later = recorded(WaveStatus.SKIPPED)
    later.execution_id, later.from_execution = "crm-later", state.execution_id
    later.waves[0].attempt, later.waves[0].has_workflow = 0, False
    later.waves[0].steps[0] = later.waves[0].steps[0].model_copy(update=changes)
    return later


async def begun_in(*chain: ExecutionState) -> list[StepState]:
    """The steps of the first wave of the last execution, each of which took over the one before."""
    by_id = {state.execution_id: state for state in chain}

    async def read_state(execution_id: str) -> ExecutionState | None:
        return by_id.get(execution_id)

    client = cast(Client, Waves())
    found = await begun_steps(client, chain[-1], read_state, must_answer=True)
    return found[chain[-1].waves[0].wave_id]


def ended(**changes: Any) -> ExecutionState:
    """An execution whose first step succeeded."""
    state = recorded(WaveStatus.FAILED)
    done = {"attempt": 1, "attempt_id": "earlier", "status": StepStatus.SUCCEEDED, "end_time": 5.0}
    state.waves[0].steps[0] = state.waves[0].steps[0].model_copy(update=done | changes)
    return state


async def test_what_an_execution_had_taken_over_and_did_not_come_to_is_not_forgotten() -> None:
    first = ended()
    second = continued(first)
    third = continued(second)
    third.execution_id = "crm-latest"
    for chain in ((first, second), (first, second, third)):
        step_state, _ = await begun_in(*chain)
        assert (step_state.status, step_state.attempt_id) == (StepStatus.SUCCEEDED, "earlier")


async def test_an_earlier_execution_that_the_history_has_no_more_is_left_out() -> None:
    later = continued(ended())
    (step_state, _) = await begun_in(later)
    assert step_state.status is StepStatus.PENDING


async def test_what_was_taken_over_is_not_in_doubt_because_its_new_wave_was_lost() -> None:
    first = ended()
    later = continued(first)
    wave = later.waves[0]
    wave.status, wave.attempt, wave.has_workflow = WaveStatus.IN_PROGRESS, 1, True
    step_state, _ = await begun_in(first, later)
    assert step_state.status is StepStatus.SUCCEEDED


async def test_what_was_put_back_in_an_earlier_execution_is_put_back_in_a_later_one_too() -> None:
    first = ended()
    revert = StepRevert(
        wave_id="w", step_id="first", actor="ann", time=9.0, place="r", replaced="n", put_back="o"
    )
    first.waves[0].steps[0].reverts = [revert]
    known = first.waves[0].steps[0].model_copy(update={"taken_over": True, "reverts": []})
    step_state, _ = await begun_in(first, continued(first, **dict(known)))
    assert step_state.is_put_back
