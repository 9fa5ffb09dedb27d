"""Draws an execution on a screen of 80 columns."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.text import Text

from cli.live.sections import UNLIMITED, all_waves, most_important
from cli.render.cells import fit, packed, wrapped
from client.errors import NoWorkerError, UnreachableError
from client.executions import last_known_text
from recovery.execution.progress import unverified
from recovery.execution.state import ExecutionState, ExecutionType
from recovery.launch_settings.isolation import isolation_lines
from recovery.operator.pending_decisions import remaining_text
from recovery.text_format import count, listed, running_duration, timestamp

_MIN_LINES = 3


@dataclass
class WatchedExecution:
    """An execution that the command follows.

    Attributes:
        execution_id: None for the plan's last execution, until the first response.
        place: which Temporal it runs on, or which API shows it.
        state: its state in the last response; None before the first response.
        seen_time: when the state was current, if nothing newer is known (epoch seconds).
        unreachable_since: since when Temporal or the workers do not respond (epoch seconds).
        who: who does not respond: Temporal, a worker, or the API.
        error: why there is no response.
        closed_status: how its workflow was closed, if that was not by its own end.
        page: of the list of all waves that is shown; 0 for what is most important.
    """

    plan_id: str
    execution_id: str | None = None
    sandbox: bool = False
    place: str = ""
    state: ExecutionState | None = None
    seen_time: float | None = None
    unreachable_since: float | None = None
    who: str = UnreachableError.who
    error: str = ""
    closed_status: str | None = None
    page: int = 0

    @property
    def outage(self) -> str:
        """What does not respond."""
        if self.who == NoWorkerError.who:
            return "No worker answers"
        return f"{self.who} does not answer"


def view(
    watched: WatchedExecution,
    *,
    now: float,
    width: int,
    height: int,
    footer: Sequence[str] = (),
    is_cut: bool = True,
    lists_all: bool = False,
) -> RenderableType:
    """Draw an execution, with a footer such as a prompt below it.

    Args:
        watched: the execution; its page goes back to 0 after the last one.
        now: epoch seconds.
        width: of the screen, in cells.
        height: of the screen, in lines.
        footer: lines below it, which are never cut.
        is_cut: draw no more lines than `height`.
        lists_all: list completed waves even if there is no room.
    """
    below = [Text(line, style="bold") for each in footer for line in wrapped(each, width)]
    below = [Text(""), *below] if below else []
    state = watched.state
    if state is None:
        lines = [Text(f"Waiting for the state of {watched.plan_id}…"), *_outage(watched, width)]
        return Group(*lines, *below)
    lines = []
    if watched.seen_time is not None:
        text = f" {last_known_text(watched.seen_time, now)} "
        lines += _texts(text, width, style="bold reverse")
        # The time of a state that is not current stands still.
        now = watched.seen_time
    lines += [*_outage(watched, width), *_header(watched, state, now=now, width=width), Text("")]
    rows = max(_MIN_LINES, height - len(lines) - len(below))
    page: list[Text] = []
    if watched.page:
        page = all_waves(state, now=now, width=width, height=rows, page=watched.page)
        watched.page = watched.page if page else 0
    body = page or most_important(
        state,
        now=now,
        width=width,
        height=rows if is_cut else None,
        room=UNLIMITED if lists_all else rows,
        with_keys=bool(footer),
    )
    return Group(*lines, *(body[:rows] if is_cut else body), *below)


def _texts(text: str, width: int, *, style: str = "") -> list[Text]:
    return [Text(line, style=style) for line in wrapped(text, width)]


def _outage(watched: WatchedExecution, width: int) -> list[Text]:
    if watched.unreachable_since is None:
        return []
    text = f"{watched.outage} (since {timestamp(watched.unreachable_since)}); trying again."
    return _texts(text, width, style="bold yellow") + _texts(watched.error, width, style="yellow")


def _header(
    watched: WatchedExecution, state: ExecutionState, *, now: float, width: int
) -> list[Text]:
    is_recovery = state.execution_type is ExecutionType.RECOVERY
    kind = f" {state.execution_type} " + (" SANDBOX " if watched.sandbox else "")
    earlier = f", continues {state.from_execution}" if state.from_execution else ""
    title = f"{kind} {fit(state.plan_name, 2 * width)}  {state.execution_id}{earlier}"
    first, *others = _texts(title, width)
    first.stylize("bold")
    if is_recovery:
        first.stylize("reverse", 0, len(f" {state.execution_type} "))
    lines = [first, *others]
    lines += [Text(f" {each}") for each in packed(places(watched.place, state), width - 1)]
    lines += [Text(each) for each in wrapped(_progress(state, now=now), width, indent=" ")]
    if state.end_time is None and state.status_reason:
        lines += _texts(f" {state.status_reason}", width, style="bold")
    if state.approvals_text and not state.awaits_approvals:
        lines += _texts(f" {state.approvals_text}", width)
    for each in isolation_lines(state):
        lines += _texts(f" {each}", width)
    for each in state.shown_warnings:
        lines += _texts(f" warning: {each}", width, style="yellow")
    return lines


def _progress(state: ExecutionState, *, now: float) -> str:
    """The status, how many servers are up, the time so far and the time that is left."""
    servers = sum(len(wave.servers) for wave in state.waves)
    up = sum(wave.launched_count for wave in state.waves)
    took = running_duration((state.end_time or now) - state.start_time)
    elapsed = f"{took} elapsed" if state.end_time is None else f"took {took}"
    # What became of them after the end is not known here.
    came_up = "up" if state.end_time is None else "came up"
    parts = [state.status.value, elapsed]
    if servers:
        parts.append(f"{up} of {count(servers, 'server')} {came_up}")
    if recorded := sum(wave.recorded_count for wave in state.waves):
        parts.append(f"{recorded} recorded as up, not checked yet")
    if unverified_count := sum(map(unverified, state.waves)):
        parts.append(f"{unverified_count} unverified")
    if state.cleanup is not None and state.cleanup.terminated:
        parts.append(f"clean-up terminated {count(len(state.cleanup.terminated), 'instance')}")
    if state.end_time is None:
        parts.append(remaining_text(state, now=now))
    return " · ".join(parts)


def places(temporal: str, state: ExecutionState) -> list[str]:
    """Name the Temporal, and the accounts, Regions and endpoints of AWS, as far as known."""
    targets = dict.fromkeys(
        f"{wave.account_id} {wave.region}" for wave in state.waves if wave.account_id
    )
    aws = f"AWS {listed(list(targets), shown=3)}" if targets else ""
    if state.endpoints:
        aws = f"{aws or 'AWS'} at {listed(state.endpoints, shown=2)}"
    return [each for each in (temporal, aws) if each]
