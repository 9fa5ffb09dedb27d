"""Generates the faults and actions of a drill. Each is bound to an API call, not to a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, TypeVar

from bench.chaos.plan_generator import generate_plan
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
    """

    drill: int
    plan: RecoveryPlan
    scenario: dict[str, list[dict[str, Any]]]
    actions: list[ChaosAction]
    faults: list[dict[str, Any]]
    reactions: dict[str, list[MessageName | None]]
    answers: list[MessageName]

    @property
    def holds(self) -> list[dict[str, Any]]:
        """The faults that hold the calls of the actions."""
        return [
            _fault_of_drill(self.plan, action.operation)
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
)
_START = "drs.StartRecovery"
_DESCRIBE_JOBS = "drs.DescribeJobs"
_DESCRIBE_INSTANCES = "drs.DescribeRecoveryInstances"
_JOB_LOG = "drs.DescribeJobLogItems"
_TERMINATE = "drs.TerminateRecoveryInstances"
_RECORD = "dynamodb.PutItem"
_CALLER = "sts.GetCallerIdentity"
_AUTOMATION = "ssm.StartAutomationExecution"
_COMMAND = "ssm.SendCommand"
_INVOKE = "lambda.Invoke"
_AUTOMATION_STATE = "ssm.GetAutomationExecution"
_COMMANDS = "ssm.ListCommands"
_OPERATIONS = {_START: 6, _DESCRIBE_JOBS: 3, _DESCRIBE_INSTANCES: 2, _RECORD: 2}
# By a kind of step that is in the plan.
_OPERATIONS_OF_STEPS = {
    StepKind.SSM_AUTOMATION: {_AUTOMATION: 4, _AUTOMATION_STATE: 1},
    StepKind.SSM_COMMAND: {_COMMAND: 3, _COMMANDS: 1},
    StepKind.LAMBDA: {_INVOKE: 4},
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
_THROTTLED = {"Error": "ThrottlingException", "RetryAfterSeconds": 1}
_BROKEN = {"Error": "InternalServerException", "RetryAfterSeconds": 1}
_TOO_MANY = {"Error": "TooManyRequestsException", "RetryAfterSeconds": 1}
_LOST = {"Effect": "answer-lost"}
_TRUNCATED = {"Effect": "answer-cut"}
_DROPPED = {"Effect": "drop"}
_SKEWED = {"Error": "InvalidSignatureException"}
_GATEWAY_BEFORE = {"Effect": "gateway-before"}
_GATEWAY_AFTER = {"Effect": "gateway-after"}
_HANGING = {"Effect": "hang"}
_SLOW = {"Effect": "delay", "Seconds": 20.0}
_DYNAMODB_UNAVAILABLE = {"Error": "InternalServerError"}
# What a gateway answers with, in the place of AWS.
_GATEWAY_STATUSES = (403, 404, 407, 413, 429, 500, 502, 503, 504)
# Operation, probability in a drill, effect, maximum of Times, maximum of After.
_FAULTS: tuple[tuple[str, float, dict[str, Any], int, int], ...] = (
    (_START, 0.15, _LOST, 2, 3),
    (_START, 0.10, _DROPPED, 2, 3),
    (_START, 0.15, _THROTTLED, 3, 3),
    (_START, 0.10, _BROKEN, 2, 3),
    (_DESCRIBE_JOBS, 0.10, _LOST, 4, 12),
    (_DESCRIBE_JOBS, 0.15, _THROTTLED, 6, 12),
    (_DESCRIBE_JOBS, 0.15, _BROKEN, 6, 12),
    (_DESCRIBE_INSTANCES, 0.10, _THROTTLED, 6, 6),
    (_DESCRIBE_INSTANCES, 0.10, _LOST, 3, 6),
    (_JOB_LOG, 0.10, _BROKEN, 6, 2),
    (_TERMINATE, 0.10, _LOST, 2, 0),
    (_TERMINATE, 0.10, _THROTTLED, 3, 0),
    (_RECORD, 0.20, _DYNAMODB_UNAVAILABLE, 12, 6),
    (_START, 0.10, _TRUNCATED, 1, 3),
    (_DESCRIBE_JOBS, 0.15, _TRUNCATED, 4, 12),
    (_DESCRIBE_INSTANCES, 0.15, _TRUNCATED, 3, 6),
    (_START, 0.10, _GATEWAY_BEFORE, 2, 3),
    (_START, 0.10, _GATEWAY_AFTER, 2, 3),
    (_START, 0.05, _SKEWED, 2, 3),
    (_DESCRIBE_JOBS, 0.10, _GATEWAY_AFTER, 4, 12),
    (_DESCRIBE_JOBS, 0.05, _SKEWED, 4, 12),
    (_DESCRIBE_JOBS, 0.02, _HANGING, 1, 12),
    (_DESCRIBE_INSTANCES, 0.10, _GATEWAY_AFTER, 3, 6),
    (_DESCRIBE_INSTANCES, 0.05, _HANGING, 1, 6),
    (_TERMINATE, 0.10, _GATEWAY_AFTER, 2, 0),
    (_RECORD, 0.10, _HANGING, 3, 6),
    (_CALLER, 0.02, _SLOW, 1, 3),
    (_AUTOMATION, 0.20, _LOST, 2, 1),
    (_AUTOMATION, 0.10, _GATEWAY_AFTER, 1, 1),
    (_AUTOMATION, 0.10, _THROTTLED, 3, 1),
    (_AUTOMATION_STATE, 0.05, _BROKEN, 3, 3),
    (_COMMAND, 0.20, _LOST, 2, 1),
    (_COMMAND, 0.10, _GATEWAY_AFTER, 1, 1),
    (_COMMAND, 0.10, _DROPPED, 2, 1),
    (_COMMANDS, 0.05, _THROTTLED, 3, 3),
    (_INVOKE, 0.20, _LOST, 1, 1),
    (_INVOKE, 0.10, _GATEWAY_AFTER, 1, 1),
    (_INVOKE, 0.10, _TOO_MANY, 2, 1),
    (_INVOKE, 0.05, _DROPPED, 1, 1),
)


def generate_script(seed: str, drill: int) -> Script:
    """Generate the plan, the servers, the faults, the actions and the reactions of a drill.

    The result depends on the seed and the number only.
    """
    rng = Random(f"{seed}:{drill}")
    plan, scenario = generate_plan(rng, drill=drill)
    kinds = [kind for kind, chance in _CHANCES if rng.random() < chance]
    return Script(
        drill,
        plan,
        scenario,
        actions=[_generate_action(rng, plan, kind, number) for number, kind in enumerate(kinds)],
        faults=_generate_faults(rng, plan),
        reactions={w.wave_id: _weighted(rng, _REACTIONS, k=3) for w in plan.waves},
        answers=_weighted(rng, _ANSWERS, k=20),
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
    few = {_START: waves - 1, _AUTOMATION: 1, _COMMAND: 1, _INVOKE: 1}
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


def _generate_faults(rng: Random, plan: RecoveryPlan) -> list[dict[str, Any]]:
    return [
        _fault_of_drill(plan, operation)
        | effect
        | _generate_gateway(rng, effect)
        | {
            "Times": rng.randint(1, max_times),
            "After": rng.randint(0, max_after),
            "Name": f"{plan.plan_id}/fault/{number}",
        }
        for number, (operation, chance, effect, max_times, max_after) in enumerate(_FAULTS)
        if rng.random() < chance
    ]


def _generate_gateway(rng: Random, effect: dict[str, Any]) -> dict[str, Any]:
    status, body = rng.choice(_GATEWAY_STATUSES), rng.choice(("html", "json"))
    is_gateway = effect in (_GATEWAY_BEFORE, _GATEWAY_AFTER)
    return {"Status": status, "Body": body} if is_gateway else {}


def _weighted(rng: Random, weights: Mapping[T, int], *, k: int = 1) -> list[T]:
    return rng.choices(list(weights), weights=list(weights.values()), k=k)


def _fault_of_drill(plan: RecoveryPlan, operation: str) -> dict[str, Any]:
    """Return the keys of a fault that limit it to the calls of this drill."""
    service, _, name = operation.partition(".")
    if operation in (_DESCRIBE_JOBS, _CALLER, _AUTOMATION_STATE, _COMMANDS):
        # It is for all drills, or has no text of one.
        return {"Service": service, "Operation": name}
    # Launch IDs, history items, documents and functions have this text.
    mentions = [f"{plan.plan_id}-", *(i for wave in plan.waves for i in wave.server_ids)]
    return {"Service": service, "Operation": name, "Mentions": mentions}
