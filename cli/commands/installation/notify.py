"""`notify`: where notifications go, whether they arrive, and what was sent."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

import typer

from activities.notify.channel_clients import ChannelClients, configured_channels
from activities.notify.delivery import DeliveryError
from cli.commands.validate import Json
from cli.input.completion import complete_history
from cli.input.executions import recorded_execution_id
from cli.render.output import show, step, write_json
from cli.render.tables import aligned
from client.recoveries.chosen import recoveries
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.notify.channels import Channel
from recovery.notify.event_kind import EventKind
from recovery.notify.events import ItemKind, Notification, NotificationItem
from recovery.notify.notifier_state import DeliveryRecord
from recovery.notify.routes import Route, routes_of
from recovery.plan.model import PlanChannel
from recovery.text_format import count, timestamp
from runtime.exit import CliError, ExitCode
from settings import get_settings

notify = typer.Typer(
    name="notify",
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show and test the channels that notifications go to.",
)


class ListedChannel(Model):
    """A channel, and what goes to it.

    Attributes:
        kind: how it is reached.
        default: it gets the events of every plan, not only of plans that name it.
        recovery: what goes to it of recoveries; of the ends perhaps only FAILED ones.
        drill: the same of drills.
        only_failed_end: of the ends, only those with the outcome FAILED.
    """

    name: str
    kind: str
    default: bool
    recovery: list[EventKind]
    drill: list[EventKind]
    only_failed_end: bool
    quiet_hours: str | None = None
    time_zone: str


class ChannelTest(Model):
    """What became of a test message.

    Attributes:
        error: why it was not delivered; None if it was.
    """

    channel: str
    kind: str
    delivered: bool
    seconds: float
    error: str | None = None


@notify.command("channels")
def list_channels(json: Json = False) -> None:
    """List the channels, and what goes to each.

    \b
    Exit codes: 0 shown, 2 the file of channels is missing or invalid.
    """
    channels = _channels()
    # What a channel that is not for every plan gets, once a plan names it.
    named = [PlanChannel(channel=each.name) for each in channels if not each.default]
    now = time.time()
    listed = [
        _listed(channel, recovery, drill)
        for channel, recovery, drill in zip(
            channels,
            routes_of(channels, named, ExecutionType.RECOVERY, now=now),
            routes_of(channels, named, ExecutionType.DRILL, now=now),
            strict=True,
        )
    ]
    if json:
        write_json(listed)
        return
    for each in listed:
        whose = "of every plan" if each.default else "of plans that name it"
        quiet = f", quiet {each.quiet_hours}" if each.quiet_hours else ""
        show(f"{each.name} ({each.kind}), {whose}, times in {each.time_zone}{quiet}")
        show(f"  RECOVERY  {_events_text(each, each.recovery)}")
        show(f"  DRILL     {_events_text(each, each.drill)}")


@notify.command("test")
def send_tests(
    name: Annotated[
        str | None,
        typer.Argument(metavar="CHANNEL", help="The channel; default: all of them."),
    ] = None,
    json: Json = False,
) -> None:
    """Send a test message to each channel, and say what became of it.

    It is sent from here: with the environment, the network and the AWS
    credentials of this command. Run it where a worker runs. A pager opens an
    incident; resolve it there.

    \b
    Examples:
      drs-waves notify test
      drs-waves notify test on-call
    \b
    Exit codes: 0 all were delivered, 1 one was not, 2 the file of channels is
    missing or invalid, or has no such channel.
    """
    channels = _channels()
    chosen = [each for each in channels if name in (None, each.name)]
    if not chosen:
        known = ", ".join(each.name for each in channels)
        raise CliError(f"there is no channel {name!r}; the channels are {known}")
    results = asyncio.run(_test_all(chosen))
    if json:
        write_json(results)
    else:
        rows = [(each.channel, each.kind, _result_text(each), each.error or "") for each in results]
        show(*aligned(rows, heading=("CHANNEL", "KIND", "RESULT", "")))
    failed = not all(each.delivered for each in results)
    raise typer.Exit(ExitCode.FAILED if failed else ExitCode.COMPLETED)


@notify.command("sent")
def list_sent(
    execution: Annotated[
        str,
        typer.Argument(
            metavar="EXECUTION",
            help="The execution ID; or a PlanId, for the plan's last execution.",
            autocompletion=complete_history,
        ),
    ],
    json: Json = False,
) -> None:
    """List messages about an execution; were they delivered?

    It reads the history in DynamoDB, without Temporal; or asks the API.

    \b
    Exit codes: 0 shown, 2 not known, 5 cannot reach AWS or the API.
    """
    execution_id, found = asyncio.run(_sent(execution))
    if json:
        write_json(found)
    elif found:
        rows = [(timestamp(r.time), r.channel, r.about(execution_id), r.result) for r in found]
        show(*aligned(rows, heading=("TIME", "CHANNEL", "ABOUT", "RESULT")))
    else:
        show(f"No message about {execution_id} was sent.")


async def _sent(given: str) -> tuple[str, list[DeliveryRecord]]:
    async with recoveries() as known:
        execution_id = await recorded_execution_id(known, given)
        return execution_id, await known.deliveries(execution_id)


def _channels() -> list[Channel]:
    channels = configured_channels(get_settings())
    if not channels:
        raise CliError(
            "there are no channels, so nobody is notified; set DRS_WAVES_NOTIFY_FILE to a file "
            "of channels"
        )
    return channels


async def _test_all(channels: Sequence[Channel]) -> list[ChannelTest]:
    clients = ChannelClients(get_settings())
    with step(f"Sending to {count(len(channels), 'channel')}"):
        return list(await asyncio.gather(*(_test(clients, each) for each in channels)))


async def _test(clients: ChannelClients, channel: Channel) -> ChannelTest:
    unique = uuid4().hex[:12]
    item = NotificationItem(kind=ItemKind.TEST, incident=f"drs-waves/test/{unique}")
    started = time.time()
    message = Notification(
        notification_id=f"test-{unique}", channel=channel.name, time=started, items=[item]
    )
    error = None
    try:
        await clients.send(channel, message)
    except DeliveryError as failure:
        error = str(failure)
    return ChannelTest(
        channel=channel.name,
        kind=channel.kind,
        delivered=error is None,
        seconds=round(time.time() - started, 1),
        error=error,
    )


def _listed(channel: Channel, recovery: Route, drill: Route) -> ListedChannel:
    return ListedChannel(
        name=channel.name,
        kind=channel.kind,
        default=channel.default,
        recovery=recovery.events,
        drill=drill.events,
        only_failed_end=recovery.only_failed_end,
        quiet_hours=channel.quiet_hours,
        time_zone=channel.time_zone,
    )


def _events_text(channel: ListedChannel, events: Sequence[EventKind]) -> str:
    if set(events) == set(EventKind) and not channel.only_failed_end:
        return "everything"
    failed = channel.only_failed_end
    return ", ".join(
        f"{each} (FAILED only)" if failed and each is EventKind.FINISHED else each.value
        for each in events
    )


def _result_text(result: ChannelTest) -> str:
    return f"{'delivered' if result.delivered else 'FAILED'} ({result.seconds:.1f} s)"
