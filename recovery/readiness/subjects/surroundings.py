"""Surroundings: what a recovery needs besides its targets, as the worker sees it."""

from collections.abc import Collection, Iterator

from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.notify.channels import Channel
from recovery.notify.routes import routes_of
from recovery.plan.model import RecoveryPlan
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import finding_of
from recovery.steps.model import StepKind
from recovery.text_format import count, listed

# Source: the Route 53 developer guide, "Resilience": records are changed in this Region only.
ROUTE53_CONTROL_PLANE = "us-east-1"

NOBODY_NOTIFIED = FindingKind(
    code=FindingCode.NOBODY_NOTIFIED,
    severity=Severity.WARNS,
    title="Nobody is notified when a recovery needs a decision",
    meaning="A recovery that waits for a decision waits unheard, until its time is over.",
    action="Add a channel that gets DECISION_NEEDED of recoveries to the worker's "
    "DRS_WAVES_NOTIFY_FILE, or name one in Notify of the plan.",
)
CHANNEL_MISSING = FindingKind(
    code=FindingCode.CHANNEL_MISSING,
    severity=Severity.WARNS,
    title="The worker has no channel that the plan names",
    meaning="What should go there of this plan goes nowhere.",
    action="Add the channel to the worker's file of channels, or correct Notify in the plan.",
)
HISTORY_TABLE_UNFIT = FindingKind(
    code=FindingCode.HISTORY_TABLE_UNFIT,
    severity=Severity.WARNS,
    title="The history table is not as it should be",
    meaning="An execution goes on without it, but what it did may not be recorded.",
    action="Follow the message: it names the command that creates or corrects the table.",
)
STEP_NOT_ALLOWED = FindingKind(
    code=FindingCode.STEP_NOT_ALLOWED,
    severity=Severity.BLOCKS,
    title="The worker's allow-list lacks what a step uses",
    meaning="A start of the plan is refused before anything is launched.",
    action="Add what the step uses to the allow-list, or correct the step.",
)
NO_ALLOW_LIST = FindingKind(
    code=FindingCode.NO_ALLOW_LIST,
    severity=Severity.WARNS,
    title="The worker has no allow-list",
    meaning="It acts wherever a plan says, with every role that it can assume.",
    action="Set DRS_WAVES_ALLOW_LIST_FILE on the worker.",
)
SESSION_TAGS_REFUSED = FindingKind(
    code=FindingCode.SESSION_TAGS_REFUSED,
    severity=Severity.WARNS,
    title="A role does not accept who acts",
    meaning="The worker goes on without it, so CloudTrail does not show execution and actor.",
    action="Allow sts:TagSession and sts:SetSourceIdentity in the role's trust policy.",
)
LOST_WITH_THE_REGION = FindingKind(
    code=FindingCode.LOST_WITH_THE_REGION,
    severity=Severity.WARNS,
    title="Something that a recovery needs is in the Region to be lost",
    meaning="When the Region of the source servers is lost, this is lost with it.",
    action="Move it to another Region, or have a copy of it there.",
)
KINDS = (
    NOBODY_NOTIFIED,
    CHANNEL_MISSING,
    HISTORY_TABLE_UNFIT,
    STEP_NOT_ALLOWED,
    NO_ALLOW_LIST,
    SESSION_TAGS_REFUSED,
    LOST_WITH_THE_REGION,
)


class SurroundingsEvidence(Model):
    """What the worker has.

    Attributes:
        channels: of the installation.
        is_sandbox: all of AWS is on this machine, so without channels nobody is missing.
        history: how its table differs from the one that it should be.
        allow_list_warning: what the lack of an allow-list means; None if nothing is lacking.
        identity_warnings: what its sessions go on without.
        step_refusals: what the allow-list does not have of what steps need, by what is refused.
        lost: what is in a Region that the plan recovers from: the Region of each.
        origins: the Regions that the plan recovers from.
    """

    channels: list[Channel] = []
    is_sandbox: bool = False
    history: list[str] = []
    allow_list_warning: str | None = None
    identity_warnings: list[str] = []
    step_refusals: dict[str, list[str]] = {}
    lost: dict[str, str] = {}
    origins: list[str] = []


def surroundings_findings(
    plan: RecoveryPlan, evidence: SurroundingsEvidence, now: float
) -> Iterator[Finding]:
    """Judge what a recovery of a plan needs besides its targets.

    Args:
        plan: the plan.
        evidence: what the worker has.
        now: the time of the look (epoch seconds).
    """
    for each in evidence.history:
        yield finding_of(HISTORY_TABLE_UNFIT, each)
    for what, region in (evidence.lost | _lost_control_planes(plan, evidence.origins)).items():
        seen = {"What": what, "Region": region}
        yield finding_of(LOST_WITH_THE_REGION, lost_text(what, region), seen)
    if evidence.allow_list_warning is not None:
        yield finding_of(NO_ALLOW_LIST, evidence.allow_list_warning)
    for each in evidence.identity_warnings:
        yield finding_of(SESSION_TAGS_REFUSED, each)
    for what, refusals in evidence.step_refusals.items():
        for each in refusals:
            seen = {"Refused": what, "Reason": each}
            yield finding_of(STEP_NOT_ALLOWED, f"{what} is refused: {each}", seen)
    channels = evidence.channels
    routes = routes_of(channels, plan.notify, ExecutionType.RECOVERY, now=now)
    are_missing = bool(channels) or not evidence.is_sandbox
    if are_missing and not any(route.takes_decisions for route in routes):
        message = "the worker has no channels, so a recovery would notify nobody"
        if channels:
            message = f"none of {count(len(channels), 'channel')} gets a recovery's decisions"
        yield finding_of(NOBODY_NOTIFIED, message, {"Channels": str(len(channels))})
    names = {each.name for each in channels}
    for named in plan.notify:
        if named.channel not in names:
            message = f"the worker has no channel {named.channel}, which the plan's Notify names"
            yield finding_of(CHANNEL_MISSING, message, {"Channel": named.channel})


def _lost_control_planes(plan: RecoveryPlan, origins: Collection[str]) -> dict[str, str]:
    """What AWS itself runs in one Region only."""
    if ROUTE53_CONTROL_PLANE not in origins:
        return {}
    steps = [
        f"{step.step_id} of {wave.wave_name}"
        for wave in plan.waves
        for _, step in wave.all_steps
        if step.kind is StepKind.ROUTE53_RECORD and step.runs_in(is_drill=False)
    ]
    what = f"The control plane of Route 53, which step {listed(steps, shown=3)} needs,"
    return {what: ROUTE53_CONTROL_PLANE} if steps else {}


def lost_text(what: str, region: str) -> str:
    """That something is in a Region that a plan recovers from."""
    return f"{what} is in {region}, a Region this plan recovers from"
