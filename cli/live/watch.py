"""Follows executions until they end, through Temporal's absences."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError

from cli.live.changes import changes
from cli.live.keyboard import has_keyboard, keyboard
from cli.live.prompts import Prompts
from cli.live.view import Watched, view
from cli.render.output import can_redraw
from client.errors import RefusedError, UnreachableError
from client.executions import execution_state, the_running
from client.local_user import whoami
from client.steering import send
from contract.identifiers import plan_workflow_id
from contract.rpc_limits import RPC_TIMEOUT
from recovery.execution.state import ExecutionState
from recovery.operator.messages import OperatorMessage
from recovery.text_format import moment, visible
from runtime.exit import CliError, ExitCode

_POLL_SECONDS = 1.0
_FAST_POLL_SECONDS = 0.25
_FAST_FROM_SPEED = 5.0
_LOOK_AT_WORKFLOW_EVERY = 5
_GIVE_UP_SECONDS = 300.0
# The history is written to its end before the workflow closes; a start right after would be
# refused until then.
_CLOSES_WITHIN_SECONDS = 15.0


class Display(Protocol):
    """Shows executions as they change."""

    gives_up: bool

    def __enter__(self) -> "Display": ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, watched: Sequence[Watched]) -> None:
        """Show how the executions stand now."""


class LiveDisplay:
    """Redraws the screen."""

    gives_up = False

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._watched: Sequence[Watched] = ()
        self.footer: Callable[[], Sequence[str]] = tuple

    def __enter__(self) -> "LiveDisplay":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, watched: Sequence[Watched]) -> None:
        """Redraw."""
        self._watched = watched
        width, height = self._console.size
        share = max(1, (height - 1) // max(1, len(watched)))
        views = [
            view(
                each,
                now=time.time(),
                width=min(width, 80),
                height=share,
                footer=self.footer(),
            )
            for each in watched
        ]
        self._live.update(Group(*views), refresh=True)

    def redraw(self) -> None:
        """Draw again what was shown last."""
        self.show(self._watched)


class LineDisplay:
    """Prints a line for each change."""

    gives_up = True

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, ExecutionState] = {}
        self._silent: set[str] = set()

    def __enter__(self) -> "LineDisplay":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, watched: Sequence[Watched]) -> None:
        """Print what changed since the last time."""
        for each in watched:
            prefix = f"{each.plan_id}: " if len(watched) > 1 else ""
            self._show_silence(each, prefix)
            if each.state is None:
                continue
            for line in changes(self._told.get(each.plan_id), each.state):
                self._print(prefix + line)
            self._told[each.plan_id] = each.state

    def _show_silence(self, watched: Watched, prefix: str) -> None:
        silent = watched.silent_since is not None
        if silent and watched.plan_id not in self._silent:
            self._print(f"{prefix}Temporal does not answer; trying again. {watched.trouble}")
            self._silent.add(watched.plan_id)
        elif not silent and watched.plan_id in self._silent:
            self._print(f"{prefix}Temporal answers again")
            self._silent.discard(watched.plan_id)

    def _print(self, line: str) -> None:
        self._console.print(f"{moment(time.time())} {visible(line)}", soft_wrap=True)


def display_on(console: Console) -> Display:
    """The display that fits a console."""
    return LiveDisplay(console) if can_redraw(console) else LineDisplay(console)


async def watch(
    client: Client, watched: Sequence[Watched], display: Display, *, steer: bool = False
) -> None:
    """Follow executions until all have ended; their last states are in `watched`.

    Args:
        client: asks Temporal.
        watched: the executions.
        display: shows them.
        steer: offer keys to steer a single execution, where there are keys.

    Raises:
        CliError: Temporal stays silent too long for a display that gives up, knows nothing of
            an execution, or has begun another one of its plan.
        KeyboardInterrupt: the operator detached by a key.
    """
    polls = [asyncio.create_task(_follow(client, each, display)) for each in watched]
    tasks = list(polls)
    try:
        with display, ExitStack() as stack:
            detached: asyncio.Task[None] | None = None
            if steer and len(watched) == 1 and isinstance(display, LiveDisplay) and has_keyboard():
                prompts = stack.enter_context(_prompts(client, watched[0], display))
                detached = asyncio.create_task(prompts.run())
                tasks.append(detached)
            while not all(poll.done() for poll in polls):
                display.show(watched)
                await asyncio.wait(
                    [task for task in tasks if not task.done()],
                    timeout=_pause(watched),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if detached is not None and detached.done():
                    detached.result()
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
def _prompts(client: Client, watched: Watched, display: LiveDisplay) -> Iterator[Prompts]:
    """Keys that steer the execution on the screen, and prompts below it."""

    async def send_to_watched(message: OperatorMessage) -> str | None:
        running = await the_running(client, watched.plan_id)
        if running.execution_id != watched.execution_id:
            raise CliError(f"{watched.execution_id} does not run any more")
        return await send(client, running, message, actor=whoami())

    with keyboard() as keys:
        prompts = Prompts(watched, keys, send_to_watched)
        prompts.redraw, display.footer = display.redraw, prompts.footer
        try:
            yield prompts
        finally:
            display.footer = tuple


def _pause(watched: Sequence[Watched]) -> float:
    fast = any(w.state is None or w.state.speed > _FAST_FROM_SPEED for w in watched)
    return _FAST_POLL_SECONDS if fast else _POLL_SECONDS


async def _follow(client: Client, watched: Watched, display: Display) -> None:
    looks = 0
    ended_at: float | None = None
    while True:
        try:
            await _look(client, watched)
            ended = watched.state is not None and watched.state.end_time is not None
            if ended and ended_at is None:
                ended_at = time.monotonic()
            if ended or looks % _LOOK_AT_WORKFLOW_EVERY == 0:
                closed = await _closed(client, watched)
                if closed is not None:
                    await _look(client, watched)
                    _judge_closed(watched, closed)
                    return
            if ended_at is not None and time.monotonic() - ended_at > _CLOSES_WITHIN_SECONDS:
                return
            watched.silent_since = None
        except (UnreachableError, RPCError) as error:
            _note_silence(watched, error, display)
        looks += 1
        await asyncio.sleep(_pause([watched]))


def not_known(plan_id: str, error: RefusedError) -> CliError:
    """What to tell when Temporal does not know, or no longer knows, a plan's execution."""
    return CliError(f"{error}. What was recorded is in `drs-waves history --plan {plan_id}`")


