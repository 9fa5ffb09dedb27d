"""The sections of a scenario file for the services that steps and checks use.

Seconds are before the speed factor.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal, Self, TypeVar

from boto3 import Session
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, model_validator

from sandbox.section import AccountId, Delay, Region, Section, SourceServerId
from sandbox.services.dns_records import dns_records

DEFAULT_REGION = "us-west-2"
DEFAULT_ACCOUNT_ID = "123456789012"


def _known_region(region: str) -> str:
    if region not in Session().get_available_regions("lambda"):
        raise ValueError(f"unknown Region {region}")
    return region


def _on_or_off(value: object) -> object:
    # YAML reads an unquoted On or Off as a boolean.
    return {True: "On", False: "Off"}[value] if isinstance(value, bool) else value


_Member = TypeVar("_Member")
KnownRegion = Annotated[Region, AfterValidator(_known_region)]
OneOrMore = Annotated[tuple[_Member, ...], Field(min_length=1)]
State = Annotated[Literal["On", "Off"], BeforeValidator(_on_or_off)]
Duration = Annotated[float, Field(ge=0, le=86_400)]
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
DomainName = Annotated[
    str, Field(pattern=rf"^({_LABEL}\.)+{_LABEL}\.?$", max_length=253)
]  # fmt: skip
_PANEL = r"arn:aws:route53-recovery-control::[0-9]{12}:controlpanel/[0-9a-f]{32}"
RoutingControlArn = Annotated[str, Field(pattern=rf"^{_PANEL}/routingcontrol/[0-9a-f]{{16}}$")]
ControlName = Annotated[str, Field(pattern=r"^\S{1,64}$")]
Text = Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")]


class Placed(Section):
    """What is in an account and Region."""

    region: KnownRegion = DEFAULT_REGION
    account_id: AccountId = DEFAULT_ACCOUNT_ID


class FunctionAnswer(Section):
    """What a Lambda function returns.

    Attributes:
        payload: Its JSON.
        function_error: The function failed, with this kind of error.
        seconds: How long it runs.
    """

    payload: JsonValue = None
    function_error: Literal["Handled", "Unhandled"] | None = None
    seconds: Duration = 0.0


class Function(Placed):
    """A Lambda function.

    Attributes:
        answers: Those of successive invocations. The last one repeats.
        idempotent_by: The field of its payload by which it recognizes a repeat. A repeat gets the
            answer of the first invocation and has no effect.
    """

    function_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9-_]{1,64}$")]
    answers: OneOrMore[FunctionAnswer] = (FunctionAnswer(),)
    idempotent_by: str | None = None


class Record(Section):
    """A record of a hosted zone."""

    name: DomainName
    type: Literal["A", "AAAA", "CNAME", "TXT", "MX", "SRV"] = "A"
    ttl: Annotated[int, Field(ge=0, le=2_147_483_647)] = 60
    values: OneOrMore[Annotated[str, Field(min_length=1, max_length=4000)]]

    @model_validator(mode="after")
    def _check_values(self) -> Self:
        dns_records(self.name, self.type, self.ttl, self.values)
        return self


class HostedZone(Section):
    """A hosted zone of Route 53.

    Attributes:
        change_seconds: From the acceptance of a change until it is INSYNC.
        records: Its records at the start, INSYNC at once.
    """

    zone_id: Annotated[str, Field(pattern=r"^Z[A-Z0-9]{1,31}$")]
    name: DomainName
    account_id: AccountId = DEFAULT_ACCOUNT_ID
    change_seconds: Delay = 30.0
    records: tuple[Record, ...] = ()

    @model_validator(mode="after")
    def _check_records(self) -> Self:
        zone = self.name.rstrip(".")
        for record in self.records:
            name = record.name.rstrip(".")
            if name != zone and not name.endswith(f".{zone}"):
                raise ValueError(f"the record {record.name} is not in the zone {self.name}")
        return self


class RoutingControl(Section):
    """A routing control of Application Recovery Controller; its ARN says account and panel."""

    routing_control_arn: RoutingControlArn
    name: ControlName
    state: State = "Off"


class SafetyRule(Section):
    """An assertion rule: so many of these routing controls must be On after each change."""

    name: ControlName
    routing_control_arns: OneOrMore[RoutingControlArn]
    at_least: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _check_panel(self) -> Self:
        if len({arn.rpartition("/routingcontrol/")[0] for arn in self.routing_control_arns}) > 1:
            raise ValueError("the routing controls of a rule are of one control panel")
        return self


class AlarmState(Section):
    """A state of an alarm.

    Attributes:
        after_seconds: From the scenario, or from the launch, until the alarm has it.
        after_launch_of: A source server; counted from its latest launch in the alarm's account.
    """

    state: Literal["OK", "ALARM", "INSUFFICIENT_DATA"]
    after_seconds: Delay = 0.0
    after_launch_of: SourceServerId | None = None


class Alarm(Placed):
    """A CloudWatch alarm. Of the states that are reached, it has the last one in the list."""

    alarm_name: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")]
    states: OneOrMore[AlarmState]


class TargetHealth(Section):
    """The health of a target, from so many seconds after its registration."""

    state: Literal["initial", "healthy", "unhealthy", "unused", "draining", "unavailable"]
    after_seconds: Delay = 0.0
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]+\.[A-Za-z]+$")] | None = None


class TargetGroup(Section):
    """A target group of a load balancer; its ARN says account, Region and name.

    Attributes:
        health: The health of each target. Of the states that are reached, it has the last one.
        source_server_ids: Their recovery instances register themselves when they are launched.
    """

    target_group_arn: Annotated[
        str,
        Field(
            pattern=r"^arn:aws:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:"
            r"targetgroup/[A-Za-z0-9]+(-[A-Za-z0-9]+)*/[0-9a-f]{16}$"
        ),
    ]
    port: Annotated[int, Field(ge=1, le=65_535)] = 80
    health: OneOrMore[TargetHealth] = (
        TargetHealth(state="initial"),
        TargetHealth(state="healthy", after_seconds=30.0),
    )
    source_server_ids: tuple[SourceServerId, ...] = ()

    @model_validator(mode="after")
    def _check_arn(self) -> Self:
        _known_region(self.region)
        if len(self.name) > 32:
            raise ValueError(f"the name {self.name} has more than 32 characters")
        return self

    @property
    def region(self) -> str:
        """The Region of its ARN."""
        return self.target_group_arn.split(":")[3]

    @property
    def account_id(self) -> str:
        """The account of its ARN."""
        return self.target_group_arn.split(":")[4]

    @property
    def name(self) -> str:
        """The name in its ARN."""
        return self.target_group_arn.split("/")[1]


class HttpAnswer(Section):
    """An answer of the HTTP service.

    Attributes:
        body: A text, or JSON.
        seconds: After how many seconds it is sent.
        accepted: Whether the service did what was asked; None: with a status below 400.
    """

    status: Annotated[int, Field(ge=200, le=599)] = HTTPStatus.OK
    body: JsonValue = ""
    headers: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], Text] = Field(
        default_factory=dict
    )
    seconds: Duration = 0.0
    accepted: bool | None = None


class HttpPath(Section):
    """A path of the HTTP service, at `/_http/ACCOUNT` and the path.

    Attributes:
        method: None means every method that no other entry of the path has.
        answers: Those of successive requests. The last one repeats.
        idempotent: Whether it honours Idempotency-Key: a repeat gets the answer of the first
            request that was accepted, and has no effect.
    """

    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$")]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] | None = None
    account_id: AccountId = DEFAULT_ACCOUNT_ID
    answers: OneOrMore[HttpAnswer] = (HttpAnswer(),)
    idempotent: bool = False


class ServiceScripts(Section):
    """The keys of a scenario file for these services. An entry replaces one of the same name."""

    functions: tuple[Function, ...] = ()
    hosted_zones: tuple[HostedZone, ...] = ()
    routing_controls: tuple[RoutingControl, ...] = ()
    safety_rules: tuple[SafetyRule, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    target_groups: tuple[TargetGroup, ...] = ()
    http_paths: tuple[HttpPath, ...] = ()


SECTIONS: tuple[type[Section], ...] = (
    Function, FunctionAnswer, HostedZone, Record, RoutingControl, SafetyRule, Alarm, AlarmState,
    TargetGroup, TargetHealth, HttpPath, HttpAnswer,
)  # fmt: skip
