"""Brings a sandbox up: source servers of the plans, Temporal, AWS, history table, worker."""

import asyncio
import fcntl
import importlib.util
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from cli.render.output import step
from client.local_user import whoami
from contract.identifiers import SEARCH_ATTRIBUTES
from recovery.plan.model import RecoveryPlan, Wave
from runtime.exit import CliError, ExitCode
from sandbox.scenario import ScenarioError, load_scenario
from sandbox.stack import Stack, StackError
from settings import get_settings
from storage.history import HistoryTable
from storage.plans import PlanTable

DEFAULT_ACCOUNT_ID = "123456789012"
_CLOUD_VARIABLES = ("AWS_", "TEMPORAL_", "DRS_WAVES_")
_OWN_VARIABLES = ("DRS_WAVES_DEBUG", "DRS_WAVES_LOG_JSON")


def source_servers(plans: Sequence[RecoveryPlan]) -> list[dict[str, str]]:
    """The source servers that the plans launch, as the local AWS is seeded with them."""
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


def _account_of(wave: Wave) -> str:
    if wave.role_arn:
        return wave.role_arn.split(":")[4]
    return wave.account_id or DEFAULT_ACCOUNT_ID


def check_scenario(path: Path | None) -> None:
    """Read a scenario before anything is started.

    Raises:
        CliError: all that is wrong with it.
    """
    if path is None:
        return
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
    """A sandbox in a folder, not started yet.

    Args:
        folder: where its logs and its state are.
        speed: how many times faster than real AWS.
        end_with_parent: whether its parts end when this process ends or is killed.
    """
    return Stack(
        folder=folder.absolute(),
        worker=_program("worker"),
        server=[*_program("starter"), "serve"],
        search_attributes=[f"{key.name}=Keyword" for key in SEARCH_ATTRIBUTES],
        speed=speed,
        end_with_parent=end_with_parent,
        # The configuration of the user's real clouds must not lead out of the sandbox.
        variables={"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull},
    )


def _program(module: str) -> list[str]:
    """The command that runs one of our modules.

    By its path, because `-m worker` would take a worker.py of the current directory.
    """
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:
        raise CliError(f"the {module} is not installed: pip install drs-waves", ExitCode.UNEXPECTED)
    return [sys.executable, found.origin]


def use_ports_of_its_own(stack: Stack) -> None:
    """Give a sandbox ports that no other one, started at the same moment, would take."""
    with socket.socket() as one, socket.socket() as two, socket.socket() as three:
        ports = []
        for probe in (one, two, three):
            probe.bind(("127.0.0.1", 0))
            ports.append(int(probe.getsockname()[1]))
    stack.temporal_port, stack.ui_port, stack.aws_port = ports


@contextmanager
def alone() -> Iterator[None]:
    """Hold other sandboxes of this user back: two that look for a free port find the same one."""
    lock = Path(tempfile.gettempdir()) / f".drs-waves-{os.getuid()}.lock"
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def bring_up(
    stack: Stack,
    plans: Sequence[RecoveryPlan],
    scenario: Path | None,
    *,
    worker: bool,
    pages: bool = False,
) -> None:
    """Start the parts of a sandbox and enter it; with its pages, the plans are registered there.

    Raises:
        CliError: a part does not start; the message names its log.
    """
    _forget_clouds()
    stack.folder.mkdir(parents=True, exist_ok=True)
    seed = stack.folder / "servers.json"
    seed.write_text(json.dumps(source_servers(plans), indent=1))
    try:
        with step("Starting Temporal"):
            stack.start_temporal()
        with step("Starting AWS"):
            stack.start_aws(servers=seed, scenario=scenario.absolute() if scenario else None)
        enter(stack)
        with step("Creating the tables"):
            asyncio.run(HistoryTable(get_settings()).create())
            asyncio.run(PlanTable(get_settings()).create())
        if worker:
            with step("Starting a worker"):
                stack.start_worker()
        if pages:
            with step("Starting the pages"):
                asyncio.run(_register(plans))
                stack.start_server()
    except StackError as error:
        raise CliError(f"{error}{_last_words(stack)}", ExitCode.UNREACHABLE) from error


async def _register(plans: Sequence[RecoveryPlan]) -> None:
    table = PlanTable(get_settings())
    for plan in plans:
        await table.register(plan, author=whoami())


def enter(stack: Stack) -> None:
    """Point this process at a sandbox."""
    _forget_clouds()
    os.environ.update(stack.env)
    get_settings.cache_clear()


def _forget_clouds() -> None:
    for name in list(os.environ):
        if name.startswith(_CLOUD_VARIABLES) and name not in _OWN_VARIABLES:
            del os.environ[name]


def _last_words(stack: Stack) -> str:
    """The end of the log of the part that was started last, for the folder may go away."""
    part = next(reversed(stack.parts), None)
    if part is None:
        return ""
    try:
        lines = (stack.folder / f"{part}.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "".join(f"\n  {line}" for line in lines[-5:])


def take_down(stack: Stack) -> None:
    """Stop and forget a sandbox that this process has started."""
    stack.discard()
    # An interruption may come after a part was started and before the stack knew of it.
    left = psutil.Process().children(recursive=True)
    for process in left:
        _kill(process)
    psutil.wait_procs(left, timeout=5)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


@contextmanager
def stack_errors() -> Iterator[None]:
    """Tell a stack's troubles as ours."""
    try:
        yield
    except StackError as error:
        raise CliError(str(error), ExitCode.UNREACHABLE) from error
