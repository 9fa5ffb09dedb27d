"""What an operator's act changes, as text, from the state of its execution.

Terminal, pages and API show it before the act is sent.
"""

from recovery.execution.judge import outcome_if_accepted
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import WaveState
from recovery.forecast.remaining import graph_of
from recovery.operator.messages import MessageName
from recovery.operator.rules import Action, is_allowed
from recovery.text_format import count, listed


def skipped_with(state: ExecutionState, wave: WaveState) -> list[WaveState]:
    """The waves that a skip of a wave with cascade skips: itself and what depends on it."""
    downstream = graph_of(state).downstream_of(wave.wave_id)
    waves = {each.wave_id: each for each in state.waves}
    later = [waves[wave_id] for wave_id in downstream]
    return [wave, *(w for w in later if is_allowed(state, MessageName.SKIP_WAVE, w))]


def accept_effect(state: ExecutionState, wave: WaveState) -> str:
    """What follows if a wave is accepted."""
    up = f"{wave.wave_name} is {wave.launched_count} of {len(wave.servers)} up"
    best = outcome_if_accepted(state, wave.wave_id)
    return f"{_released(state, wave, f'although {up}')}; the execution can then end {best} at best"


def skip_effect(state: ExecutionState, wave: WaveState, *, cascade: bool) -> str:
    """What follows if a wave is skipped, alone or with what depends on it."""
    if not cascade:
        released = _released(state, wave, "without it")
        return f"{wave.wave_name} is not launched; {released}"
    skipped = skipped_with(state, wave)
    return f"{listed([each.wave_name for each in skipped])} will not be launched"


def cancel_effect(state: ExecutionState, wave: WaveState) -> str:
    """What follows if a running wave, not the plan, is cancelled."""
    jobs = ", ".join(wave.open_job_ids)
    goes_on = f"; {jobs} cannot be stopped in DRS; still observed" if jobs else ""
    names = [each.wave_name for each in _dependents(state, wave)]
    dependents = f"; {listed(names)} cannot launch after it" if names else ""
    return f"only this wave is cancelled, the plan continues{dependents}{goes_on}"


def cancel_execution_effect(state: ExecutionState) -> str:
    """What follows if an execution is cancelled."""
    running = sum(wave.is_running for wave in state.waves)
    pending = sum(not wave.status.is_settled and not wave.has_workflow for wave in state.waves)
    return (
        f"launches nothing new: {count(pending, 'wave')} will not be launched. DRS cannot cancel a "
        f"job: the jobs of {count(running, 'running wave')} continue and are observed"
    )


def effect_details(state: ExecutionState, name: MessageName, wave: WaveState | None) -> list[str]:
    """What else to know before a message is sent: the state that it is about, and what it launches.

    Args:
        state: the execution.
        name: the message.
        wave: its wave; None if it is about the execution.
    """
    if wave is None:
        running = sum(each.is_running for each in state.waves)
        return [f"Running now: {count(running, 'wave')}. What runs continues."]
    details = [f"It is {wave.status}{': ' + wave.status_reason if wave.status_reason else ''}."]
    not_up = sum(s.launch_status is not LaunchStatus.LAUNCHED for s in wave.servers)
    where = " in ".join(part for part in (wave.account_id, wave.region) if part)
    if name in (MessageName.APPROVE_WAVE, MessageName.LAUNCH_ANYWAY):
        details.append(f"Launches {count(not_up, 'server')} in {where}.")
    if name is MessageName.RETRY_WAVE:
        servers = count(len(wave.servers), "server")
        details.append(f"Not up: {not_up} of {servers}. drs-waves checks each in DRS first.")
    if waiting := [each.wave_name for each in state.waves if wave.wave_id in each.depends_on]:
        details.append(f"Waves that depend on it: {listed(waiting)}.")
    return details


def effect_text(
    action: Action, state: ExecutionState | None, wave: WaveState | None, *, cascade: bool = False
) -> str:
    """The effect of an action, with what follows from it for the waves that depend on its wave."""
    if wave is None or state is None:
        return action.effect
    text = f"{action.effect} {wave.wave_name} ({wave.wave_id})"
    match action.name:
        case MessageName.ACCEPT_WAVE:
            return f"{text}: {accept_effect(state, wave)}"
        case MessageName.SKIP_WAVE:
            return f"{text}: {skip_effect(state, wave, cascade=cascade)}"
        case MessageName.CANCEL_WAVE:
            return f"{text}: {cancel_effect(state, wave)}"
        case _:
            return text


def _dependents(state: ExecutionState, wave: WaveState) -> list[WaveState]:
    """The direct dependents that have not been launched, unless an operator skipped them."""
    return [
        each
        for each in state.waves
        if wave.wave_id in each.depends_on
        and not each.has_workflow
        and each.decisions.skipped_by is None
        and each.decisions.refused_by is None
    ]


def _released(state: ExecutionState, wave: WaveState, why: str) -> str:
    """Which dependents launch now, and which still wait for something else."""
    releasing = {each.wave_id for each in state.waves if each.releases_dependents}
    dependents = _dependents(state, wave)
    is_paused = state.status is PlanStatus.PAUSED
    free = [
        each
        for each in dependents
        if not is_paused
        and releasing.issuperset(d for d in each.depends_on if d != wave.wave_id)
        and (not each.approval_required or each.decisions.approved_by is not None)
    ]
    waiting = [each.wave_name for each in dependents if each not in free]
    parts = []
    if free:
        parts.append(f"{listed([each.wave_name for each in free])} can launch now {why}")
    if waiting:
        rest = "resume" if is_paused else "other waves or an approval"
        parts.append(f"still waiting for {rest}: {listed(waiting)}")
    return "; ".join(parts) or "no wave waits for it"
