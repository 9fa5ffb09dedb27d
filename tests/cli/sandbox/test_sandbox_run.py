"""`drs-waves sandbox run` as a process: what it prints, and that it leaves nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.cli.json_outputs import check_result

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
STARTER = [sys.executable, str(ROOT / "starter.py")]
# Variables that begin with DRS_WAVES_ are kept from the sandbox.
MARKER = "TEST_SANDBOX_RUN"


class Shell:
    """Starts commands in an empty folder and knows their descendants by a variable."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = uuid4().hex

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start `drs-waves` with these arguments."""
        environment = {**os.environ, "TMPDIR": str(self.folder), MARKER: self._mark}
        return subprocess.Popen(
            [*STARTER, *map(str, arguments)],
            cwd=self.folder,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `drs-waves` to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        check_result([str(each) for each in arguments], out)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def processes(self) -> list[psutil.Process]:
        """What still runs of the commands and whatever they started."""
        return [p for p in psutil.process_iter() if self._is_ours(p)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(MARKER) == self._mark
        except (psutil.Error, OSError):
            return False


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    left = shell.processes()
    for process in left:
        process.kill()
    assert not left, [process.cmdline() for process in left]
    assert not list(tmp_path.glob("drs-waves-*")), "the sandbox's folder is still there"


@pytest.mark.slow
def test_a_plan_runs_in_the_order_of_its_waves(shell: Shell) -> None:
    ended = shell.run("sandbox", "run", EXAMPLES / "crm.yaml", "--speed", "400")
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d CRM: DRILL crm-", lines[0])
    changes = [line[26:] for line in lines]
    in_order = [
        "App: WAITING Waiting for Database",
        "Database: COMPLETED 2 of 2 launched",
        "App: COMPLETED 2 of 2 launched",
        "Web: COMPLETED 2 of 2 launched",
        "CRM: COMPLETED 3 COMPLETED",
    ]
    assert [line for line in changes if line in in_order] == in_order
    assert "Recorded in DynamoDB: crm-" in ended.stdout


@pytest.mark.slow
def test_the_shop_is_usable_after_its_drill_and_what_only_a_recovery_does_is_said(
    shell: Shell,
) -> None:
    scenarios = ("recorded-drill.scenario.yaml", "shop.scenario.yaml")
    ended = shell.run(
        "sandbox", "run", EXAMPLES / "recorded-drill.yaml", EXAMPLES / "shop.yaml",
        *(word for each in scenarios for word in ("--scenario", EXAMPLES / each)),
        "--speed", "200", "--json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    _, shop = json.loads(ended.stdout)
    steps = {s["StepId"]: s for wave in shop["Waves"] for s in wave["Steps"]}
    done = ("reachable", "promote", "configure", "healthy", "serves")
    assert {steps[each]["Status"] for each in done} == {"SUCCEEDED"}
    assert steps["promote"]["Outputs"] == {"Endpoint": "shop-db.us-west-2.example.com"}
    assert {steps[each]["Status"] for each in ("confirm", "dns", "resolves")} == {"NOT_TESTED"}


def test_a_failed_server_is_named_and_two_plans_end_with_the_worse_code(shell: Shell) -> None:
    ended = shell.run(
        "sandbox", "run", EXAMPLES / "crm.yaml", EXAMPLES / "two-regions.yaml",
        "--scenario", EXAMPLES / "failing-server.scenario.yaml", "--speed", "400", "--json",
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    reason = "InsufficientInstanceCapacity: no c5.large in us-west-2a"
    # With the server's name before its ID, once DRS has been asked for it.
    assert re.search(rf"s-1c2d3e4f5a6b7c8d9\)? FAILED: LAUNCH_FAILED: {reason}", ended.stderr)
    crm, regions = json.loads(ended.stdout)
    assert [wave["Status"] for wave in crm["Waves"]] == ["COMPLETED", "FAILED", "SKIPPED"]
    assert regions["Status"] == "COMPLETED"
    places = {(wave["AccountId"], wave["Region"]) for wave in regions["Waves"]}
    assert places == {("123456789012", "us-west-2"), ("222222222222", "eu-central-1")}


def test_sigterm_during_a_run_leaves_nothing(shell: Shell) -> None:
    process = shell.start("sandbox", "run", EXAMPLES / "crm.yaml", "--speed", "20")
    assert process.stdout is not None
    for line in process.stdout:
        if "Database: IN_PROGRESS" in line:
            break
    assert len(shell.processes()) > 3
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Interrupted; the sandbox is stopped." in err


def test_an_interruption_while_it_starts_leaves_nothing(shell: Shell) -> None:
    process = shell.start("sandbox", "run", EXAMPLES / "crm.yaml")
    assert process.stderr is not None
    assert "Starting Temporal" in process.stderr.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 130


@pytest.mark.slow
def test_up_is_found_by_other_commands_and_down_discards_it(shell: Shell) -> None:
    up = shell.run("sandbox", "up", "--plan", EXAMPLES / "crm.yaml", "--speed", "400")
    try:
        assert up.returncode == 0, up.stderr
        assert "source .sandbox/env" in up.stdout
        assert shell.run("sandbox", "up").returncode == 2
        parts = json.loads(shell.run("sandbox", "status", "--json").stdout)["Parts"]
        assert {name: part["Running"] for name, part in parts.items()} == {
            "temporal": True,
            "aws": True,
            "worker": True,
            "server": True,
        }
    finally:
        down = shell.run("sandbox", "down")
    assert down.returncode == 0
    assert "its state is deleted" in down.stdout
    assert not (shell.folder / ".sandbox").exists()
