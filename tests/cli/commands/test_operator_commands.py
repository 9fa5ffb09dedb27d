"""Operators at the command line, against a real Temporal, a local AWS and a worker."""

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import pytest
import yaml
from temporalio.client import Client
from typer.testing import CliRunner, Result

from cli.app import app
from sandbox.stack import Stack
from settings import get_settings
from storage.history import HistoryTable
from tests.cli.json_outputs import check
from tests.shared_servers import REGION, SPEED, own_stack, stop

_numbers = count()


@dataclass
class OperatorShell:
    """An operator's shell, and the AWS that it is about."""

    stack: Stack
    folder: Path

    def do(self, *words: object, code: int = 0) -> Result:
        """Run a command; it must end with this code."""
        result = CliRunner().invoke(app, [str(word) for word in words])
        assert result.exit_code == code, f"{words}: {result.exit_code}\n{result.output}"
        return result

    def read(self, *words: object) -> Any:
        """Run a command with `--json`; what it says."""
        return json.loads(self.do(*words, "--json").stdout)

    def server(self, **scenario: Any) -> str:
        """A new source server."""
        account_id = self.stack.variables["AWS_ACCESS_KEY_ID"]
        server_id = f"s-{(int(account_id) << 20) + next(_numbers):017x}"
        entry = {"SourceServerId": server_id, "Region": REGION, "AccountId": account_id}
        self._ask("scenario", {"SourceServers": [entry | scenario]})
        return server_id

    def plan(self, plan_id: str, waves: dict[str, Sequence[str]], **keys: Any) -> Path:
        """A plan whose waves wait for those in the values; `keys` by wave, or of the plan."""
        document: dict[str, Any] = {"PlanId": plan_id, "Region": REGION, "Waves": []}
        document |= {key: value for key, value in keys.items() if key not in waves}
        for name, after in waves.items():
            wave = {
                "WaveId": name,
                "Dependencies": [{"DependsOnWaveId": each} for each in after],
                "TimeoutSeconds": 100 * SPEED,
            } | keys.get(name, {})
            wave.setdefault("ServerIds", [self.server()])
            document["Waves"].append(wave)
        path = self.folder / f"{plan_id}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    def run(self, *words: object) -> str:
        """Start an execution and leave it running; its ID."""
        execution_id: str = self.read("run", *words, "--no-watch")["ExecutionId"]
        return execution_id

    def until(self, plan_id: str, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Await a state of the plan's execution, as `status` has it."""
        deadline = time.monotonic() + 60
        while True:
            result = CliRunner().invoke(app, ["status", plan_id, "--json"])
            state: dict[str, Any] = json.loads(result.stdout) if result.exit_code == 0 else {}
            if state and holds(state):
                return state
            assert time.monotonic() < deadline, result.output
            time.sleep(0.1)

    def end(self, plan_id: str, code: int) -> dict[str, Any]:
        """Follow an execution to its end; what the history then says."""
        state = json.loads(self.do("watch", plan_id, "--json", code=code).stdout)
        recorded: dict[str, Any] = self.read("history", state["ExecutionId"])
        assert recorded["Status"] == state["Status"]
        return recorded

    def launches(self, server_id: str) -> int:
        """How often AWS was made to launch a server."""
        return sum(
            server_id in event["SourceServerIds"]
            for backend in self._ask("ledger")["Backends"]
            for event in backend["Events"]
            if event["Event"] == "START_RECOVERY_ACCEPTED"
        )

    def instances(self, server_ids: Sequence[str]) -> list[str]:
        """The servers of these that have a recovery instance."""
        drs = boto3.client("drs", region_name=REGION)
        found = drs.describe_recovery_instances(filters={"sourceServerIDs": list(server_ids)})
        return [item["sourceServerID"] for item in found["items"]]

    def _ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(f"{self.stack.aws_url}/_sandbox/{path}", data=data)) as answer:
            return json.loads(answer.read())


