"""What the signature of a schedule allows: drills of one plan, at its times, and their clean-up.

Each becomes the grant of a start or of a clean-up, which is then verified as any other.
"""

from recovery.access.grants import (
    DAY_SECONDS,
    AccessCode,
    AccessRefusedError,
    CleanupSubject,
    Grant,
    ScheduleSubject,
    StartSubject,
)
from recovery.execution.state import ExecutionType
from recovery.schedule.cron import Cron
from recovery.text_format import timestamp

CATCH_UP_SECONDS = 3600.0
"""So late a scheduled drill still starts; later, it is missed."""
# For the worker that takes it up.
_SLACK_SECONDS = 600.0
_SKEW_SECONDS = 300.0
_MINUTE = 60.0
# A plan's deadline is at most 7 days; its clean-up waits for its jobs for at most a day.
_CLEANUP_DAYS = 10


def scheduled_actor(registered_by: str) -> str:
    """Who is named as the starter of a schedule's drills."""
    return f"schedule of {registered_by}"


def scheduled_start(
    grant: Grant,
    asked: StartSubject,
    *,
    scheduled_time: float | None,
    began: float,
    deadline_seconds: float,
) -> Grant:
    """The grant of one start, by the signature of a schedule.

    Args:
        grant: of the schedule; its signature is verified.
        asked: the start.
        scheduled_time: the time of the schedule that it is of (epoch seconds).
        began: when the plan's workflow was started, by Temporal (epoch seconds).
        deadline_seconds: of the plan.

    Raises:
        AccessRefusedError: the schedule does not allow it.
    """
    schedule = require_time(grant, scheduled_time)
    latest = (scheduled_time or 0.0) + CATCH_UP_SECONDS + schedule.announce_seconds + _SLACK_SECONDS
    if asked.execution_type is not ExecutionType.DRILL:
        raise AccessRefusedError(AccessCode.OTHER_CONTENT, "a schedule starts drills only")
    if (asked.plan_id, asked.plan_hash) != (schedule.plan_id, schedule.plan_hash):
        raise AccessRefusedError(
            AccessCode.OTHER_PLAN, f"{grant.actor} signed a schedule of another plan"
        )
    if asked.takeover or asked.relaunch or asked.points_hash:
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT,
            "a scheduled drill takes nothing over, relaunches nothing and has no point in time",
        )
    if asked.start_time > began + _SKEW_SECONDS:
        # Its own jobs would not be found, and it would be launched twice.
        raise AccessRefusedError(AccessCode.OTHER_CONTENT, "it names a later start than its own")
    if not (scheduled_time or 0.0) <= began <= latest:
        raise AccessRefusedError(
            AccessCode.EXPIRED,
            f"the drill of {timestamp(scheduled_time or 0.0)} began at {timestamp(began)}",
        )
    if began > grant.expires_time:
        raise AccessRefusedError(
            AccessCode.EXPIRED,
            f"the signature of {grant.actor} expired at {timestamp(grant.expires_time)}; register "
            "the plan again",
        )
    return grant.model_copy(
        update={
            "subject": asked,
            "actor": scheduled_actor(grant.actor),
            "expires_time": began + deadline_seconds + DAY_SECONDS,
        }
    )


def scheduled_cleanup(
    grant: Grant, asked: CleanupSubject, *, scheduled_time: float | None
) -> Grant:
    """The grant of one clean-up, by the signature of a schedule; revoking it changes nothing.

    Raises:
        AccessRefusedError: the schedule does not allow it.
    """
    schedule = require_time(grant, scheduled_time)
    if asked.plan_id != schedule.plan_id or asked.confirmation is not None:
        raise AccessRefusedError(
            AccessCode.OTHER_PLAN, f"{grant.actor} signed the drills of another plan"
        )
    if asked.after_seconds != schedule.cleanup_seconds:
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT, f"{grant.actor} signed another time of the clean-up"
        )
    begin = scheduled_time or 0.0
    longest = schedule.announce_seconds + schedule.cleanup_seconds + _CLEANUP_DAYS * DAY_SECONDS
    return grant.model_copy(
        update={
            "subject": asked,
            "actor": scheduled_actor(grant.actor),
            "issued_time": begin,
            "expires_time": begin + CATCH_UP_SECONDS + longest,
        }
    )


def require_time(grant: Grant, scheduled_time: float | None) -> ScheduleSubject:
    """Refuse what is not of a time of a signed schedule; returns the schedule.

    Raises:
        AccessRefusedError: it is of no time of it.
    """
    schedule = grant.subject
    if not isinstance(schedule, ScheduleSubject):
        raise AccessRefusedError(AccessCode.OTHER_KIND, "it is not the signature of a schedule")
    times = Cron.parse(schedule.cron, schedule.time_zone)
    if scheduled_time is None or scheduled_time % _MINUTE or not times.matches(scheduled_time):
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT,
            "it is not of a time of the signed schedule; `drs-waves schedule run-now` signs a "
            "drill of its own",
        )
    return schedule
