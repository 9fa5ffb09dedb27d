"""Generates random steps of a wave, and what the local AWS needs for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.testbed import ACCOUNT
from recovery.plan.fields import Impact
from recovery.steps.model import Step, StepKind, When

# Seconds of AWS, before the speed factor.
_RUN_SECONDS = (5.0, 400.0)
_UP_AFTER_SECONDS = (0.0, 900.0)
# Several deaths of workers long.
_LONG_TIMEOUT_SECONDS = 60_000.0
_SHORT_TIMEOUT_SECONDS = 1_500.0
_CHECK_SECONDS = 3_000.0
_INTERVAL_SECONDS = 60.0
_PORT = 8080
_WHENS = (When.BOTH, When.DRILL, When.RECOVERY)
_KINDS = {
    StepKind.SSM_AUTOMATION: 4,
    StepKind.SSM_COMMAND: 3,
    StepKind.LAMBDA: 3,
    StepKind.MANUAL: 1,
    StepKind.TCP: 2,
    StepKind.HTTP_GET: 1,
}
_ON_SERVERS = (StepKind.SSM_COMMAND, StepKind.TCP, StepKind.HTTP_GET)


@dataclass
class GeneratedSteps:
    """Steps of a wave.

    Attributes:
        fields: of the wave.
        scenario: the documents and functions, in the format of a scenario.
    """

    fields: dict[str, list[Step]] = field(default_factory=dict)
    scenario: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass
class StepGenerator:
    """Generates the steps of one wave. Their names are unique to the drill.

    Attributes:
        name: of the drill and the wave.
    """

    rng: Random
    name: str
    region: str
    server_ids: Sequence[str]
    _made: GeneratedSteps = field(default_factory=GeneratedSteps)
    _count: int = 0
    _is_up: bool = False
    _outputs: list[str] = field(default_factory=list)

    def generate(self) -> GeneratedSteps:
        """Generate the steps; a wave with servers has none in half of the cases."""
        rng = self.rng
        if not self.server_ids:
            self._add("steps", rng.randint(1, 3))
        elif rng.random() < 0.5:
            self._add("pre_launch_steps", rng.choices((0, 1, 2), weights=(6, 3, 1))[0])
            self._add("post_launch_steps", rng.choices((0, 1, 2, 3), weights=(1, 4, 3, 1))[0])
        return self._made

    def _add(self, phase: str, count: int) -> None:
        self._is_up = phase == "post_launch_steps"
        if count:
            self._made.fields[phase] = [self._step() for _ in range(count)]

    def _step(self) -> Step:
        rng = self.rng
        self._count += 1
        kinds = {k: n for k, n in _KINDS.items() if self._is_up or k not in _ON_SERVERS}
        kind = rng.choices(list(kinds), weights=list(kinds.values()))[0]
        step: dict[str, Any] = {
            "StepId": f"s{self._count}",
            "Retries": rng.choices((0, 1), weights=(3, 1))[0],
            "Impact": rng.choices((Impact.CRITICAL, Impact.OPTIONAL), weights=(4, 1))[0],
            "OnCancel": rng.choice(("LEAVE", "STOP")),
            "TimeoutSeconds": _LONG_TIMEOUT_SECONDS,
        }
        if kind.acts:
            step["When"] = rng.choices(_WHENS, weights=(6, 2, 2))[0]
        made = Step.model_validate(step | self._of_kind(kind))
        if kind is StepKind.SSM_AUTOMATION and made.runs_in(is_drill=True):
            wave_id = self.name.rpartition("-")[2]
            self._outputs.append(f"${{Steps.{wave_id}.{made.step_id}.Made}}")
        return made

    def _of_kind(self, kind: StepKind) -> dict[str, Any]:
        match kind:
            case StepKind.SSM_AUTOMATION:
                return self._document("Automation") | {
                    kind: {"Document": self._own_name, "Parameters": self._parameters()},
                    "Outputs": {"Made": {"Path": "Outputs.Made"}},
                }
            case StepKind.SSM_COMMAND:
                return self._document("Command") | {kind: {"Document": self._own_name}}
            case StepKind.LAMBDA:
                return self._function() | {kind: {"FunctionName": self._own_name}}
            case StepKind.MANUAL:
                return {kind: {"Instruction": f"Do {self._own_name}"}}
            case _:
                check = {"Port": _PORT, "IntervalSeconds": _INTERVAL_SECONDS}
                return {kind: check, "TimeoutSeconds": _CHECK_SECONDS}

    @property
    def _own_name(self) -> str:
        return f"{self.name}-s{self._count}"

    def _parameters(self) -> dict[str, list[str]]:
        """Parameters with references to what is known by then."""
        known = ["${WaveId}", *self._outputs]
        known += [f"${{Servers.{i}.InstanceId}}" for i in self.server_ids if self._is_up]
        return {"For": [self.rng.choice(known)]}

    def _document(self, kind: str) -> dict[str, Any]:
        """A document of the step's own; what its outcomes need of the step."""
        rng = self.rng
        outcome = rng.choices(("success", "failed", "stuck"), weights=(20, 2, 1))[0]
        document: dict[str, Any] = {
            "Name": self._own_name,
            "Type": kind,
            "Region": self.region,
            "AccountId": ACCOUNT,
            "Outcome": [outcome, "success"] if rng.random() < 0.7 else [outcome],
            "Seconds": round(rng.uniform(*_RUN_SECONDS), 1),
            "ListedAfterSeconds": rng.choice((0.0, 0.0, 60.0)),
        }
        if kind == "Automation":
            document["Outputs"] = {"Made": self._own_name}
        self._made.scenario.setdefault("Documents", []).append(document)
        return {"TimeoutSeconds": _SHORT_TIMEOUT_SECONDS} if outcome == "stuck" else {}

    def _function(self) -> dict[str, Any]:
        rng = self.rng
        is_idempotent = rng.random() < 0.5
        answer = {"Payload": {"Made": self._own_name}, "Seconds": rng.choice((0.0, 30.0))}
        failed = {"FunctionError": "Unhandled", "Payload": {"errorMessage": "no quorum"}}
        function: dict[str, Any] = {
            "FunctionName": self._own_name,
            "Region": self.region,
            "AccountId": ACCOUNT,
            "Answers": [failed, answer] if rng.random() < 0.2 else [answer],
        }
        if is_idempotent:
            function["IdempotentBy"] = "StepAttemptId"
        self._made.scenario.setdefault("Functions", []).append(function)
        return {"Idempotent": is_idempotent}


def generate_application(rng: Random) -> dict[str, Any]:
    """Generate what listens on a server, often late and sometimes never."""
    return {
        "Port": _PORT,
        "Protocol": "http",
        "UpAfterSeconds": rng.choices(
            (round(rng.uniform(*_UP_AFTER_SECONDS), 1), "never"), weights=(12, 1)
        )[0],
        "Answer": rng.choices(("answers", "fails"), weights=(15, 1))[0],
    }
