"""Generates the faults and actions of a drill. Each is bound to an API call, not to a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, TypeVar

from bench.chaos.generation import faults
from bench.chaos.generation.plan_generator import generate_plan
from recovery.operator.messages import MessageName
from recovery.plan.model import RecoveryPlan, Wave
from recovery.steps.model import StepKind
from sandbox.http.tcp_proxy import NetworkFault

T = TypeVar("T")


class ChaosActionKind(StrEnum):
    """The kind of an action. The runner performs it while the response of a call is held."""

    KILL = "kill"
    TERMINATE = "terminate"
    RESTART_TEMPORAL = "restart Temporal"
    CLOSE_CONNECTIONS = "close AWS connections"
    INTERRUPT_NETWORK = "interrupt the network to Temporal"
    MESSAGE = "message"
    CANCEL = "cancel"
    TERMINATE_PLAN = "terminate the plan's workflow"


@dataclass(frozen=True)
class ChaosAction:
    """An action on the worker that makes the call, on Temporal, or on the drill.

    Attributes:
        name: the name of the fault that holds the call.
        operation: `service.Operation` of the call.
        after: how many matching calls of the drill come before it.
        network_fault: the type of the network fault.
        outage_seconds: the wall-clock duration of the network fault.
        message: the message that the operator sends.
        wave_id: the wave of the message.
        step_id: the step of the message.
        cascade: whether a skip also skips the dependents.
    """

    name: str
    kind: ChaosActionKind
    operation: str
    after: int
    network_fault: NetworkFault = NetworkFault.RESET
    outage_seconds: float = 0.0
    message: MessageName | None = None
    wave_id: str | None = None
    step_id: str | None = None
    cascade: bool = False


@dataclass(frozen=True)
class Script:
    """The plan of a drill, its faults and its actions.

    Attributes:
        drill: the number of the drill.
        scenario: the servers of the plan and some of others, and what its steps need.
        actions: the actions, in no order.
        faults: the faults that the local AWS applies to the calls of the drill.
        reactions: by wave, what the operator sends at each FAILED or TIMED_OUT; None for nothing.
        answers: what the operator sends at each step that waits for a decision, in this order.
        continues: whether the operator continues each execution after its end (`run --from`); one
            whose workflow was terminated is always continued.
        pauses: for so many seconds the operator waits before that.
    """

    drill: int
    plan: RecoveryPlan
    scenario: dict[str, list[dict[str, Any]]]
    actions: list[ChaosAction]
    faults: list[dict[str, Any]]
    reactions: dict[str, list[MessageName | None]]
    answers: list[MessageName]
    continues: list[bool]
    pauses: list[float]

    @property
    def holds(self) -> list[dict[str, Any]]:
        """The faults that hold the calls of the actions."""
        return [
            faults.fault_of_drill(self.drill, self.plan, action.operation)
            | {"Effect": "hold", "After": action.after, "Times": 1, "Name": action.name}
            for action in self.actions
        ]


# The probability of each action in a drill. After a kill, the tasks of the worker wait for 20 s to
# 30 s.
_CHANCES = (
    (ChaosActionKind.KILL, 0.35),
    (ChaosActionKind.TERMINATE, 0.15),
    (ChaosActionKind.RESTART_TEMPORAL, 0.06),
    (ChaosActionKind.CLOSE_CONNECTIONS, 0.12),
    (ChaosActionKind.INTERRUPT_NETWORK, 0.12),
    (ChaosActionKind.MESSAGE, 0.5),
    (ChaosActionKind.MESSAGE, 0.3),
    (ChaosActionKind.CANCEL, 0.07),
    (ChaosActionKind.TERMINATE_PLAN, 0.2),
)
_EXECUTIONS = 4
_CONTINUES = 0.15
_MOST_PAUSE_SECONDS = 10.0
_OPERATIONS = {
    faults.START: 6,
    faults.DESCRIBE_JOBS: 3,
    faults.DESCRIBE_INSTANCES: 2,
    faults.RECORD: 2,
}
# By a kind of step that is in the plan.
_OPERATIONS_OF_STEPS = {
    StepKind.SSM_AUTOMATION: {faults.AUTOMATION: 4, faults.AUTOMATION_STATE: 1},
    StepKind.SSM_COMMAND: {faults.COMMAND: 3, faults.COMMANDS: 1},
    StepKind.LAMBDA: {faults.INVOKE: 4},
    StepKind.HTTP: {faults.POST: 4},
    StepKind.ROUTE53_RECORD: {faults.RECORD_SET: 4, faults.CHANGE: 1},
    StepKind.ROUTING_CONTROL: {faults.CONTROL: 4},
}
_MESSAGES = {
    MessageName.SKIP_WAVE: 5,
    MessageName.CANCEL_WAVE: 4,
    MessageName.ACCEPT_WAVE: 4,
    MessageName.RETRY_WAVE: 3,
    MessageName.APPROVE_WAVE: 2,
    MessageName.PAUSE: 4,
    MessageName.RESUME: 1,
    MessageName.ACKNOWLEDGE: 1,
    MessageName.SKIP_STEP: 3,
    MessageName.FAIL_STEP: 2,
    MessageName.COMPLETE_STEP: 2,
    MessageName.RERUN_STEP: 2,
}
_REACTIONS = {
    MessageName.RETRY_WAVE: 5,
    MessageName.ACCEPT_WAVE: 3,
    MessageName.SKIP_STEP: 2,
    MessageName.RERUN_STEP: 2,
    None: 4,
}
_ANSWERS = {
    MessageName.COMPLETE_STEP: 5,
    MessageName.RERUN_STEP: 3,
    MessageName.SKIP_STEP: 2,
    MessageName.FAIL_STEP: 1,
}


def generate_script(seed: str, drill: int, aws_url: str = "http://127.0.0.1:4566") -> Script:
    """Generate the plan, the servers, the faults, the actions and the reactions of a drill.

    The result depends on the seed and the number only, and on where the local AWS is.
    """
    rng = Random(f"{seed}:{drill}")
    plan, scenario = generate_plan(rng, drill=drill, aws_url=aws_url)
    kinds = [kind for kind, chance in _CHANCES if rng.random() < chance]
    return Script(
        drill,
        plan,
        scenario,
        actions=[_generate_action(rng, plan, kind, number) for number, kind in enumerate(kinds)],
        faults=faults.generate_faults(rng, drill, plan),
        reactions={w.wave_id: _weighted(rng, _REACTIONS, k=3) for w in plan.waves},
        answers=_weighted(rng, _ANSWERS, k=20),
        continues=[rng.random() < _CONTINUES for _ in range(_EXECUTIONS - 1)],
        pauses=[round(rng.uniform(0.0, _MOST_PAUSE_SECONDS), 1) for _ in range(_EXECUTIONS - 1)],
    )


def _generate_action(
    rng: Random, plan: RecoveryPlan, kind: ChaosActionKind, number: int
) -> ChaosAction:
    steps = [step for wave in plan.waves for _, step in wave.all_steps]
    operations = dict(_OPERATIONS)
    for step in steps:
        operations |= _OPERATIONS_OF_STEPS.get(step.kind, {})
    operation = _weighted(rng, operations)[0]
    waves = len(plan.waves)
    few = {faults.START: waves - 1, **dict.fromkeys(faults.STEP_STARTS, 1)}
    after = rng.randint(0, few.get(operation, 3 * waves))
    message = _weighted(rng, _MESSAGES)[0]
    wave = rng.choice(plan.waves)
    sent = kind is ChaosActionKind.MESSAGE
    return ChaosAction(
        name=f"{plan.plan_id}/action/{number}",
        kind=kind,
        operation=operation,
        after=after,
        network_fault=rng.choice(tuple(NetworkFault)),
        outage_seconds=round(rng.uniform(2.0, 25.0), 1),
        message=message if sent else None,
        wave_id=wave.wave_id if sent and message.is_about_a_wave else None,
        step_id=_step_of(rng, wave) if sent and message.is_about_a_step else None,
        cascade=sent and message is MessageName.SKIP_WAVE and rng.random() < 0.3,
    )


def _step_of(rng: Random, wave: Wave) -> str | None:
    ids = [step.step_id for _, step in wave.all_steps]
    return rng.choice(ids) if ids else None


def _weighted(rng: Random, weights: Mapping[T, int], *, k: int = 1) -> list[T]:
    return rng.choices(list(weights), weights=list(weights.values()), k=k)
