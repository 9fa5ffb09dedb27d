"""Checks that a step acts once, and that what is called done was done."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from bench.chaos.judge.drill_record import DrillRecord
from bench.chaos.judge.effects import SETS_STATE, StepEffect
from contract.identifiers import step_attempt_id
from recovery.plan.model import OnFailure, Wave
from recovery.steps.model import OnCancel, Step, StepKind, StepPhase
from recovery.steps.state import StepOverride, StepState, StepStatus

_ORPHAN_SECONDS = 5.0
_ASKED_FOR = ("rerun_step", "fail_step")
_CANCELLATIONS = ("cancel_wave", "cancel")


def check_once(drill: DrillRecord) -> Iterator[str]:
    """No step acts twice unasked, in all executions, and what has succeeded has acted."""
    for wave in drill.plan.waves:
        for phase, step in wave.all_steps:
            effects = drill.effects_of(wave.wave_id, step.step_id)
            yield from _check_attempts(drill, wave, step, effects)
            yield from _check_repeats(drill, wave, phase, step, effects)
            yield from _check_orphans(drill, wave, step, effects)
            yield from _check_done(drill, wave, step, effects)


def _name(wave: Wave, step: Step) -> str:
    return f"step {wave.wave_id}/{step.step_id}"


def _check_attempts(
    drill: DrillRecord, wave: Wave, step: Step, effects: Sequence[StepEffect]
) -> Iterator[str]:
    """Each attempt ID is of a recorded attempt, and had its effect once."""
    if step.kind in SETS_STATE:
        return
    counts = Counter(effect.attempt_id for effect in effects)
    for attempt_id, count in counts.items():
        if count > 1:
            yield f"attempt {attempt_id} of {_name(wave, step)} had its effect {count} times"
    recorded = drill.attempts(wave.wave_id, step.step_id)
    # The record of what was terminated may miss the last of them.
    recorded += sum(each.was_terminated for each in drill.earlier)
    if len(counts) > recorded:
        yield f"{_name(wave, step)} has {recorded} attempts, and effects of {len(counts)}"


def _check_repeats(
    drill: DrillRecord, wave: Wave, phase: StepPhase, step: Step, effects: Sequence[StepEffect]
) -> Iterator[str]:
    """After an attempt that acted and did not fail, another one acts only if asked for."""
    if step.idempotent or step.kind in SETS_STATE:
        return
    first_of = {effect.attempt_id: effect for effect in reversed(effects)}
    ordered = sorted(first_of.values(), key=lambda effect: effect.time)
    for before, after in itertools.pairwise(ordered):
        if not before.has_succeeded or _is_asked_for(drill, wave, step, before, after):
            continue
        if phase is StepPhase.POST_LAUNCH and _is_launched_between(drill, wave, before, after):
            continue
        yield (
            f"{_name(wave, step)} acted at {before.time:.3f} and, as another attempt, at "
            f"{after.time:.3f}, and nobody asked for it"
        )


def _is_asked_for(
    drill: DrillRecord, wave: Wave, step: Step, before: StepEffect, after: StepEffect
) -> bool:
    """Whether an operator asked for another attempt, or had the earlier one stopped."""
    stops = step.on_cancel is OnCancel.STOP
    if stops and OnFailure.STOP in (
        drill.plan.on_failure,
        *(w.on_failure for w in drill.plan.waves),
    ):
        return True
    for message in drill.sent:
        if message.accepted is False or not message.time <= after.time:
            continue
        about = (message.wave_id, message.step_id)
        if message.name in _ASKED_FOR and about == (wave.wave_id, step.step_id):
            return True
        if stops and message.name in _CANCELLATIONS and message.wave_id in (None, wave.wave_id):
            return True
    return False


def _is_launched_between(
    drill: DrillRecord, wave: Wave, before: StepEffect, after: StepEffect
) -> bool:
    """Whether the wave's recovery instances are others than those of the earlier effect."""
    ends = [x.ended for x in drill.plan_ledger.launches if x.server_id in wave.server_ids]
    return any(end is not None and before.time <= end <= after.time for end in ends)


def _check_orphans(
    drill: DrillRecord, wave: Wave, step: Step, effects: Sequence[StepEffect]
) -> Iterator[str]:
    """After the end of an execution's plan, none of its own attempts acts any more."""
    for number, each in enumerate(drill.earlier):
        later = drill.waves(wave.wave_id)[number + 1 :]
        taken_up = {state.attempt_id for found in later for state in found.steps}
        own = _attempt_ids(each.state.execution_id, wave, step)
        for effect in effects:
            is_own = effect.attempt_id in own and effect.attempt_id not in taken_up
            if is_own and effect.time > each.closed_time + _ORPHAN_SECONDS:
                yield (
                    f"{_name(wave, step)} acted at {effect.time:.3f} for "
                    f"{each.state.execution_id}, which was {each.closed} at {each.closed_time:.3f}"
                )


def _attempt_ids(execution_id: str, wave: Wave, step: Step) -> set[str]:
    numbers = range(1, 100)
    return {step_attempt_id(execution_id, wave.wave_id, step.step_id, n) for n in numbers}


def _check_done(
    drill: DrillRecord, wave: Wave, step: Step, effects: Sequence[StepEffect]
) -> Iterator[str]:
    """A step that has succeeded by itself has had its effect, under the attempt ID it names."""
    keys = {effect.attempt_id for effect in effects}
    for recorded in drill.waves(wave.wave_id):
        for state in recorded.steps:
            if state.step_id != step.step_id or not _has_acted_by_itself(state):
                continue
            if not keys & {state.attempt_id, ""}:
                yield (
                    f"{_name(wave, step)} is SUCCEEDED, but attempt {state.attempt_id} "
                    "had no effect"
                )


def _has_acted_by_itself(state: StepState) -> bool:
    """Whether a step counts as done, and no operator said so."""
    return (
        state.status is StepStatus.SUCCEEDED
        and state.kind.acts
        and state.kind is not StepKind.MANUAL
        and state.decision is not StepOverride.COMPLETE
    )