@pytest.fixture(scope="module")
async def stack(
    shared_servers: Stack, shared_temporal: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stack]:
    """One for the module, whose tests share a worker."""
    own = await own_stack(shared_servers, shared_temporal, tmp_path_factory.mktemp("operators"))
    yield own
    await stop(own)


@pytest.fixture(scope="module")
def worker(stack: Stack) -> None:
    """The worker of all tests but those that begin without one."""
    stack.start_worker()
    deadline = time.monotonic() + 60
    while "worker is ready" not in (stack.folder / "worker.log").read_text():
        assert time.monotonic() < deadline, "the worker does not start"
        time.sleep(0.05)


@contextmanager
def shell(stack: Stack) -> Iterator[OperatorShell]:
    """An operator's shell on a stack."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in stack.env.items():
            environment.setenv(name, value)
        environment.setattr(boto3, "DEFAULT_SESSION", None)
        get_settings.cache_clear()
        CliRunner().invoke(app, ["init-tables", "--skip-temporal"])
        yield OperatorShell(stack, stack.folder)
    get_settings.cache_clear()


@pytest.fixture
def operator(stack: Stack, worker: None) -> Iterator[OperatorShell]:
    """A shell, and a worker that serves."""
    with shell(stack) as operator:
        yield operator


@pytest.fixture
async def stack_without_worker(
    shared_servers: Stack, shared_temporal: Client, tmp_path: Path
) -> AsyncIterator[Stack]:
    """One that no worker serves yet."""
    own = await own_stack(shared_servers, shared_temporal, tmp_path / "stack")
    own.folder.mkdir()
    yield own
    await stop(own)


@pytest.fixture
def without_worker(stack_without_worker: Stack) -> Iterator[OperatorShell]:
    """A shell, and no worker yet."""
    with shell(stack_without_worker) as operator:
        yield operator


def wave(state: dict[str, Any], wave_id: str) -> dict[str, Any]:
    """The wave of this ID."""
    return next(each for each in state["Waves"] if each["WaveId"] == wave_id)


def statuses(state: dict[str, Any]) -> list[str]:
    """The waves' statuses, in the order of the plan."""
    return [each["Status"] for each in state["Waves"]]


def test_without_a_worker_a_recovery_is_refused_before_the_plan_id_is_asked_for(
    without_worker: OperatorShell,
) -> None:
    plan = without_worker.plan("no-worker", {"db": []})
    began = time.monotonic()
    refused = without_worker.do("run", plan, "--recovery", "--confirm", "no-worker", code=5)
    assert time.monotonic() - began < 20
    assert "nothing was started: No worker answers on task queue" in refused.stderr
    assert "Start one with `drs-waves worker`" in refused.stderr


def test_after_a_worker_was_killed_the_last_known_state_is_shown_with_its_age(
    without_worker: OperatorShell,
) -> None:
    stack = without_worker.stack
    plan = without_worker.plan("killed", {"db": []}, db={"ApprovalRequired": True})
    stack.start_worker()
    execution_id = without_worker.run(plan)
    without_worker.until("killed", lambda state: "approval" in state["Waves"][0]["StatusReason"])
    deadline = time.monotonic() + 60
    while CliRunner().invoke(app, ["history", execution_id]).exit_code:
        assert time.monotonic() < deadline, "the execution is not recorded"
        time.sleep(0.1)
    process = stack.parts["worker"].process()
    assert process is not None
    process.kill()
    process.wait()
    began = time.monotonic()
    shown = without_worker.do("status", "killed", code=5)
    assert time.monotonic() - began < 20
    assert "LAST KNOWN STATE, of 20" in shown.stdout
    assert execution_id in shown.stdout
    assert "No worker answers on task queue" in shown.stderr
    decisions = without_worker.do("decisions", "--exit-code", code=5).stdout
    assert "db waits for an approval" in decisions
    assert "LAST KNOWN STATE, of 20" in decisions
    assert "STATE UNKNOWN of 1 running execution: No worker answers" in decisions
    state = json.loads(without_worker.do("status", "killed", "--json", code=5).stdout)
    assert state["OutdatedReason"].startswith("No worker answers")
    assert state["RecordedTime"] <= time.time()


