"""DRS's launch results as events of EventBridge, which rules send on: best effort, as DRS's are."""

from __future__ import annotations

import heapq
import random
import sys
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

from .jobs.job import Job
from .jobs.timeline import LaunchStatus
from .models import DRSBackend, drs_backends
from .simulation import LaunchEvents, simulation

_TICK_SECONDS = 0.02
_STATES = {
    LaunchStatus.LAUNCHED: "RECOVERY_LAUNCH_SUCCEEDED",
    LaunchStatus.FAILED: "RECOVERY_LAUNCH_FAILED",
}


class LaunchEventEmitter:
    """Puts an event for each server whose launch ends, while the local AWS runs."""

    def __init__(self) -> None:
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="launch events", daemon=True)
        # The number of jobs seen of each backend.
        self._seen: dict[tuple[str, str], int] = {}
        # When to look at a server of a job: epoch seconds, and the number that orders equal times.
        self._due: list[tuple[float, int, DRSBackend, Job, int]] = []
        self._late: list[tuple[float, int, DRSBackend, dict[str, Any]]] = []
        self._number = 0

    def start(self) -> None:
        """Begin to emit."""
        self._thread.start()

    def stop(self) -> None:
        """Emit nothing more."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            # Without it nobody has made a rule.
            if "moto.events.models" in sys.modules:
                self._emit(simulation.now())

    def _emit(self, now: float) -> None:
        for backend, job in self._new_jobs():
            for index in range(len(job.participants)):
                self._look_at(backend, job, index, now=0.0)
        while self._due and self._due[0][0] <= now:
            _, _, backend, job, index = heapq.heappop(self._due)
            self._look_at(backend, job, index, now=now)
        while self._late and self._late[0][0] <= now:
            _, _, backend, event = heapq.heappop(self._late)
            _send(backend, event | {"time": now})

    def _new_jobs(self) -> Iterator[tuple[DRSBackend, Job]]:
        for regions in list(drs_backends.values()):
            for backend in list(regions.values()):
                jobs = list(backend.jobs.values())
                where = backend.account_id, backend.region_name
                for job in jobs[self._seen.get(where, 0) :]:
                    if job.type == "LAUNCH":
                        yield backend, job
                self._seen[where] = len(jobs)

    def _look_at(self, backend: DRSBackend, job: Job, index: int, *, now: float) -> None:
        """Emit the result of a launch that has ended, or look again when it is to end."""
        server = job.timeline.servers[index]
        if server.end is None or server.final not in _STATES:
            return
        ends = job.at(server.end)
        if ends > now:
            self._number += 1
            heapq.heappush(self._due, (ends, self._number, backend, job, index))
            return
        server_id = job.participants[index].source_server_id
        arn = f"arn:aws:drs:{backend.region_name}:{backend.account_id}:source-server/{server_id}"
        event = {
            "version": "0",
            "id": f"{job.job_id}-{index}",
            "detail-type": "DRS Source Server Launch Result",
            "source": "aws.drs",
            "account": backend.account_id,
            "region": backend.region_name,
            "resources": [arn],
            "detail": {
                "state": _STATES[server.final],
                "job-id": job.job_id,
                "is-drill": "TRUE" if job.is_drill else "FALSE",
            },
        }
        known = simulation.launch_events
        how = known.get(backend.account_id) or known.get(None) or LaunchEvents()
        for _ in range(how.copies):
            if random.random() >= how.lost_rate:
                self._number += 1
                at = now + random.uniform(0, how.late_seconds)
                heapq.heappush(self._late, (at, self._number, backend, event))


def _send(backend: DRSBackend, event: dict[str, Any]) -> None:
    """Send an event where the rules of the default event bus say."""
    buses = sys.modules["moto.events.models"].events_backends
    bus = buses[backend.account_id][backend.region_name].describe_event_bus("default")
    for rule in list(bus.rules.values()):
        # Without the template, whose parser moto builds anew for each event, in 9 ms.
        rule.send_to_targets(event, transform_input=False)
