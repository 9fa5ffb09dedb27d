"""The scenario file: source servers, launch outcomes, quotas and faults."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from moto.core.utils import get_service_model
from pydantic import (
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from sandbox.drs.jobs.timeline import CleanUp
from sandbox.drs.servers.launch_actions import ActionOutcome
from sandbox.drs.servers.oddities import Oddity
from sandbox.drs.servers.source_servers import DeadSnapshot
from sandbox.drs.simulation import Durations, TimestampForm
from sandbox.ec2 import scripts as ec2_scripts
from sandbox.ec2.scripts import LaunchNeeds
from sandbox.iam.actions import denial
from sandbox.receivers.inbox import RECEIVER, SCRIPTED
from sandbox.recovered.behavior import Application, RecoveredBehavior
from sandbox.section import AccountId, Region, Seconds, Section, SourceServerId
from sandbox.server_settings import (
    InstanceType,
    IsoDuration,
    LagStep,
    LaunchTemplate,
    SnapshotGap,
    SnapshotRetention,
)
from sandbox.services import scripts
from sandbox.services.scripts import ServiceScripts
from sandbox.ssm.documents import Document

DEFAULT_REGION = scripts.DEFAULT_REGION
DEFAULT_ACCOUNT_ID = scripts.DEFAULT_ACCOUNT_ID
ANY = "*"
HTTP = "http"
DNS = "dns"
DNS_QUERY = "Query"
LOCAL_SERVICES: dict[str, tuple[str, ...]] = {
    RECEIVER: SCRIPTED,
    HTTP: ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
    DNS: (DNS_QUERY,),
}
"""The operations of services that are not AWS's, in faults and in the log of calls."""
_DNS_ERRORS = ("NXDOMAIN", "REFUSED", "SERVFAIL")

Outcome = Literal["launched", "failed-early", "failed-late", "stuck", "missing-permission"]
ReplicationState = Literal[
    "STOPPED",
    "INITIATING",
    "INITIAL_SYNC",
    "BACKLOG",
    "CREATING_SNAPSHOT",
    "CONTINUOUS",
    "PAUSED",
    "RESCAN",
    "STALLED",
    "DISCONNECTED",
]


_MAX_OFFSET = 366 * 86_400.0


class ScenarioError(ValueError):
    """A scenario is not valid. The message lists every problem and its location."""


