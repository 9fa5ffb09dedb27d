"""What an operator's act changes, as text, from the state of its execution.

Terminal, pages and API show it before the act is sent, and the workflow records it with the act.
"""

from collections.abc import Sequence

from recovery.execution.judge import outcome_if_accepted
from recovery.execution.scheduler import MAX_RETRY_SECONDS
from recovery.execution.server import LaunchStatus
from recovery.execution.state import ExecutionState, PlanStatus
from recovery.execution.wave import Cause, WaitingFor, WaveState, WaveStatus
from recovery.forecast.remaining import graph_of
from recovery.operator.messages import MessageName, OperatorMessage
from recovery.operator.rules import Action, is_allowed
from recovery.operator.step_rules import step_effect, step_of
from recovery.steps.model import StepKind
from recovery.steps.progress import steps_text
from recovery.text_format import count, listed

_NOT_LAUNCHED = (WaveStatus.PENDING, WaveStatus.WAITING, WaveStatus.SKIPPED)


def effect_text(
    action: Action,
    state: ExecutionState | None,
    wave: WaveState | None,
    *,
    cascade: bool = False,
    step: str | None = None,
) -> str:
    """What an action does, and what follows from it for the waves that depend on its wave.

    Args:
        action: the message.
        state: the execution; None if it is not known.
        wave: its wave, if it is about one.
        cascade: a skip concerns the waves that depend on its wave too.
        step: the StepId; None if it is about no step, or nobody has chosen one yet.
    """
    if state is None or (action.name.is_about_a_step and step is None):
        return action.effect
    wave_id = wave.wave_id if wave else None
    message = OperatorMessage(action.name, wave_id, cascade=cascade, step=step)
    subject = f" {wave.wave_name} ({wave.wave_id})" if wave else ""
    return f"{action.effect}{subject}: {effect_of(state, message)}"


def effect_of(
    state: ExecutionState, message: OperatorMessage, *, break_glass: str | None = None
) -> str:
    """What follows if a message is accepted now; about a wave, it names the WaveId.

    `break_glass` is the reason for an offline key, whose approval counts as all.
    """
    match message.name:
        case MessageName.PAUSE:
            return _pause_effect(state)
        case MessageName.RESUME:
            return _resume_effect(state)
        case MessageName.ACKNOWLEDGE:
            return _acknowledge_effect(state)
        case MessageName.APPROVE_RECOVERY:
            return _recovery_approval_effect(state, message, break_glass)
    wave = next(each for each in state.waves if each.wave_id == message.wave)
    if message.name.is_about_a_step:
        return step_effect(wave, message) + _fence_effect(state, wave, message)
    launch = f"launch {message.launch}" if message.launch else "the launch in doubt"
    match message.name:
        case MessageName.ACCEPT_WAVE:
            text = accept_effect(state, wave)
        case MessageName.SKIP_WAVE:
            text = skip_effect(state, wave, cascade=message.cascade)
        case MessageName.CANCEL_WAVE:
            text = cancel_effect(state, wave)
        case MessageName.RETRY_WAVE:
            text = _retry_effect(state, wave)
        case MessageName.APPROVE_WAVE:
            text = _approval_effect(state, wave, message)
        case MessageName.ADOPT_JOB:
            job = message.job or "the job"
            text = f"{job} is watched as {launch}, once DRS confirms that it has its servers"
        case _:
            text = f"the servers of {launch} are launched, because DRS has no job of it"
    return text


def skipped_with(state: ExecutionState, wave: WaveState) -> list[WaveState]:
    """The waves that a skip of a wave with cascade skips: itself and what depends on it."""
    downstream = graph_of(state).downstream_of(wave.wave_id)
    waves = {each.wave_id: each for each in state.waves}
    later = [waves[wave_id] for wave_id in downstream]
    return [wave, *(w for w in later if is_allowed(state, MessageName.SKIP_WAVE, w))]


def _fence_effect(state: ExecutionState, wave: WaveState, message: OperatorMessage) -> str:
    """What an override of the step that must stop the sources means."""
    step, fence = step_of(wave, message), state.open_fence(wave)
    is_override = message.name is MessageName.SKIP_STEP or (
        message.name is MessageName.COMPLETE_STEP and step.kind is not StepKind.MANUAL
    )
    is_fence = fence is not None and fence.step_id == step.step_id
    return _unfenced(state, wave) if is_override and is_fence else ""


def _unfenced(state: ExecutionState, wave: WaveState) -> str:
    """What it means that waves are launched although the first step of a wave did not succeed."""
    if (fence := state.open_fence(wave)) is None:
        return ""
    return (
        f". FenceFirst: step {fence.step_id} did not stop the source servers; they may still be "
        "writing while their recovery instances run"
    )


