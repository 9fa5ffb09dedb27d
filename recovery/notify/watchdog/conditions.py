"""The conditions that the watchdog reports: what does not respond or proceed, and what to do."""

from collections.abc import Iterator
from enum import StrEnum

from recovery.base_model import Model
from recovery.notify.outbox import Outbox
from recovery.notify.watchdog.observation import Observation, ObservedWorkflow
from recovery.text_format import count, rounded_duration, timestamp

_TASK_FAILS_SECONDS = 60.0
_TASK_WAITS_SECONDS = 120.0
_MANY_ATTEMPTS = 10
# More than its workflow and a worker that takes over need.
_OVERDUE_SECONDS = 180.0
# A launch takes less: a Windows server's first boot is up to 45 minutes after LAUNCH_START.
_LEASE_SECONDS = 2 * 3600.0
_SHOWN = 3


class ConditionKind(StrEnum):
    """What does not respond or proceed."""

    TEMPORAL = "temporal"
    TABLES = "tables"
    WORKER = "worker"
    QUEUES = "queues"
    LAUNCHERS = "launchers"
    EXECUTIONS = "executions"
    LEASES = "leases"
    DRILLS = "drills"
    READINESS = "readiness"
    NOTIFIER = "notifier"
    CHANNELS = "channels"


_WITHOUT_TEMPORAL = (ConditionKind.TEMPORAL, ConditionKind.TABLES)
_WITHOUT_WORKER = (
    *_WITHOUT_TEMPORAL,
    ConditionKind.WORKER,
    ConditionKind.LEASES,
    ConditionKind.DRILLS,
)


class Condition(Model):
    """Something that executions need and that does not respond or proceed.

    Attributes:
        members: the workflows, tables or channels that it is about, if it may be about several.
        reason: what is wrong with it, and what to do.
    """

    kind: ConditionKind
    members: list[str] = []
    reason: str


def is_known(kind: ConditionKind, seen: Observation) -> bool:
    """Whether an observation says if a condition holds. Unknown is not gone."""
    if seen.temporal is not None:
        return kind in _WITHOUT_TEMPORAL
    if seen.worker is not None:
        return kind in _WITHOUT_WORKER
    if kind is ConditionKind.READINESS:
        return seen.stale_plans is not None
    # Nobody else knows which channels wait.
    return kind is not ConditionKind.CHANNELS or seen.notifier_problem is None


def conditions_of(seen: Observation) -> list[Condition]:
    """The conditions that hold, as far as they are known, the most urgent first."""
    return [each for each in _conditions(seen) if is_known(each.kind, seen)]


def _conditions(seen: Observation) -> Iterator[Condition]:
    if seen.temporal is not None:
        yield Condition(kind=ConditionKind.TEMPORAL, reason=seen.temporal)
    if seen.worker is not None:
        yield Condition(kind=ConditionKind.WORKER, reason=seen.worker)
    yield from _about(ConditionKind.QUEUES, "queue", _queues(seen))
    yield from _about(ConditionKind.LAUNCHERS, "launcher", seen.launchers)
    yield from _about(ConditionKind.EXECUTIONS, "execution", _executions(seen))
    yield from _about(ConditionKind.LEASES, "lease", _leases(seen))
    yield from _about(ConditionKind.DRILLS, "drill", _missed_drills(seen))
    yield from _about(ConditionKind.READINESS, "plan", _stale_plans(seen))
    if seen.notifier_problem is not None:
        yield Condition(kind=ConditionKind.NOTIFIER, reason=seen.notifier_problem)
    yield from _about(ConditionKind.CHANNELS, "channel", _channels(seen))
    yield from _about(ConditionKind.TABLES, "table", seen.tables)


def _about(kind: ConditionKind, what: str, reasons: dict[str, str]) -> Iterator[Condition]:
    """One condition of all that have the same, so that many of them are one incident."""
    if not reasons:
        return
    texts = list(reasons.values())
    more = f"; and {count(len(texts) - _SHOWN, f'more {what}')}" if len(texts) > _SHOWN else ""
    reason = f"{'; '.join(texts[:_SHOWN])}{more}"
    yield Condition(kind=kind, members=list(reasons), reason=reason)


