"""What must be confirmed before a start, a cancellation, a clean-up or a revert of a step.

One rule for all callers. An irreversible request is confirmed with the PlanId, that of a step with
`WAVE/STEP`, which a person types and a script passes as `confirmation`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from recovery.execution.state import ExecutionType
from recovery.plan.point_in_time import time_problem
from recovery.plan.snapshots import PointInTime
from recovery.readiness.finding import Finding
from recovery.readiness.verdict import refusing_drill, to_accept
from recovery.report.declaration import declaration_problem
from recovery.steps.replaced import RevertView
from recovery.text_format import count, listed

_CHANGES_SHOWN = 20


class RequestRefusalCode(StrEnum):
    """Why a request is refused."""

    MISSING = "MISSING"
    """A confirmation is required, and none was given."""
    WRONG = "WRONG"
    """The confirmation is another text than the required one."""
    NOTHING_TO_DO = "NOTHING_TO_DO"
    NOT_FOR_A_DRILL = "NOT_FOR_A_DRILL"
    NOT_FOR_A_RECOVERY = "NOT_FOR_A_RECOVERY"
    UNKNOWN_SERVERS = "UNKNOWN_SERVERS"
    NOT_FORCED = "NOT_FORCED"
    DECLARED = "DECLARED"
    """The declaration is not before the start, or too long before it."""
    POINT_IN_TIME = "POINT_IN_TIME"
    """The point in time contradicts another option, or its snapshots are not as they must be."""
    MEMBERSHIP = "MEMBERSHIP"
    """The servers that the plan names by tags are not known."""
    FINDINGS_REFUSE = "FINDINGS_REFUSE"
    """A drill is not started with what the look before it found."""
    FINDINGS_NOT_ACCEPTED = "FINDINGS_NOT_ACCEPTED"
    """A drill is started with what was found only if somebody accepts it."""
    NOT_SIGNED = "NOT_SIGNED"
    """The plan says whose approval its recovery needs, and nobody's would be verified."""


@dataclass(frozen=True)
class RequestRefusal:
    """A refused request; the text says what was not done, and why."""

    code: RequestRefusalCode
    text: str


@dataclass(frozen=True)
class IntendedStart:
    """The parts of a start that decide what must be confirmed.

    Attributes:
        relaunch: servers that are launched even if this destroys a live recovery instance.
        server_ids: the servers of the plan; None while the plan is not read yet.
        replaces_drill: first end a running drill of the plan.
        is_cleaned_up: its instances are terminated after its end.
        plan_changes: how the plan differs from that of the execution it continues.
        needs_signature: whether the plan's rules for a recovery hold only for a signed start.
        is_signed: whether the start is signed, for a caller whose identity is verified.
        continues: whether it continues an earlier execution.
        point_in_time: what it is asked to recover to.
        declared: when the disaster or the exercise was declared.
        now: when it is asked for (epoch seconds); None: the time was checked.
        points_problem: why it must not start with the snapshots that were chosen.
        members_problem: why it must not start with the servers that its tags match.
        left_out: which servers it leaves out for want of a snapshot; "" for none.
    """

    plan_id: str
    execution_type: ExecutionType
    relaunch: Collection[str] = ()
    server_ids: Collection[str] | None = None
    replaces_drill: bool = False
    is_cleaned_up: bool = False
    plan_changes: Collection[str] = field(default=())
    needs_signature: bool = False
    is_signed: bool = False
    continues: bool = False
    point_in_time: PointInTime | None = None
    declared: float | None = None
    now: float | None = None
    points_problem: str | None = None
    members_problem: str | None = None
    left_out: str = ""

    @property
    def shows_targets(self) -> bool:
        """Whether its confirmation shows the targets, as only a worker sees them."""
        return self.execution_type is ExecutionType.RECOVERY or bool(self.relaunch)

    @property
    def confirmed_for(self) -> str | None:
        """What the PlanId confirms; None if no confirmation is needed."""
        if self.execution_type is ExecutionType.RECOVERY:
            return "a real RECOVERY"
        if self.relaunch:
            return "a relaunch over live recovery instances"
        if self.plan_changes:
            shown = list(self.plan_changes)[:_CHANGES_SHOWN]
            return f"a plan that was changed since ({'; '.join(shown)})"
        if self.left_out and not self.continues:
            return f"a start without {self.left_out}"
        return None


