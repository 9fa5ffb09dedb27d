"""Starts a sandbox: source servers of the plans, Temporal, AWS, tables, worker, pages."""

import asyncio
import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import psutil
import typer

from cli.render.output import step
from cli.sandbox.received_messages import add_channels
from client.recoveries.temporal import TemporalRecoveries
from contract.identifiers import SEARCH_ATTRIBUTES
from recovery.plan.model import RecoveryPlan, Wave
from runtime.exit import CliError, ExitCode
from sandbox.launch_event_queue import make_launch_event_queues
from sandbox.scenario import DEFAULT_ACCOUNT_ID, ScenarioError, load_scenario
from sandbox.stack import Stack, StackError
from settings import get_settings
from storage.history import HistoryTable
from storage.plans import PlanTable
from storage.rate_counts import RateCountTable

Scenarios = Annotated[
    list[Path] | None,
    typer.Option(
        "--scenario",
        metavar="FILE",
        help="A scenario: properties of servers, and failures. Repeat for more.",
    ),
]
Speed = Annotated[
    float, typer.Option(min=1, max=10_000, help="How many times faster than real AWS.")
]
# Our modules are run by their paths; `-m worker` would run a worker.py of the current directory.
_MODULES = Path(__file__).parents[2]
_CLOUD_VARIABLES = ("AWS_", "TEMPORAL_", "DRS_WAVES_")
_KEPT_VARIABLES = ("DRS_WAVES_DEBUG", "DRS_WAVES_LOG_JSON")


def source_servers(plans: Sequence[RecoveryPlan]) -> list[dict[str, str]]:
    """List the source servers of the plans, with which the local AWS is seeded."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for plan in plans:
        for wave in plan.waves:
            for number, server_id in enumerate(wave.server_ids, start=1):
                account = _account_of(wave)
                found[server_id, wave.region, account] = {
                    "SourceServerId": server_id,
                    "Region": wave.region,
                    "AccountId": account,
                    "Name": f"{wave.wave_name} {number}",
                }
    return list(found.values())


def _add_launch_event_queues(stack: Stack, plans: Sequence[RecoveryPlan]) -> None:
    """Have DRS's launch results in the worker's own account sent to it."""
    waves = [wave for plan in plans for wave in plan.waves]
    regions = dict.fromkeys(w.region for w in waves if _account_of(w) == DEFAULT_ACCOUNT_ID)
    key = stack.env["AWS_ACCESS_KEY_ID"]
    urls = make_launch_event_queues(stack.aws_url, regions, access_key=key)
    stack.add_variables({"DRS_WAVES_LAUNCH_EVENT_QUEUES": ",".join(urls)})


def _account_of(wave: Wave) -> str:
    if wave.role_arn:
        return wave.role_arn.split(":")[4]
    return wave.account_id or DEFAULT_ACCOUNT_ID


def check_scenario(path: Path) -> None:
    """Check a scenario before anything is started.

    Raises:
        CliError: with all problems of the scenario.
    """
    try:
        load_scenario(path)
    except ScenarioError as error:
        lines = "\n".join(f"{path}: {line}" for line in str(error).splitlines())
        raise CliError(lines) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{path}: this is not UTF-8 text; save the file as UTF-8") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CliError(f"{path}: the scenario cannot be read: {reason}") from error


def new_stack(folder: Path, *, speed: float, end_with_parent: bool = False) -> Stack:
    """Create a sandbox in a folder without starting it; `Stack` describes the arguments."""
    return Stack(
        folder=folder.absolute(),
        worker=[sys.executable, str(_MODULES / "worker.py")],
        server=[sys.executable, str(_MODULES / "starter.py"), "serve"],
        search_attributes=[f"{key.name}=Keyword" for key in SEARCH_ATTRIBUTES],
        speed=speed,
        end_with_parent=end_with_parent,
        # The user's AWS configuration may name real endpoints, roles and credentials.
        variables={"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull},
    )


@contextmanager
def exclusive_start() -> Iterator[None]:
    """Let this user start one sandbox at a time; two would choose the same free ports."""
    lock = Path(tempfile.gettempdir()) / f".drs-waves-{os.getuid()}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def start_stack(
    stack: Stack,
    plans: Sequence[RecoveryPlan],
    scenarios: Sequence[Path],
    *,
    worker: bool,
    pages: bool = False,
) -> None:
    """Start the parts of a sandbox and connect this process to it.

    With the pages, the plans are registered in it too.

    Raises:
        CliError: a part does not start; the message has the end of its log.
    """
    _clear_cloud_variables()
    stack.folder.mkdir(parents=True, exist_ok=True)
    seed = stack.folder / "servers.scenario.json"
    seed.write_text(json.dumps({"SourceServers": source_servers(plans)}, indent=1))
    try:
        with step("Starting Temporal"):
            stack.start_temporal()
        with step("Starting AWS"):
            stack.start_aws(seed, *(each.absolute() for each in scenarios))
            add_channels(stack)
            _add_launch_event_queues(stack, plans)
        use_stack(stack)
        with step("Creating the tables"):
            asyncio.run(HistoryTable(get_settings()).create())
            asyncio.run(PlanTable(get_settings()).create())
            asyncio.run(RateCountTable(get_settings()).create())
        if worker:
            with step("Starting a worker"):
                stack.start_worker()
        if pages:
            with step("Starting the pages"):
                asyncio.run(_register(plans))
                stack.start_server()
    except StackError as error:
        raise CliError(f"{error}{_log_tail(stack)}", ExitCode.UNREACHABLE) from error


def use_stack(stack: Stack) -> None:
    """Set this process's environment to that of a sandbox."""
    _clear_cloud_variables()
    os.environ.update(stack.env)
    get_settings.cache_clear()


def _clear_cloud_variables() -> None:
    for name in list(os.environ):
        if name.startswith(_CLOUD_VARIABLES) and name not in _KEPT_VARIABLES:
            del os.environ[name]


async def _register(plans: Sequence[RecoveryPlan]) -> None:
    recoveries = TemporalRecoveries()
    for plan in plans:
        await recoveries.register(plan)


def _log_tail(stack: Stack) -> str:
    """Return the last lines of the log of the last started part, as its folder may be deleted."""
    part = next(reversed(stack.parts), None)
    if part is None:
        return ""
    try:
        lines = (stack.folder / f"{part}.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-5:])


def stop_stack(stack: Stack) -> None:
    """Stop a sandbox that this process has started, and discard its state."""
    stack.discard()
    # An interrupt may arrive after a part has started and before the stack records it.
    remaining = psutil.Process().children(recursive=True)
    for process in remaining:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(remaining, timeout=5)


@contextmanager
def stack_errors() -> Iterator[None]:
    """Raise a stack's errors as errors of the command line."""
    try:
        yield
    except StackError as error:
        raise CliError(str(error), ExitCode.UNREACHABLE) from error
