"""The local stack: Temporal with its Web UI, a local AWS with DRS, and a worker.

Each part is a process with its own log in the stack's folder. `stack.json` lists the running parts,
so that another command can show, restart or stop them.
"""

import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.request import urlopen

import psutil

from sandbox.child_process import ending_with_parent

_START_SECONDS = 40.0
_STOP_SECONDS = 12.0
_ADDRESS = "127.0.0.1"
# Which it takes where they are free; `sandbox up --help` names them.
PORTS = {"temporal": 7233, "ui": 8233, "aws": 5055, "smtp": 2525, "dns": 5053, "api": 8080}
# Below the ephemeral ports of Linux (32768 and up).
_FIRST_PORT = 20_000
_PORT_OFFSETS = itertools.count()


class StackError(Exception):
    """A part of the stack did not start. The message names its log."""


@dataclass
class Part:
    """A running process of the stack.

    Attributes:
        started: the creation time of the process, because process IDs are reused.
    """

    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """The process, or None if it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = abs(process.create_time() - self.started) < 2.0 and process.is_running()
        except psutil.NoSuchProcess:
            return None
        return process if alive and process.status() != psutil.STATUS_ZOMBIE else None


@dataclass
class Stack:
    """A sandbox in a folder.

    Attributes:
        folder: contains logs, Temporal's database, `env` and `stack.json`.
        worker: the command that starts a worker.
        server: the command that serves the pages and the API. `--port` is appended.
        search_attributes: registered when Temporal starts, each as `Name=Type`.
        speed: divides the durations of AWS operations, polls and deadlines.
        region: the default Region of clients.
        variables: additional environment variables for the worker and other clients.
        metrics_port: the port of Temporal's metrics; 0 for any port.
        end_with_parent: whether the parts end when the process that starts them ends or is killed.
    """

    folder: Path
    worker: Sequence[str]
    search_attributes: Sequence[str]
    server: Sequence[str] = ()
    speed: float = 1.0
    region: str = "us-west-2"
    variables: Mapping[str, str] = field(default_factory=dict)
    end_with_parent: bool = False
    metrics_port: int = 0
    temporal_port: int = 0
    ui_port: int = 0
    aws_port: int = 0
    smtp_port: int = 0
    dns_port: int = 0
    api_port: int = 0
    parts: dict[str, Part] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Stack | None":
        """The stack that runs in `folder`, or None."""
        try:
            stored = json.loads((folder / "stack.json").read_text())
            parts = {name: Part(**part) for name, part in stored.pop("parts").items()}
            return cls(folder=folder, parts=parts, **stored)
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError) as error:
            # Another version of the command line wrote other keys.
            raise StackError(f"{folder / 'stack.json'} cannot be read: {error}") from error

    @property
    def env(self) -> dict[str, str]:
        """The environment variables that connect a client to this stack."""
        return {
            "TEMPORAL_ADDRESS": f"{_ADDRESS}:{self.temporal_port}",
            "TEMPORAL_NAMESPACE": "default",
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
            "DRS_WAVES_SPEED": f"{self.speed:g}",
            "DRS_WAVES_TEMPORAL_UI": self.ui_url,
            **self.variables,
        }

    @property
    def aws_url(self) -> str:
        """The endpoint of the local AWS."""
        return f"http://{_ADDRESS}:{self.aws_port}"

    @property
    def ui_url(self) -> str:
        """The address of Temporal's Web UI."""
        return f"http://{_ADDRESS}:{self.ui_port}"

    @property
    def pages_url(self) -> str:
        """The address of the pages. The API is under `/api`."""
        return f"http://{_ADDRESS}:{self.api_port}"

    @property
    def receivers_url(self) -> str:
        """The address of the receivers of notifications over HTTP."""
        return f"{self.aws_url}/_receivers"

    @property
    def http_service_url(self) -> str:
        """The address of the HTTP service. An account and a path of the scenario follow."""
        return f"{self.aws_url}/_http"

    def add_variables(self, variables: Mapping[str, str]) -> None:
        """Add environment variables for clients, and for parts that start from now on."""
        self.variables = {**self.variables, **variables}
        self._save()

    def running(self) -> list[str]:
        """The names of the running parts."""
        return [name for name, part in self.parts.items() if part.process()]

    def start_temporal(self) -> None:
        """Start Temporal with a database file, which keeps its state across restarts."""
        self.temporal_port = self.temporal_port or free_port(PORTS["temporal"])
        self.ui_port = self.ui_port or free_port(PORTS["ui"])
        command = [
            program("temporal"), "server", "start-dev",
            "--ip", _ADDRESS, "--port", str(self.temporal_port),
            "--ui-port", str(self.ui_port), "--ui-disable-news-fetch",
            "--db-filename", str(self.folder / "temporal.db"),
            "--log-level", "error",
            # One partition is enough here, and takes a tenth less CPU time than four.
            "--dynamic-config-value", "matching.numTaskqueueReadPartitions=1",
            "--dynamic-config-value", "matching.numTaskqueueWritePartitions=1",
            # Faster. The database survives SIGKILL of the process, but not a crash of the host.
            "--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=OFF",
        ]  # fmt: skip
        if self.metrics_port:
            command += ["--metrics-port", str(self.metrics_port)]
        for attribute in self.search_attributes:
            command += ["--search-attribute", attribute]
        self._start("temporal", command, {}, self._is_temporal_healthy)

    def start_aws(self, *scenarios: Path) -> None:
        """Start the local AWS and the receivers, and apply scenario files, in this order."""
        self.aws_port = self.aws_port or free_port(PORTS["aws"])
        self.smtp_port = self.smtp_port or free_port(PORTS["smtp"])
        self.dns_port = self.dns_port or free_port(PORTS["dns"])
        command = [
            sys.executable, "-m", "sandbox.aws",
            "--port", str(self.aws_port), "--smtp-port", str(self.smtp_port),
            "--dns-port", str(self.dns_port), "--speed", f"{self.speed:g}",
        ]  # fmt: skip
        for scenario in scenarios:
            command += ["--scenario", str(scenario)]
        self._start("aws", command, {}, self._is_aws_healthy)

    def start_worker(
        self, name: str = "worker", variables: Mapping[str, str] | None = None
    ) -> None:
        """Start a worker without waiting for it. Temporal queues its tasks until it polls.

        Args:
            name: the name of the part, and the caller in the log of the local AWS.
            variables: additional environment variables for this worker.
        """
        env = {**self.env, "AWS_SDK_UA_APP_ID": name, **(variables or {})}
        self._start(name, list(self.worker), env, lambda: True)

    def start_server(self, variables: Mapping[str, str] | None = None) -> None:
        """Serve the pages and the API.

        Args:
            variables: additional environment variables for this server.
        """
        self.api_port = self.api_port or free_port(PORTS["api"])
        command = [*self.server, "--port", str(self.api_port)]
        env = {**self.env, "AWS_SDK_UA_APP_ID": "server", **(variables or {})}
        self._start("server", command, env, lambda: _is_listening(self.api_port))

    def stop_part(self, name: str, *, kill: bool = False) -> None:
        """Stop one part and its child processes. `kill` sends SIGKILL instead of SIGTERM."""
        part = self.parts.pop(name, None)
        process = part.process() if part else None
        if process is not None:
            _terminate([process], kill=kill)
        self._save()

    def stop(self) -> None:
        """Stop every part; Temporal and AWS last."""
        servers = {"temporal", "aws"}
        for names in (self.parts.keys() - servers, self.parts.keys() & servers):
            _terminate([process for name in names if (process := self.parts[name].process())])
        self.parts.clear()
        (self.folder / "stack.json").unlink(missing_ok=True)
        (self.folder / "env").unlink(missing_ok=True)

    def discard(self) -> None:
        """Stop every part and delete the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(
        self, name: str, command: list[str], env: Mapping[str, str], is_ready: Callable[[], bool]
    ) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            # In a new session, Ctrl-C does not reach the part. The command stops the parts in
            # order.
            popen = subprocess.Popen(
                ending_with_parent(command) if self.end_with_parent else command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **env},
                start_new_session=True,
            )
        process = psutil.Process(popen.pid)
        self.parts[name] = Part(popen.pid, process.create_time())
        self._save()
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if popen.poll() is not None:
                raise StackError(
                    f"{name} exited during its start (code {popen.returncode}): see {log}"
                )
            if time.monotonic() > deadline:
                raise StackError(f"{name} is not ready after {_START_SECONDS:g} s: see {log}")
            time.sleep(0.05)

    def _is_temporal_healthy(self) -> bool:
        if not (_is_listening(self.temporal_port) and _is_listening(self.ui_port)):
            return False
        # Temporal listens before it accepts calls.
        address = f"{_ADDRESS}:{self.temporal_port}"
        command = [program("temporal"), "operator", "cluster", "health", "--address", address]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def _is_aws_healthy(self) -> bool:
        try:
            with urlopen(f"{self.aws_url}/_sandbox/health", timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def _save(self) -> None:
        stored = asdict(self)
        del stored["folder"]
        (self.folder / "stack.json").write_text(json.dumps(stored, indent=1))
        lines = [f"export {name}={shlex.quote(value)}" for name, value in self.env.items()]
        (self.folder / "env").write_text("\n".join(lines) + "\n")


def _terminate(processes: Sequence[psutil.Process], *, kill: bool = False) -> None:
    """Stop processes and their children: SIGTERM first, then SIGKILL after a timeout."""
    tree = [*processes]
    for process in processes:
        try:
            tree += process.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    for process in tree:
        _send(process, signal.SIGKILL if kill else signal.SIGTERM)
    _, left = psutil.wait_procs(tree, timeout=_STOP_SECONDS)
    for process in left:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(left, timeout=_STOP_SECONDS)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def program(name: str) -> str:
    """A program in the folder of this Python, or else on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise StackError(f"`{name}` is not installed: pip install 'drs-waves[sandbox]'")
    return found


def free_port(*wanted: int) -> int:
    """The first wanted port that is free for TCP and UDP, or else another free port.

    The port is not an ephemeral port: the system may assign one of those to another connection
    before the part listens. Each process uses its own range of 100 ports, so that sandboxes that
    start at the same time do not select the same port.

    Raises:
        StackError: no port is free.
    """
    first = _FIRST_PORT + os.getpid() % 100 * 100
    own = (first + next(_PORT_OFFSETS) % 100 for _ in range(100))
    for port in itertools.chain(wanted, own):
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as udp_probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_ADDRESS, port))
                udp_probe.bind((_ADDRESS, port))
            except OSError:
                continue
            return port
    raise StackError(f"none of the ports from {first} to {first + 99} is free")


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((_ADDRESS, port)) == 0