def accept_effect(state: ExecutionState, wave: WaveState) -> str:
    """What follows if a wave is accepted."""
    up = f"although {wave.wave_name} is {wave.launched_count} of {len(wave.servers)} up"
    if not wave.servers:
        up = f"although {wave.wave_name} has {steps_text(wave.steps)} done"
    best = outcome_if_accepted(state, wave.wave_id)
    released = _released(state, wave, up, otherwise=f"accepted {up}")
    unfenced = _unfenced(state, wave)
    return f"{released}; the execution can then end {best} at best{unfenced}"


def skip_effect(state: ExecutionState, wave: WaveState, *, cascade: bool) -> str:
    """What follows if a wave is skipped, alone or with what depends on it."""
    if not cascade:
        released = _released(state, wave, "without it")
        unfenced = _unfenced(state, wave)
        return f"{wave.wave_name} is not launched; {released}{_end(state, [wave])}{unfenced}"
    skipped = skipped_with(state, wave)
    names = listed([each.wave_name for each in skipped])
    return f"{names} will not be launched{_end(state, skipped)}"


def _end(state: ExecutionState, skipped: Sequence[WaveState]) -> str:
    """Say that a skip ends the execution, if nothing else is open."""
    ids = {wave.wave_id for wave in skipped}
    is_open = any(w.wave_id not in ids and not w.status.is_settled for w in state.waves)
    # What was skipped without an answer may still be launched by a later one.
    if is_open or any(w.unanswered_since is not None for w in state.waves):
        return ""
    return "; no other wave is open, so the execution ends"


def cancel_effect(state: ExecutionState, wave: WaveState) -> str:
    """What follows if a running wave, not the plan, is cancelled."""
    return f"only this wave is cancelled, the plan continues{_held_back(state, wave)}{_jobs(wave)}"


def cancellation_effect(state: ExecutionState) -> str:
    """What follows if the whole execution is cancelled."""
    running = [w for w in state.waves if w.is_running]
    pending = [w for w in state.waves if not w.has_workflow and not w.status.is_settled]
    text = "nothing new launches"
    if pending:
        text += f"; {_names_are(pending)} not launched"
    if running:
        text += f"; {_names_are(running)} cancelled"
    return text + _jobs(*running)


def effect_details(state: ExecutionState, name: MessageName, wave: WaveState | None) -> list[str]:
    """What else to know before a message is sent: the state that it is about, and what it launches.

    Args:
        state: the execution.
        name: the message.
        wave: its wave; None if it is about the execution.
    """
    if name is MessageName.ACKNOWLEDGE:
        names = {each.wave_id: each.wave_name for each in state.waves}
        asked = [names.get(each.wave_id or "", "the execution") for each in state.open_decisions]
        return [f"Decisions about: {listed(asked)}. Everybody sees your name beside them."]
    if wave is None:
        if name is MessageName.APPROVE_RECOVERY:
            starter = f"Its starter, {state.started_by}, may not give one."
            return [f"It has {state.approvals_text}. {starter}"]
        running = sum(each.is_running for each in state.waves)
        return [f"Running now: {count(running, 'wave')}. What runs continues."]
    details = [f"It is {wave.status}{': ' + wave.status_reason if wave.status_reason else ''}."]
    where = " in ".join(part for part in (wave.account_id, wave.region) if part)
    if name in (MessageName.APPROVE_WAVE, MessageName.LAUNCH_ANYWAY):
        verb = "Launches" if wave.servers else "Runs"
        details.append(f"{verb} {_what_begins(wave)} in {where}{_kept(wave)}.")
    if name is MessageName.RETRY_WAVE and wave.servers:
        servers, not_up = (
            count(len(wave.servers), "server"),
            len(wave.servers) - wave.launched_count,
        )
        details.append(f"Not up: {not_up} of {servers}. drs-waves checks each in DRS first.")
    if waiting := [each.wave_name for each in state.waves if wave.wave_id in each.depends_on]:
        details.append(f"Waves that depend on it: {listed(waiting)}.")
    return details


def _pause_effect(state: ExecutionState) -> str:
    running = [w.wave_name for w in state.waves if w.is_running and w.start_time]
    still = f"; still running: {listed(running)}" if running else ""
    return f"nothing new launches until resume{still}"