def start_options_refusal(start: IntendedStart) -> RequestRefusal | None:
    """Why a start's options contradict each other; None if they do not."""
    is_recovery = start.execution_type is ExecutionType.RECOVERY
    if is_recovery and start.is_cleaned_up:
        return RequestRefusal(
            RequestRefusalCode.NOT_FOR_A_RECOVERY,
            "nothing was started: a clean-up afterwards is for a drill; what a real RECOVERY "
            "launches stays",
        )
    if start.replaces_drill and not is_recovery:
        return RequestRefusal(
            RequestRefusalCode.NOT_FOR_A_DRILL,
            "nothing was started: only a real RECOVERY replaces a running drill",
        )
    known = start.server_ids
    if known is not None and (unknown := [s for s in start.relaunch if s not in known]):
        return RequestRefusal(
            RequestRefusalCode.UNKNOWN_SERVERS,
            f"nothing was started: the relaunch names {', '.join(unknown)}, which "
            f"{start.plan_id} does not launch",
        )
    if (refusal := _frozen_refusal(start)) is not None:
        return refusal
    if start.needs_signature and not start.is_signed:
        return RequestRefusal(
            RequestRefusalCode.NOT_SIGNED,
            f"nothing was started: {start.plan_id} has Recovery rules about who starts and "
            "approves it, which hold only if the start is signed. Start it through an API server "
            "with sign-in that signs (DRS_WAVES_SIGNING_KEY); if that is lost, with --break-glass "
            "REASON --key FILE",
        )
    return _declaration_refusal(start)


def _declaration_refusal(start: IntendedStart) -> RequestRefusal | None:
    if start.declared is None or start.now is None:
        return None
    problem = declaration_problem(start.declared, start=start.now)
    if problem is None:
        return None
    return RequestRefusal(RequestRefusalCode.DECLARED, f"nothing was started: {problem}")


def _frozen_refusal(start: IntendedStart) -> RequestRefusal | None:
    """Why a plan may not start with what was chosen for it; None if it may."""
    for code, problem in (
        (RequestRefusalCode.MEMBERSHIP, start.members_problem),
        (RequestRefusalCode.POINT_IN_TIME, _point_problem(start)),
    ):
        if problem is not None:
            return RequestRefusal(code, f"nothing was started: {problem}")
    return None


def _point_problem(start: IntendedStart) -> str | None:
    wanted = start.point_in_time
    if start.continues and wanted is not None:
        return (
            "what continues an execution is recovered to the point in time of that execution; omit "
            "the point in time, or start without the execution to continue"
        )
    if wanted is not None and start.now is not None:
        return time_problem(wanted.time, now=start.now) or start.points_problem
    return start.points_problem


def start_refusal(start: IntendedStart, confirmation: str | None) -> RequestRefusal | None:
    """Why an execution may not be started; None if it may."""
    return start_options_refusal(start) or _refusal(
        start.plan_id, confirmation, start.confirmed_for, outcome="nothing was started"
    )


def findings_refusal(
    start: IntendedStart, findings: Sequence[Finding], *, is_accepted: bool
) -> RequestRefusal | None:
    """Why a drill is not started with what was found; None if it is. A recovery always is.

    Args:
        start: the start.
        findings: of a look at its plan.
        is_accepted: whether somebody accepts them.
    """
    if start.execution_type is ExecutionType.RECOVERY:
        return None
    if refusing := refusing_drill(findings, start.relaunch):
        what = f"a drill is not started with {_findings_text(refusing)}"
        return RequestRefusal(RequestRefusalCode.FINDINGS_REFUSE, f"nothing was started: {what}")
    left = [f for f in to_accept(findings) if f.source_server_id not in start.relaunch]
    if is_accepted or not left:
        return None
    return RequestRefusal(
        RequestRefusalCode.FINDINGS_NOT_ACCEPTED,
        f"nothing was started: a drill with {_findings_text(left)} needs somebody who accepts "
        f"{'it' if len(left) == 1 else 'them'}",
    )


def accepted_texts(findings: Sequence[Finding]) -> list[str]:
    """Those of the findings with which a drill starts only if somebody accepts them, each named."""
    return [_name(each) for each in to_accept(findings)]


def _name(finding: Finding) -> str:
    return f"{finding.code} {finding.source_server_id or finding.region or ''}".strip()


def _findings_text(findings: Sequence[Finding]) -> str:
    return f"{count(len(findings), 'finding')} ({listed([*map(_name, findings)], shown=5)})"


