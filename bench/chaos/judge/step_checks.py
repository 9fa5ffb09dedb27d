"""Checks of steps: no effect in the wrong mode or before its turn, and honest statuses."""

import itertools
from collections.abc import Iterator, Sequence

from bench.chaos.judge.drill_record import LAUNCHED, DrillRecord
from bench.chaos.judge.effects import StepEffect
from bench.chaos.judge.launch_checks import was_released
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.fields import Impact
from recovery.plan.model import Wave
from recovery.steps.model import Step, StepKind, StepPhase, When
from recovery.steps.state import StepOverride, StepState, StepStatus

_DONE = (StepStatus.SUCCEEDED, StepStatus.NOT_TESTED)
_ENDED_BADLY = (StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.OUTCOME_UNKNOWN)


def check_steps(drill: DrillRecord) -> Iterator[str]:
    """Each step had its effects in its mode, and when it was its turn."""
    for wave in drill.plan.waves:
        for phase, step in wave.all_steps:
            effects = drill.effects_of(wave.wave_id, step.step_id)
            state = drill.step(wave.wave_id, step.step_id)
            yield from _check_mode(wave, step, state, effects)
            if phase is StepPhase.PRE_LAUNCH:
                yield from _check_before_launch(drill, wave, step, effects)
            elif phase is StepPhase.POST_LAUNCH:
                yield from _check_after_launch(drill, wave, step, effects)
        yield from _check_sequence(drill, wave)
        yield from _check_dependencies(drill, wave)
        for recorded in drill.waves(wave.wave_id):
            yield from _check_status(recorded)


def _check_mode(
    wave: Wave, step: Step, state: StepState, effects: Sequence[StepEffect]
) -> Iterator[str]:
    name = f"step {wave.wave_id}/{step.step_id}"
    is_left_out = step.when is When.RECOVERY
    if is_left_out and effects:
        yield f"{name} is for a RECOVERY only, and had an effect in a drill"
    is_unbegun = state.status is StepStatus.NOT_RUN and not state.attempt
    if (state.status is StepStatus.NOT_TESTED) != is_left_out and not is_unbegun:
        yield f"{name} with When {step.when} is {state.status} in a drill"


def _check_before_launch(
    drill: DrillRecord, wave: Wave, step: Step, effects: Sequence[StepEffect]
) -> Iterator[str]:
    """A step before the launch that has succeeded had its effects before the launch."""
    launched = [launch.created for launch in drill.plan_ledger.of_wave(wave.wave_id)]
    state = drill.step(wave.wave_id, step.step_id)
    if launched and state.status is StepStatus.SUCCEEDED and step.impact is Impact.CRITICAL:
        for effect in effects:
            if effect.time > min(launched):
                yield f"step {wave.wave_id}/{step.step_id} began after the launch of its wave"


def _check_after_launch(
    drill: DrillRecord, wave: Wave, step: Step, effects: Sequence[StepEffect]
) -> Iterator[str]:
    """A step after the launch begins when no server is open and the CRITICAL ones are up."""
    for effect in effects:
        if was_released(drill, wave, effect.time):
            continue
        for server in wave.servers:
            launches = drill.plan_ledger.of_server(server.source_server_id)
            begun = [launch for launch in launches if launch.created <= effect.time]
            is_open = any(not launch.has_ended_by(effect.time) for launch in begun)
            is_up = bool(begun) and begun[-1].outcome == LAUNCHED
            if is_open or (server.impact is Impact.CRITICAL and not is_up):
                yield (
                    f"step {wave.wave_id}/{step.step_id} had an effect at {effect.time:.3f}, when "
                    f"{server.source_server_id} was not up"
                )


def _check_sequence(drill: DrillRecord, wave: Wave) -> Iterator[str]:
    """A step has its effect after those before it in its list have ended."""
    recorded = drill.wave(wave.wave_id)
    for (phase, earlier), (later_phase, later) in itertools.combinations(wave.all_steps, 2):
        if phase is not later_phase:
            continue
        times = [e.time for e in drill.effects_of(wave.wave_id, later.step_id)]
        if not times:
            continue
        own = [e.time for e in drill.effects_of(wave.wave_id, earlier.step_id)]
        state = drill.step(wave.wave_id, earlier.step_id)
        if earlier.impact is Impact.OPTIONAL and not own:
            continue
        # Another attempt of the wave may run the earlier one again, for other instances.
        is_first = recorded.attempt == 1 and not drill.earlier
        is_only = is_first and state.status is StepStatus.SUCCEEDED
        ended = state.end_time if is_only else min(own, default=None)
        if ended is not None and min(times) < ended:
            yield (
                f"step {wave.wave_id}/{later.step_id} had an effect at {min(times):.3f}, before "
                f"step {earlier.step_id} had ended at {ended:.3f}"
            )


def _check_dependencies(drill: DrillRecord, wave: Wave) -> Iterator[str]:
    """Steps begin after the waves that their wave depends on, whose steps have ended too."""
    since = drill.state.start_time
    effects = [e.time for e in drill.effects if e.wave_id == wave.wave_id and e.time >= since]
    launches = [launch.created for launch in drill.last_launches_of(wave.wave_id)]
    for wave_id in wave.depends_on:
        before = drill.wave(wave_id)
        # `check_order` compares launches with launches.
        times = effects + launches if before.steps else effects
        is_only = before.attempt == 1 and before.status is WaveStatus.COMPLETED
        if not (times and is_only and before.end_time is not None):
            continue
        first = min(times)
        if first < before.end_time and not was_released(drill, drill.plan.wave(wave_id), first):
            yield f"{wave.wave_id} began at {first:.3f}, before {wave_id} had ended"


def _is_overridden(step: StepState) -> bool:
    """Whether an operator decided about a step; to complete a manual one is its success."""
    manual = step.kind is StepKind.MANUAL and step.decision is StepOverride.COMPLETE
    return step.decision is not None and not manual


def _check_status(wave: WaveState) -> Iterator[str]:
    """A wave is not COMPLETED with a step that is not."""
    if wave.status is WaveStatus.COMPLETED:
        for step in wave.steps:
            if step.status not in _DONE or _is_overridden(step):
                yield (
                    f"{wave.wave_id} is COMPLETED, but its step {step.step_id} is {step.status} "
                    f"({step.decision or 'no decision'})"
                )


def expected_by_steps(wave: WaveState) -> WaveStatus:
    """The best status of a wave with such steps."""
    failed = [step for step in wave.steps if step.status in _ENDED_BADLY]
    if any(step.impact is Impact.CRITICAL for step in failed):
        return WaveStatus.FAILED
    is_partial = failed or any(map(_is_overridden, wave.steps))
    return WaveStatus.PARTIAL if is_partial else WaveStatus.COMPLETED