def test_without_a_worker_a_message_is_taken_and_has_its_effect_when_one_comes(
    without_worker: OperatorShell,
) -> None:
    plan = without_worker.plan("late-worker", {"db": [], "app": ["db"]})
    started = without_worker.do("run", plan, "--no-watch")
    assert "it has not started yet. No worker answers" in started.stderr
    taken = without_worker.do("skip-wave", "late-worker", "app", "--reason", "not today")
    assert taken.stdout == "app: queued until a worker is available\n"
    assert without_worker.do("pause", "late-worker").stdout.startswith("late-worker: queued ")
    without_worker.stack.start_worker()
    without_worker.until("late-worker", lambda state: state["Status"] == "PAUSED")
    resumed = without_worker.do("resume", "late-worker", "--actor", "ops@host")
    assert resumed.stdout == "late-worker: db can launch now\n"
    state = without_worker.end("late-worker", 3)
    assert statuses(state) == ["COMPLETED", "SKIPPED"]
    messages = [(m["Name"], m["Actor"], m["ActorVerified"]) for m in state["Messages"]]
    assert [name for name, _, _ in messages] == ["skip_wave", "pause", "resume"]
    assert messages[2] == ("resume", "ops@host", False)


def test_a_wave_is_skipped_and_a_wrong_one_is_refused_with_a_hint(operator: OperatorShell) -> None:
    execution_id = operator.run(operator.plan("skips", {"db": [], "app": ["db"], "web": ["app"]}))
    wrong = operator.do("skip-wave", "skips", "ap", code=2)
    assert wrong.stderr == "error: skip-wave was rejected: no wave 'ap'; did you mean app?\n"
    assert wrong.stdout == ""
    response = operator.read("skip-wave", "skips", "app", "--reason", "not needed")
    assert response["ExecutionId"] == execution_id
    assert response["Effect"] == "app is not launched; web can launch now without it"
    state = operator.end("skips", 3)
    assert statuses(state) == ["COMPLETED", "SKIPPED", "COMPLETED"]
    late = operator.do("pause", "skips", code=2)
    assert "the last execution of plan 'skips', " in late.stderr


@pytest.mark.slow
def test_a_late_failure_is_retried_and_what_is_up_is_not_launched_again(
    operator: OperatorShell,
) -> None:
    good, bad = operator.server(), operator.server(Outcome=["failed-late", "launched"])
    plan = operator.plan(
        "retries", {"app": [], "web": ["app"]}, OnFailure="ASK", app={"ServerIds": [good, bad]}
    )
    operator.run(plan)
    asks = operator.until("retries", lambda state: wave(state, "app")["Status"] == "FAILED")
    assert "operator's decision" in wave(asks, "web")["StatusReason"]
    shown = operator.do("status", "retries").stdout
    for command in ("retry-wave retries app", "accept-wave retries app", "skip-wave retries web"):
        assert f"  drs-waves {command}\n" in shown
    assert "attempt 2" in operator.do("retry-wave", "retries", "app").stdout
    state = operator.end("retries", 0)
    assert statuses(state) == ["COMPLETED", "COMPLETED"]
    assert (operator.launches(good), operator.launches(bad)) == (1, 2)


