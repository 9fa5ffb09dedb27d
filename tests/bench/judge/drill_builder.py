"""Builds the record of a correct drill, in which tests change one thing at a time."""

import copy
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.judge.drill_record import DrillRecord, PlanLedger, SentMessage
from recovery.execution.server import LaunchStatus, ServerResult, Verified
from recovery.execution.state import ExecutionState, ExecutionType, MessageRecord, PlanStatus
from recovery.execution.wave import WaveState, WaveStatus
from recovery.plan.fields import Impact
from recovery.plan.model import Dependency, OnFailure, RecoveryPlan, Server, Wave

EXECUTION_ID = "crm-1"
DATABASE, REPLICA, APP = (f"s-{n:017x}" for n in (1, 2, 3))
SPEED = 100.0


def instance_id(server_id: str, job_id: str) -> str:
    """The instance that a job launches for a server."""
    return f"i-{job_id}-{server_id}"


@dataclass
class DrillBuilder:
    """A chain of two waves: Database (a server and an OPTIONAL replica), then App.

    The ledger and the history are separate, so that a test can change one of them.
    """

    plan: RecoveryPlan = field(
        default_factory=lambda: RecoveryPlan(
            plan_id="crm",
            waves=[
                Wave(
                    wave_id="database",
                    servers=[
                        Server(source_server_id=DATABASE),
                        Server(source_server_id=REPLICA, impact=Impact.OPTIONAL),
                    ],
                    region="us-west-2",
                ),
                Wave(
                    wave_id="app",
                    servers=[Server(source_server_id=APP)],
                    dependencies=[Dependency(depends_on_wave_id="database")],
                    region="us-west-2",
                ),
            ],
        )
    )
    ledger: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"Events": [], "Jobs": [], "Servers": []}
    )
    closed: str = "COMPLETED"
    sent: list[SentMessage] = field(default_factory=list)
    state: ExecutionState = field(init=False)

    def __post_init__(self) -> None:
        self.state = ExecutionState.begin(
            self.plan,
            execution_id=EXECUTION_ID,
            execution_type=ExecutionType.DRILL,
            started_by="test",
            now=1000.0,
        )

    def accept(
        self,
        wave_id: str,
        *server_ids: str,
        at: float,
        job_id: str,
        attempt: int = 1,
        number: int = 0,
        ended: float | None = None,
        outcomes: dict[str, str] | None = None,
        launch_id: str | None = None,
    ) -> None:
        """Add an accepted launch to the ledger."""
        given = launch_id or f"{EXECUTION_ID}/{wave_id}/{attempt}/{number}"
        tags = {"drs-waves:launch-id": given}
        self.ledger["Events"].append(
            {
                "Event": "START_RECOVERY_ACCEPTED",
                "JobId": job_id,
                "SourceServerIds": list(server_ids),
                "Tags": tags,
            }
        )
        servers = [
            {
                "SourceServerId": i,
                "FinalStatus": (outcomes or {}).get(i, "LAUNCHED"),
                "FinalTime": at + 5.0 if ended is None else ended,
                "RecoveryInstanceId": instance_id(i, job_id),
            }
            for i in server_ids
        ]
        self.ledger["Jobs"].append(
            {"JobId": job_id, "Created": at, "Tags": tags, "Servers": servers}
        )
        for server in servers:
            if server["FinalStatus"] == "LAUNCHED":
                self.add_instance(str(server["SourceServerId"]), str(server["RecoveryInstanceId"]))

    def add_instance(self, server_id: str, instance: str) -> None:
        """Add an instance of a server to the ledger."""
        self.remove_instances(server_id)
        self.ledger["Servers"].append(
            {"SourceServerId": server_id, "InstancesUp": [{"RecoveryInstanceId": instance}]}
        )

    def remove_instances(self, server_id: str) -> None:
        """Remove the instances of a server from the ledger."""
        self.ledger["Servers"] = [
            s for s in self.ledger["Servers"] if s["SourceServerId"] != server_id
        ]

    def wave(self, wave_id: str) -> WaveState:
        """A wave in the history."""
        return next(wave for wave in self.state.waves if wave.wave_id == wave_id)

    def server(self, server_id: str) -> ServerResult:
        """A server in the history."""
        return next(
            s for w in self.state.waves for s in w.servers if s.source_server_id == server_id
        )

    def record(
        self, wave_id: str, status: WaveStatus, *, job_id: str | None, start: float, end: float
    ) -> None:
        """Record a wave in the history. With a job, all its servers are LAUNCHED."""
        wave = self.wave(wave_id)
        wave.status, wave.attempt = status, 1
        wave.start_time, wave.end_time = (start, end) if job_id else (None, None)
        for server in wave.servers if job_id else []:
            server.recovery_job_id = job_id
            server.launch_status, server.verified = LaunchStatus.LAUNCHED, Verified.YES
            server.recovery_instance_id = instance_id(server.source_server_id, str(job_id))
            server.launch_time = server.end_time = end

    def record_failure(self, server_id: str) -> None:
        """Record a server as FAILED in the history."""
        server = self.server(server_id)
        server.launch_status, server.verified = LaunchStatus.FAILED, None
        server.recovery_instance_id = None

    def message(
        self, name: str, wave_id: str | None, *, at: float, accepted: bool = True, reason: str = ""
    ) -> None:
        """Record an operator message in the history."""
        self.state.messages.append(
            MessageRecord(
                name=name,
                wave_id=wave_id,
                actor="test",
                time=at,
                reason=reason,
                accepted=accepted,
                effect="",
            )
        )

    def on_failure(self, wave_id: str, policy: OnFailure) -> None:
        """Set the failure policy of a wave."""
        self.plan.wave(wave_id).on_failure = policy

    def build(self) -> DrillRecord:
        """Build the drill record for the checks."""
        return DrillRecord(
            plan=self.plan,
            state=self.state,
            plan_ledger=PlanLedger.read(copy.deepcopy(self.ledger), self.plan),
            closed=self.closed,
            speed=SPEED,
            sent=self.sent,
        )


def completed_drill() -> DrillBuilder:
    """A completed drill."""
    drill = DrillBuilder()
    drill.accept("database", DATABASE, REPLICA, at=1001.0, job_id="drsjob-1", ended=1006.0)
    drill.accept("app", APP, at=1007.0, job_id="drsjob-2", ended=1012.0)
    drill.record("database", WaveStatus.COMPLETED, job_id="drsjob-1", start=1001.0, end=1006.0)
    drill.record("app", WaveStatus.COMPLETED, job_id="drsjob-2", start=1007.0, end=1012.0)
    drill.state.status, drill.state.end_time = PlanStatus.COMPLETED, 1013.0
    return drill


def failed_drill() -> DrillBuilder:
    """A drill whose Database failed, so that App was skipped."""
    drill = DrillBuilder()
    outcomes = {DATABASE: "FAILED"}
    drill.accept(
        "database",
        DATABASE,
        REPLICA,
        at=1001.0,
        job_id="drsjob-1",
        ended=1006.0,
        outcomes=outcomes,
    )
    drill.record("database", WaveStatus.FAILED, job_id="drsjob-1", start=1001.0, end=1006.0)
    drill.record_failure(DATABASE)
    app = drill.wave("app")
    app.status, app.caused_by = WaveStatus.SKIPPED, ["database"]
    drill.state.status, drill.state.end_time = PlanStatus.FAILED, 1007.0
    drill.closed = "FAILED"
    return drill
