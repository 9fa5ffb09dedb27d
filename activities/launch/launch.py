"""One launch of a batch: its servers, and what became of each."""

import time
from collections.abc import Iterable, Sequence

from aws.drs.models import Job, epoch
from contract.launch import LaunchRequest, LaunchResult, PostponedLaunch
from recovery.execution.server import ServerResult
from recovery.execution.wave import WaitingFor
from recovery.launch_settings.network import networks_of
from recovery.plan.model import Server


class Launch:
    """One launch of the batch, and its state.

    Attributes:
        job: its own job.
        parts: by server, the job of a part of it, if DRS refused it as a whole.
        taken_over: by server, another job that launched it.
        refused: the servers that are not launched.
        undecided: whether DRS may have its job.
        networks: by server, where it may be launched, if a drill is isolated.
    """

    def __init__(self, request: LaunchRequest) -> None:
        self.request = request
        self.job: Job | None = None
        self.postponed: PostponedLaunch | None = None
        self.refused: dict[str, ServerResult] = {}
        self.parts: dict[str, Job] = {}
        self.taken_over: dict[str, Job] = {}
        self.undecided = False
        self.networks = networks_of(
            request.server_ids, request.drill_settings, request.drill_subnets
        )

    @property
    def first_job(self) -> Job | None:
        """Its own job, or the first of its parts."""
        return self.job or next(iter(self.parts.values()), None)

    @property
    def is_open(self) -> bool:
        """Whether it may still be sent."""
        return self.job is None and self.postponed is None and not self.undecided

    @property
    def launchable(self) -> list[Server]:
        """The servers that are neither refused nor in a job."""
        excluded = {**self.refused, **self.parts, **self.taken_over}
        return [s for s in self.request.servers if s.source_server_id not in excluded]

    def refuse(self, server_id: str, reason: str) -> None:
        """Mark one of its servers as failed."""
        server = next(s for s in self.request.servers if s.source_server_id == server_id)
        result = ServerResult(source_server_id=server_id, impact=server.impact)
        self.refused[server_id] = result.failed(reason, at=time.time())

    def postpone(self, waiting_for: WaitingFor, reason: str, jobs: Iterable[Job] = ()) -> None:
        """Postpone it."""
        self.postponed = PostponedLaunch(
            launch_id=self.request.launch_id,
            waiting_for=waiting_for,
            reason=reason,
            job_ids=[job.job_id for job in jobs],
        )

    def wait_for_jobs(self, jobs: Sequence[Job], *, unknown: str = "") -> None:
        """Postpone it until other jobs with its servers have ended.

        Args:
            jobs: these jobs.
            unknown: what is known of a job that DRS does not list.
        """
        blocking = []
        for job in jobs[:3]:
            shared = [i for i in self.request.server_ids if i in job.server_ids]
            blocking.append(f"{job.job_id} ({job.initiated_by or job.type}) has {names(shared)}")
        reason = f"Waiting for another job: {'; '.join(blocking) or unknown}"
        self.postpone(WaitingFor.OTHER_JOB, reason, jobs)

    def result(self, account_id: str | None) -> LaunchResult:
        """Every server with its job, or with the reason why it has none."""
        results = [self._result_of(server) for server in self.request.servers]
        watched = any(r.recovery_job_id for r in results)
        job = self.first_job
        accepted = (epoch(job.creation_date_time) if job else None) or time.time()
        return LaunchResult(
            launch_id=self.request.launch_id,
            account_id=account_id,
            job_id=job.job_id if job else None,
            accepted_time=accepted if watched else None,
            servers=results,
        )

    def _result_of(self, server: Server) -> ServerResult:
        server_id, job = server.source_server_id, self.job
        if server_id in self.refused:
            return self.refused[server_id]
        result = ServerResult(
            source_server_id=server_id,
            impact=server.impact,
            network=self.networks.get(server_id),
        )
        if part := self.parts.get(server_id):
            result.recovery_job_id = part.job_id
        elif other_job := self.taken_over.get(server_id):
            own = self.request.launch_id.partition("/")[0] + "/"
            result.recovery_job_id = other_job.job_id
            result.taken_over = not any(i.startswith(own) for i in other_job.launch_ids)
        elif job is not None and (not job.server_ids or server_id in job.server_ids):
            result.recovery_job_id = job.job_id
        else:
            # An adopted job may have been started without the servers that the guard refused.
            requested = job.job_id if job else "the launch"
            result = result.failed(f"not launched: {requested} does not include it", at=time.time())
        return result


def described(job: Job) -> str:
    """A job as an operator finds it in the console."""
    what = ", ".join(t for t in (job.initiated_by or job.type, job.status, "untagged") if t)
    servers = names(job.server_ids) or "servers unknown"
    return (
        f"{job.job_id} ({what}, created {job.creation_date_time or 'at an unknown time'}; "
        f"{servers})"
    )


def names(ids: Iterable[str]) -> str:
    """The first of these IDs, and how many more there are."""
    named = list(ids)
    more = f" and {len(named) - 3} more" if len(named) > 3 else ""
    return ", ".join(named[:3]) + more
