"""The recovery plan as it runs: waves with resolved targets, exact dependencies and servers.

Pure data. `recovery.plan.file` reads a plan from a file and makes the checks across waves.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from recovery.base_model import Model
from recovery.launch_settings.model import LaunchSettings, ServerLaunchSettings
from recovery.notify.event_kind import EventKind
from recovery.plan.fields import (
    AccountId,
    Approvers,
    ChannelName,
    Days,
    Impact,
    Minutes,
    Name,
    PlanOrWaveId,
    Priority,
    Region,
    Retries,
    RoleArn,
    Seconds,
    ServerId,
    SnapshotId,
    Text,
    YesOrNo,
)
from recovery.plan.graph import WaveGraph
from recovery.plan.members import Membership, ServerTags
from recovery.plan.snapshots import (
    ChosenPoint,
    PointInTime,
    PointKind,
    ServerSnapshots,
    chosen_point,
)
from recovery.schedule.model import DrillIsolation, DrillSchedule, Duration, FreezeWindow
from recovery.steps.model import Step, StepPhase
from recovery.text_format import count

MAX_WAVES = 1000
MAX_SERVERS_PER_WAVE = 500
MAX_SERVERS_PER_PLAN = 4000
CHOSEN_AT_START = ("PointInTime", "ChosenPoint", "Membership")
"""Keys that no plan file has."""
WITHOUT_EFFECT = (
    "Notify",
    "Schedule",
    "Freeze",
    "ReadinessEvery",
    "DrillIntervalDays",
    "Isolation",
)
"""Keys that have no effect on what is recovered, and how; the plan's hash is without them."""


def _is_none(value: object) -> bool:
    return value is None


class OnFailure(StrEnum):
    """What happens to the rest of the plan when a wave fails or times out."""

    SKIP_DEPENDENTS = "SKIP_DEPENDENTS"
    ASK = "ASK"
    CONTINUE = "CONTINUE"
    STOP = "STOP"


class Server(Model):
    """A source server that a wave launches."""

    source_server_id: ServerId
    impact: Impact = Impact.CRITICAL
    recovery_snapshot_id: SnapshotId | None = None
    """The point in time to recover to; None for the latest."""
    launch_settings: ServerLaunchSettings | None = None
    drill_launch_settings: ServerLaunchSettings | None = None
    chosen_point: ChosenPoint | None = Field(default=None, exclude_if=_is_none)
    """What was chosen for it at the start with a point in time; None without one."""

    @property
    def snapshot_id(self) -> str | None:
        """The snapshot that it is launched from; None for its latest data."""
        return self.chosen_point.snapshot_id if self.chosen_point else self.recovery_snapshot_id

    @property
    def is_launched(self) -> bool:
        """Whether it may be launched; false without a snapshot for the chosen point in time."""
        return self.chosen_point is None or self.chosen_point.kind.is_launched


class Target(Model):
    """Where a wave is launched."""

    model_config = ConfigDict(frozen=True)

    region: Region
    role_arn: RoleArn | None = None
    """The role to assume; None for the worker's own credentials."""
    account_id: AccountId | None = None
    """The account that the worker must act in; None if the plan does not name one."""

    @property
    def role_account_id(self) -> str | None:
        """The account of the role; None for the worker's own credentials."""
        return self.role_arn.split(":")[4] if self.role_arn else None


class Dependency(Model):
    """A wave that must be complete first."""

    depends_on_wave_id: Annotated[
        PlanOrWaveId, Field(description="the WaveId of the wave to wait for")
    ]


def _same_as(field: str) -> Any:
    """Return a field that defaults to the value of another one."""
    return Field(default_factory=lambda validated: validated[field])