def _recovery_approval_effect(
    state: ExecutionState, message: OperatorMessage, break_glass: str | None
) -> str:
    if not message.approve:
        return "refused, nothing is launched, and the execution ends"
    given, needed = len(state.approvals) + 1, state.approvers
    approved = f"{given} of {count(needed, 'approval')}"
    if break_glass is not None:
        approved = f"approval passed by break-glass: {break_glass}"
    elif given < needed:
        more = needed - given
        needs = f"{count(more, 'more person')} must" if more == 1 else f"{more} more people must"
        return f"{approved}; nothing is launched yet, {needs} approve it"
    if state.status is PlanStatus.PAUSED:
        return f"{approved}; it launches after resume"
    ready = [w for w in state.waves if w.waiting_for is WaitingFor.RECOVERY_APPROVAL]
    free = [w for w in ready if not w.approval_required or w.decisions.approved_by]
    waiting = [w.wave_name for w in ready if w not in free]
    still = [f"still waiting for approval: {listed(waiting)}"] if waiting else []
    return "; ".join([approved, *_launch_texts(free), *still])


def _resume_effect(state: ExecutionState) -> str:
    ready = [w for w in state.waves if w.waiting_for is WaitingFor.RESUME]
    return "; ".join(_launch_texts(ready)) or "no wave is ready yet"


def _launch_texts(waves: Sequence[WaveState], why: str = "") -> list[str]:
    """Which of these waves, which wait for nothing else, launch now, and which pause first."""
    at_once = [w.wave_name for w in waves if w.retry_after is None]
    later = [w.wave_name for w in waves if w.retry_after is not None]
    texts = [f"{listed(at_once)} can launch now{why}"] if at_once else []
    if later:
        launch, longest = "launches" if len(later) == 1 else "launch", MAX_RETRY_SECONDS / 60
        over = f"once the pause before the retry is over, in {longest:g} min at most"
        texts.append(f"{listed(later)} {launch} {over}")
    return texts


def _to_launch(wave: WaveState) -> int:
    """How many servers of a wave are neither recorded as up nor in a job."""
    return len(wave.servers) - len(wave.launched_ids) - _in_job(wave)


def _what_begins(wave: WaveState) -> str:
    """`2 servers`; of a wave of steps alone `1 step`."""
    if wave.servers:
        return count(_to_launch(wave), "server")
    return count(sum(step.is_open for step in wave.steps), "step")


def _in_job(wave: WaveState) -> int:
    ended = (LaunchStatus.LAUNCHED, LaunchStatus.FAILED)
    return sum(bool(s.recovery_job_id) and s.launch_status not in ended for s in wave.servers)


def _kept(wave: WaveState) -> str:
    """Which servers are not launched unless a check finds that they must be."""
    up, in_job, text = len(wave.launched_ids), _in_job(wave), ""
    if up:
        text += f"; {up} recorded as up {'is' if up == 1 else 'are'} checked again"
    if in_job:
        text += f"; {in_job} in an earlier job {'is' if in_job == 1 else 'are'} watched"
    return text


def _retry_effect(state: ExecutionState, wave: WaveState) -> str:
    """What follows if a wave is retried; a wave never launched needs an approval once more."""
    needs_approval = wave.approval_required and not wave.attempt
    attempt = f"attempt {wave.attempt + 1}{_when(state, wave, needs_approval=needs_approval)}"
    servers, up = len(wave.servers), wave.launched_count
    if not servers:
        return f"{attempt}: it begins at the step that did not succeed"
    are = "is" if 1 in (up, servers) else "are"
    kept = f"{up} of {count(servers, 'server')} {are} up and kept"
    if up == servers:
        return f"{attempt}: {kept}"
    rest = f"{kept}, the others are" if up else f"{count(servers, 'server')} {are}"
    return f"{attempt}: {rest} launched, unless up or in a running job"


def _when(state: ExecutionState, wave: WaveState, *, needs_approval: bool) -> str:
    """What the next attempt of a wave still needs."""
    waves = {each.wave_id: each for each in state.waves}
    awaited = [waves[i] for i in wave.depends_on if not waves[i].releases_dependents]
    failed = [w.wave_name for w in awaited if _is_met(wave, w) is None]
    open_ = [w.wave_name for w in awaited if _is_met(wave, w) is False]
    needs = [f"when it no longer waits for {listed(open_)}"] if open_ else []
    needs += ["after its approval"] if needs_approval else []
    needs += ["after resume"] if state.status is PlanStatus.PAUSED else []
    text = f" {' and '.join(needs)}" if needs else ""
    return f"{text}, {_if_it_continues(failed)}" if failed else text


def _if_it_continues(failed: Sequence[str]) -> str:
    """The condition where the state does not say which policy applies to waves that failed."""
    return f"if the failure policy of {listed(failed)} is CONTINUE"


