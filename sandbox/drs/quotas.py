"""DRS's quotas, per account and Region."""

from __future__ import annotations

from dataclasses import dataclass

from .exceptions import ServiceQuotaExceededException

# The sandbox does not enforce these.
_OTHER_QUOTAS = [
    ("L-C1D14A2B", "Max number of replicating source servers Per AWS Account", 300),
    ("L-E28BE5E0", "Max Total source servers Per AWS Account", 4000),
    ("L-DD6D028C", "Max concurrent Jobs per source server", 1),
    ("L-0588D03B", "Max number of launch actions per resource", 200),
    ("L-1F3FAE4D", "Max number of launch configuration templates per AWS account", 1),
    ("L-4B0323BD", "Max number of source networks per AWS account", 100),
]


@dataclass
class Quotas:
    """The quotas of an account in one Region, with AWS's default values (but for EC2's).

    A source server can be in one job at a time. That is not a quota: DRS returns a
    ConflictException.
    """

    jobs_in_progress: int = 20
    servers_in_job: int = 100
    servers_in_all_jobs: int = 500
    standard_vcpus: int = 64_000

    def of_jobs(self) -> list[tuple[str, str, int]]:
        """Return the code, the name and the value of the quotas that limit jobs."""
        return [
            ("L-B827C881", "Max source servers in a single Job", self.servers_in_job),
            ("L-D88FAC3A", "Concurrent jobs in progress", self.jobs_in_progress),
            ("L-05AFA8C6", "Max source servers in all Jobs", self.servers_in_all_jobs),
        ]

    def listed(self) -> list[tuple[str, str, int]]:
        """Return the code, the name and the value of each quota in Service Quotas.

        Source: AWS General Reference, "Elastic Disaster Recovery".
        """
        return [*self.of_jobs(), *_OTHER_QUOTAS]

    def check(self, account_id: str, *, requested: int, jobs: int, servers: int) -> None:
        """Reject a new job that exceeds a quota.

        Args:
            account_id: The account.
            requested: Number of source servers in the new job.
            jobs: Number of jobs in progress.
            servers: Number of source servers in these jobs.
        """
        needed = (requested, jobs + 1, servers + requested)
        for (code, name, value), need in zip(self.of_jobs(), needed, strict=True):
            if need > value:
                message = f"The quota would be exceeded: {name} ({value})."
                raise ServiceQuotaExceededException(message, account_id, "JOB", code)
