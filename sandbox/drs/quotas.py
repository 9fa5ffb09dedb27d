"""DRS's quotas, per account and Region."""

from __future__ import annotations

from dataclasses import dataclass

from .exceptions import ServiceQuotaExceededException


@dataclass
class Quotas:
    """The quotas of an account in one Region, with AWS's default values.

    A source server can be in one job at a time. That is not a quota: DRS returns a
    ConflictException.
    """

    jobs_in_progress: int = 20
    servers_in_job: int = 100
    servers_in_all_jobs: int = 500

    def listed(self) -> list[tuple[str, str, int]]:
        """Return the code, the name and the value of each quota in Service Quotas.

        Source: AWS General Reference, "Elastic Disaster Recovery".
        """
        return [
            ("L-B827C881", "Max source servers in a single Job", self.servers_in_job),
            ("L-D88FAC3A", "Concurrent jobs in progress", self.jobs_in_progress),
            ("L-05AFA8C6", "Max source servers in all Jobs", self.servers_in_all_jobs),
        ]

    def check(self, account_id: str, *, requested: int, jobs: int, servers: int) -> None:
        """Reject a new job that exceeds a quota.

        Args:
            account_id: The account.
            requested: Number of source servers in the new job.
            jobs: Number of jobs in progress.
            servers: Number of source servers in these jobs.
        """
        needed = (requested, jobs + 1, servers + requested)
        for (code, name, value), need in zip(self.listed(), needed, strict=True):
            if need > value:
                message = f"The quota would be exceeded: {name} ({value})."
                raise ServiceQuotaExceededException(message, account_id, "JOB", code)
