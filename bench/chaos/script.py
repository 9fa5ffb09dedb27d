"""Draws what goes wrong in a drill: each thing bound to a call of that drill, none to a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, TypeVar

from bench.chaos.plans import DrawnPlan, draw_plan
from recovery.operator.messages import MessageName
from sandbox.http.link import Cut

T = TypeVar("T")


class ActKind(StrEnum):
    """What the adversary does at a call, while that call's answer is held back."""

    KILL = "kill"
    TERMINATE = "terminate"
    RESTART_TEMPORAL = "restart Temporal"
    BREAK_CONNECTIONS = "break AWS connections"
    CUT_LINK = "cut the link to Temporal"
    MESSAGE = "message"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Act:
    """Something done to the worker whose call it is, to Temporal, or to the drill.

    Attributes:
        name: the fault that holds the call, by which the log tells of it.
        operation: `service.Operation` of the call.
        after: how many such calls of the drill go unharmed first.
        cut: how a link is cut.
        cut_seconds: for how long, wall-clock.
        message: what the operator sends.
        wave_id: about which wave.
        cascade: with a skip, whether its dependents are skipped, too.
    """

    name: str
    kind: ActKind
    operation: str
    after: int
    cut: Cut = Cut.RESET
    cut_seconds: float = 0.0
    message: MessageName | None = None
    wave_id: str | None = None
    cascade: bool = False


class Reaction(StrEnum):
    """What the operator does about a wave that FAILED or TIMED_OUT."""

    RETRY = "retry_wave"
    ACCEPT = "accept_wave"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Script:
    """All that a drill is going to meet.

    Attributes:
        acts: in no order; each waits for its call.
        faults: what the local AWS does to the drill's calls by itself.
        reactions: by wave, what the operator does when it FAILED or TIMED_OUT, time after time.
    """

    drawn: DrawnPlan
    acts: list[Act]
    faults: list[dict[str, Any]]
    reactions: dict[str, list[Reaction]] = field(default_factory=dict)

    @property
    def holds(self) -> list[dict[str, Any]]:
        """The faults that hold the calls of the acts."""
        return [
            _about(self.drawn, act.operation)
            | {"Effect": "hold", "After": act.after, "Times": 1, "Name": act.name}
            for act in self.acts
        ]


# How likely each is in a drill. A kill makes all that its worker did wait for 20 s or 30 s.
_CHANCES = (
    (ActKind.KILL, 0.35),
    (ActKind.TERMINATE, 0.15),
    (ActKind.RESTART_TEMPORAL, 0.06),
    (ActKind.BREAK_CONNECTIONS, 0.12),
    (ActKind.CUT_LINK, 0.12),
    (ActKind.MESSAGE, 0.5),
    (ActKind.MESSAGE, 0.3),
    (ActKind.CANCEL, 0.07),
)
_START = "drs.StartRecovery"
_DESCRIBE_JOBS = "drs.DescribeJobs"
_DESCRIBE_INSTANCES = "drs.DescribeRecoveryInstances"
_JOB_LOG = "drs.DescribeJobLogItems"
_TERMINATE = "drs.TerminateRecoveryInstances"
_RECORD = "dynamodb.PutItem"
_OPERATIONS = {_START: 6, _DESCRIBE_JOBS: 3, _DESCRIBE_INSTANCES: 2, _RECORD: 2}
_BLIND_MESSAGES = {
    MessageName.SKIP_WAVE: 5,
    MessageName.CANCEL_WAVE: 4,
    MessageName.ACCEPT_WAVE: 4,
    MessageName.RETRY_WAVE: 3,
    MessageName.APPROVE_WAVE: 2,
    MessageName.PAUSE: 4,
    MessageName.RESUME: 1,
}
_THROTTLED = {"Error": "ThrottlingException", "RetryAfterSeconds": 1}
_BROKEN = {"Error": "InternalServerException", "RetryAfterSeconds": 1}
_LOST = {"Effect": "answer-lost"}
_CUT = {"Effect": "answer-cut"}
_DROPPED = {"Effect": "drop"}
_DYNAMODB_AWAY = {"Error": "InternalServerError"}
# Operation, chance in a drill, what happens, most times in a row, most calls before.
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
    (_RECORD, 0.20, _DYNAMODB_AWAY, 12, 6),
    (_START, 0.10, _CUT, 1, 3),
    (_DESCRIBE_JOBS, 0.15, _CUT, 4, 12),
    (_DESCRIBE_INSTANCES, 0.15, _CUT, 3, 6),
)


def draw_script(seed: str, drill: int) -> Script:
    """Draw all of a drill: the plan, the servers, the faults, the acts and the reactions.

    The same seed and number draw the same, whatever else runs.
    """
    dice = Random(f"{seed}:{drill}")
    drawn = draw_plan(dice, drill=drill)
    kinds = [kind for kind, chance in _CHANCES if dice.random() < chance]
    return Script(
        drawn,
        acts=[_draw_act(dice, drawn, kind, number) for number, kind in enumerate(kinds)],
        faults=_draw_faults(dice, drawn),
        reactions={w.wave_id: _draw_reactions(dice) for w in drawn.plan.waves},
    )


def _draw_act(dice: Random, drawn: DrawnPlan, kind: ActKind, number: int) -> Act:
    operation = _weighted(dice, _OPERATIONS)
    waves = len(drawn.plan.waves)
    after = dice.randint(0, waves - 1 if operation == _START else 3 * waves)
    message = _weighted(dice, _BLIND_MESSAGES)
    wave = dice.choice(drawn.plan.waves)
    sent = kind is ActKind.MESSAGE
    return Act(
        name=f"{drawn.plan.plan_id}/act/{number}",
        kind=kind,
        operation=operation,
        after=after,
        cut=dice.choice(tuple(Cut)),
        cut_seconds=round(dice.uniform(2.0, 25.0), 1),
        message=message if sent else None,
        wave_id=wave.wave_id if sent and message.names_a_wave else None,
        cascade=sent and message is MessageName.SKIP_WAVE and dice.random() < 0.3,
    )


def _draw_faults(dice: Random, drawn: DrawnPlan) -> list[dict[str, Any]]:
    return [
        _about(drawn, operation)
        | effect
        | {
            "Times": dice.randint(1, times),
            "After": dice.randint(0, before),
            "Name": f"{drawn.plan.plan_id}/fault/{number}",
        }
        for number, (operation, chance, effect, times, before) in enumerate(_FAULTS)
        if dice.random() < chance
    ]


def _draw_reactions(dice: Random) -> list[Reaction]:
    reactions = (Reaction.RETRY, Reaction.ACCEPT, Reaction.NOTHING)
    return dice.choices(reactions, weights=(5, 3, 4), k=3)


def _weighted(dice: Random, weights: Mapping[T, int]) -> T:
    return dice.choices(list(weights), weights=list(weights.values()))[0]


def _about(drawn: DrawnPlan, operation: str) -> dict[str, Any]:
    """A fault of this drill's calls only."""
    service, _, name = operation.partition(".")
    if operation == _DESCRIBE_JOBS:
        # One call looks for all drills, and names none.
        return {"Service": service, "Operation": name}
    # Its execution IDs begin so, in launch IDs and in the history's items alike.
    mentions = [f"{drawn.plan.plan_id}-", *drawn.server_ids]
    return {"Service": service, "Operation": name, "Mentions": mentions}
