"""Follows executions until they end, through outages of Temporal."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError

from cli.input.executions import known_plan_ids
from cli.live.changes import changes
from cli.live.keyboard import has_keyboard, keyboard
from cli.live.prompts import Prompts
from cli.live.view import WatchedExecution, view
from cli.render.output import can_redraw
from client.errors import NoWorkerError, RefusedError, UnreachableError
from client.executions import (
    closed_status,
    execution_state,
    last_known_state,
    last_known_text,
    require_running,
)
from client.local_user import whoami
from client.steering import send
from recovery.execution.state import ExecutionState
from recovery.operator.messages import OperatorMessage, nearest
from recovery.text_format import timestamp, visible
from runtime.exit import CliError, ExitCode
from security.signers import RequestSigner

_POLL_SECONDS = 1.0
_FAST_POLL_SECONDS = 0.25
_FAST_FROM_SPEED = 5.0
_DESCRIBE_EVERY_POLLS = 5
_OUTAGE_TIMEOUT_SECONDS = 300.0
# The workflow closes only after the history is complete, and a new start is refused until then.
_CLOSE_TIMEOUT_SECONDS = 15.0


class LiveDisplay(Live):
    """Redraws the screen."""

    def __init__(self, console: Console) -> None:
        super().__init__(console=console, auto_refresh=False, vertical_overflow="crop")
        self._watched: Sequence[WatchedExecution] = ()
        self.footer: Callable[[int], Sequence[str]] = _no_footer

    def show(self, watched: Sequence[WatchedExecution]) -> None:
        """Redraw."""
        self._watched = watched
        width, height = self.console.size
        share = max(1, (height - len(watched)) // max(1, len(watched)))
        footer = self.footer(width)
        views: list[RenderableType] = []
        for each in watched:
            views += [Text("")] if views else []
            views.append(view(each, now=time.time(), width=width, height=share, footer=footer))
        self.update(Group(*views), refresh=True)

    def redraw(self) -> None:
        """Draw the last states again."""
        self.show(self._watched)


def _no_footer(_: int) -> Sequence[str]:
    return ()


class LineDisplay(nullcontext[None]):
    """Prints a line for each change."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._printed: dict[str, ExecutionState] = {}
        self._unreachable: set[str] = set()

    def show(self, watched: Sequence[WatchedExecution]) -> None:
        """Print what changed since the last call."""
        for each in watched:
            prefix = f"{each.plan_id}: " if len(watched) > 1 else ""
            self._print_outage(each, prefix)
            if each.state is None:
                continue
            for line in changes(self._printed.get(each.plan_id), each.state):
                self._print(prefix + line)
            self._printed[each.plan_id] = each.state

    def _print_outage(self, watched: WatchedExecution, prefix: str) -> None:
        unreachable = watched.unreachable_since is not None
        if unreachable and watched.plan_id not in self._unreachable:
            self._print(f"{prefix}{watched.outage}; trying again. {watched.error}")
            if watched.seen_time is not None:
                self._print(prefix + last_known_text(watched.seen_time, time.time()))
            self._unreachable.add(watched.plan_id)
        elif not unreachable and watched.plan_id in self._unreachable:
            who = "A worker" if watched.lacks_worker else "Temporal"
            self._print(f"{prefix}{who} answers again")
            self._unreachable.discard(watched.plan_id)

    def _print(self, line: str) -> None:
        self._console.print(f"{timestamp(time.time())} {visible(line)}", soft_wrap=True)


Display = LiveDisplay | LineDisplay


def display_on(console: Console) -> Display:
    """Choose the display for a console."""
    return LiveDisplay(console) if can_redraw(console) else LineDisplay(console)