async def _look(client: Client, watched: Watched) -> None:
    try:
        state = await execution_state(client, watched.plan_id)
    except RefusedError as error:
        raise not_known(watched.plan_id, error) from error
    if watched.execution_id not in (None, state.execution_id):
        raise CliError(
            f"{watched.execution_id} has ended and {state.execution_id} of the same plan has begun."
            f" Its record: `drs-waves history {watched.execution_id}`"
        )
    watched.execution_id, watched.state = state.execution_id, state


async def _closed(client: Client, watched: Watched) -> WorkflowExecutionStatus | None:
    handle = client.get_workflow_handle(plan_workflow_id(watched.plan_id))
    status = (await handle.describe(rpc_timeout=RPC_TIMEOUT)).status
    return None if status is WorkflowExecutionStatus.RUNNING else status


def _judge_closed(watched: Watched, status: WorkflowExecutionStatus) -> None:
    watched.silent_since = None
    if watched.state is not None and watched.state.end_time is None:
        watched.closed = status.name


def _note_silence(watched: Watched, error: Exception, display: Display) -> None:
    now = time.time()
    if watched.silent_since is None:
        watched.silent_since = now
    watched.trouble = str(error).splitlines()[0] if str(error) else type(error).__name__
    if display.gives_up and now - watched.silent_since > _GIVE_UP_SECONDS:
        raise CliError(
            f"Temporal has not answered since {moment(watched.silent_since)}: {watched.trouble}. "
            f"The execution goes on; come back with `drs-waves watch {watched.plan_id}`",
            ExitCode.UNREACHABLE,
        ) from error
