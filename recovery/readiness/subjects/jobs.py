"""Jobs: what already runs for a plan's servers, and how much of DRS's quotas that leaves."""

from collections.abc import Iterator

from recovery.base_model import Model
from recovery.launch.admission import Quotas
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, FindingKind, Severity
from recovery.readiness.planned_target import PlannedTarget

LIVE_RECOVERY_INSTANCE = FindingKind(
    code=FindingCode.LIVE_RECOVERY_INSTANCE,
    severity=Severity.BLOCKS,
    title="The server has a live recovery instance",
    meaning="A real recovery launched it; DRS would destroy that instance for a new one.",
    action="Clean up what is no longer used, or name the server with `run --relaunch`.",
    prevents_launch=True,
    refuses_drill=True,
)
NOT_PROTECTED = FindingKind(
    code=FindingCode.NOT_PROTECTED,
    severity=Severity.WARNS,
    title="A recovered server is not protected",
    meaning="A real recovery launched it, and nothing replicates it back: what it has written "
    "since would be lost with it.",
    action="Start its reversed replication in DRS, or its failback.",
)
RUNNING_JOB = FindingKind(
    code=FindingCode.RUNNING_JOB,
    severity=Severity.BLOCKS,
    title="A DRS job of the server is running",
    meaning="DRS takes no second job for a server: its launch waits for the end of this one.",
    action="Wait for the job's end; DRS cannot cancel it.",
    prevents_launch=True,
)
JOBS_QUOTA_USED = FindingKind(
    code=FindingCode.JOBS_QUOTA_USED,
    severity=Severity.BLOCKS,
    title="All jobs that DRS runs at once are in progress",
    meaning="Launches wait until a job of this account and Region ends.",
    action="Wait for jobs to end, or ask AWS for a higher quota.",
)
SERVERS_QUOTA_SHORT = FindingKind(
    code=FindingCode.SERVERS_QUOTA_SHORT,
    severity=Severity.WARNS,
    title="The plan has more servers than DRS takes at once",
    meaning="Waves wait for servers of other jobs, so the recovery takes longer.",
    action="Look at `drs-waves forecast`, and ask AWS for a higher quota if it is too slow.",
)
KINDS = (LIVE_RECOVERY_INSTANCE, NOT_PROTECTED, RUNNING_JOB, JOBS_QUOTA_USED, SERVERS_QUOTA_SHORT)


class RunningJob(Model):
    """A DRS job that runs; `purpose` is what began it, such as START_DRILL."""

    job_id: str
    purpose: str = ""
    server_ids: tuple[str, ...] = ()


class LiveInstance(Model):
    """A live instance of a real recovery.

    Attributes:
        job_id: the job that launched it.
        is_protected: it is replicated back.
        text: what is known of it, as screens show it.
    """

    job_id: str | None = None
    recovery_instance_id: str | None = None
    is_protected: bool = False
    text: str


class JobsEvidence(Model):
    """What DRS runs and has launched in a target.

    Attributes:
        live: by source server.
        running: of all plans, and of none.
        failed: why they could not be read.
    """

    live: dict[str, LiveInstance] = {}
    running: list[RunningJob] = []
    quotas: Quotas = Quotas()
    failed: FailedRead | None = None


def jobs_findings(planned: PlannedTarget, evidence: JobsEvidence, now: float) -> Iterator[Finding]:
    """Judge what runs for a plan's servers in one target.

    Args:
        planned: the servers.
        evidence: what DRS has.
        now: the time of the look (epoch seconds).
    """
    if evidence.failed is not None:
        yield evidence.failed.finding("running jobs and recovery instances", planned)
        return
    for server_id, live in evidence.live.items():
        seen = {"Job": live.job_id or "", "Instance": live.recovery_instance_id or "not listed"}
        message = f"{live.text}; it will not be launched"
        yield planned.finding(
            LIVE_RECOVERY_INSTANCE, message, server_id, job_id=live.job_id, evidence=seen
        )
        if not live.is_protected:
            message = "its recovery instance is not replicated back"
            yield planned.finding(
                NOT_PROTECTED, message, server_id, job_id=live.job_id, evidence=seen
            )
    for job in evidence.running:
        seen = {"Job": job.job_id, "Purpose": job.purpose}
        message = f"is in running job {job.job_id} ({job.purpose}); its launch waits for it"
        for server_id in job.server_ids:
            if server_id in planned.servers:
                yield planned.finding(
                    RUNNING_JOB, message, server_id, job_id=job.job_id, evidence=seen
                )
    yield from _quota_findings(planned, evidence)


def _quota_findings(planned: PlannedTarget, evidence: JobsEvidence) -> Iterator[Finding]:
    jobs, quotas = len(evidence.running), evidence.quotas
    if jobs >= quotas.jobs:
        message = f"{jobs} of {quotas.jobs} jobs are in progress: launches wait for quota"
        seen = {"Jobs": str(jobs), "Quota": str(quotas.jobs)}
        yield planned.finding(JOBS_QUOTA_USED, message, evidence=seen)
    in_jobs, own = sum(len(job.server_ids) for job in evidence.running), len(planned.servers)
    if in_jobs + own > quotas.servers:
        message = (
            f"{in_jobs} servers are in running jobs and the plan has {own} here; DRS takes "
            f"{quotas.servers} at a time, so launches may wait for quota"
        )
        seen = {"InJobs": str(in_jobs), "OfPlan": str(own), "Quota": str(quotas.servers)}
        yield planned.finding(SERVERS_QUOTA_SHORT, message, evidence=seen)