async def watch(
    client: Client,
    watched: Sequence[WatchedExecution],
    display: Display,
    *,
    steer: bool = False,
    signer: RequestSigner | None = None,
) -> None:
    """Follow executions until all have ended; their last states are in `watched`.

    With `steer`, keys to steer a single execution are offered, where keys can be read; `signer`
    signs what they send.

    Raises:
        CliError: without a live view, an outage of Temporal is too long; Temporal does not know an
            execution, or another execution of its plan has started.
        KeyboardInterrupt: the operator detached by a key.
    """
    polls = [asyncio.create_task(_poll_until_closed(client, each, display)) for each in watched]
    tasks = list(polls)
    try:
        with display, ExitStack() as stack:
            prompting: asyncio.Task[None] | None = None
            if steer and len(watched) == 1 and isinstance(display, LiveDisplay) and has_keyboard():
                prompts = stack.enter_context(_prompts(client, watched[0], display, signer))
                prompting = asyncio.create_task(prompts.run())
                tasks.append(prompting)
            while not all(poll.done() for poll in polls):
                display.show(watched)
                await asyncio.wait(
                    [task for task in tasks if not task.done()],
                    timeout=_poll_interval(watched),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if prompting is not None and prompting.done():
                    prompting.result()
                    raise KeyboardInterrupt
                if any(poll.done() and poll.exception() for poll in polls):
                    break
            stack.close()
            display.show(watched)
        for poll in polls:
            if poll.done():
                poll.result()
    finally:
        for task in tasks:
            task.cancel()


@contextmanager
def _prompts(
    client: Client, watched: WatchedExecution, display: LiveDisplay, signer: RequestSigner | None
) -> Iterator[Prompts]:
    """Read keys that steer the execution on the screen, and prompt below it."""

    with keyboard() as keys:
        prompts = Prompts(watched, keys, partial(send_to, client, watched, signer=signer))
        prompts.redraw, display.footer = display.redraw, prompts.footer
        try:
            yield prompts
        finally:
            display.footer = _no_footer


async def send_to(
    client: Client,
    watched: WatchedExecution,
    message: OperatorMessage,
    *,
    signer: RequestSigner | None = None,
) -> str | None:
    """Send a message to the execution on the screen, and return its effect, if it is known.

    Raises:
        RefusedError: that execution has ended.
    """
    running = await require_running(client, watched.plan_id)
    if running.execution_id != watched.execution_id:
        raise RefusedError(f"{watched.execution_id} has ended")
    return await send(client, running, message, actor=whoami(), signer=signer)


def _poll_interval(watched: Sequence[WatchedExecution]) -> float:
    fast = any(w.state is None or w.state.speed > _FAST_FROM_SPEED for w in watched)
    return _FAST_POLL_SECONDS if fast else _POLL_SECONDS


async def _poll_until_closed(client: Client, watched: WatchedExecution, display: Display) -> None:
    polls = 0
    confirmed_time = time.time()
    ended_at: float | None = None
    while True:
        try:
            await _update_state(client, watched)
            ended = watched.state is not None and watched.state.end_time is not None
            if ended and ended_at is None:
                ended_at = time.monotonic()
            is_described = ended or polls % _DESCRIBE_EVERY_POLLS == 0
            if is_described and await has_closed(client, watched):
                return
            if ended_at is not None and time.monotonic() - ended_at > _CLOSE_TIMEOUT_SECONDS:
                return
            watched.unreachable_since = watched.seen_time = None
            confirmed_time = time.time()
        except (UnreachableError, RPCError) as error:
            if watched.state is None and isinstance(error, NoWorkerError):
                if await _load_last_known(client, watched, str(error)):
                    return
            elif watched.state and not watched.state.end_time and watched.seen_time is None:
                watched.seen_time = confirmed_time
            _record_outage(watched, error, display)
        polls += 1
        await asyncio.sleep(_poll_interval([watched]))


async def _load_last_known(client: Client, watched: WatchedExecution, reason: str) -> bool:
    """Show what is recorded; whether that is the end of the execution."""
    recorded = await last_known_state(client, watched.plan_id, reason, watched.execution_id)
    if recorded is None:
        return False
    # The operator's messages are for this execution.
    watched.execution_id, watched.state = recorded.execution_id, recorded
    if recorded.end_time is None:
        watched.seen_time = recorded.recorded_time
    return recorded.end_time is not None


async def unknown_execution(
    client: Client, watched: WatchedExecution, error: RefusedError
) -> CliError:
    """Return the error for an execution that Temporal does not know, or no longer knows."""
    known = await known_plan_ids(client)
    if known and watched.plan_id not in known:
        return CliError(f"{error}; {nearest(watched.plan_id, known)}")
    record = watched.execution_id or f"--plan {watched.plan_id}"
    return CliError(f"{error}. What was recorded is in `drs-waves history {record}`")


async def _update_state(client: Client, watched: WatchedExecution) -> None:
    try:
        state = await execution_state(client, watched.plan_id, watched.execution_id)
    except RefusedError as error:
        raise await unknown_execution(client, watched, error) from error
    watched.execution_id, watched.state = state.execution_id, state


async def has_closed(client: Client, watched: WatchedExecution) -> bool:
    """Whether the workflow is closed; its last state, and a close from outside, are recorded."""
    status = await closed_status(client, watched.plan_id, watched.execution_id)
    if status is None:
        return False
    await _update_state(client, watched)
    watched.unreachable_since = watched.seen_time = None
    if watched.state is not None and watched.state.end_time is None:
        watched.closed_status = status
    return True


def _record_outage(watched: WatchedExecution, error: Exception, display: Display) -> None:
    now = time.time()
    if watched.unreachable_since is None:
        watched.unreachable_since = now
    watched.lacks_worker = isinstance(error, NoWorkerError)
    watched.error = str(error).splitlines()[0] if str(error) else type(error).__name__
    has_timeout = isinstance(display, LineDisplay)
    if has_timeout and now - watched.unreachable_since > _OUTAGE_TIMEOUT_SECONDS:
        raise CliError(
            f"{watched.outage} (since {timestamp(watched.unreachable_since)}): "
            f"{watched.error}. The execution continues; "
            f"watch it again with `drs-waves watch {watched.plan_id}`",
            ExitCode.UNREACHABLE,
        ) from error
