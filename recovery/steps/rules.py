"""What a plan's steps must be, each alone and in the graph of its waves.

The plan file's reader asks, so that a plan that starts has no step that could never run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from recovery.plan.fields import Impact
from recovery.steps.model import OnCancel, Step, StepKind, StepPhase
from recovery.steps.reference_places import (
    Place,
    misplaced_reference,
    texts_of,
)
from recovery.steps.references import (
    OutputReference,
    Reference,
    ReferenceSyntaxError,
    ServerReference,
    references_in,
)

STOPPABLE = (StepKind.SSM_AUTOMATION, StepKind.SSM_COMMAND, StepKind.WORKFLOW)
_ON_OWN_SERVERS = (
    StepKind.SSM_COMMAND,
    StepKind.INSTANCE_STATUS,
    StepKind.TCP,
    StepKind.HTTP_GET,
)


@dataclass(frozen=True)
class StepProblem:
    """A problem of a step: its place, and what is wrong and what to do."""

    place: Place
    message: str


@dataclass(frozen=True)
class WaveSteps:
    """What the rules need of a wave."""

    wave_id: str
    server_ids: Sequence[str]
    steps: Sequence[tuple[StepPhase, Step]]


def outputs_of(step: Step) -> tuple[str, ...]:
    """The outputs that a step has once it has succeeded."""
    if step.manual is not None:
        return tuple(each.name for each in step.manual.inputs if each.required)
    return tuple(step.outputs)


def is_fenced(steps: Sequence[tuple[StepPhase, Step]]) -> bool:
    """Whether a recovery of a wave begins with a step that can stop what still writes."""
    first = next((each for each in steps if each[1].runs_in(is_drill=False)), None)
    if first is None:
        return False
    phase, step = first
    return phase is not StepPhase.POST_LAUNCH and step.kind.acts and step.impact is Impact.CRITICAL


def problems_alone(step: Step, phase: StepPhase) -> Iterator[StepProblem]:
    """What is wrong with a step, whatever else is in its plan."""
    kind = step.kind
    if step.needs_when and step.when is None:
        why = "it acts" if kind.acts else "in a drill it would look at production"
        yield StepProblem((), f"When is missing; write DRILL, RECOVERY or BOTH, because {why}")
    if step.on_cancel is OnCancel.STOP and kind not in STOPPABLE:
        message = f"{kind} cannot be stopped; remove OnCancel (only {', '.join(STOPPABLE)} can)"
        yield StepProblem(("OnCancel",), message)
    yield from _without_effect(step)
    spec = step.spec
    servers, host = getattr(spec, "servers", None), getattr(spec, "host", None)
    if servers is not None and host is not None:
        yield StepProblem((kind, "Servers"), "Servers and Host are given; keep one of them")
    elif (
        kind in _ON_OWN_SERVERS
        and phase is not StepPhase.POST_LAUNCH
        and servers is None
        and host is None
    ):
        message = f"{kind} is about recovery instances of its wave, which are not up here"
        if kind is StepKind.SSM_COMMAND:
            fix = "move it to the PostLaunchSteps of a wave with servers"
        else:
            fix = "name Servers of a wave that is up by then, or move it to PostLaunchSteps"
        yield StepProblem((kind,), f"{message}; {fix}")
    if servers is not None and len(set(servers)) < len(servers):
        yield StepProblem((kind, "Servers"), "Servers names a server twice; remove one of them")
    if step.manual is not None:
        names = [each.name for each in step.manual.inputs]
        for number, name in enumerate(names):
            if name in names[:number]:
                message = f"Inputs has {name} twice; give each its own Name"
                yield StepProblem((kind, "Inputs", number), message)


def _without_effect(step: Step) -> Iterator[StepProblem]:
    """Keys that would have no effect on a step of this kind."""
    if step.manual is not None:
        keys: tuple[str, ...] = ("timeout_seconds", "retries", "idempotent", "outputs")
        why = "a Manual step waits for an operator, for DecisionSeconds; its Inputs are its outputs"
    elif not step.kind.acts:
        keys = ("idempotent", "decision_seconds", "outputs")
        why = f"{step.kind} only looks; it has no result but PASSED, FAILED or INCONCLUSIVE"
    else:
        return
    for name in keys:
        field = Step.model_fields[name]
        if getattr(step, name) != field.default:
            key = str(field.alias)
            yield StepProblem((key,), f"{key} has no effect here; remove it: {why}")


class GraphRules:
    """The rules of steps that depend on the rest of the plan."""

    def __init__(
        self, waves: Sequence[WaveSteps], is_before: Callable[[str, str], bool] | None
    ) -> None:
        """Create them.

        Args:
            waves: All waves of the plan.
            is_before: Whether a wave is complete before another one starts; None if the graph is
                not known, so that only what does not depend on it is checked.
        """
        self._is_before = is_before
        self._steps = {
            wave.wave_id: {step.step_id: n for n, (_, step) in enumerate(wave.steps)}
            for wave in waves
        }
        self._waves = {wave.wave_id: wave for wave in waves}
        self._wave_of = {i: wave.wave_id for wave in waves for i in wave.server_ids}

    def problems(self, wave: WaveSteps, number: int) -> Iterator[StepProblem]:
        """What is wrong with the wave's step of this number."""
        phase, step = wave.steps[number]
        for place, server_id in _servers_named(step):
            if step.ssm_command is not None and self._wave_of.get(server_id) != wave.wave_id:
                message = f"{server_id} is no server of this wave; SsmCommand runs on its own"
                yield StepProblem(place, f"{message}, so move it to the server's wave")
            elif problem := self._server_problem(server_id, wave, phase):
                yield StepProblem(place, problem)
        for place, text, is_name in texts_of(step):
            if "${" in text and is_name:
                yield StepProblem(place, "a name cannot have a reference; write it out")
            elif "${" in text:
                yield from self._text_problems(wave, number, place, text)

    def _text_problems(
        self, wave: WaveSteps, number: int, place: Place, text: str
    ) -> Iterator[StepProblem]:
        _, step = wave.steps[number]
        try:
            references = list(dict.fromkeys(references_in(text)))
        except ReferenceSyntaxError as error:
            yield StepProblem(place, str(error))
            return
        if misplaced := misplaced_reference(step, place, text):
            yield StepProblem(place, misplaced)
            return
        for reference in references:
            if problem := self._reference_problem(reference, wave, number):
                yield StepProblem(place, f"{reference} cannot be known here: {problem}")

    def _reference_problem(self, reference: Reference, wave: WaveSteps, number: int) -> str | None:
        phase, _ = wave.steps[number]
        if isinstance(reference, ServerReference):
            return self._server_problem(reference.source_server_id, wave, phase)
        if isinstance(reference, OutputReference):
            return self._output_problem(reference, wave, number)
        return None

    def _server_problem(self, server_id: str, wave: WaveSteps, phase: StepPhase) -> str | None:
        home = self._wave_of.get(server_id)
        if home is None:
            return f"{server_id} is no server of this plan; correct the ID"
        if home != wave.wave_id:
            return self._order_problem(f"{server_id} is of wave {home}", home, wave)
        if phase is StepPhase.POST_LAUNCH:
            return None
        return f"{server_id} is launched after this step; move the step to PostLaunchSteps"

    def _order_problem(self, what: str, other: str, wave: WaveSteps) -> str | None:
        if self._is_before is None or self._is_before(other, wave.wave_id):
            return None
        if self._is_before(wave.wave_id, other):
            return f"{what}, which starts only after this wave; move the step to a later wave"
        return f"{what}, which this wave does not wait for; add it to Dependencies"

    def _output_problem(
        self, reference: OutputReference, wave: WaveSteps, number: int
    ) -> str | None:
        found = list(_readings(reference.path, self._steps))
        if not found:
            return "it names no step of this plan; write ${Steps.<WaveId>.<StepId>.<output>}"
        if len(found) > 1:
            named = " and ".join(f"step {step} of wave {other}" for other, step, _ in found)
            return f"it may mean {named}; rename one of them"
        other, step_id, output = found[0]
        place = self._steps[other][step_id]
        _, named_step = self._waves[other].steps[place]
        if output not in outputs_of(named_step):
            has = ", ".join(outputs_of(named_step)) or "none"
            return f"step {step_id} of wave {other} has no such output for certain (it has: {has})"
        if other != wave.wave_id:
            what = f"step {step_id} is of wave {other}"
            if problem := self._order_problem(what, other, wave):
                return problem
        elif place >= number:
            return f"step {step_id} does not run before this one; move it up"
        return _mode_problem(wave.steps[number][1], named_step)


def _mode_problem(step: Step, named: Step) -> str | None:
    for is_drill, what in ((True, "a drill"), (False, "a recovery")):
        if step.runs_in(is_drill=is_drill) and not named.runs_in(is_drill=is_drill):
            message = f"in {what} step {named.step_id} does not run, but this one does"
            return f"{message}; change the When of one of them"
    return None


def _readings(path: str, steps: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, str, str]]:
    """Each way to read a path as a wave, a step of it and a name; IDs may have dots."""
    dots = [place for place, each in enumerate(path) if each == "."]
    for first in dots:
        for second in dots if path[:first] in steps else ():
            step_id, name = path[first + 1 : second], path[second + 1 :]
            if second > first and name and step_id in steps[path[:first]]:
                yield path[:first], step_id, name


def _servers_named(step: Step) -> Iterator[tuple[Place, str]]:
    spec = step.spec
    for number, server_id in enumerate(getattr(spec, "servers", None) or ()):
        yield (step.kind, "Servers", number), server_id
    if server_id := getattr(spec, "from_", None):
        yield (step.kind, "From"), server_id