def _approval_effect(state: ExecutionState, wave: WaveState, message: OperatorMessage) -> str:
    if not message.approve:
        return f"refused, {wave.wave_name} is not launched{_held_back(state, wave)}"
    seconds = message.expires_in_seconds
    validity = "" if seconds is None else f" for {seconds:g} s"
    if state.awaits_approvals and wave.waiting_for is WaitingFor.RECOVERY_APPROVAL:
        return f"approved{validity}, and launches when the recovery is approved"
    if wave.waiting_for is not WaitingFor.APPROVAL:
        return f"approved{validity}, and launches when it no longer waits for others"
    if state.status is PlanStatus.PAUSED:
        return f"approved{validity}, and launches after resume"
    verb = "launch" if wave.servers else "begin"
    return f"approved{validity}, {_what_begins(wave)} can {verb} now{_kept(wave)}"


def _names_are(waves: Sequence[WaveState]) -> str:
    """`App, Web are`."""
    return f"{listed([w.wave_name for w in waves])} {'is' if len(waves) == 1 else 'are'}"


def _jobs(*waves: WaveState) -> str:
    """What becomes of the open jobs of waves that are cancelled."""
    jobs = [job for wave in waves for job in wave.open_job_ids]
    are = "is" if len(jobs) == 1 else "are"
    return f"; {listed(jobs)} cannot be stopped in DRS and {are} still observed" if jobs else ""


def _held_back(state: ExecutionState, wave: WaveState) -> str:
    """Which waves are skipped because a wave is not up."""
    if wave.releases_dependents:
        return ""
    waves = {each.wave_id: each for each in state.waves}
    held = {wave.wave_id}
    for wave_id in graph_of(state).downstream_of(wave.wave_id):
        each = waves[wave_id]
        is_open = not each.has_workflow and not each.status.is_settled
        if is_open and not each.releases_dependents and held & set(each.depends_on):
            held.add(wave_id)
    skipped = [each for each in state.waves if each.wave_id in held - {wave.wave_id}]
    return f"; {_names_are(skipped)} skipped" if skipped else ""


def _released(state: ExecutionState, wave: WaveState, why: str, *, otherwise: str = "") -> str:
    """Which waves launch now, or else `otherwise`; and which still wait for something else."""
    waves = {each.wave_id: each for each in state.waves}
    is_paused = state.status is PlanStatus.PAUSED
    wave_id, stopped = wave.wave_id, Cause.STOP_POLICY
    concerned = (w for w in state.waves if wave_id in w.depends_on or w.cause is stopped)
    waiting_for_it = [each for each in concerned if _waits_for(each, wave)]
    free, waiting, doubtful, failed = [], [], [], dict[str, None]()
    for each in waiting_for_it:
        others = [waves[i] for i in each.depends_on if i != wave_id]
        is_approved = not each.approval_required or each.decisions.approved_by is not None
        if is_paused or not is_approved or any(_is_met(each, w) is False for w in others):
            waiting.append(each.wave_name)
        elif unknown := [w.wave_name for w in others if _is_met(each, w) is None]:
            doubtful.append(each.wave_name)
            failed |= dict.fromkeys(unknown)
        else:
            free.append(each)
    parts = _launch_texts(free, f" {why}") or ([otherwise] if otherwise else [])
    if doubtful:
        condition = _if_it_continues(list(failed))
        parts.append(f"{condition}, {listed(doubtful)} can launch too")
    if waiting:
        rest = "resume" if is_paused else "other waves or an approval"
        parts.append(f"still waiting for {rest}: {listed(waiting)}")
    return "; ".join(parts) or "no wave waits for it"


def _waits_for(each: WaveState, wave: WaveState) -> bool:
    """Whether a wave that is not launched depends on another, or was stopped because of it."""
    decided = each.decisions.skipped_by or each.decisions.refused_by
    if each.has_workflow or decided or each.status not in _NOT_LAUNCHED:
        return False
    if each.status is WaveStatus.PENDING and _is_met(each, wave):
        return False
    if each.cause is Cause.STOP_POLICY:
        return each.caused_by == [wave.wave_id]
    return wave.wave_id in each.depends_on


def _is_met(each: WaveState, dependency: WaveState) -> bool | None:
    """Whether a wave does not, or no longer, wait for one of its dependencies.

    None if that follows only from the failure policy of the dependency, which the state lacks.
    """
    if dependency.releases_dependents:
        return True
    asks = dependency.ask_until is not None or dependency.unanswered_since is not None
    if not dependency.status.has_failed or asks:
        return False
    if each.cause is Cause.DEPENDENCY:
        return dependency.wave_id not in each.caused_by
    # What still waits, waits for others: it would be skipped if this one held it back.
    return None if each.status.is_settled else True


def _acknowledge_effect(state: ExecutionState) -> str:
    decisions = state.open_decisions
    before = dict.fromkeys(d.acknowledged_by.actor for d in decisions if d.acknowledged_by)
    instead = f", before by {listed(list(before))}" if before else ""
    return f"{count(len(decisions), 'decision')} acknowledged{instead}; reminders pause for 30 min"
