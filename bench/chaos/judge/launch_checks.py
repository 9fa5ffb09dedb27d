"""Checks of launches: no duplicates, and the order of the dependencies."""

import itertools
from collections.abc import Iterator

from bench.chaos.judge.drill_record import FAILED, LAUNCHED, DrillRecord
from recovery.execution.server import LaunchStatus
from recovery.plan.fields import Impact
from recovery.plan.model import OnFailure, Wave


def check_launched_once(drill: DrillRecord) -> Iterator[str]:
    """No launch is accepted twice, and only failed servers are launched again."""
    own = {state.execution_id for state in drill.states}
    for server_id in (i for wave in drill.plan.waves for i in wave.server_ids):
        launches = drill.plan_ledger.of_server(server_id)
        for launch in launches:
            if launch.execution_id not in own:
                yield f"{server_id} was launched by {launch.job_id}, a job of another execution"
        for before, after in itertools.pairwise(launches):
            if (before.execution_id, before.attempt) == (after.execution_id, after.attempt):
                yield (
                    f"{server_id} was launched twice in attempt {after.attempt} of "
                    f"{after.wave_id}: {before.job_id} and {after.job_id}"
                )
            elif before.outcome != FAILED or not before.has_ended_by(after.created):
                yield (
                    f"{server_id} was launched again by {after.job_id} although {before.job_id} "
                    f"had not failed before (its final status is {before.outcome})"
                )
    jobs_of: dict[str, set[str]] = {}
    for launch in drill.plan_ledger.launches:
        jobs_of.setdefault(launch.launch_id, set()).add(launch.job_id)
    for launch_id, jobs in jobs_of.items():
        if len(jobs) > 1:
            yield f"the launch {launch_id} was accepted {len(jobs)} times"


def check_order(drill: DrillRecord) -> Iterator[str]:
    """A wave is launched after its dependencies are up, unless a decision or policy allows it."""
    for wave in drill.plan.waves:
        own = drill.plan_ledger.of_wave(wave.wave_id)
        launches = sorted({(launch.created, launch.execution_id) for launch in own})
        dependencies = [drill.plan.wave(d) for d in wave.depends_on]
        for dependency, (time, execution_id) in itertools.product(dependencies, launches):
            if not (
                _is_up(drill, dependency, time, execution_id)
                or was_released(drill, dependency, time)
                or _is_continued_without(drill, dependency, time)
            ):
                yield (
                    f"{wave.wave_id} was launched at {time:.3f}, before {dependency.wave_id} "
                    "was up, without a decision that allows it"
                )


def _is_up(drill: DrillRecord, wave: Wave, time: float, execution_id: str) -> bool:
    """Whether all servers of a wave are up for an execution at `time`; OPTIONAL ones may not be.

    A launch that was queued before its plan's workflow was terminated may be accepted while a later
    execution launches failed OPTIONAL servers again: those launches are not its concern.
    """
    later = drill.executions_after(execution_id)
    for server in wave.servers:
        launches = [
            launch
            for launch in drill.plan_ledger.of_server(server.source_server_id)
            if launch.execution_id not in later
        ]
        # What failed may have been launched again later.
        begun = [launch for launch in launches if launch.created <= time]
        ended = [launch for launch in begun if launch.has_ended_by(time)]
        if any(launch.outcome == LAUNCHED for launch in ended):
            continue
        is_over = ended == begun and (begun or not launches)
        if server.impact is not Impact.OPTIONAL or not is_over:
            return False
    return True


def was_released(drill: DrillRecord, wave: Wave, time: float) -> bool:
    """Whether an operator has skipped or accepted a wave before `time`."""
    for each in drill.waves(wave.wave_id):
        decided = (each.decisions.skipped_by, each.decisions.accepted_by)
        if any(decision and decision.time <= time for decision in decided):
            return True
    # A retry revokes an acceptance, but not the launches that it allowed.
    return any(
        m.accepted and m.name == "accept_wave" and m.wave_id == wave.wave_id and m.time <= time
        for m in drill.messages
    )


def _is_continued_without(drill: DrillRecord, wave: Wave, time: float) -> bool:
    """Whether the policy CONTINUE allows dependents at `time`: the wave has failed by then."""
    if (wave.on_failure or drill.plan.on_failure) is not OnFailure.CONTINUE:
        return False
    recorded = drill.waves(wave.wave_id)
    launches = [x for x in drill.plan_ledger.of_wave(wave.wave_id) if x.created <= time]
    if not launches:
        return any(each.status.has_failed for each in recorded)
    if time >= launches[0].created + wave.timeout_seconds / drill.speed:
        return True
    # An attempt may have failed in a step before its launch, and its dependents wait for DRS.
    launched = {launch.attempt for launch in launches}
    past = [each for state in recorded for each in state.past_attempts]
    if any(
        each.status.has_failed and each.number not in launched and (each.end_time or time) <= time
        for each in past
    ):
        return True
    critical = {s.source_server_id for s in wave.servers if s.impact is Impact.CRITICAL}
    if any(
        s.launch_status is LaunchStatus.FAILED and not s.recovery_job_id
        for each in recorded
        for s in each.servers
    ):
        return all(launch.has_ended_by(time) for launch in launches)
    # A retry may have started meanwhile. Dependents of an earlier failed attempt continue.
    return any(
        all(launch.has_ended_by(time) for launch in of_attempt)
        and any(launch.outcome == FAILED and launch.server_id in critical for launch in of_attempt)
        for key in {(x.execution_id, x.attempt) for x in launches}
        if (of_attempt := [x for x in launches if (x.execution_id, x.attempt) == key])
    )
