"""Reads what DRS runs and has launched for a plan's servers in one target."""

from activities.readiness.look import Look, failed_read
from aws.drs.live_recovery import live_recoveries
from aws.errors import AwsError
from recovery.readiness.finding import Finding
from recovery.readiness.subjects.jobs import JobsEvidence, LiveInstance, RunningJob, jobs_findings


async def jobs(look: Look) -> list[Finding]:
    """The findings about running jobs, live recovery instances and DRS's quotas."""
    try:
        evidence = await _read(look)
    except AwsError as error:
        evidence = JobsEvidence(failed=failed_read("drs", error))
    return list(jobs_findings(look.planned, evidence, look.now))


async def _read(look: Look) -> JobsEvidence:
    ids = list(look.planned.servers)
    quotas = await look.clients.quotas.of(look.target)
    if look.is_fresh:
        instances = await look.drs.recovery_instances(ids)
    else:
        instances = await look.shared("recovery instances", look.drs.all_recovery_instances)
    listed = await look.shared("jobs", lambda: look.drs.jobs_since(look.now))
    live = live_recoveries(ids, instances, listed)
    # None, but after a real recovery.
    sources = await look.drs.source_servers(list(live)) if live else []
    reversed_ids = {each.source_server_id for each in sources if each.reversed_server_arn}
    return JobsEvidence(
        live={
            server_id: LiveInstance(
                job_id=each.job_id,
                recovery_instance_id=each.recovery_instance_id,
                is_protected=each.replicates_back or server_id in reversed_ids,
                text=str(each),
            )
            for server_id, each in live.items()
        },
        running=[
            RunningJob(
                job_id=job.job_id,
                purpose=job.initiated_by or job.type or "",
                server_ids=job.server_ids,
            )
            for job in listed
            if job.is_running
        ],
        quotas=quotas,
    )