def test_waves_are_approved_and_refused_and_a_failure_is_accepted(operator: OperatorShell) -> None:
    bad = operator.server(Outcome="failed-early")
    gate = {"ApprovalRequired": True}
    plan = operator.plan(
        "gates",
        {"db": [], "app": ["db"], "web": []},
        OnFailure="ASK",
        db={"ServerIds": [bad, operator.server()]},
        app=gate,
        web=gate,
    )
    operator.run(plan)
    refused = operator.do("approve-wave", "gates", "web", "--refuse", "--reason", "no network")
    assert "refused, web is not launched" in refused.stdout
    operator.until("gates", lambda state: wave(state, "db")["Status"] == "FAILED")
    accepted = operator.do("accept-wave", "gates", "db", "--reason", "one is enough")
    assert "accepted although db is 1 of 2 up; still waiting for other waves or an " in (
        accepted.stdout
    )
    assert "for 1800 s" in operator.do("approve-wave", "gates", "app", "--expires", "30m").stdout
    state = operator.end("gates", 3)
    assert statuses(state) == ["FAILED", "COMPLETED", "CANCELLED"]
    history = operator.do("history", state["ExecutionId"]).stdout
    assert "because: one is enough" in history
    assert "db accepted by " in history


def test_open_decisions_are_listed_taken_and_made_by_the_commands_that_are_listed(
    operator: OperatorShell,
) -> None:
    plan = operator.plan("asked", {"db": []}, db={"ApprovalRequired": True})
    operator.run(plan)
    operator.until("asked", lambda state: state["OpenDecisions"])

    def own() -> dict[str, Any]:
        printed = operator.read("decisions")
        check("decisions", json.dumps(printed))
        (found,) = (each for each in printed["Decisions"] if each["PlanId"] == "asked")
        return dict(found)

    assert " open decision" in operator.do("decisions").stdout
    operator.do("decisions", "--exit-code", code=1)
    asked = own()
    assert (asked["Kind"], asked["Asked"]) == ("APPROVAL", "db waits for an approval")
    taken = operator.do("acknowledge", "asked", "--reason", "on it", "--actor", "ann")
    assert taken.stdout == "asked: 1 decision acknowledged; reminders pause for 30 min\n"
    assert own()["AcknowledgedBy"]["Actor"] == "ann"
    assert "ann has it since" in operator.do("status", "asked").stdout
    command = asked["Commands"][0].removesuffix(" [--refuse]").split()[1:]
    operator.do(*command)
    operator.do("acknowledge", "asked", code=2)
    recorded = operator.end("asked", 0)
    accepted = [each["Name"] for each in recorded["Messages"] if each["Accepted"]]
    assert accepted == ["acknowledge", "approve_wave"]
    assert recorded["OpenDecisions"] == []


def _manual(step_id: str, **fields: Any) -> dict[str, Any]:
    return {"StepId": step_id, "When": "BOTH", "Manual": {"Instruction": "Move **it**"} | fields}


def test_steps_are_listed_completed_and_skipped_by_the_commands_that_are_listed(
    operator: OperatorShell,
) -> None:
    inputs = [{"Name": "Count", "Type": "NUMBER"}, {"Name": "Note", "Required": False}]
    before = [_manual("confirm", Inputs=inputs), _manual("announce")]
    operator.run(operator.plan("steps", {"db": []}, db={"PreLaunchSteps": before}))
    operator.until("steps", lambda state: state["OpenDecisions"])
    shown = operator.do("steps", "steps").stdout
    assert "▶ RUNNING          confirm   Manual" in shown
    assert "      Move it\n      It asks for:\n      - Count (NUMBER)\n" in shown
    listed = operator.read("decisions")["Decisions"]
    (decision,) = (each for each in listed if each["PlanId"] == "steps")
    words = decision["Commands"][0].split()
    assert words[:5] == ["drs-waves", "complete-step", "steps", "db", "confirm"]
    wrong = operator.do(*words[1:5], "--output", "Count=many", code=2)
    assert "Count must be a number" in wrong.stderr
    assert "NAME=VALUE" in operator.do(*words[1:5], "--output", "Count", code=2).stderr
    twice = operator.do(*words[1:5], "--output", "Count=1", "--output", "Count=2", code=2)
    assert "--output Count is given twice" in twice.stderr
    done = operator.do(*words[1:5], "--output", "Count=12", "--reason", "all moved").stdout
    assert done == "db: step confirm counts as done, step announce is next\n"
    sent = operator.read("skip-step", "steps", "db", "announce", "--reason", "nobody to tell")
    assert (sent["Step"], sent["Name"]) == ("announce", "skip_step")
    state = operator.end("steps", 3)
    (db,) = state["Waves"]
    assert (db["Status"], db["Servers"][0]["LaunchStatus"]) == ("PARTIAL", "LAUNCHED")
    confirm, announce = operator.read("steps", state["ExecutionId"])["Steps"]
    assert (confirm["Status"], confirm["Outputs"]) == ("SUCCEEDED", {"Count": 12})
    assert (announce["WaveId"], announce["Status"]) == ("db", "SKIPPED")
    assert announce["Reason"].startswith("skipped by ")
    assert confirm["StartTime"] <= confirm["EndTime"] <= announce["EndTime"]
    history = operator.do("history", state["ExecutionId"]).stdout
    assert "complete_step db, step confirm  by " in history
    assert operator.do("history", "verify", state["ExecutionId"]).stdout
    again = operator.do("complete-step", state["ExecutionId"], "db", "confirm", code=2)
    assert "has ended" in again.stderr or "is not running" in again.stderr


