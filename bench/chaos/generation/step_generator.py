"""Generates random steps of a wave, and what the local AWS needs for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from bench.chaos.generation.step_kinds import STOPPABLE, Scenario, StepKeys
from recovery.plan.fields import Impact
from recovery.steps.model import Step, StepKind, When

# Several deaths of workers long. Seconds before the speed factor.
_LONG_TIMEOUT_SECONDS = 30_000.0
_WHENS = (When.BOTH, When.DRILL, When.RECOVERY)
_KINDS = {
    StepKind.SSM_AUTOMATION: 4,
    StepKind.SSM_COMMAND: 3,
    StepKind.LAMBDA: 3,
    StepKind.HTTP: 3,
    StepKind.ROUTE53_RECORD: 2,
    StepKind.ROUTING_CONTROL: 2,
    StepKind.WORKFLOW: 3,
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
        scenario: the documents, functions and so on, in the format of a scenario.
    """

    fields: dict[str, list[Step]] = field(default_factory=dict)
    scenario: Scenario = field(default_factory=dict)


@dataclass
class StepGenerator:
    """Generates the steps of one wave. Their names are unique to the drill.

    Attributes:
        drill: the number of the drill.
        wave: the number of the wave.
        aws_url: where the local AWS is.
    """

    rng: Random
    drill: int
    wave: int
    region: str
    server_ids: Sequence[str]
    aws_url: str
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
            "Impact": rng.choices((Impact.CRITICAL, Impact.OPTIONAL), weights=(4, 1))[0],
        }
        if kind is not StepKind.MANUAL:
            step["Retries"] = rng.choices((0, 1), weights=(3, 1))[0]
            step["TimeoutSeconds"] = _LONG_TIMEOUT_SECONDS
        if kind in STOPPABLE:
            step["OnCancel"] = rng.choice(("LEAVE", "STOP"))
        if kind.acts:
            step["When"] = rng.choices(_WHENS, weights=(6, 2, 2))[0]
        keys = StepKeys(
            rng=rng,
            drill=self.drill,
            wave=self.wave,
            step=self._count,
            region=self.region,
            aws_url=self.aws_url,
            scenario=self._made.scenario,
            known=self._known(),
        )
        made = Step.model_validate(step | keys.of(kind))
        # An OPTIONAL step may fail, and then a later one does without its output.
        if kind is StepKind.SSM_AUTOMATION and made.runs_in(is_drill=True):
            self._outputs.append(f"${{Steps.w{self.wave}.{made.step_id}.Made}}")
        return made

    def _known(self) -> list[str]:
        """Texts with references to what is known by then."""
        servers = [f"${{Servers.{i}.InstanceId}}" for i in self.server_ids if self._is_up]
        return ["${WaveId}", *self._outputs, *servers]