class Wave(Model):
    """Servers that are launched together, once the waves they depend on are complete."""

    wave_id: PlanOrWaveId
    wave_name: Name = _same_as("wave_id")
    wave_description: Text = ""
    servers: list[Server]
    servers_by_tag: ServerTags | None = Field(default=None, exclude_if=_is_none)
    """Its servers are those that have all these tags in DRS; looked up at the start."""
    dependencies: list[Dependency] = Field(default_factory=list)
    region: Region
    role_arn: RoleArn | None = None
    account_id: AccountId | None = None
    timeout_seconds: Seconds = 3600.0
    """Seconds from the acceptance of StartRecovery until the wave is TIMED_OUT."""
    on_failure: OnFailure | None = None
    """None: the plan's policy, or else the default of the kind of execution."""
    retries: Retries = 0
    approval_required: YesOrNo = False
    launch_settings: LaunchSettings | None = None
    drill_launch_settings: LaunchSettings | None = None
    """What only drills have, on top of the launch settings."""
    pre_launch_steps: list[Step] = []
    post_launch_steps: list[Step] = []
    steps: list[Step] = []
    """Of a wave without servers."""

    @property
    def all_steps(self) -> tuple[tuple[StepPhase, Step], ...]:
        """Its steps in the order in which they run, each with its phase."""
        lists = (
            (StepPhase.PRE_LAUNCH, self.pre_launch_steps),
            (StepPhase.ALONE, self.steps),
            (StepPhase.POST_LAUNCH, self.post_launch_steps),
        )
        return tuple((phase, step) for phase, steps in lists for step in steps)

    def step(self, step_id: str) -> Step:
        """Return the step with this ID.

        Raises:
            KeyError: The wave has no such step.
        """
        for _, step in self.all_steps:
            if step.step_id == step_id:
                return step
        raise KeyError(step_id)

    @property
    def target(self) -> Target:
        """The account and Region in which the wave is launched."""
        return Target(region=self.region, role_arn=self.role_arn, account_id=self.account_id)

    def target_of(self, step: Step) -> Target:
        """The account and Region in which one of its steps acts: what it does not name is ours."""
        return Target(
            region=step.region or self.region,
            role_arn=step.role_arn or self.role_arn,
            # A role of the step's own says its account.
            account_id=step.account_id or (None if step.role_arn else self.account_id),
        )

    @property
    def depends_on(self) -> tuple[str, ...]:
        """The exact IDs of the waves this one waits for, each once."""
        return tuple(dict.fromkeys(each.depends_on_wave_id for each in self.dependencies))

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The source server IDs, in the order of the plan."""
        return tuple(server.source_server_id for server in self.servers)


def size_text(waves: int, servers: int, by_tag: int) -> str:
    """The size of a plan, for people; `by_tag` are the waves whose servers are not known yet."""
    known = [count(servers, "server")] if servers or not by_tag else []
    unknown = [f"the servers of {count(by_tag, 'wave')} by tags"] if by_tag else []
    return f"{count(waves, 'wave')}, {' and '.join(known + unknown)}"


class RecoveryRules(Model):
    """Whose approval a real recovery needs; a drill needs none of it."""

    approvers: Approvers = 0
    """How many people other than the starter must approve it before the first launch."""
    author_may_start: YesOrNo = True
    """Whether the author of the plan's newest version may start a recovery."""
    starter_may_approve: YesOrNo = True
    """Whether the starter may approve waves."""
    fence_first: YesOrNo = False
    """Whether a recovery must begin with a step that stops the source servers from writing."""

    @property
    def is_about_people(self) -> bool:
        """Whether it says who may start or approve, which only a signed start can prove."""
        return self.model_copy(update={"fence_first": False}) != RecoveryRules()


class PlanChannel(Model):
    """A channel of the installation that a plan names.

    Attributes:
        events: what goes to it of this plan; None: as the installation has it.
    """

    channel: ChannelName
    events: list[EventKind] | None = None