def test_a_drill_is_cancelled_at_once_and_a_wave_alone_too(operator: OperatorShell) -> None:
    operator.run(operator.plan("stops", {"db": [], "cache": [], "app": ["db"]}))
    operator.until("stops", lambda state: wave(state, "cache")["Status"] == "IN_PROGRESS")
    assert "only this wave is cancelled" in operator.do("cancel-wave", "stops", "cache").stdout
    done = operator.do("cancel", "stops", "--reason", "wrong plan")
    assert done.stdout.startswith("stops: nothing new launches")
    state = operator.end("stops", 4)
    launched = [server["SourceServerId"] for each in state["Waves"] for server in each["Servers"]]
    assert [operator.launches(server_id) for server_id in launched] == [1, 1, 0]
    last = state["Messages"][-1]
    assert (last["Name"], last["Reason"], last["ActorVerified"]) == ("cancel", "wrong plan", False)


def test_a_recovery_is_cancelled_and_cleaned_up_only_when_it_is_confirmed(
    operator: OperatorShell,
) -> None:
    slow = operator.server(LaunchSeconds=3600)
    plan = operator.plan("real", {"db": []}, db={"ServerIds": [slow]})
    execution_id = operator.run(plan, "--recovery", "--confirm", "real")
    operator.until("real", lambda state: wave(state, "db")["Status"] == "IN_PROGRESS")
    assert "Pass --confirm real" in operator.do("cancel", "real", code=2).stderr
    assert (
        "nothing was cancelled" in operator.do("cancel", "real", "--confirm", "rael", code=2).stderr
    )
    running = operator.do("cleanup", execution_id, "--force", "--confirm", "real", code=2)
    assert f"{execution_id} is still running" in running.stderr
    operator.do("cancel", "real", "--confirm", "real")
    operator.end("real", 4)
    assert "a real RECOVERY" in operator.do("cleanup", execution_id, code=2).stderr
    assert "Pass --confirm real" in operator.do("cleanup", execution_id, "--force", code=2).stderr
    other = operator.do("run", "--from", execution_id, code=2)
    assert "is a RECOVERY, and a drill never takes over" in other.stderr


