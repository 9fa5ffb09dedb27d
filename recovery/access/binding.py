"""What an act must satisfy to belong to a grant, each refusal with a code and a text.

The signature of a grant is verified before (`security.public_keys`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from recovery.access.approvals import Approval, require_approvals
from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    AnySubject,
    CleanupSubject,
    Grant,
    MessageSubject,
    StartSubject,
)
from recovery.execution.state import ExecutionType
from recovery.launch.admission import SERVERS_PER_LAUNCH
from recovery.operator.messages import MessageName
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.text_format import timestamp

# The clocks of the API and of a worker may differ.
_SKEW_SECONDS = 300.0
_CODES = {
    "execution_id": AccessCode.OTHER_EXECUTION,
    "plan_id": AccessCode.OTHER_PLAN,
    "plan_hash": AccessCode.OTHER_PLAN,
    "points_hash": AccessCode.OTHER_PLAN,
    "kind": AccessCode.OTHER_KIND,
}


@dataclass(frozen=True)
class RequestedLaunch:
    """A launch that an activity is asked for.

    Attributes:
        number: of this launch within the attempt, from 0.
        since: no job of it is older (epoch seconds).
        relaunch: servers that may lose a live recovery instance.
        wave_started: when the wave's workflow was started, by Temporal (epoch seconds).
        retries: the operators' messages that its attempts follow; their signatures are verified.
        approvals: of the recovery and of the wave; their signatures are verified.
    """

    execution_id: str
    wave_id: str
    attempt: int
    number: int
    target: Target
    servers: Sequence[Server]
    is_drill: bool
    since: float
    wave_started: float = 0.0
    relaunch: Sequence[str] = ()
    retries: Sequence[Grant] = ()
    approvals: Sequence[Approval] = ()


def require_current(grant: Grant, *, now: float) -> None:
    """Refuse a grant that has expired, or is from the future.

    Raises:
        AccessRefusedError: it is not valid now.
    """
    if now > grant.expires_time:
        raise AccessRefusedError(
            AccessCode.EXPIRED,
            f"the signature of {grant.actor} expired at {timestamp(grant.expires_time)}; "
            "send it again",
        )
    if grant.issued_time > now + _SKEW_SECONDS:
        raise AccessRefusedError(
            AccessCode.NOT_YET_VALID,
            f"it was signed at {timestamp(grant.issued_time)}, which is in the future; compare "
            "the clocks of the API and the worker",
        )


def require_same(
    grant: Grant,
    asked: AnySubject,
    *,
    actor: str,
) -> None:
    """Refuse what differs from what was signed.

    Args:
        grant: what was signed.
        asked: what is asked for.
        actor: who is named as its author.

    Raises:
        AccessRefusedError: with the field that differs.
    """
    for name, value in [("kind", asked.kind), *dict(asked).items()]:
        if getattr(grant.subject, name, None) != value:
            raise AccessRefusedError(
                _CODES.get(name, AccessCode.OTHER_CONTENT),
                f"its {name.replace('_', ' ')} is not what {grant.actor} signed; nothing is done",
            )
    if actor != grant.actor:
        raise AccessRefusedError(
            AccessCode.OTHER_ACTOR, f"it names {actor} as its author, but {grant.actor} signed it"
        )


def require_launch(launch: RequestedLaunch, signed: Grant, plan: RecoveryPlan) -> None:
    """Refuse a launch that does not belong to a signed start and its plan.

    Args:
        launch: what is to be launched.
        signed: the signed start.
        plan: the plan with the signed hash.

    Raises:
        AccessRefusedError: why nothing may be launched.
    """
    start = signed.subject
    assert isinstance(start, StartSubject), "the grant of a start"
    if launch.execution_id != start.execution_id:
        raise AccessRefusedError(
            AccessCode.OTHER_EXECUTION,
            f"the launch is of execution {launch.execution_id}; {start.execution_id} is signed",
        )
    if launch.is_drill is not (start.execution_type is ExecutionType.DRILL):
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT, f"the signed start is a {start.execution_type}"
        )
    wave = next((w for w in plan.waves if w.wave_id == launch.wave_id), None)
    if wave is None:
        raise AccessRefusedError(
            AccessCode.OTHER_WAVE, f"the signed plan has no wave {launch.wave_id}"
        )
    _require_target(launch.target, wave)
    _require_servers(launch, wave)
    if unsigned := [i for i in launch.relaunch if i not in start.relaunch]:
        raise AccessRefusedError(
            AccessCode.RELAUNCH_NOT_SIGNED,
            f"the signed start names no relaunch of {', '.join(unsigned[:3])}",
        )
    if launch.since > (start.takeover.since if start.takeover else start.start_time):
        # Its own job would not be found, and it would be launched twice.
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT, "jobs since the signed start must be searched"
        )
    _require_attempt(launch, wave, plan)
    require_approvals(signed, plan, wave, launch.approvals, started=launch.wave_started)


def require_termination(
    cleanup: CleanupSubject, launch_ids: Collection[str], *, is_drill: bool
) -> None:
    """Refuse to terminate an instance that is not one of a signed clean-up's execution.

    Args:
        cleanup: the signed clean-up.
        launch_ids: those of the instance's job, as DRS has them.
        is_drill: whether DRS says that the instance is a drill's.

    Raises:
        AccessRefusedError: why it is left.
    """
    if not any(i.startswith(f"{cleanup.execution_id}/") for i in launch_ids):
        raise AccessRefusedError(
            AccessCode.OTHER_EXECUTION,
            f"its job has no launch ID of {cleanup.execution_id}; if it was adopted, terminate its "
            "instance in the DRS console",
        )
    if not is_drill and cleanup.confirmation != cleanup.plan_id:
        raise AccessRefusedError(
            AccessCode.OTHER_CONTENT, "it is of a real RECOVERY, for which nothing was signed"
        )


def is_answer(
    grant: Grant, launch: RequestedLaunch, plan: RecoveryPlan, job_id: str | None
) -> bool:
    """Whether a signed message answers if DRS has the job of a launch.

    Args:
        grant: the message.
        launch: the launch in doubt.
        plan: its plan.
        job_id: the job to adopt; None to launch.
    """
    subject = grant.subject
    name = MessageName.LAUNCH_ANYWAY if job_id is None else MessageName.ADOPT_JOB
    prefix = f"{launch.execution_id}/{launch.wave_id}/{launch.attempt}/{launch.number}"
    return (
        isinstance(subject, MessageSubject)
        and subject.name == name
        and subject.execution_id == launch.execution_id
        and subject.fields.get("job") == job_id
        and subject.fields.get("launch") == prefix
        and plan.names_wave(subject.fields.get("wave"), launch.wave_id)
    )


def begins_attempt(grant: Grant, execution_id: str, wave: Wave, plan: RecoveryPlan) -> bool:
    """Whether another attempt of a wave, or of one of its steps, may follow a signed message."""
    subject = grant.subject
    return (
        isinstance(subject, MessageSubject)
        and subject.name in list(MessageName)
        and MessageName(subject.name).may_begin_attempt
        and subject.execution_id == execution_id
        and plan.names_wave(subject.fields.get("wave"), wave.wave_id)
    )


def _require_target(target: Target, wave: Wave) -> None:
    planned = wave.target
    same = (target.region, target.role_arn) == (planned.region, planned.role_arn)
    if not same or planned.account_id not in (None, target.account_id):
        raise AccessRefusedError(
            AccessCode.OTHER_TARGET, f"the signed plan launches {wave.wave_name} in another target"
        )


def _require_servers(launch: RequestedLaunch, wave: Wave) -> None:
    # A launch holds the next servers of the wave that have no job yet, in the plan's order.
    planned = wave.servers[launch.number * SERVERS_PER_LAUNCH :]
    if not launch.servers or len(launch.servers) > SERVERS_PER_LAUNCH or launch.number < 0:
        raise AccessRefusedError(
            AccessCode.OTHER_SERVERS, "it has no servers, or too many for a launch"
        )
    if unlaunched := [s.source_server_id for s in launch.servers if not s.is_launched]:
        raise AccessRefusedError(
            AccessCode.OTHER_SERVERS,
            f"no snapshot for the signed point in time was chosen for {', '.join(unlaunched[:3])}",
        )
    if foreign := [s.source_server_id for s in launch.servers if s not in planned]:
        raise AccessRefusedError(
            AccessCode.OTHER_SERVERS,
            f"launch {launch.number} of {wave.wave_name} has no {', '.join(foreign[:3])} in the "
            "signed plan, or with another snapshot",
        )


def _require_attempt(launch: RequestedLaunch, wave: Wave, plan: RecoveryPlan) -> None:
    """Each attempt after the first is one of the plan's `Retries`, or follows a signed message."""
    signed = {
        grant.nonce
        for grant in launch.retries
        if begins_attempt(grant, launch.execution_id, wave, plan)
    }
    if not 1 <= launch.attempt <= 1 + wave.retries + len(signed):
        raise AccessRefusedError(
            AccessCode.ATTEMPT_NOT_SIGNED,
            f"attempt {launch.attempt} of {wave.wave_name} is more than the plan's Retries and "
            f"{len(signed)} signed messages allow; send retry-wave",
        )