class LaunchAction(Section):
    """A launch action of DRS. The keys are the attributes of the DRS backend's."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 /_-]{0,255}$")]
    type: Literal["SSM_AUTOMATION", "SSM_COMMAND"] = "SSM_COMMAND"
    document: Annotated[str, Field(pattern=r"^[A-Za-z0-9-/:]+$")] = "AWS-RunShellScript"
    optional: bool = False
    order: Annotated[int, Field(ge=2, le=10_000)] = 2
    outcome: ActionOutcome = ActionOutcome.SUCCEEDED
    seconds: Seconds = 10.0
    failure_reason: Annotated[str, Field(pattern=r"^[0-9a-zA-Z ():/.,'\-_#*;]{1,256}$")] = (
        "The action failed."
    )


class SourceServer(RecoveredBehavior):
    """One source server. If it exists, only the specified keys change.

    Its keys include those of `RecoveredBehavior`.

    Attributes:
        source_server_id: `s-` and 17 characters.
        region: Its Region. Without `region` and `account_id`, the entry applies to the server with
            this ID in any account and Region. If it does not exist, it is created in us-west-2 of
            123456789012.
        name: Its Name tag. Default: the ID.
        outcome: The outcomes of successive launches. The last outcome repeats.
        lag_duration: The lag now. It grows while the replication state is STALLED, PAUSED, STOPPED
            or DISCONNECTED. Points in time, snapshots and the agent last seen follow from it.
        lag_over_time: The lag from now on; of the steps that are reached, the last one holds.
        agent_last_seen_ago: DRS last saw its agent so long ago; PT0S: it sees it again.
        launch_seconds: From the call to LAUNCH_END, before the speed factor. In recovery mode FAST
            the conversion's part of it is skipped.
        stuck_seconds: From the call to LAUNCH_END of a stuck launch, before the speed factor.
        raw_error: The logged reason of a failure.
        missing_permission: The permission that the caller lacks in the job, such as
            `ec2:CreateLaunchTemplateVersion`. Without `outcome`, every launch fails with it.
        recovery_instance_id_missing: Jobs do not name its recovery instance, as in recorded jobs.
        status_lag: By how many seconds jobs are late to name its final status, before the speed
            factor. Until then they say PENDING, even a COMPLETED job.
        clean_up: When a launch cleans up the earlier instance.
        recovery_snapshot_ids: Additional snapshots, which do not expire.
        dead_snapshot: How a launch from a snapshot that it does not have fails.
        oddity: What is odd about it, its jobs and its instances in listings.
        live_recovery_instance: It starts with an instance of an earlier job of this type.
        reverse_replication: Its recovery instance is replicated back.
        running_job: It starts in a job of another client that never ends.
        post_launch_enabled: Whether DRS runs the launch actions.
        launch_actions: What DRS runs on its recovered servers.
        right_sizing: How DRS chooses its instance type; NONE: that of the launch template.
        recommended_instance_type: The type that DRS recommends; empty: none.
        encryption_key_arn: The key of KMS that its disks are encrypted with; empty: EBS's default.
        launch_template: Its launch template. If the server exists, a new version becomes the
            default, as when somebody edits it in the console.
        console_launch: Somebody else launches it now.
        snapshot_retention: Which snapshots it has. Default: those of DRS's default.
        snapshot_gaps: Times without snapshots.
        snapshots_since: It has no snapshots older than that now.
    """

    source_server_id: SourceServerId
    region: Region | None = None
    account_id: AccountId | None = None
    name: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    os: Literal["linux", "windows"] = "linux"
    outcome: tuple[Outcome, ...] = ("launched",)
    replication_state: ReplicationState = "CONTINUOUS"
    lag_duration: IsoDuration = timedelta()
    lag_over_time: tuple[LagStep, ...] = ()
    agent_last_seen_ago: IsoDuration | None = None
    launch_seconds: Seconds | None = None
    stuck_seconds: Seconds | None = None
    raw_error: str | None = None
    launch_disposition: Literal["STARTED", "STOPPED"] = "STARTED"
    missing_permission: Annotated[str, Field(pattern=r"^[a-z0-9]+:[A-Za-z]+$")] = ""
    recovery_instance_id_missing: bool = True
    status_lag: Annotated[float, Field(alias="StatusLagSeconds", ge=0)] = 0.0
    clean_up: Annotated[CleanUp, Field(alias="EarlierInstanceCleanUp")] = CleanUp.BEFORE_LAUNCH
    dead_snapshot: DeadSnapshot = DeadSnapshot.INVALID
    oddity: Oddity | None = None
    recovery_snapshot_ids: tuple[Annotated[str, Field(pattern=r"^pit-[0-9a-zA-Z]{17}$")], ...] = ()
    live_recovery_instance: Literal["RECOVERY", "DRILL"] | None = None
    reverse_replication: bool = False
    running_job: bool = False
    post_launch_enabled: bool = False
    launch_actions: tuple[LaunchAction, ...] = ()
    copy_private_ip: bool = False
    recovery_mode: Literal["OPTIMAL", "FAST"] = "OPTIMAL"
    right_sizing: Literal["NONE", "BASIC", "IN_AWS"] = "BASIC"
    recommended_instance_type: InstanceType | Literal[""] = "c5.large"
    encryption_key_arn: Annotated[str, Field(pattern=r"^(arn:aws:kms:\S+)?$")] = ""
    launch_template: LaunchTemplate | None = None
    console_launch: Literal["RECOVERY", "DRILL"] | None = None
    snapshot_retention: tuple[SnapshotRetention, ...] = ()
    snapshot_gaps: tuple[SnapshotGap, ...] = ()
    snapshots_since: IsoDuration | None = None

    @field_validator("outcome", mode="before")
    @classmethod
    def _wrap_single_outcome(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @field_validator("outcome")
    @classmethod
    def _require_outcome(cls, value: tuple[Outcome, ...]) -> tuple[Outcome, ...]:
        if not value:
            raise ValueError("must contain at least one outcome")
        return value


class Quotas(Section):
    """Quotas of every Region; those not given stay as they are.

    Attributes:
        account_id: Whose; None means every account's.
        standard_vcpus: EC2's quota of running on-demand standard instances.
    """

    account_id: AccountId | None = None
    jobs_in_progress: Annotated[int, Field(ge=0)] | None = None
    servers_in_job: Annotated[int, Field(ge=0)] | None = None
    servers_in_all_jobs: Annotated[int, Field(ge=0)] | None = None
    standard_vcpus: Annotated[int, Field(ge=0)] | None = None


class Effect(StrEnum):
    """The effect of a fault without an error.

    ANSWER_LOST: the request is executed, then the connection is closed without a response.
    ANSWER_CUT: the request is executed, then the connection is closed during the response.
    DROP: the request is not executed, the connection is closed without a response.
    DELAY: the request is executed `Seconds` later.
    HOLD: the request is executed, and the response is sent when the control API releases it.
    HANG: the request is not executed, and the connection stays open without a response until the
        caller closes it or the control API releases it.
    GATEWAY_BEFORE: a gateway in between answers instead of AWS, and the request is not executed.
    GATEWAY_AFTER: the request is executed, then a gateway in between answers instead of AWS.
    """

    ANSWER_LOST = "answer-lost"
    ANSWER_CUT = "answer-cut"
    DROP = "drop"
    DELAY = "delay"
    HOLD = "hold"
    HANG = "hang"
    GATEWAY_BEFORE = "gateway-before"
    GATEWAY_AFTER = "gateway-after"


class Fault(Section):
    """A fault of calls of one operation.

    Attributes:
        operation: The API operation, or `*` for every operation of the service.
        service: The service name: drs, dynamodb, sts, sqs, events …; `*` with the operation `*` for
            every service, as when a Region fails. `receiver` for a receiver of notifications, with
            its name as the operation; `http` for the HTTP service, with the method; `dns`, with
            `Query`.
        denied_action: The action of IAM that the caller lacks, such as `ec2:DescribeSubnets`,
            instead of service, operation, error and message.
        error: The error code to return. The request is not executed.
        message: The error message. Default: a typical message.
        retry_after_seconds: The Retry-After header of throttling and server errors.
        effect: The effect, instead of an error.
        seconds: Wall-clock seconds of a delay.
        status: The HTTP status of a gateway's answer.
        body: The format of a gateway's answer.
        times: How many calls the fault applies to; None means no limit.
        after: How many matching calls succeed before the fault applies.
        rate: Its probability for each call; None means every call.
        region: Only calls to this Region.
        account_id: Only calls in this account.
        caller: Only calls with this `AWS_SDK_UA_APP_ID`.
        mentions: Only calls whose path or body contains one of these texts, such as a source server
            ID, the name of a function, or a name that is looked up.
            For a request with a job ID, the source servers and tag values of the job also count.
            For a request with an instance ID, its source server also counts.
        name: The name of the fault in the log and in DELETE requests.
    """

    operation: str
    service: str = "drs"
    denied_action: str | None = None
    error: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9.]*$")] | None = None
    message: str | None = None
    retry_after_seconds: Annotated[int, Field(ge=0)] = 1
    effect: Effect | None = None
    seconds: Annotated[float, Field(ge=0)] | None = None
    status: Annotated[int, Field(ge=400, le=599)] = HTTPStatus.BAD_GATEWAY
    body: Literal["html", "json"] = "html"
    times: Annotated[int, Field(ge=1)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    rate: Annotated[float, Field(gt=0, le=1)] | None = None
    region: Region | None = None
    account_id: AccountId | None = None
    caller: str | None = None
    mentions: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _deny(cls, value: object) -> object:
        if not isinstance(value, dict) or "DeniedAction" not in value:
            return value
        answer = denial(str(value["DeniedAction"]))
        if value.keys() & {*answer, "Effect"}:
            raise ValueError("DeniedAction replaces Service, Operation, Error, Message and Effect")
        return value | answer

    @model_validator(mode="after")
    def _check_fault(self) -> Self:
        if (self.error is None) == (self.effect is None):
            raise ValueError("specify either Error or Effect")
        if (self.effect is Effect.DELAY) != (self.seconds is not None):
            raise ValueError("Effect: delay requires Seconds; other effects do not support Seconds")
        gateway = self.effect in (Effect.GATEWAY_BEFORE, Effect.GATEWAY_AFTER)
        if not gateway and self.model_fields_set & {"status", "body"}:
            raise ValueError("only the gateway effects support Status and Body")
        if self.service == ANY and (self.operation != ANY or self.error):
            raise ValueError('Service: "*" requires Operation: "*" and an Effect')
        if self.service in LOCAL_SERVICES:
            self._check_local()
        elif self.operation != ANY:
            _check_operation(self.service, self.operation)
        return self

    def _check_local(self) -> None:
        operations = LOCAL_SERVICES[self.service]
        if self.operation not in (ANY, *operations):
            raise ValueError(f"Service {self.service} has as Operation {', '.join(operations)}")
        if self.service != DNS:
            if self.error:
                raise ValueError(f"Service {self.service} has an Effect, and no Error")
        elif self.error not in (None, *_DNS_ERRORS):
            raise ValueError(f"Service dns has as Error one of {', '.join(_DNS_ERRORS)}")
        elif self.effect not in (None, Effect.DROP, Effect.DELAY):
            raise ValueError("Service dns has as Effect drop or delay")


class LaunchEvents(Section):
    """How DRS's launch results come to EventBridge, which promises nothing.

    Attributes:
        late_seconds: Each is late by up to so many wall-clock seconds, so that they come in any
            order.
        copies: How often each comes.
        lost_rate: The probability that one is lost.
        account_id: Only those of this account.
    """

    late_seconds: Annotated[float, Field(ge=0)] = 0.0
    copies: Annotated[int, Field(ge=1, le=10)] = 1
    lost_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    account_id: AccountId | None = None


class Scenario(ServiceScripts, LaunchNeeds):
    """A scenario file. Its keys include those of `ServiceScripts` and of `LaunchNeeds`.

    Attributes:
        documents: Those of Systems Manager; later ones hold.
        timestamp_form: The timestamp format of DRS; None does not change it.
        durations: How long launches take; None does not change it.
        clock_offset_seconds: Seconds by which the clock of DRS and of Systems Manager is ahead, or
            behind if negative; None does not change it.
        launch_events: How DRS's launch results come to EventBridge; None does not change it.
        seed: The seed of the random numbers for `Rate` and for the durations of launches; None does
            not change it.
    """

    source_servers: tuple[SourceServer, ...] = ()
    quotas: Quotas = Field(default_factory=Quotas)
    faults: tuple[Fault, ...] = ()
    documents: tuple[Document, ...] = ()
    timestamp_form: TimestampForm | None = None
    durations: Durations | None = None
    clock_offset_seconds: Annotated[float, Field(ge=-_MAX_OFFSET, le=_MAX_OFFSET)] | None = None
    launch_events: LaunchEvents | None = None
    seed: int | None = None


SECTIONS: tuple[type[Section], ...] = (
    Scenario, SourceServer, Quotas, Fault, LaunchEvents, Application, LaunchAction, LaunchTemplate,
    LagStep, SnapshotRetention, SnapshotGap, Document, *scripts.SECTIONS, *ec2_scripts.SECTIONS,
)  # fmt: skip


def read_scenario(text: str) -> Scenario:
    """Read a scenario in YAML or JSON.

    Raises:
        ScenarioError: The message lists every problem and its location in the file.
    """
    try:
        return Scenario.model_validate(yaml.safe_load(text) or {})
    except ValidationError as error:
        raise ScenarioError(_problems(error)) from None
    except RecursionError:
        raise ScenarioError("not YAML: the nesting is too deep") from None
    except (yaml.YAMLError, ValueError) as error:
        # PyYAML raises a plain ValueError for invalid dates and very long numbers.
        raise ScenarioError(f"not YAML: {error}") from None


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file."""
    return read_scenario(path.read_text())


def _problems(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        location = ".".join(str(part) for part in problem["loc"]) or "scenario"
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "unknown key" + _nearest(str(problem["loc"][-1]), _known_keys())
        lines.append(f"{location}: {message}")
    return "\n".join(lines)


def _known_keys() -> set[str]:
    return {
        field.alias or name for section in SECTIONS for name, field in section.model_fields.items()
    }


def _nearest(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, sorted(known), n=1)
    return f", did you mean {found[0]}?" if found else ""


def _check_operation(service: str, operation: str) -> None:
    try:
        model = get_service_model(service)
    except UnknownServiceError:
        known = Loader().list_available_services("service-2")
        raise ValueError(f"unknown Service {service}{_nearest(service, known)}") from None
    if operation not in model.operation_names:
        hint = _nearest(operation, model.operation_names)
        raise ValueError(f"{service} has no Operation {operation}{hint}")
