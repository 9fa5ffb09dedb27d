"""The channels of an installation, and what goes to them."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from recovery.base_model import StrictModel, matching
from recovery.execution.state import ExecutionType
from recovery.notify.event_kind import EventKind
from recovery.plan.fields import REGION_PATTERN, ChannelName

_QUIET_DAYS = 8
_Region = Annotated[str, matching(REGION_PATTERN, "a Region such as eu-central-1")]
_Url = Annotated[str, matching(r"https?://\S+", "a URL that begins with https:// or http://")]
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f'"{value}" is no time zone; write one such as Europe/Berlin or UTC')
    return value


def _hours(value: str) -> str:
    if _HOURS.fullmatch(value) is None:
        raise ValueError(f'"{value}" are no hours; write them as 22:00-06:00')
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]
Hours = Annotated[str, AfterValidator(_hours)]


class SecretReference(StrictModel):
    """Where a secret is; it is read when it is used, and is never in a plan or in Temporal.

    Attributes:
        env: the name of an environment variable of the worker.
        secrets_manager: the name or ARN of a secret in AWS Secrets Manager.
        ssm_parameter: the name or ARN of a SecureString parameter of SSM.
        region: of the latter two; default: AWS's own region setting.
    """

    env: (
        Annotated[str, matching(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")]
        | None
    ) = None
    secrets_manager: str | None = None
    ssm_parameter: str | None = None
    region: _Region | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [self.env, self.secrets_manager, self.ssm_parameter]
        if sum(each is not None for each in given) != 1:
            raise ValueError("give one of Env, SecretsManager and SsmParameter")
        return self

    def __str__(self) -> str:
        """Where it is, such as `environment variable SLACK_URL`."""
        if self.env is not None:
            return f"environment variable {self.env}"
        if self.secrets_manager is not None:
            return f"secret {self.secrets_manager} of Secrets Manager"
        return f"parameter {self.ssm_parameter} of SSM"


class SnsTopic(StrictModel):
    """An SNS topic."""

    topic_arn: Annotated[
        str,
        matching(
            r"arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?",
            "the ARN of a topic such as arn:aws:sns:eu-central-1:123456789012:recovery",
        ),
    ]


class EventBridgeBus(StrictModel):
    """A bus of EventBridge: its name or ARN, and its Region."""

    bus: str = "default"
    region: _Region | None = None


class WebHook(StrictModel):
    """A web hook, which gets JSON that is signed with HMAC-SHA256.

    Attributes:
        url: where to POST; it may itself be a secret.
        secret: the key of the signature.
    """

    url: Annotated[
        Annotated[_Url, Tag("text")] | Annotated[SecretReference, Tag("reference")],
        Discriminator(lambda value: "text" if isinstance(value, str) else "reference"),
    ]
    secret: SecretReference


class PagerDuty(StrictModel):
    """A service of PagerDuty, through its Events API v2.

    Attributes:
        routing_key: of the service's integration.
        endpoint: another one for PagerDuty's EU Region.
    """

    routing_key: SecretReference
    endpoint: _Url = "https://events.pagerduty.com/v2/enqueue"


class Channel(StrictModel):
    """A channel: where to send, and what.

    Attributes:
        apprise: the Apprise URL, of Slack, Teams, e-mail and some hundred more.
        events: what goes to it; None: everything, and to a pager what a pager should get.
        execution_types: of which executions; None: of all, and to a pager of recoveries.
        default: it gets the events of every plan; otherwise only of plans that name it.
        quiet_hours: hours in its time zone in which only what a pager would get is sent;
            afterwards what is still open follows in one message.
        time_zone: of the times in its texts and of its quiet hours.
    """

    name: ChannelName
    apprise: SecretReference | None = None
    pager_duty: PagerDuty | None = None
    sns: SnsTopic | None = Field(default=None, alias="SNS")
    event_bridge: EventBridgeBus | None = None
    web_hook: WebHook | None = None
    events: list[EventKind] | None = None
    execution_types: list[ExecutionType] | None = None
    default: bool = True
    quiet_hours: Hours | None = None
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if sum(getattr(self, name) is not None for name in _KINDS) != 1:
            raise ValueError(f"a channel has one of {', '.join(_KINDS.values())}; give one of them")
        if self.pager_duty is not None and self.quiet_hours is not None:
            raise ValueError("a pager has no QuietHours: a decision of a recovery must be heard")
        return self

    @property
    def kind(self) -> str:
        """How it is reached, such as `SNS`."""
        return next(kind for name, kind in _KINDS.items() if getattr(self, name) is not None)

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone."""
        return ZoneInfo(self.time_zone)

    def quiet_times(self, now: float) -> list[tuple[float, float]]:
        """Its quiet hours of the next days, from and until (epoch seconds)."""
        if self.quiet_hours is None:
            return []
        first, last = (time.fromisoformat(each) for each in self.quiet_hours.split("-"))
        today = datetime.fromtimestamp(now, self.zone).date()
        found = []
        for number in range(-1, _QUIET_DAYS):
            day = today + timedelta(days=number)
            until = day if last > first else day + timedelta(days=1)
            times = (datetime.combine(day, first), datetime.combine(until, last))
            start, end = (each.replace(tzinfo=self.zone).timestamp() for each in times)
            found.append((start, end))
        return found


# By field.
_KINDS = {
    "apprise": "Apprise",
    "pager_duty": "PagerDuty",
    "sns": "SNS",
    "event_bridge": "EventBridge",
    "web_hook": "WebHook",
}


class NotifyFile(StrictModel):
    """The file of an installation's channels."""

    channels: list[Channel] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        names = [each.name for each in self.channels]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two channels are named {', '.join(sorted(repeated))}")
        return self
