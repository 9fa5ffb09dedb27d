"""Replication: whether DRS has each server, can launch it, and how old its data is."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.plan.model import RecoveryPlan
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget
from recovery.readiness.result import Lag
from recovery.text_format import rounded_duration, utc_timestamp

# An agent reports every few minutes.
UNSEEN_SECONDS = 600.0
# Source: the DRS API reference, DataReplicationInfo: nothing to launch from before CONTINUOUS.
NOT_LAUNCHABLE_STATES = ("INITIATING", "INITIAL_SYNC", "STOPPED", "DISCONNECTED")
_LAUNCHABLE_STATES = ("BACKLOG", "CREATING_SNAPSHOT", "PAUSED", "RESCAN")

DRS_NOT_INITIALIZED = FindingKind(
    code=FindingCode.DRS_NOT_INITIALIZED,
    severity=Severity.BLOCKS,
    title="DRS was never used in the account and Region",
    meaning="None of the plan's servers can be there.",
    action="Correct Region or RoleArn in the plan.",
    prevents_launch=True,
)
SERVER_MISSING = FindingKind(
    code=FindingCode.SERVER_MISSING,
    severity=Severity.BLOCKS,
    title="DRS does not have the source server",
    meaning="The server was deleted in DRS, or the plan names another account or Region.",
    action="Correct the ID, Region or RoleArn in the plan, or take the server out of it.",
    prevents_launch=True,
)
NOT_LAUNCHABLE = FindingKind(
    code=FindingCode.NOT_LAUNCHABLE,
    severity=Severity.BLOCKS,
    title="The server has no data to launch from",
    meaning="Its replication is not set up, not complete for the first time, or disconnected.",
    action="Wait for the initial sync, or reinstall the agent and start the replication again.",
    prevents_launch=True,
)
REPLICATION_STALLED = FindingKind(
    code=FindingCode.REPLICATION_STALLED,
    severity=Severity.BLOCKS,
    title="Replication is stalled",
    meaning="Nothing is replicated: a recovery would launch older data with each hour.",
    action="Follow the replication error that DRS reports for the server.",
)
REPLICATION_NOT_CONTINUOUS = FindingKind(
    code=FindingCode.REPLICATION_NOT_CONTINUOUS,
    severity=Severity.WARNS,
    title="Replication is not continuous",
    meaning="DRS reads the disks again, has a backlog or is paused; it can launch earlier data.",
    action="Wait until it is CONTINUOUS; if it stays, see the server in the DRS console.",
)
REPLICATION_STATE_UNKNOWN = FindingKind(
    code=FindingCode.REPLICATION_STATE_UNKNOWN,
    severity=Severity.UNKNOWN,
    title="The state of the replication is not known",
    meaning="DRS names no state, or one that drs-waves does not know.",
    action="See the server in the DRS console; update drs-waves if the state is a new one.",
)
REPLICATION_ERROR = FindingKind(
    code=FindingCode.REPLICATION_ERROR,
    severity=Severity.WARNS,
    title="Replication reports an error",
    meaning="DRS names a problem of the agent or of the staging area.",
    action="Follow the error in the evidence, in DRS's troubleshooting guide.",
)
REPLICATION_LAG = FindingKind(
    code=FindingCode.REPLICATION_LAG,
    severity=Severity.WARNS,
    title="Replication lags",
    meaning="The newest data in DRS is this much older than that of the source server.",
    action="Give the plan an RPO, so that only a lag that matters blocks.",
)
LAG_UNKNOWN = FindingKind(
    code=FindingCode.LAG_UNKNOWN,
    severity=Severity.UNKNOWN,
    title="DRS does not say how far the replication lags",
    meaning="Whether its data is within the plan's RPO is not known.",
    action="See the server in the DRS console; look again once it replicates.",
)
RPO_EXCEEDED = FindingKind(
    code=FindingCode.RPO_EXCEEDED,
    severity=Severity.BLOCKS,
    title="The lag exceeds the plan's RPO",
    meaning="A recovery now would lose more data than the plan allows.",
    action="Find what slows the replication: bandwidth, the replication server, or the writes.",
)
RPO_EXCEEDED_LATELY = FindingKind(
    code=FindingCode.RPO_EXCEEDED_LATELY,
    severity=Severity.WARNS,
    title="The lag exceeded the plan's RPO within the last day",
    meaning="It does not now, but a recovery at that time would have lost too much data.",
    action="Look at the trend in `drs-waves readiness PLAN`, and at what ran at that time.",
)
EXTENSION_FAILED = FindingKind(
    code=FindingCode.EXTENSION_FAILED,
    severity=Severity.BLOCKS,
    title="The extension from the staging account failed",
    meaning="The server is extended from another account, and DRS cannot launch it here.",
    action="Correct what the evidence names, and extend the source server again.",
    prevents_launch=True,
)
AGENT_UNSEEN = FindingKind(
    code=FindingCode.AGENT_UNSEEN,
    severity=Severity.WARNS,
    title="The agent has not been seen for 10 minutes",
    meaning="The source server is down, or its agent does not reach DRS.",
    action="See whether the server runs, and whether its agent reaches DRS over TCP 443 and 1500.",
)
AGENT_SIGHTING_UNKNOWN = FindingKind(
    code=FindingCode.AGENT_SIGHTING_UNKNOWN,
    severity=Severity.WARNS,
    title="DRS does not say when it saw the agent",
    meaning="Whether the source server still replicates is seen by its lag only.",
    action="Nothing, if the lag is low; else see the server in the DRS console.",
)
KINDS = (
    DRS_NOT_INITIALIZED,
    SERVER_MISSING,
    NOT_LAUNCHABLE,
    REPLICATION_STALLED,
    REPLICATION_NOT_CONTINUOUS,
    REPLICATION_STATE_UNKNOWN,
    REPLICATION_ERROR,
    REPLICATION_LAG,
    LAG_UNKNOWN,
    RPO_EXCEEDED,
    RPO_EXCEEDED_LATELY,
    EXTENSION_FAILED,
    AGENT_UNSEEN,
    AGENT_SIGHTING_UNKNOWN,
)


class ServerReplication(Model):
    """What DRS says of a server's replication.

    Attributes:
        lag_seconds: None if it is not known.
        extension_error: why the extension from the staging account failed; None: it did not.
        last_seen: its agent (epoch seconds).
    """

    state: str | None = None
    error: str | None = None
    lag_seconds: float | None = None
    extension_error: str | None = None
    last_seen: float | None = None

    def is_seen(self, now: float) -> bool:
        """Whether its agent was seen in the last 10 minutes."""
        return self.last_seen is not None and now - self.last_seen <= UNSEEN_SECONDS


class ReplicationEvidence(Model):
    """The replication of a plan's servers in one target.

    Attributes:
        servers: by ID; those that DRS has.
        failed: why they could not be read.
        is_uninitialized: because DRS was never used there.
    """

    servers: dict[str, ServerReplication] = {}
    is_uninitialized: bool = False
    failed: FailedRead | None = None


def replication_findings(
    planned: PlannedTarget, evidence: ReplicationEvidence, now: float
) -> Iterator[Finding]:
    """Judge the replication of a plan's servers in one target.

    Args:
        planned: the servers.
        evidence: what DRS has.
        now: the time of the look (epoch seconds).
    """
    if evidence.failed is not None and evidence.is_uninitialized:
        error = evidence.failed.error
        yield planned.finding(DRS_NOT_INITIALIZED, error, evidence={"Error": error})
        return
    if evidence.failed is not None:
        yield evidence.failed.finding("the source servers", planned)
        return
    for server_id in planned.servers:
        server = evidence.servers.get(server_id)
        if server is None:
            yield planned.finding(SERVER_MISSING, "DRS has no such source server here", server_id)
            continue
        for kind, message, seen in _problems(planned, server, now):
            yield planned.finding(kind, message, server_id, evidence=seen)


_Problem = tuple[FindingKind, str, dict[str, str]]


def _problems(planned: PlannedTarget, server: ServerReplication, now: float) -> Iterator[_Problem]:
    state = server.state or "unknown"
    if state in NOT_LAUNCHABLE_STATES:
        message = f"replication is {state}: DRS cannot launch it yet"
        yield NOT_LAUNCHABLE, message, {"State": state}
    elif state == "STALLED":
        yield REPLICATION_STALLED, "replication is STALLED", {"State": state}
    elif state in _LAUNCHABLE_STATES:
        yield REPLICATION_NOT_CONTINUOUS, f"replication is {state}", {"State": state}
    elif state != "CONTINUOUS":
        yield REPLICATION_STATE_UNKNOWN, f"replication is {state}", {"State": state}
    if server.error:
        yield REPLICATION_ERROR, f"replication reports {server.error}", {"Error": server.error}
    if server.lag_seconds is None and planned.plan.rpo is not None:
        yield LAG_UNKNOWN, "DRS does not say how far its replication lags", {"State": state}
    yield from _lag_problems(server.lag_seconds or 0.0, planned.plan.rpo)
    if server.extension_error is not None:
        reason = server.extension_error or "no reason given"
        message = f"its extension failed ({reason}): DRS cannot launch it"
        yield EXTENSION_FAILED, message, {"Error": reason}
    if server.last_seen is None:
        yield AGENT_SIGHTING_UNKNOWN, "DRS does not say when its agent was last seen", {}
    elif not server.is_seen(now):
        at = utc_timestamp(server.last_seen)
        yield AGENT_UNSEEN, f"its agent was last seen at {at}", {"LastSeen": at}


def _lag_problems(lag: float, rpo_minutes: int | None) -> Iterator[_Problem]:
    if not lag:
        return
    shown = rounded_duration(lag)
    if rpo_minutes is None:
        yield REPLICATION_LAG, f"replication lags by {shown}", {"Lag": f"{lag:.0f} s"}
    elif lag > rpo_minutes * 60:
        rpo = rounded_duration(rpo_minutes * 60)
        message = f"replication lags by {shown}; the plan's RPO is {rpo}"
        yield RPO_EXCEEDED, message, {"Lag": f"{lag:.0f} s", "Rpo": f"{rpo_minutes * 60} s"}


def lately_findings(
    plan: RecoveryPlan, now: Lag | None, of_last_day: Lag | None
) -> Iterator[Finding]:
    """Judge the worst lag of the last day, where the lag now does not say it already.

    Args:
        plan: the plan.
        now: the worst lag of its servers now.
        of_last_day: the worst that its looks of the last day found.
    """
    if plan.rpo is None or of_last_day is None:
        return
    rpo = plan.rpo * 60
    if of_last_day.seconds <= rpo or (now is not None and now.seconds > rpo):
        return
    waves = {i: wave for wave in plan.waves for i in wave.server_ids}
    server_id = of_last_day.source_server_id
    shown = rounded_duration(of_last_day.seconds)
    message = (
        f"replication lagged by {shown} within the last day; the RPO is {rounded_duration(rpo)}"
    )
    evidence = {"Lag": f"{of_last_day.seconds:.0f} s", "Rpo": f"{rpo} s"}
    if (wave := waves.get(server_id)) is not None:
        planned = PlannedTarget(plan, wave.target)
        yield planned.finding(RPO_EXCEEDED_LATELY, message, server_id, evidence=evidence)
