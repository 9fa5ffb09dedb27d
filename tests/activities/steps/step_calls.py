"""Calls of steps, and what runs them against the local AWS."""

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from activities.steps.interface import ResolvedCall
from activities.steps.step_activities import StepActivities
from aws.targets import TargetClients
from contract.identifiers import step_attempt_id
from contract.steps import StartedStep, StartOutcome, StepCall, StepResult, StepServer
from recovery.execution.state import ExecutionType
from recovery.steps.model import Step, StepPhase
from recovery.steps.state import StepStatus
from settings import Settings
from tests.aws_in_process import TARGET

_numbers = itertools.count(1)
SERVERS = [
    StepServer(source_server_id=f"s-{number:017x}", instance_id=f"i-{number:017x}", target=TARGET)
    for number in (1, 2)
]


def step_activities(settings: Settings) -> StepActivities:
    """The step activities of a worker of its own."""
    return StepActivities(TargetClients(settings), settings)


def step_call(seconds: float = 60.0, call: dict[str, Any] | None = None, **step: Any) -> StepCall:
    """A call of a step with an ID of its own.

    Args:
        seconds: until its deadline.
        call: what is different in the call.
        step: the step, with its kind.
    """
    number = next(_numbers)
    step_id = f"step-{number}"
    given: dict[str, Any] = {
        "execution_id": "crm-0f3b52a1c7d9",
        "execution_type": ExecutionType.DRILL,
        "plan_id": "crm",
        "wave_id": "db",
        "wave_workflow_id": "drs-wave/crm-0f3b52a1c7d9/db/1",
        "phase": StepPhase.POST_LAUNCH,
        "step": Step.model_validate({"StepId": step_id, "When": "BOTH"} | step),
        "attempt": 1,
        "attempt_id": step_attempt_id("crm-0f3b52a1c7d9", "db", step_id, 1),
        "target": TARGET,
        "server_ids": [each.source_server_id for each in SERVERS],
        "servers": SERVERS,
        "since": time.time(),
        "deadline": time.time() + seconds,
    }
    return StepCall(**given | (call or {}))


@dataclass
class ScriptedKind:
    """A kind of step that does what a test scripts.

    Attributes:
        answers: what each start raises, or None if it succeeds.
        found: what a look-up finds; an exception is raised.
        effects: the attempt IDs for which it had its effect.
    """

    may_repeat: bool = False
    answers: list[Exception | None] = field(default_factory=list)
    has_effect: bool = True
    found: StartedStep | Exception | None = None
    effects: list[str] = field(default_factory=list)
    finds: int = 0
    steps: list[ResolvedCall] = field(default_factory=list)
    task_queue: str = ""

    async def start(self, step: ResolvedCall) -> StartedStep:
        self.steps.append(step)
        answer = self.answers.pop(0) if self.answers else None
        if answer is None or self.has_effect:
            self.effects.append(step.call.attempt_id)
        if answer is not None:
            raise answer
        return StartedStep(outcome=StartOutcome.STARTED, reference="r-1")

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        self.finds += 1
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        return StepResult(status=StepStatus.SUCCEEDED)

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        return "stopped"
