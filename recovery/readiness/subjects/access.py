"""Access: whether a real recovery can be started, also on the day when the API is lost."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import finding_of
from recovery.text_format import count, listed, utc_timestamp

UNTESTED_AFTER_DAYS = 180
_DAY_SECONDS = 86_400.0

NO_SIGNING_KEY = FindingKind(
    code=FindingCode.NO_SIGNING_KEY,
    severity=Severity.BLOCKS,
    title="Nobody can sign what a real recovery needs signed",
    meaning="The plan, or the worker, asks for signed requests, and the worker has no key to "
    "verify them with: it would refuse the start.",
    action="Set DRS_WAVES_REQUEST_KEYS on the worker, and DRS_WAVES_SIGNING_KEY on the API.",
)
ONLY_BREAK_GLASS = FindingKind(
    code=FindingCode.ONLY_BREAK_GLASS,
    severity=Severity.WARNS,
    title="Only a break-glass key can start a real recovery",
    meaning="The worker knows no key of an API, so nobody can start or approve a recovery that "
    "way.",
    action="Add the public key of the API to the file of DRS_WAVES_REQUEST_KEYS.",
)
NO_BREAK_GLASS_KEY = FindingKind(
    code=FindingCode.NO_BREAK_GLASS_KEY,
    severity=Severity.WARNS,
    title="There is no break-glass key",
    meaning="When the API, its identity provider or KMS is lost, nobody can start a recovery.",
    action="Make an offline key, and add its public half to DRS_WAVES_REQUEST_KEYS with "
    "BreakGlass: true.",
)
BREAK_GLASS_UNTESTED = FindingKind(
    code=FindingCode.BREAK_GLASS_UNTESTED,
    severity=Severity.WARNS,
    title=f"No break-glass key was used for {UNTESTED_AFTER_DAYS} days",
    meaning="Nobody knows whether the key is still found, and still accepted.",
    action="Run a drill with --break-glass REASON --key FILE.",
)
KINDS = (NO_SIGNING_KEY, ONLY_BREAK_GLASS, NO_BREAK_GLASS_KEY, BREAK_GLASS_UNTESTED)


class AccessEvidence(Model):
    """The keys of a worker, and their use.

    Attributes:
        requires_signatures: whether the worker acts only by signed requests.
        signing_keys: how many keys of APIs it knows.
        break_glass_keys: the names of the offline keys that it knows.
        last_break_glass: when one of these was last used in an execution (epoch seconds).
        failed: why that is not known.
    """

    requires_signatures: bool = False
    signing_keys: int = 0
    break_glass_keys: list[str] = []
    last_break_glass: float | None = None
    failed: FailedRead | None = None


def access_findings(plan: RecoveryPlan, evidence: AccessEvidence, now: float) -> Iterator[Finding]:
    """Judge whether a real recovery of a plan can be started.

    Args:
        plan: the plan.
        evidence: what the worker has.
        now: the time of the look (epoch seconds).
    """
    offline = evidence.break_glass_keys
    if evidence.requires_signatures or plan.recovery.is_about_people:
        asks = "the worker" if evidence.requires_signatures else "Recovery of the plan"
        why = f"{asks} asks for signed requests"
        seen = {"SigningKeys": str(evidence.signing_keys), "BreakGlassKeys": str(len(offline))}
        if not evidence.signing_keys and not offline:
            yield finding_of(NO_SIGNING_KEY, f"{why}, and the worker has no keys", seen)
        elif not evidence.signing_keys:
            yield finding_of(ONLY_BREAK_GLASS, f"{why}, and the worker knows no API's key", seen)
        elif not offline:
            yield finding_of(NO_BREAK_GLASS_KEY, f"{why}, and there is no break-glass key", seen)
    if not offline:
        return
    last, names = evidence.last_break_glass, listed(offline, shown=3)
    if evidence.failed is not None:
        yield evidence.failed.finding(f"when break-glass key {names} was last used")
    elif last is None:
        message = f"no recorded execution has used break-glass key {names}"
        yield finding_of(BREAK_GLASS_UNTESTED, message, {"Keys": names, "LastUsed": "never"})
    elif now - last > UNTESTED_AFTER_DAYS * _DAY_SECONDS:
        days = count(int((now - last) / _DAY_SECONDS), "day")
        message = f"break-glass key {names} was last used {days} ago"
        seen = {"Keys": names, "LastUsed": utc_timestamp(last)}
        yield finding_of(BREAK_GLASS_UNTESTED, message, seen)