def _queues(seen: Observation) -> dict[str, str]:
    return {
        each: f"No worker polls task queue {each}, which running executions need. Restart the "
        "workers with the version that serves it"
        for each in seen.idle_queues
    }


def _executions(seen: Observation) -> dict[str, str]:
    """Why executions make no progress: each one's first reason."""
    found: dict[str, str] = {}
    for workflow in seen.workflows:
        reason = _stuck(workflow, seen.time)
        if reason is not None:
            found.setdefault(workflow.name, f"{workflow.name} makes no progress: {reason}")
    for execution_id, followed in (seen.notifier.executions if seen.notifier else {}).items():
        deadlines = [each.deadline for each in followed.decisions if each.deadline is not None]
        late = seen.time - min(deadlines, default=seen.time)
        if late >= _OVERDUE_SECONDS:
            found.setdefault(
                execution_id,
                f"{execution_id} makes no progress: the time to decide ended "
                f"{rounded_duration(late)} ago, and nothing followed. `drs-waves status` shows it",
            )
    return found


def _leases(seen: Observation) -> dict[str, str]:
    """Why launch templates of drills are not restored."""
    found = {}
    for lease, since in seen.leases.items():
        seconds = seen.time - since
        if seen.worker is not None:
            why = "no worker restores them"
        elif seconds >= _LEASE_SECONDS:
            why = "`temporal workflow describe` shows what it waits for"
        else:
            continue
        found[lease] = (
            f"A drill has launch templates for {rounded_duration(seconds)} ({lease}): {why}. "
            "`drs-waves launch-settings restore` needs AWS credentials only"
        )
    return found


def _missed_drills(seen: Observation) -> dict[str, str]:
    return {
        plan_id: f"The drill of {plan_id} was to start at {timestamp(moment)}, and Temporal did "
        f"not start it. `drs-waves schedule show {plan_id}`; `schedule run-now` has it now"
        for plan_id, moment in seen.missed_drills.items()
    }


def _stale_plans(seen: Observation) -> dict[str, str]:
    return {
        plan_id: f"Nobody has looked at {plan_id} since {timestamp(since)}, so whether it is ready "
        "is not known. Register it again: it may have no Schedule in Temporal"
        for plan_id, since in (seen.stale_plans or {}).items()
    }


def _stuck(workflow: ObservedWorkflow, now: float) -> str | None:
    if workflow.task_since is not None:
        seconds, attempts = now - workflow.task_since, workflow.task_attempts
        if attempts > 1 and seconds >= _TASK_FAILS_SECONDS:
            return (
                f"its workflow task has failed for {rounded_duration(seconds)} "
                f"({count(attempts, 'attempt')}). See the worker's log; a worker with the fix "
                "continues it"
            )
        if seconds >= _TASK_WAITS_SECONDS:
            return (
                f"no worker has taken its workflow task for {rounded_duration(seconds)}. "
                "Is a worker of its version running?"
            )
    if workflow.activity_attempts >= _MANY_ATTEMPTS:
        error = f": {workflow.activity_error}" if workflow.activity_error else ""
        return (
            f"activity {workflow.activity} has had {workflow.activity_attempts} attempts{error}. "
            "See the worker's log"
        )
    return None


def _channels(seen: Observation) -> dict[str, str]:
    """Why channels get nothing although they should."""
    if seen.notifier is None:
        return {}
    found = {}
    due_times = Outbox(seen.notifier).due_times()
    for name, channel in seen.notifier.channels.items():
        since = channel.failing_since
        late = seen.time - due_times.get(name, seen.time)
        if since is not None and seen.time - since >= _OVERDUE_SECONDS:
            found[name] = (
                f"Channel {name} has failed for {rounded_duration(seen.time - since)}: "
                f"{channel.error}. Test it with `drs-waves notify test`"
            )
        elif late >= _OVERDUE_SECONDS:
            found[name] = (
                f"A message to channel {name} should have been sent {rounded_duration(late)} ago. "
                "See the worker's log"
            )
    return found
