"""The evidence of a drill: its launches in the ledger of AWS, and its recorded history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws.drs.models import LAUNCH_ID_TAG
from bench.chaos.judge.effects import StepEffect
from recovery.execution.state import ExecutionState, MessageRecord
from recovery.execution.wave import WaveState
from recovery.plan.model import RecoveryPlan
from recovery.steps.state import StepState

LAUNCHED = "LAUNCHED"
FAILED = "FAILED"


@dataclass(frozen=True)
class Launch:
    """One server in one job that AWS accepted.

    Attributes:
        launch_id: the launch ID in the tags of the job, or empty.
        created: when AWS accepted the job (epoch seconds).
        outcome: the final launch status of the server; PENDING if the launch never ends.
        ended: when the server reaches that status (epoch seconds); None for never.
        instance_id: its recovery instance, if it is LAUNCHED.
    """

    server_id: str
    job_id: str
    launch_id: str
    created: float
    outcome: str
    ended: float | None
    instance_id: str

    @property
    def execution_id(self) -> str:
        """The execution in the launch ID, or empty."""
        return self._parts[0]

    @property
    def wave_id(self) -> str:
        """The wave in the launch ID, or empty."""
        return self._parts[1]

    @property
    def attempt(self) -> int:
        """The attempt of the wave in the launch ID, or 0."""
        return int(self._parts[2])

    @property
    def _parts(self) -> list[str]:
        parts = self.launch_id.split("/")
        # A part of a launch has the ID of one of its servers as well.
        return parts if len(parts) in (4, 5) else ["", "", "0", ""]

    def has_ended_by(self, time: float) -> bool:
        """Whether the server has its final status at `time` (epoch seconds)."""
        return self.ended is not None and self.ended <= time


@dataclass(frozen=True)
class PlanLedger:
    """The part of the ledger about the servers of one plan.

    Attributes:
        launches: the launches of its servers by any client, oldest first.
        instances_up: by server, the IDs of the instances that exist now.
    """

    launches: list[Launch]
    instances_up: dict[str, list[str]]

    @classmethod
    def read(cls, ledger: Mapping[str, list[dict[str, Any]]], plan: RecoveryPlan) -> "PlanLedger":
        """Read the entries about the servers of a plan."""
        wave_ids = {server: wave.wave_id for wave in plan.waves for server in wave.server_ids}
        jobs = {job["JobId"]: job for job in ledger["Jobs"]}
        launches = [
            _launch(event, jobs[event["JobId"]], server_id, f"{plan.plan_id}-", wave_ids[server_id])
            for event in ledger["Events"]
            if event["Event"] == "START_RECOVERY_ACCEPTED"
            for server_id in event["SourceServerIds"]
            if server_id in wave_ids
        ]
        instances_up = {
            server["SourceServerId"]: [i["RecoveryInstanceId"] for i in server["InstancesUp"]]
            for server in ledger["Servers"]
            if server["SourceServerId"] in wave_ids
        }
        return cls(sorted(launches, key=lambda launch: launch.created), instances_up)

    def of_server(self, server_id: str) -> list[Launch]:
        """The launches of a server, oldest first."""
        return [launch for launch in self.launches if launch.server_id == server_id]

    def last_of(self, server_id: str) -> Launch | None:
        """The last launch of a server."""
        return next(reversed(self.of_server(server_id)), None)

    def of_wave(self, wave_id: str) -> list[Launch]:
        """The launches whose launch ID contains a wave, oldest first."""
        return [launch for launch in self.launches if launch.wave_id == wave_id]


def _launch(
    event: dict[str, Any], job: dict[str, Any], server_id: str, prefix: str, wave_id: str
) -> Launch:
    server = next(s for s in job["Servers"] if s["SourceServerId"] == server_id)
    # A shared job has the launch IDs of several waves. Without one of this wave, take any.
    ids = [value for key, value in event["Tags"].items() if key.startswith(LAUNCH_ID_TAG)]
    own = [i for i in ids if i.startswith(prefix) and i.split("/")[1:2] == [wave_id]]
    return Launch(
        server_id=server_id,
        job_id=job["JobId"],
        launch_id=next(iter(own + ids), ""),
        created=job["Created"],
        outcome=server["FinalStatus"],
        ended=server["FinalTime"],
        instance_id=server["RecoveryInstanceId"],
    )


@dataclass
class SentMessage:
    """A message that the operator sent.

    Attributes:
        reason: a unique text that identifies its record.
        wave_id: the wave that it is about, or None.
        step_id: the step that it is about, or None.
        time: when it was sent (epoch seconds).
        execution_id: the execution that it was sent to; empty if that is not known.
        accepted: the response of the execution; None if there was no response.
        problem: why there was none, or why it was rejected.
    """

    name: str
    reason: str
    wave_id: str | None = None
    step_id: str | None = None
    time: float = 0.0
    execution_id: str = ""
    accepted: bool | None = None
    problem: str = ""


@dataclass(frozen=True)
class EarlierExecution:
    """An execution of a drill that another one continued.

    Attributes:
        state: what the history has of it.
        closed: the status of its closed plan workflow in Temporal, such as TERMINATED.
        closed_time: when it was closed (epoch seconds).
    """

    state: ExecutionState
    closed: str
    closed_time: float

    @property
    def was_terminated(self) -> bool:
        """Whether its record has no end, because its workflow was terminated."""
        return self.closed == "TERMINATED"


@dataclass(frozen=True)
class DrillRecord:
    """The evidence of a drill after its end.

    Attributes:
        state: the last execution, in the history in DynamoDB.
        earlier: the executions before it, oldest first.
        effects: of its steps, by the ledger, in order.
        closed: the status of the last closed plan workflow in Temporal, such as COMPLETED.
        speed: the speed factor of the stack.
    """

    plan: RecoveryPlan
    state: ExecutionState
    plan_ledger: PlanLedger
    closed: str
    speed: float
    sent: list[SentMessage] = field(default_factory=list)
    effects: list[StepEffect] = field(default_factory=list)
    earlier: list[EarlierExecution] = field(default_factory=list)

    @property
    def states(self) -> list[ExecutionState]:
        """All executions, oldest first."""
        return [*(each.state for each in self.earlier), self.state]

    def executions_after(self, execution_id: str) -> list[str]:
        """The IDs of the executions after this one; none if it is not of this drill."""
        ids = [state.execution_id for state in self.states]
        return ids[ids.index(execution_id) + 1 :] if execution_id in ids else []

    def waves(self, wave_id: str) -> list[WaveState]:
        """The recorded states of a wave in all executions that have it, oldest first."""
        return [wave for state in self.states for wave in state.waves if wave.wave_id == wave_id]

    @property
    def messages(self) -> list[MessageRecord]:
        """The recorded messages of all executions."""
        return [message for state in self.states for message in state.messages]

    def wave(self, wave_id: str) -> WaveState:
        """The recorded state of a wave."""
        return next(wave for wave in self.state.waves if wave.wave_id == wave_id)

    def step(self, wave_id: str, step_id: str) -> StepState:
        """The recorded state of a step."""
        return next(step for step in self.wave(wave_id).steps if step.step_id == step_id)

    def attempts(self, wave_id: str, step_id: str) -> int:
        """How many attempts of a step are recorded, in all executions."""
        steps = [step for wave in self.waves(wave_id) for step in wave.steps]
        return sum(step.attempt for step in steps if step.step_id == step_id)

    def effects_of(self, wave_id: str, step_id: str) -> list[StepEffect]:
        """The effects of a step, in order."""
        return [e for e in self.effects if (e.wave_id, e.step_id) == (wave_id, step_id)]

    def last_launches_of(self, wave_id: str) -> list[Launch]:
        """The launches of a wave by the last execution, oldest first."""
        own = self.state.execution_id
        return [x for x in self.plan_ledger.of_wave(wave_id) if x.execution_id == own]
