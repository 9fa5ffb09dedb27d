"""A worker with an allow-list runs no step that calls or connects to something else."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from activities.access.verifier import RequestVerifier
from activities.steps.checks.registry import CHECKS
from activities.steps.interface import Probe, ResolvedCall
from activities.steps.kinds.registry import ACTING_KINDS
from activities.steps.step_activities import StepActivities
from aws.targets import TargetClients
from contract.steps import StartOutcome, StepCall, WatchedStep
from recovery.access.audit import AuditPlace
from recovery.steps.model import StepKind
from recovery.steps.state import CheckResult, StepStatus
from security.audit_log import AuditFile, AuditLog
from settings import Settings
from tests.activities.steps.step_calls import ScriptedKind, step_call
from tests.aws_in_process import Attempt, Temporal

LIST = {
    "Targets": [{"AccountIds": ["*"], "Regions": ["*"]}],
    "Steps": {"Documents": ["Promote-*"], "Functions": ["notify"], "Hosts": ["10.1.*"]},
}
OTHER_OUTPUTS = {"db.find": {"Host": "192.168.0.7"}}


class PassingCheck:
    """A check that passes.

    Attributes:
        hosts: to which it connected.
    """

    def __init__(self) -> None:
        self.hosts: list[str | None] = []

    async def probe(self, step: ResolvedCall) -> Probe:
        self.hosts.append(getattr(step.spec, "host", None))
        return Probe(CheckResult.PASSED, "connected")


class Listed:
    """A worker with the list, whose steps note their effects."""

    def __init__(self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = settings.model_copy(update={"allow_list": json.dumps(LIST)})
        self.kind, self.check = ScriptedKind(), PassingCheck()
        for kind in (StepKind.SSM_AUTOMATION, StepKind.LAMBDA, StepKind.WORKFLOW, StepKind.HTTP):
            monkeypatch.setitem(ACTING_KINDS, kind, lambda _: self.kind)
        monkeypatch.setitem(CHECKS, StepKind.TCP, lambda _: self.check)
        self._file = folder / "audit.jsonl"
        self._audit = AuditLog(AuditPlace.WORKER, AuditFile(str(self._file)))
        verifier = RequestVerifier(settings, self._audit)
        self.activities = StepActivities(TargetClients(settings), settings, verifier)

    def refusals(self) -> list[tuple[str | None, str | None, str | None]]:
        """The refusals in the audit log: each code, step and step attempt ID."""
        self._audit.close(5.0)
        events = [json.loads(line) for line in self._file.read_text().splitlines()]
        steps = [each for each in events if each["Act"] == "STEP"]
        return [(e.get("Refusal"), e.get("StepId"), e.get("AttemptId")) for e in steps]


@pytest.fixture
def listed(fast: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Listed:
    return Listed(fast, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ({"SsmAutomation": {"Document": "Delete-All"}}, "Documents"),
        ({"Lambda": {"FunctionName": "arn:aws:lambda:us-west-2:1:function:notify"}}, "Functions"),
        ({"Workflow": {"Type": "T", "TaskQueue": "drs-waves-other"}}, "TaskQueues"),
        ({"Http": {"Url": "http://169.254.169.254/latest/meta-data"}}, "Hosts"),
    ],
)
async def test_a_step_outside_the_list_has_no_effect_and_is_recorded(
    listed: Listed, temporal: Temporal, kind: dict[str, Any], key: str
) -> None:
    call = step_call(**kind)
    started = await Attempt(temporal).run(listed.activities.start_step, call)
    assert started.outcome is StartOutcome.NOT_STARTED
    assert f"Steps: {{{key}: [...]}} of the list" in started.reason
    assert listed.kind.effects == []
    assert listed.refusals() == [("NOT_ALLOWED", call.step.step_id, call.attempt_id)]


async def test_a_step_on_the_list_runs_and_is_recorded(listed: Listed, temporal: Temporal) -> None:
    call = step_call(SsmAutomation={"Document": "Promote-Db"})
    started = await Attempt(temporal).run(listed.activities.start_step, call)
    assert started.outcome is StartOutcome.STARTED
    assert listed.refusals() == [(None, call.step.step_id, call.attempt_id)]


def reachable(**spec: Any) -> StepCall:
    return step_call(
        seconds=60, call={"outputs": OTHER_OUTPUTS}, Tcp={"Port": 1, "HealthyThreshold": 1} | spec
    )


@pytest.mark.parametrize("host", ["192.168.0.7", "${Steps.db.find.Host}"])
async def test_a_check_of_a_host_outside_the_list_fails_at_once_without_a_connection(
    listed: Listed, temporal: Temporal, host: str
) -> None:
    call, before = reachable(Host=host), time.monotonic()
    result = await Attempt(temporal).run(listed.activities.check_step, call)
    assert (result.status, result.result) == (StepStatus.FAILED, CheckResult.INCONCLUSIVE)
    assert result.reason.startswith("could not be checked: 192.168.0.7 is not on the worker's")
    assert time.monotonic() - before < 30
    assert listed.check.hosts == []
    assert listed.refusals() == [("NOT_ALLOWED", call.step.step_id, call.attempt_id)]


async def test_a_check_of_a_host_on_the_list_connects(listed: Listed, temporal: Temporal) -> None:
    result = await Attempt(temporal).run(listed.activities.check_step, reachable(Host="10.1.0.7"))
    assert result.status is StepStatus.SUCCEEDED
    assert listed.check.hosts == ["10.1.0.7"]


async def test_a_started_step_is_watched_and_stopped_although_the_list_lost_it(
    listed: Listed, temporal: Temporal
) -> None:
    call = step_call(SsmAutomation={"Document": "Old"}, OnCancel="STOP")
    began = await ScriptedKind().start(ResolvedCall(call, call.step.spec))
    watched = WatchedStep(call=call, started=began)
    result = await Attempt(temporal).run(listed.activities.watch_step, watched)
    assert result.status is StepStatus.SUCCEEDED
    assert await Attempt(temporal).run(listed.activities.stop_step, watched) == "stopped"