@pytest.mark.slow
def test_a_failed_drill_is_continued_and_cleaned_up(operator: OperatorShell) -> None:
    up, bad, rest = (
        operator.server(),
        operator.server(Outcome=["failed-late", "launched"]),
        operator.server(),
    )
    foreign = operator.server(LiveRecoveryInstance="DRILL")
    plan = operator.plan(
        "onwards", {"db": [], "web": ["db"]}, db={"ServerIds": [up, bad]}, web={"ServerIds": [rest]}
    )
    first = operator.run(plan)
    operator.until("onwards", lambda state: wave(state, "db")["Status"] == "IN_PROGRESS")
    still = operator.do("run", "--from", first, "--no-watch", code=2)
    assert f"{first} is still running" in still.stderr
    assert statuses(operator.end("onwards", 1)) == ["FAILED", "SKIPPED"]
    as_recovery = operator.do("run", "--from", first, "--recovery", "--confirm", "onwards", code=2)
    assert "is a DRILL, and a recovery never takes over" in as_recovery.stderr
    corrected = operator.folder / "corrected.yaml"
    corrected.write_text(plan.read_text().replace("PlanId: onwards", "PlanId: onwards\nRTO: 60"))
    unconfirmed = operator.do("run", "--from", first, "--plan", corrected, code=2)
    assert "~ plan: RTO (none) → 60" in unconfirmed.stderr
    assert "Pass --confirm onwards" in unconfirmed.stderr
    ready = operator.read("run", "--from", first, "--dry-run")
    assert time.time() - 60 < ready["CheckedTime"] <= time.time()
    second = operator.run("--from", first)
    assert statuses(operator.end("onwards", 0)) == ["COMPLETED", "COMPLETED"]
    assert [operator.launches(each) for each in (up, bad, rest)] == [1, 2, 1]
    assert operator.read("history", second)["FromExecution"] == first

    servers = [up, bad, rest, foreign]
    assert sorted(operator.instances(servers)) == sorted(servers)
    cleaned = operator.read("cleanup", second, "--watch")
    assert len(cleaned["Terminated"]) == 2
    assert sorted(operator.instances(servers)) == sorted([up, foreign])
    # What the first one launched, and the second only took over, is the first one's to clean up.
    assert "1 recovery instances are terminated" in operator.do("cleanup", first, "--watch").stdout
    assert operator.instances(servers) == [foreign]
    assert "Clean-up COMPLETED" in operator.do("history", second).stdout


