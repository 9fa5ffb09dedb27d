"""Judges Temporal's namespace, search attributes, task queues, and Schedules."""

from collections.abc import Collection, Iterator, Sequence

from recovery.base_model import Model
from recovery.doctor.check import Check, Part
from recovery.text_format import count, listed, rounded_duration

# A take-over and `history verify` read what Temporal has of an execution; a recovery may take days.
_SHORTEST_RETENTION = 7 * 86_400.0
# More than a Schedule's own jitter and a worker that is restarted.
_LATE_INTERVALS = 2.0


def retention_check(namespace: str, seconds: float) -> Check:
    """Judge how long a namespace keeps ended workflows."""
    days = f"{seconds / 86_400:g} d" if seconds >= 86_400 else rounded_duration(seconds)
    if seconds >= _SHORTEST_RETENTION:
        return Check.ok(Part.TEMPORAL, f"namespace {namespace}", f"retention of {days}")
    return Check.warn(
        Part.TEMPORAL,
        f"namespace {namespace}",
        f"retention of {days}: of executions that ended before, only the history table knows",
        f"temporal operator namespace update --retention 7d --namespace {namespace}",
    )


def search_attribute_check(wanted: Sequence[str], registered: Collection[str]) -> Check:
    """Judge whether the namespace has our search attributes."""
    missing = [each for each in wanted if each not in registered]
    if missing:
        return Check.fail(
            Part.TEMPORAL,
            "search attributes",
            f"missing: {', '.join(missing)}; no execution can start",
            "Run `drs-waves init-tables`",
        )
    return Check.ok(Part.TEMPORAL, "search attributes", f"{', '.join(wanted)} are registered")


class QueueEvidence(Model):
    """A task queue.

    Attributes:
        pollers: how many Temporal lists, which include those killed in the last minutes.
        answered: whether a worker ran an activity of it; None: that was not tried.
    """

    name: str
    pollers: int
    answered: bool | None


def queue_check(queue: QueueEvidence) -> Check:
    """Judge whether a worker serves a task queue."""
    subject, listed_text = f"queue {queue.name}", f"{count(queue.pollers, 'poller')} listed"
    if queue.answered:
        return Check.ok(Part.WORKERS, subject, f"a worker answers; {listed_text}")
    if queue.answered is None and queue.pollers:
        return Check.skipped(Part.WORKERS, subject, f"{listed_text}; no worker was asked")
    return Check.fail(
        Part.WORKERS,
        subject,
        f"no worker answers; {listed_text}",
        "Start a worker with `drs-waves worker`; if one runs, restart it, and see its log",
    )


class ScheduleEvidence(Model):
    """The Schedule of a registered plan's looks at its readiness.

    Attributes:
        paused: somebody paused it.
        every_seconds: its interval.
        last_seconds: how long ago it last started a look, or was created.
    """

    plan_id: str
    exists: bool = True
    paused: bool = False
    every_seconds: float = 0.0
    last_seconds: float = 0.0


def schedule_checks(schedules: Sequence[ScheduleEvidence]) -> Iterator[Check]:
    """Judge whether all registered plans are looked at."""
    wrong = list[str]()
    for each in schedules:
        subject = f"readiness of {each.plan_id}"
        if not each.exists:
            message, action = "it has no Schedule, so nobody looks at it", "registers it again"
            action = f"`drs-waves register FILE` {action}"
        elif each.paused:
            message = "its Schedule is paused"
            action = (
                f"temporal schedule toggle --unpause --schedule-id drs-readiness/{each.plan_id}"
            )
        elif each.last_seconds > _LATE_INTERVALS * each.every_seconds:
            message = f"last looked at {rounded_duration(each.last_seconds)} ago, "
            message += f"instead of every {rounded_duration(each.every_seconds)}"
            action = "See the worker's log"
        else:
            continue
        wrong.append(each.plan_id)
        yield Check.warn(Part.SCHEDULES, subject, message, action)
    if fine := [each.plan_id for each in schedules if each.plan_id not in wrong]:
        yield Check.ok(
            Part.SCHEDULES, "readiness", f"{count(len(fine), 'plan')} looked at: {listed(fine)}"
        )
    if not schedules:
        yield Check.skipped(Part.SCHEDULES, "readiness", "no plan is registered")
