"""The outcome of DRS's post-launch actions on one server, from its job and what is expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws.drs.models import LaunchAction, LaunchActionRun
from recovery.execution.server import PostLaunch

_SUCCEEDED = "SUCCEEDED"
_FAILED = "FAILED"
_ENDED = (_SUCCEEDED, _FAILED)


@dataclass(frozen=True)
class ActionsOutcome:
    """The outcome of the actions of one server.

    Attributes:
        status: None if no action must succeed.
        reason: which action failed or has not ended; "" if there is none.
        is_open: whether an action, also an optional one, may still end.
    """

    status: PostLaunch | None
    reason: str
    is_open: bool


def actions_outcome(
    runs: Sequence[LaunchActionRun], expected: Sequence[LaunchAction] | None
) -> ActionsOutcome:
    """Judge the actions of a launched server.

    Args:
        runs: those of its job. An action that has not begun is not among them.
        expected: the actions that DRS is to run; None if that is not known.
    """
    # Of several runs of an action, the last one counts.
    latest = {run.action.key: run for run in runs}
    required = [run for run in latest.values() if run.action.is_required]
    optional = [run for run in latest.values() if not run.action.is_required]
    ahead = [a for a in expected or () if a.is_active and a.key not in latest]
    texts = [f"optional {_text(run)}" for run in optional if run.status == _FAILED]
    is_optional_open = not all(r.status in _ENDED for r in optional) or bool(ahead)

    def outcome(status: PostLaunch | None, *, is_open: bool, first: str = "") -> ActionsOutcome:
        return ActionsOutcome(status, "; ".join([first] * bool(first) + texts), is_open)

    if failed := [run for run in required if run.status == _FAILED]:
        return outcome(PostLaunch.FAILED, is_open=False, first=f"its {_text(failed[0])}")
    if running := [run for run in required if run.status != _SUCCEEDED]:
        return outcome(PostLaunch.RUNNING, is_open=True, first=f"its {_text(running[0])}")
    if missing := [action for action in ahead if action.is_required]:
        first = f"its post-launch action {missing[0].label} has not begun"
        return outcome(PostLaunch.RUNNING, is_open=True, first=first)
    if expected is None:
        return outcome(PostLaunch.PENDING, is_open=True)
    is_any = bool(required)
    return outcome(PostLaunch.SUCCEEDED if is_any else None, is_open=is_optional_open)


def _text(run: LaunchActionRun) -> str:
    named = f"post-launch action {run.action.label}"
    match run.status:
        case "IN_PROGRESS":
            return f"{named} runs"
        case "FAILED":
            return f"{named} FAILED: {run.failure_reason or 'DRS gives no reason'}"
    return f"{named} has the status {run.status or 'unknown'}"