class RecoveryPlan(Model):
    """A frozen plan: what runs does not change when the file is edited."""

    plan_id: PlanOrWaveId
    plan_name: Name = _same_as("plan_id")
    description: Text = ""
    owner: Text = ""
    region: Region | None = None
    role_arn: RoleArn | None = None
    account_id: AccountId | None = None
    rto: Minutes | None = Field(default=None, alias="RTO")
    """Recovery time objective, in minutes."""
    rpo: Minutes | None = Field(default=None, alias="RPO")
    """Recovery point objective, in minutes."""
    priority: Priority | None = None
    on_failure: OnFailure | None = None
    deadline_seconds: Seconds = 86400.0
    """Seconds from the plan's start after which no wave is launched."""
    decision_seconds: Seconds = 14400.0
    """With the policy ASK: seconds that the dependents of a failed wave wait for a decision."""
    recovery: RecoveryRules = Field(default_factory=RecoveryRules)
    launch_settings: LaunchSettings | None = None
    drill_launch_settings: LaunchSettings | None = None
    notify: list[PlanChannel] = []
    """Channels that get this plan's events in other ways than the installation has it."""
    schedule: DrillSchedule | None = None
    freeze: list[FreezeWindow] = Field(default=[], max_length=100)
    """When no scheduled drill of it starts, besides the windows of the installation."""
    readiness_every: Duration = "1h"
    drill_interval_days: Days = 90
    """After so many days without a drill, it is one that was not drilled."""
    isolation: DrillIsolation | None = None
    waves: list[Wave]
    point_in_time: PointInTime | None = Field(default=None, exclude_if=_is_none)
    """What its servers are recovered to; chosen at the start, never in a file."""
    membership: Membership | None = Field(default=None, exclude_if=_is_none)
    """Where the servers of waves with tags come from; chosen at the start, never in a file."""

    @property
    def plan_hash(self) -> str:
        """The SHA-256, in hex, of everything in the plan file that has an effect.

        The order of waves, of a wave's servers and of its dependencies has none. The snapshots that
        were chosen at the start have a hash of their own, so that this one names the plan. It
        covers the servers that were found by tags.
        """
        content = json.loads(self.without_point_in_time().model_dump_json())
        # When they were looked up has no effect.
        content.pop("Membership", None)
        # Executions recorded before these keys were known carry the hash without them.
        if self.decision_seconds == RecoveryPlan.model_fields["decision_seconds"].default:
            del content["DecisionSeconds"]
        if self.recovery == RecoveryRules():
            del content["Recovery"]
        elif not self.recovery.fence_first:
            del content["Recovery"]["FenceFirst"]
        for key in WITHOUT_EFFECT:
            del content[key]
        _drop_missing_launch_settings(content)
        for dumped, wave in zip(content["Waves"], self.waves, strict=True):
            dumped["Dependencies"] = sorted(wave.depends_on)
            dumped["Servers"].sort(key=lambda server: server["SourceServerId"])
            for each in (dumped, *dumped["Servers"]):
                _drop_missing_launch_settings(each)
            for key in ("PreLaunchSteps", "PostLaunchSteps", "Steps"):
                if not dumped[key]:
                    del dumped[key]
        content["Waves"].sort(key=lambda dumped: dumped["WaveId"])
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def points_hash(self) -> str | None:
        """The SHA-256, in hex, of what was chosen at the start; None if nothing was."""
        if self.point_in_time is None:
            return None
        points = {i: each.model_dump(mode="json") for i, each in self.chosen_points.items()}
        content = [self.point_in_time.model_dump(mode="json"), points]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def chosen_points(self) -> dict[str, ChosenPoint]:
        """What its servers are launched from, by source server; empty without a point in time."""
        servers = (server for wave in self.waves for server in wave.servers)
        return {s.source_server_id: s.chosen_point for s in servers if s.chosen_point}

    def at_point_in_time(
        self, wanted: PointInTime, known: Mapping[str, ServerSnapshots]
    ) -> "RecoveryPlan":
        """The plan with what each server is launched from.

        Args:
            wanted: the point in time.
            known: by source server, its snapshots around that time.
        """

        def choose(server: Server) -> ChosenPoint:
            server_id, planned = server.source_server_id, server.recovery_snapshot_id
            return chosen_point(wanted, known.get(server_id), planned)

        return self._with_points(wanted, choose)

    def at_points_of(self, earlier: "RecoveryPlan") -> "RecoveryPlan":
        """The plan with what was chosen for an earlier execution of it.

        A server to which this plan gives another RecoverySnapshotId is launched from that.
        """
        if earlier.point_in_time is None:
            return self
        before = {s.source_server_id: s for wave in earlier.waves for s in wave.servers}

        def choose(server: Server) -> ChosenPoint:
            known, planned = before.get(server.source_server_id), server.recovery_snapshot_id
            if known is not None and known.chosen_point and known.recovery_snapshot_id == planned:
                return known.chosen_point
            kind = PointKind.PLANNED if planned else PointKind.UNREAD
            return ChosenPoint(kind=kind, snapshot_id=planned)

        return self._with_points(earlier.point_in_time, choose)

    def without_point_in_time(self) -> "RecoveryPlan":
        """The plan without the snapshots that were chosen at the start."""
        return self._with_points(None, lambda _: None) if self.point_in_time else self

    def with_members(
        self, membership: Membership, server_ids: Mapping[str, Sequence[str]]
    ) -> "RecoveryPlan":
        """The plan with the servers of the waves that name tags, by WaveId."""

        def with_servers(wave: Wave) -> Wave:
            ids = server_ids.get(wave.wave_id)
            if ids is None or not wave.servers_by_tag:
                return wave
            servers = [Server(source_server_id=each) for each in ids]
            return wave.model_copy(update={"servers": servers})

        waves = [with_servers(wave) for wave in self.waves]
        return self.model_copy(update={"waves": waves, "membership": membership})

    def with_members_of(self, earlier: "RecoveryPlan") -> "RecoveryPlan":
        """The plan with the servers that an earlier execution of it had by the same tags."""
        if earlier.membership is None:
            return self
        before = {wave.wave_id: wave for wave in earlier.waves if wave.servers_by_tag}
        known = {
            wave.wave_id: same.server_ids
            for wave in self.waves
            if (same := before.get(wave.wave_id)) is not None
            and (same.servers_by_tag, same.target) == (wave.servers_by_tag, wave.target)
        }
        return self.with_members(earlier.membership, known) if known else self

    def as_in_file(self) -> "RecoveryPlan":
        """The plan as its file has it, without what was chosen at the start."""
        plan = self.without_point_in_time()
        if not any(wave.servers_by_tag for wave in plan.waves):
            return plan
        waves = [
            wave.model_copy(update={"servers": []}) if wave.servers_by_tag else wave
            for wave in plan.waves
        ]
        return plan.model_copy(update={"waves": waves, "membership": None})

    @property
    def file_hash(self) -> str:
        """The hash of the plan as its file has it, which its registered version has."""
        return self.as_in_file().plan_hash

    def _with_points(
        self, wanted: PointInTime | None, choose: Callable[[Server], ChosenPoint | None]
    ) -> "RecoveryPlan":
        def with_point(server: Server) -> Server:
            return server.model_copy(update={"chosen_point": choose(server)})

        waves = [
            wave.model_copy(update={"servers": [with_point(server) for server in wave.servers]})
            for wave in self.waves
        ]
        return self.model_copy(update={"waves": waves, "point_in_time": wanted})

    @property
    def graph(self) -> WaveGraph:
        """The graph of the plan's waves, built at each call."""
        return WaveGraph({wave.wave_id: wave.depends_on for wave in self.waves})

    @property
    def step_attempts(self) -> int:
        """How many attempts its steps have at most without operators: 1 and their Retries."""
        return sum(1 + step.retries for wave in self.waves for _, step in wave.all_steps)

    @property
    def server_count(self) -> int:
        """The number of servers in all waves."""
        return sum(len(wave.servers) for wave in self.waves)

    @property
    def size(self) -> str:
        """Its waves and servers, for people."""
        return size_text(len(self.waves), self.server_count, self.unknown_waves)

    @property
    def unknown_waves(self) -> int:
        """The number of waves that name tags and have no servers yet."""
        return sum(bool(wave.servers_by_tag and not wave.servers) for wave in self.waves)

    @property
    def step_count(self) -> int:
        """The number of steps in all waves."""
        return sum(len(wave.all_steps) for wave in self.waves)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The distinct targets, in the order in which the plan first names them."""
        return tuple(dict.fromkeys(wave.target for wave in self.waves))

    def counted_without(self, left_out: Collection[str]) -> tuple[int, int]:
        """How many servers are not among these, and in how many waves they are."""
        left = [sum(i not in left_out for i in wave.server_ids) for wave in self.waves]
        return sum(left), sum(map(bool, left))

    def names_wave(self, given: object, wave_id: str) -> bool:
        """Whether an operator's name for a wave means this one, as the messages' rules have it."""
        if not isinstance(given, str):
            return False
        ids = [w.wave_id for w in self.waves if w.wave_id == given]
        name = given.strip().casefold()
        ids = ids or [
            w.wave_id for w in self.waves if name in (w.wave_id.casefold(), w.wave_name.casefold())
        ]
        return ids == [wave_id]

    def wave(self, wave_id: str) -> Wave:
        """Return the wave with this ID.

        Raises:
            KeyError: The plan has no such wave.
        """
        for wave in self.waves:
            if wave.wave_id == wave_id:
                return wave
        raise KeyError(wave_id)


def _drop_missing_launch_settings(content: dict[str, Any]) -> None:
    """Drop what was not known when the first executions were recorded with their plan's hash."""
    for key in ("LaunchSettings", "DrillLaunchSettings"):
        if content[key] is None:
            del content[key]
