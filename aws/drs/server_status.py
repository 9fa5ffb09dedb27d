"""Derives the status of each server of a launch from DRS's responses. No I/O.

DRS's known deviations (a job COMPLETED with FAILED servers, a missing instance ID, values that the
model lacks) are handled here; a result is correct, or it says that it is unknown.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from aws.drs.launch_actions import actions_outcome
from aws.drs.models import (
    Job,
    JobLogItem,
    LaunchAction,
    ParticipatingServer,
    RecoveryInstance,
    epoch,
)
from contract.watch import WatchedServer
from recovery.execution.server import LaunchStatus, PostLaunch, ServerResult, Verified
from recovery.launch_settings.network import LaunchNetwork
from recovery.plan.point_in_time import ANOTHER_SNAPSHOT
from recovery.text_format import shortened

_NO_REASON = "no reason given"
_GONE = ("TERMINATED", "SHUTTING-DOWN")
_STOPPED = ("STOPPED", "STOPPING")
_END_EVENTS = ("LAUNCH_END",)
_SNAPSHOT_LOST = "USING_PREVIOUS_SNAPSHOT_FAILED"
_FAILURE_EVENTS = (
    "LAUNCH_FAILED",
    "CONVERSION_FAIL",
    "SNAPSHOT_FAIL",
    _SNAPSHOT_LOST,
    "SERVER_SKIPPED",
)


class InstanceNetwork(NamedTuple):
    """Where an instance is.

    Attributes:
        defaults: by launch template, the number of its default version now.
    """

    subnet_id: str
    vpc_id: str | None
    defaults: Mapping[str, int]


class ServerStatusTracker:
    """Applies DRS's responses to the results of the servers of one launch.

    Attributes:
        expected_actions: by server, the post-launch actions that DRS is to run; a server whose
            actions are not known is absent.
    """

    def __init__(self, servers: Iterable[WatchedServer], *, lookup_seconds: float) -> None:
        self.servers = {w.result.source_server_id: w for w in servers}
        self.expected_actions: dict[str, list[LaunchAction]] = {}
        self._lookup_seconds = lookup_seconds

    @property
    def results(self) -> list[ServerResult]:
        """The servers' results so far."""
        return [w.result for w in self.servers.values()]

    @property
    def is_finished(self) -> bool:
        """Whether every server has failed, or is up and verified with its actions over."""
        return not self.unfinished_jobs and not self.unverified

    @property
    def unfinished_jobs(self) -> list[str]:
        """The jobs with servers that are neither up nor failed, or whose actions may still end."""
        open_ = self._with_status(LaunchStatus.PENDING, LaunchStatus.IN_PROGRESS)
        launched = self._with_status(LaunchStatus.LAUNCHED)
        open_ += [w for w in launched if w.actions_open]
        jobs = (w.result.recovery_job_id for w in open_)
        return list(dict.fromkeys(job for job in jobs if job))

    @property
    def unverified(self) -> list[str]:
        """The launched servers whose recovery instance was not found yet."""
        launched = self._with_status(LaunchStatus.LAUNCHED)
        return [
            w.result.source_server_id for w in launched if w.result.verified is not Verified.YES
        ]

    @property
    def in_isolation(self) -> dict[str, LaunchNetwork]:
        """The unverified servers whose network must be known before they count as up."""
        networks = {i: self.servers[i].result.network for i in self.unverified}
        return {i: each for i, each in networks.items() if each is not None and each.is_verified}

    @property
    def disposed_by_drill(self) -> dict[str, bool]:
        """By server, whether it should run, where a drill has changed that for its launch."""
        networks = {i: self.servers[i].result.network for i in self.unverified}
        return {
            server_id: network.disposition == "STARTED"
            for server_id, network in networks.items()
            if network is not None and network.disposition is not None
        }

    @property
    def without_expected_actions(self) -> list[str]:
        """The servers whose expected actions are to be read: their launch has not ended."""
        ids = [
            server_id
            for server_id, watched in self.servers.items()
            if watched.actions_open or not watched.result.is_final
        ]
        return [server_id for server_id in ids if server_id not in self.expected_actions]

    def apply_job(self, job: Job, *, now: float) -> bool:
        """Apply a job as DRS returned it.

        Returns:
            Whether a server has newly launched or failed, so that the job's log is worth reading.
        """
        is_changed = False
        statuses = {s.source_server_id: s for s in job.participating_servers}
        for watched in self._of_job(job.job_id):
            result = watched.result
            reported = statuses.get(result.source_server_id)
            if result.launch_status is LaunchStatus.LAUNCHED:
                self._apply_actions(watched, reported, now=now)
            if result.launch_status in (LaunchStatus.LAUNCHED, LaunchStatus.FAILED):
                continue
            status = (reported.launch_status if reported else None) or "PENDING"
            if reported and reported.recovery_instance_id:
                result.recovery_instance_id = reported.recovery_instance_id
            ended = epoch(job.end_date_time) or now
            match status:
                case "LAUNCHED":
                    result.launch_status = LaunchStatus.LAUNCHED
                    result.launch_time = result.end_time = now
                    result.post_launch, watched.actions_open = PostLaunch.PENDING, True
                    watched.launched_seen_time = now
                    self._apply_actions(watched, reported, now=now)
                    is_changed = True
                case "FAILED" | "TERMINATED":
                    reason = "DRS reports FAILED; its job log could not be read"
                    if status == "TERMINATED":
                        reason = "terminated while its job ran"
                    watched.result = result.failed(reason, at=ended if job.is_over else now)
                    is_changed = True
                case _ if job.is_over and self._is_grace_over(watched, now=now):
                    reason = f"its job ended COMPLETED without launching it (status {status})"
                    watched.result = result.failed(reason, at=ended)
                    is_changed = True
                case _:
                    if not job.is_over:
                        watched.job_ended_seen_time = None
                    if status != "PENDING":
                        result.launch_status = LaunchStatus.IN_PROGRESS
        return is_changed

    def apply_log(self, job_id: str, items: Iterable[JobLogItem]) -> None:
        """Apply times, instance IDs and reasons of failure from a job's log."""
        lines = list(items)
        for watched in self._of_job(job_id):
            result = watched.result
            own = [i for i in lines if i.source_server_id == result.source_server_id]
            if result.launch_status is LaunchStatus.LAUNCHED:
                for item in own:
                    if item.event in _END_EVENTS:
                        moment = epoch(item.log_date_time) or result.launch_time
                        result.launch_time = moment
                        is_over = result.post_launch is not None and result.post_launch.is_over
                        # The clock that saw the actions end may be late.
                        ends = [result.end_time, moment] if is_over else [moment]
                        result.end_time = max((t for t in ends if t is not None), default=None)
                    if item.target_instance_id and not result.recovery_instance_id:
                        result.recovery_instance_id = item.target_instance_id
            elif result.launch_status is LaunchStatus.FAILED:
                failures = [i for i in own if i.event in _FAILURE_EVENTS or i.raw_error]
                if failures:
                    last = failures[-1]
                    remedy = f"; {ANOTHER_SNAPSHOT}" if last.event == _SNAPSHOT_LOST else ""
                    result.reason = shortened(
                        f"{last.event}: {last.raw_error or _NO_REASON}{remedy}"
                    )
                    result.end_time = epoch(last.log_date_time) or result.end_time
                elif result.reason and "could not be read" in result.reason:
                    result.reason = f"DRS reports FAILED; its job log says: {_NO_REASON}"

    def apply_instances(
        self,
        instances: Iterable[RecoveryInstance],
        *,
        should_run: Mapping[str, bool],
        now: float,
        networks: Mapping[str, InstanceNetwork] | None = None,
    ) -> None:
        """Compare launched servers with the recovery instances that exist.

        Args:
            instances: all instances of the servers in `unverified`.
            networks: by instance, its network, of those in `in_isolation`, as far as it is known.
            should_run: by server, whether its launch configuration asks for a running
                instance; a server that could not be asked about is absent.
            now: epoch seconds.
        """
        found = list(instances)
        for server_id in self.unverified:
            watched = self.servers[server_id]
            theirs = [i for i in found if i.source_server_id == server_id]
            ours = [i for i in theirs if i.job_id == watched.result.recovery_job_id]
            watched.contradiction = None
            if ours:
                network = (networks or {}).get(ours[0].recovery_instance_id or "")
                is_gone = ours[0].ec2_instance_state in _GONE
                if is_gone or self._is_where_it_must_be(watched, network, now=now):
                    self._compare(watched, ours[0], should_run.get(server_id), now=now)
            elif others := [i for i in theirs if i.job_id and i.ec2_instance_state not in _GONE]:
                watched.contradiction = f"its instance is now of job {others[0].job_id}"

    def lookup_failed(self) -> None:
        """Note that the lookup failed: an earlier contradiction may no longer hold."""
        for server_id in self.unverified:
            self.servers[server_id].contradiction = None

    def end_lookups(self, *, now: float) -> None:
        """End the lookups whose two minutes are over, as contradicted or as UNKNOWN."""
        for server_id in self.unverified:
            watched = self.servers[server_id]
            if now - (watched.launched_seen_time or now) < self._lookup_seconds:
                continue
            if watched.contradiction:
                self._contradict(watched, watched.contradiction, now=now)
            elif watched.result.verified is None:
                watched.result.verified = Verified.UNKNOWN
                why = watched.lookup_reason or "its instance is not found yet"
                watched.lookup_reason = f"DRS reports LAUNCHED; {why}"
                _set_reason(watched)
        for watched in self._with_status(LaunchStatus.LAUNCHED):
            is_over = now - (watched.launched_seen_time or now) >= self._lookup_seconds
            if is_over and watched.result.post_launch is PostLaunch.PENDING:
                watched.result.post_launch = PostLaunch.UNKNOWN
                why = "which post-launch actions DRS runs on it could not be read"
                watched.actions_reason = "; ".join(t for t in (why, watched.actions_reason) if t)
                _set_reason(watched)

    def _apply_actions(
        self, watched: WatchedServer, reported: ParticipatingServer | None, *, now: float
    ) -> None:
        """Apply the post-launch actions of a launched server, until they are over."""
        result = watched.result
        if not watched.actions_open:
            return
        runs = reported.action_runs if reported else []
        outcome = actions_outcome(runs, self.expected_actions.get(result.source_server_id))
        is_over = outcome.status is None or outcome.status.is_over
        if result.post_launch is PostLaunch.UNKNOWN and not is_over:
            # The wave went on without them.
            return
        if result.post_launch is not outcome.status and outcome.status is not None and is_over:
            result.end_time = now
        result.post_launch, watched.actions_open = outcome.status, outcome.is_open
        watched.actions_reason = shortened(outcome.reason)
        _set_reason(watched)

    def _compare(
        self, watched: WatchedServer, instance: RecoveryInstance, runs: bool | None, *, now: float
    ) -> None:
        state = instance.ec2_instance_state
        if instance.recovery_instance_id:
            watched.result.recovery_instance_id = instance.recovery_instance_id
        if (point := epoch(instance.point_in_time_snapshot_date_time)) is not None:
            watched.result.recovery_point = point
        if state == "RUNNING" or (state in _STOPPED and runs is False):
            watched.result.verified, watched.lookup_reason = Verified.YES, ""
            _set_reason(watched)
        elif state in _GONE:
            self._contradict(watched, f"its instance is {state}", now=now)
        elif state in _STOPPED and runs:
            self._contradict(watched, f"its instance is {state} though it should run", now=now)
        elif state == "NOT_FOUND":
            watched.contradiction = "its instance does not exist in EC2"

    def _is_where_it_must_be(
        self, watched: WatchedServer, found: InstanceNetwork | None, *, now: float
    ) -> bool:
        """Whether an instance is in the network that a drill's isolation allows, as is known."""
        expected = watched.result.network
        if expected is None or not expected.is_verified:
            return True
        if found is None:
            watched.lookup_reason = "the network of its instance could not be read yet"
            return False
        watched.result.network = expected.model_copy(
            update={
                "subnet_id": found.subnet_id,
                "vpc_id": found.vpc_id,
                "version_after": found.defaults.get(expected.template_id or ""),
            }
        )
        why = expected.contradiction(found.subnet_id)
        if why is not None:
            self._contradict(watched, why, now=now)
        return why is None

    def _contradict(self, watched: WatchedServer, why: str, *, now: float) -> None:
        watched.result = watched.result.failed(f"DRS reports LAUNCHED, but {why}", at=now)
        watched.result.verified = Verified.NO

    def _is_grace_over(self, watched: WatchedServer, *, now: float) -> bool:
        """Whether a server's status, which may change after its job's, had its two minutes."""
        if watched.job_ended_seen_time is None:
            watched.job_ended_seen_time = now
        return now - watched.job_ended_seen_time >= self._lookup_seconds

    def _of_job(self, job_id: str) -> list[WatchedServer]:
        return [w for w in self.servers.values() if w.result.recovery_job_id == job_id]

    def _with_status(self, *statuses: LaunchStatus) -> list[WatchedServer]:
        return [w for w in self.servers.values() if w.result.launch_status in statuses]


def _set_reason(watched: WatchedServer) -> None:
    texts = [text for text in (watched.lookup_reason, watched.actions_reason) if text]
    watched.result.reason = "; ".join(texts) or None
