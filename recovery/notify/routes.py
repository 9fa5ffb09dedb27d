"""Which channels get what of an execution."""

from collections.abc import Sequence

from pydantic import Field

from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.notify.channels import Channel
from recovery.notify.event_kind import EventKind
from recovery.notify.events import Event
from recovery.notify.severity import PAGER_EVENTS, is_for_pagers
from recovery.plan.fields import ChannelName
from recovery.plan.model import PlanChannel


class Route(Model):
    """What a channel gets of one execution.

    Attributes:
        only_failed_end: of the ends, only those with the outcome FAILED.
        is_pager: decisions and failures open incidents there.
        quiet: from when until when only what a pager would get is sent (epoch seconds), for the
            next days.
    """

    channel: ChannelName
    events: list[EventKind] = Field(default_factory=list)
    only_failed_end: bool = False
    is_pager: bool = False
    quiet: list[tuple[float, float]] = []

    def takes(self, event: Event) -> bool:
        """Whether an event goes to it."""
        if event.kind is EventKind.FINISHED and self.only_failed_end:
            return is_for_pagers(event)
        return event.kind in self.events

    @property
    def takes_decisions(self) -> bool:
        """Whether decisions go to it."""
        return EventKind.DECISION_NEEDED in self.events


def routes_of(
    channels: Sequence[Channel],
    named: Sequence[PlanChannel],
    execution_type: ExecutionType,
    *,
    now: float,
) -> list[Route]:
    """The routes of an execution.

    Break-glass goes to every channel.

    Args:
        channels: of the installation.
        named: by the plan.
        execution_type: of the execution.
        now: epoch seconds.
    """
    of_plan = {each.channel: each for each in named}
    return [_route(channel, of_plan.get(channel.name), execution_type, now) for channel in channels]


def _route(
    channel: Channel, named: PlanChannel | None, execution_type: ExecutionType, now: float
) -> Route:
    is_pager = channel.pager_duty is not None
    listed = named.events if named is not None and named.events is not None else channel.events
    types = channel.execution_types
    if types is None and is_pager and listed is None:
        types = [ExecutionType.RECOVERY]
    events: list[EventKind] = []
    if (channel.default or named is not None) and (types is None or execution_type in types):
        events = listed if listed is not None else list(PAGER_EVENTS if is_pager else EventKind)
    return Route(
        channel=channel.name,
        events=list(dict.fromkeys([*events, EventKind.BREAK_GLASS])),
        only_failed_end=is_pager and listed is None,
        is_pager=is_pager,
        quiet=channel.quiet_times(now),
    )
