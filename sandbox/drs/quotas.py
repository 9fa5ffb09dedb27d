"""DRS's quotas, per account and Region."""

from __future__ import annotations

from dataclasses import dataclass

from .exceptions import ServiceQuotaExceededException

# Codes in Service Quotas (AWS General Reference, "Elastic Disaster Recovery").
JOBS_IN_PROGRESS_CODE = "L-D88FAC3A"
SERVERS_IN_JOB_CODE = "L-B827C881"
SERVERS_IN_ALL_JOBS_CODE = "L-05AFA8C6"


@dataclass
class Quotas:
    """The quotas of an account in one Region, with AWS's default values.

    A source server can be in one job at a time. That is not a quota: DRS returns a
    ConflictException.
    """

    jobs_in_progress: int = 20
    servers_in_job: int = 100
    servers_in_all_jobs: int = 500

    def check(self, account_id: str, *, requested: int, jobs: int, servers: int) -> None:
        """Reject a new job that exceeds a quota.

        Args:
            account_id: The account.
            requested: Number of source servers in the new job.
            jobs: Number of jobs in progress.
            servers: Number of source servers in these jobs.
        """
        if requested > self.servers_in_job:
            raise _exceeded(
                "source servers in a single job",
                self.servers_in_job,
                account_id,
                SERVERS_IN_JOB_CODE,
            )
        if jobs >= self.jobs_in_progress:
            raise _exceeded(
                "concurrent jobs in progress",
                self.jobs_in_progress,
                account_id,
                JOBS_IN_PROGRESS_CODE,
            )
        if servers + requested > self.servers_in_all_jobs:
            raise _exceeded(
                "source servers in all jobs",
                self.servers_in_all_jobs,
                account_id,
                SERVERS_IN_ALL_JOBS_CODE,
            )


def _exceeded(
    what: str, quota: int, account_id: str, quota_code: str
) -> ServiceQuotaExceededException:
    message = f"The maximum number of {what} ({quota}) would be exceeded."
    return ServiceQuotaExceededException(message, account_id, "JOB", quota_code)
