"""The channels of an installation, and what goes to them."""

import re
from datetime import datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from recovery.base_model import StrictModel
from recovery.execution.state import ExecutionType
from recovery.notify.event_kind import EventKind
from recovery.plan.model import REGION_PATTERN, ChannelName

# What a pager gets, of recoveries only; a FINISHED only with the outcome FAILED.
PAGER_EVENTS = (
    EventKind.DECISION_NEEDED,
    EventKind.NO_WORKER,
    EventKind.WAVE_FAILED,
    EventKind.FINISHED,
    EventKind.BREAK_GLASS,
)
_QUIET_DAYS = 8
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

    env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    secrets_manager: str | None = None
    ssm_parameter: str | None = None
    region: str | None = Field(default=None, pattern=REGION_PATTERN)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        given = [self.env, self.secrets_manager, self.ssm_parameter]
        if sum(each is not None for each in given) != 1:
            raise ValueError("give one of Env, SecretsManager and SsmParameter")
        return self


class SnsTopic(StrictModel):
    """An SNS topic."""

    topic_arn: str = Field(
        pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]+(\.fifo)?$"
    )


class EventBridgeBus(StrictModel):
    """A bus of EventBridge: its name or ARN, and its Region."""

    bus: str = "default"
    region: str | None = Field(default=None, pattern=REGION_PATTERN)


class WebHook(StrictModel):
    """A web hook, which gets JSON that is signed with HMAC-SHA256.

    Attributes:
        url: where to POST; it may itself be a secret.
        secret: the key of the signature.
    """

    url: SecretReference | Annotated[str, Field(pattern=r"^https?://\S+$")]
    secret: SecretReference


class Channel(StrictModel):
    """A channel: where to send, and what.

    Attributes:
        apprise: the Apprise URL, of Slack, Teams, e-mail and some hundred more.
        pager_duty: the routing key of PagerDuty's Events API v2.
        events: what goes to it; None: everything, and to a pager what a pager should get.
        execution_types: of which executions; None: of all, and to a pager of recoveries.
        default: it gets the events of every plan; otherwise only of plans that name it.
        quiet_hours: hours in its time zone in which nothing is sent; afterwards what is still
            open follows in one message.
        time_zone: of the times in its texts and of its quiet hours.
    """

    name: ChannelName
    apprise: SecretReference | None = None
    pager_duty: SecretReference | None = Field(default=None, alias="PagerDuty")
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
        kinds = (self.apprise, self.pager_duty, self.sns, self.event_bridge, self.web_hook)
        if sum(each is not None for each in kinds) != 1:
            raise ValueError(
                "a channel has one of Apprise, PagerDuty, SNS, EventBridge and WebHook"
            )
        return self

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


class NotifyFile(StrictModel):
    """The file of an installation's channels."""

    channels: list[Channel]

    @model_validator(mode="after")
    def _has_each_once(self) -> Self:
        names = [each.name for each in self.channels]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two channels are named {', '.join(sorted(repeated))}")
        return self
