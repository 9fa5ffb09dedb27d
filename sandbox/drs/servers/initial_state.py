"""The initial state of a simulated account: source servers, earlier jobs and instances."""

from __future__ import annotations

from ..jobs.job import Job
from ..jobs.timeline import LaunchBehavior, Outcome
from ..ledger import LedgerEvent
from ..servers.source_servers import SourceServer
from ..state import DRSState

_SEEDED_JOB_AGE = 86_400.0


class InitialState(DRSState):
    """Backend methods that create initial state. No API operation calls them."""

    def add_source_server(self, source_server_id: str, name: str, tags: dict[str, str]) -> None:
        """Add a healthy source server and initialize the account."""
        with self._lock:
            self.initialized = True
            self.source_servers[source_server_id] = SourceServer(
                source_server_id=source_server_id,
                arn=self._arn("source-server", source_server_id),
                account_id=self.account_id,
                region=self.region_name,
                added=self.simulation.now(),
                simulation=self.simulation,
                name=name,
                tags={"Name": name, **tags},
            )

    def seed_recovery_instance(self, source_server_id: str, *, is_drill: bool) -> None:
        """Create a running instance of an earlier job, unless the server has one of this type."""
        with self._lock:
            now = self.simulation.now()
            present = self.instances_of(source_server_id, now)
            if any(instance.is_drill == is_drill for instance in present):
                return
            for instance in present:
                instance.terminated_at = now
            server = self.source_servers[source_server_id]
            created = now - _SEEDED_JOB_AGE
            launch = (server, LaunchBehavior(), created)
            job = self._launch([launch], is_drill=is_drill, tags={}, created=created)
            self._record_seeded(job, is_drill=is_drill)

    def seed_running_job(self, source_server_id: str) -> None:
        """Create a drill of another client that never ends, unless the server is in a job."""
        with self._lock:
            now = self.simulation.now()
            if self._busy([source_server_id], now):
                return
            server = self.source_servers[source_server_id]
            earlier = bool(self.instances_of(source_server_id, now))
            launch = (server, server.launch_behavior(Outcome.STUCK, cleans_up=earlier), now)
            job = self._launch([launch], is_drill=True, tags={}, created=now)
            self._record_seeded(job, is_drill=True)

    def _record_seeded(self, job: Job, *, is_drill: bool) -> None:
        self._record(
            LedgerEvent.SEEDED,
            JobId=job.job_id,
            SourceServerIds=tuple(each.source_server_id for each in job.participants),
            IsDrill=is_drill,
        )
