"""The initial state of a simulated account: source servers, earlier jobs and instances."""

from __future__ import annotations

from ..jobs.timeline import LaunchBehavior, Outcome
from ..servers.source_servers import SourceServer
from ..simulation import simulation
from ..state import DRSState

_SEEDED_JOB_AGE = 86_400.0


class InitialState(DRSState):
    """Backend methods that create initial state. No API operation calls them."""

    def add_source_server(self, source_server_id: str, name: str, tags: dict[str, str]) -> None:
        """Add a healthy source server and initialize the account."""
        with self._lock:
            self.initialized = True
            server = SourceServer(
                source_server_id=source_server_id,
                arn=self._arn("source-server", source_server_id),
                account_id=self.account_id,
                region=self.region_name,
                added=simulation.now(),
                lag_measured=simulation.now(),
                tags={"Name": name, **tags},
            )
            self.source_servers[source_server_id] = server
            self.template_servers[server.launch_configuration["ec2LaunchTemplateID"]] = server

    def seed_recovery_instance(self, source_server_id: str, *, is_drill: bool) -> None:
        """Create a running instance of an earlier job, unless the server has one of this type."""
        with self._lock:
            now = simulation.now()
            server = self.source_servers[source_server_id]
            present = server.listed_instances(now)
            if any(instance.is_drill == is_drill for instance in present):
                return
            for instance in present:
                instance.terminate(now, now)
            created = now - _SEEDED_JOB_AGE
            launch = (server, LaunchBehavior(), created)
            self._launch([launch], is_drill=is_drill, tags={}, created=created)

    def seed_running_job(self, source_server_id: str) -> None:
        """Create a drill of another client that never ends, unless the server is in a job."""
        with self._lock:
            now = simulation.now()
            if source_server_id in self._busy_servers(now):
                return
            server = self.source_servers[source_server_id]
            launch = (server, server.launch_behavior(Outcome.STUCK, now), now)
            self._launch([launch], is_drill=True, tags={}, created=now)