def cancel_refusal(
    plan_id: str, execution_type: ExecutionType | None, confirmation: str | None
) -> RequestRefusal | None:
    """Why an execution may not be cancelled; None if it may.

    An execution of an unknown type counts as a recovery.
    """
    is_recovery = execution_type is not ExecutionType.DRILL
    what = "the cancellation of a real RECOVERY" if is_recovery else None
    return _refusal(plan_id, confirmation, what, outcome="nothing was cancelled")


def portfolio_refusal(
    portfolio_id: str, execution_type: ExecutionType, confirmation: str | None
) -> RequestRefusal | None:
    """Why a portfolio may not be started; None if it may. Every start is confirmed."""
    what = f"a {execution_type} of many plans"
    return _portfolio_refusal(portfolio_id, confirmation, what, outcome="nothing was started")


def portfolio_cancel_refusal(portfolio_id: str, confirmation: str | None) -> RequestRefusal | None:
    """Why a portfolio may not be cancelled; None if it may."""
    what = "the cancellation of all its executions"
    return _portfolio_refusal(portfolio_id, confirmation, what, outcome="nothing was cancelled")


def _portfolio_refusal(
    portfolio_id: str, confirmation: str | None, what: str, *, outcome: str
) -> RequestRefusal | None:
    if confirmation is None:
        text = f"{outcome}: {what} needs the PortfolioId {portfolio_id!r} as its confirmation"
        return RequestRefusal(RequestRefusalCode.MISSING, text)
    if confirmation != portfolio_id:
        text = f"{outcome}: {confirmation!r} is not the PortfolioId, {portfolio_id!r}"
        return RequestRefusal(RequestRefusalCode.WRONG, text)
    return None


def cleanup_refusal(
    plan_id: str,
    execution_type: ExecutionType,
    confirmation: str | None,
    *,
    is_forced: bool = True,
) -> RequestRefusal | None:
    """Why an execution's instances may not be terminated; None if they may.

    A recovery's instances are terminated by force only, where the caller asked for that.
    """
    is_recovery = execution_type is ExecutionType.RECOVERY
    if is_recovery and not is_forced:
        return RequestRefusal(
            RequestRefusalCode.NOT_FORCED,
            f"nothing was terminated: this execution of {plan_id} is a real RECOVERY, and its "
            "instances may be in use; they are terminated by force only",
        )
    what = "the termination of a real RECOVERY's instances" if is_recovery else None
    return _refusal(plan_id, confirmation, what, outcome="nothing was terminated")


def launch_settings_refusal(plan_id: str, confirmation: str | None) -> RequestRefusal | None:
    """Why a plan's launch settings may not be applied; None if they may."""
    what = "a change of launch templates, which recoveries use too,"
    return _refusal(plan_id, confirmation, what, outcome="nothing was changed")


def revert_refusal(
    view: RevertView, step: str, confirmation: str | None, *, is_forced: bool
) -> RequestRefusal | None:
    """Why what a step replaced is not put back; None if it may be.

    Args:
        view: what was shown.
        step: `WAVE/STEP`, which is the confirmation.
        confirmation: as it was given.
        is_forced: also if someone else has changed it since.
    """
    if view.now == view.was:
        return RequestRefusal(
            RequestRefusalCode.NOTHING_TO_DO,
            f"nothing is put back: {view.place} is already as it was before the step",
        )
    if view.now != view.set_to and not is_forced:
        return RequestRefusal(
            RequestRefusalCode.NOT_FORCED,
            f"nothing is put back: {view.place} is not what the step set, so someone has changed "
            "it since. Look who did; it is put back by force only",
        )
    if confirmation is None:
        return RequestRefusal(
            RequestRefusalCode.MISSING,
            f"nothing is put back: it needs the step {step!r} as its confirmation",
        )
    if confirmation != step:
        return RequestRefusal(
            RequestRefusalCode.WRONG,
            f"nothing is put back: {confirmation!r} is not the step, {step!r}",
        )
    return None


def _refusal(
    plan_id: str, confirmation: str | None, what: str | None, *, outcome: str
) -> RequestRefusal | None:
    if confirmation is not None and confirmation != plan_id:
        return RequestRefusal(
            RequestRefusalCode.WRONG,
            f"{outcome}: {confirmation!r} is not the PlanId of this plan, {plan_id!r}",
        )
    if what is not None and confirmation is None:
        return RequestRefusal(
            RequestRefusalCode.MISSING,
            f"{outcome}: {what} needs the PlanId {plan_id!r} as its confirmation",
        )
    return None