@pytest.mark.slow
def test_a_clean_up_is_scheduled_at_the_start(operator: OperatorShell) -> None:
    server_id = operator.server()
    plan = operator.plan("tidy", {"db": []}, db={"ServerIds": [server_id]})
    started = operator.do("run", plan, "--no-watch", "--cleanup-after", "2m")
    assert "Its instances are terminated 2 min" in started.stderr
    state = operator.end("tidy", 0)
    deadline = time.monotonic() + 60
    while "Cleanup" not in operator.read("history", state["ExecutionId"]) or operator.instances(
        [server_id]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_plans_and_executions_are_listed_running_first(operator: OperatorShell) -> None:
    running = operator.run(operator.plan("zebra", {"db": []}, db={"ApprovalRequired": True}))
    plans = operator.read("plans")
    last = plans[0]["LastExecution"]
    assert (plans[0]["PlanId"], last["ExecutionId"]) == ("zebra", running)
    assert last["Running"] is True
    assert not any(each["LastExecution"]["Running"] for each in plans[1:])
    assert len({each["PlanId"] for each in plans}) == len(plans)
    found = operator.read("executions", "--limit", "2")
    assert found[0]["ExecutionId"] == running
    assert len(found) == 2
    cancelled = operator.read("executions", "--state", "cancelled")
    assert {each["PlanId"] for each in cancelled} <= {"stops", "real"}
    assert "running" in operator.do("plans").stdout
    operator.do("cancel", "zebra")


def test_a_command_takes_names_ids_and_the_spelling_of_the_message(
    operator: OperatorShell,
) -> None:
    path = operator.plan("names", {"db": [], "app": ["db"]}, db={"ApprovalRequired": True})
    document = yaml.safe_load(path.read_text())
    document["Waves"][0]["WaveName"], document["Waves"][1]["WaveName"] = "Database", "Application"
    path.write_text(yaml.safe_dump(document))
    execution_id = operator.run(path)
    assert operator.read("skip_wave", execution_id, "application")["ExecutionId"] == execution_id
    wrong = operator.do("approve-wave", "nmaes", "Database", code=2)
    assert "did you mean names?" in wrong.stderr
    other = operator.do("pause", "names-000000000000", code=2)
    assert f"names-000000000000 is not running; {execution_id} of the same plan is" in other.stderr
    assert operator.read("status", execution_id)["ExecutionId"] == execution_id
    late = operator.do("wait", execution_id, "--timeout", "1s", code=124)
    assert (
        f"{execution_id} has not ended within 1 s; it is IN_PROGRESS and continues." in late.stderr
    )
    operator.do("approve-wave", "names", "Database")
    operator.do("wait", execution_id, "--timeout", "10m", code=3)
    again = operator.run(path)
    assert again != execution_id
    for command in ("wait", "watch"):
        assert execution_id in operator.do(command, execution_id, code=3).stdout
    operator.do("cancel", again)
    operator.do("wait", "names", "--timeout", "10m", "--json", code=4)
    last = operator.do("history", "names")
    assert f"The last recorded execution of names is {again}" in last.stderr
    assert f"execution {again}" in last.stdout
    assert f"{again}: the history agrees" in operator.do("history", "verify", "names").stdout
    continued = operator.do("run", "--from", "names", "--dry-run").stderr
    assert f"{again} launched nothing; the execution before it is {execution_id}" in continued
    assert f"Cleaning up after {again}" in operator.do("cleanup", "names", "--no-watch").stderr


def test_an_unknown_plan_or_execution_is_answered_with_the_nearest(
    operator: OperatorShell,
) -> None:
    execution_id = operator.run(operator.plan("wanted", {"db": []}, db={"ApprovalRequired": True}))
    for command in ("status", "watch", "wait", "history", "cleanup", "pause"):
        assert "did you mean wanted?" in operator.do(command, "wnated", code=2).stderr
    other = f"{execution_id[:-1]}{'0' if execution_id[-1] != '0' else '1'}"
    assert f"did you mean {execution_id}?" in operator.do("history", other, code=2).stderr
    assert f"drs-waves history {other}" in operator.do("watch", other, code=2).stderr
    operator.do("cancel", "wanted")
    operator.do("wait", "wanted", "--timeout", "10m", code=4)


def test_servers_have_their_names_beside_their_ids_also_in_the_history(
    operator: OperatorShell,
) -> None:
    server = operator.server(Outcome="failed-early", Name="web01")
    path = operator.plan("named", {"web": []}, web={"ServerIds": [server]})
    execution_id = operator.run(path)
    ended = operator.do("wait", execution_id, code=1)
    assert f"web01 ({server}) FAILED" in ended.stdout
    recorded = operator.read("history", execution_id)
    assert recorded["Waves"][0]["ServerNames"] == {server: "web01"}
    assert recorded["Waves"][0]["StatusReason"].startswith(f"web01 ({server}): ")
    assert f"web01 ({server})" in operator.do("history", execution_id).stdout


def test_a_registered_plan_that_never_ran_is_listed(operator: OperatorShell) -> None:
    operator.do("init-tables")
    operator.do("register", operator.plan("quiet", {"db": []}))
    (found,) = [each for each in operator.read("plans") if each["PlanId"] == "quiet"]
    assert found["Registered"]["Version"] == 1
    assert "LastExecution" not in found
    (line,) = [each for each in operator.do("plans").stdout.splitlines() if "quiet" in each]
    assert "version 1" in line
    assert line.endswith("no execution")


def test_one_unreachable_side_is_reported_and_the_other_is_listed(
    operator: OperatorShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    listed = operator.do("executions")
    assert (
        "running executions are unknown: Temporal at 127.0.0.1:1 cannot be reached" in listed.stderr
    )
    monkeypatch.setenv("TEMPORAL_ADDRESS", operator.stack.env["TEMPORAL_ADDRESS"])
    monkeypatch.setenv("DRS_WAVES_HISTORY_TABLE", "no-such-table")
    get_settings.cache_clear()
    assert HistoryTable(get_settings()).name == "no-such-table"
    assert "only running executions are listed" in operator.do("plans").stderr
    get_settings.cache_clear()
