"""What workers write to the audit log of what they do and refuse."""

import json
from pathlib import Path
from typing import Any

from temporalio.testing import ActivityEnvironment

from activities.access.audit_events import (
    launch_events,
    launch_settings_event,
    termination_event,
)
from activities.access.verifier import RequestVerifier
from activities.launch.launch_activities import LaunchActivities
from aws.targets import TargetClients
from contract.cleanup import StartCleanup, TerminateRequest
from contract.launch import BatchRequest, LaunchRequest, LaunchResult
from contract.launch_settings.apply import ApplyRequest
from recovery.access.audit import AuditAct, AuditEvent, AuditPlace
from recovery.access.session_identity import SessionIdentity
from recovery.execution.server import ServerResult
from recovery.launch_settings.report import AppliedServer, AppliedStatus
from recovery.plan.model import Server, Target
from security.audit_log import AuditFile, AuditLog
from settings import Settings
from tests.recovery.plans import server_id
from tests.security.keys import key_file, private_key, trusted

TARGET = Target(region="us-west-2")
EXECUTION = "crm-0123456789ab"
SERVERS = (server_id(1), server_id(2))


def request(**fields: Any) -> LaunchRequest:
    """A launch of two servers for ops."""
    values: dict[str, Any] = {
        "launch_id": f"{EXECUTION}/web/1/0",
        "target": TARGET,
        "servers": [Server(source_server_id=i) for i in SERVERS],
        "is_drill": True,
        "since": 0,
        "wave_workflow_id": "wave",
        "acting_for": SessionIdentity.of("crm", EXECUTION, "ops"),
    }
    return LaunchRequest(**values | fields)


def outcome(*servers: ServerResult, in_doubt: bool = False) -> list[AuditEvent]:
    """The events of a launch with these results; none if they are not known."""
    result = LaunchResult(launch_id=request().launch_id, servers=list(servers))
    results = [result] if servers else []
    return list(launch_events([request()], results, {}, in_doubt=in_doubt))


def test_a_launch_is_recorded_with_its_job_and_what_was_not_launched_is_refused() -> None:
    launched = ServerResult(source_server_id=SERVERS[0], recovery_job_id="drsjob-1")
    refused = ServerResult(source_server_id=SERVERS[1]).failed("it has a live instance", at=0)
    accepted, other = outcome(launched, refused)
    assert (accepted.accepted, accepted.subject_ids, accepted.text) == (
        True,
        [SERVERS[0]],
        "drsjob-1",
    )
    assert (accepted.actor, accepted.actor_verified) == ("ops", False)
    assert (accepted.plan_id, accepted.execution_id, accepted.wave_id) == ("crm", EXECUTION, "web")
    assert (other.accepted, other.refusal, other.subject_ids) == (
        False,
        "NOT_LAUNCHED",
        [SERVERS[1]],
    )
    assert other.text == "it has a live instance"
    taken = launched.model_copy(update={"taken_over": True})
    assert outcome(taken)[0].text == "drsjob-1 (taken over)"


def test_a_launch_that_waits_is_not_recorded_and_one_in_doubt_is() -> None:
    assert outcome() == []
    (event,) = outcome(in_doubt=True)
    assert event.accepted
    assert "not known" in str(event.text)


def test_a_termination_names_its_instances_and_the_clean_up() -> None:
    cleanup = StartCleanup(execution_id=EXECUTION, plan_id="crm", actor="ops")
    asked = TerminateRequest(
        target=TARGET,
        instances=[],
        cleanup=cleanup,
        acting_for=SessionIdentity.of("crm", EXECUTION, "ops"),
    )
    event = termination_event(asked, ["i-1"])
    assert (event.act, event.subject_ids, event.actor) == (AuditAct.TERMINATE, ["i-1"], "ops")
    assert (event.plan_id, event.execution_id) == ("crm", EXECUTION)


async def test_a_forged_launch_activity_is_refused_and_recorded(tmp_path: Path) -> None:
    keys = str(key_file(tmp_path, trusted(private_key(tmp_path))))
    settings = Settings(require_signed_requests=True, request_keys=keys)
    path = tmp_path / "audit.jsonl"
    log = AuditLog(AuditPlace.WORKER, AuditFile(str(path)))
    activities = LaunchActivities(TargetClients(settings), settings, RequestVerifier(settings, log))
    forged = BatchRequest(requests=[request(relaunch=[SERVERS[0]])], jobs_read_after=0)
    result = await ActivityEnvironment().run(activities.launch_batch, forged)
    log.close()
    assert "was not requested by the launcher" in str(result.results[0].servers[0].reason)
    _, event, _ = [json.loads(line) for line in path.read_text().splitlines()]
    assert (event["Act"], event["Accepted"], event["Refusal"]) == (
        "RELAUNCH",
        False,
        "OTHER_CALLER",
    )
    assert (event["Actor"], event["ActorVerified"]) == ("ops", False)
    assert event["SubjectIds"] == list(SERVERS)


def test_applied_launch_settings_name_what_was_changed_and_what_was_left() -> None:
    request = ApplyRequest(
        target=Target(region="us-west-2"), servers=[], apply_id="crm-1", plan_id="crm", actor="ana"
    )
    results = [
        AppliedServer(
            wave_id="db",
            source_server_id=server_id(number),
            region="us-west-2",
            status=status,
            reason="a job has it",
        )
        for number, status in enumerate(AppliedStatus)
    ]
    changed, left = launch_settings_event(request, results, None)
    assert (changed.act, changed.actor, changed.plan_id) == (
        AuditAct.LAUNCH_SETTINGS,
        "ana",
        "crm",
    )
    by_status = dict(zip(AppliedStatus, results, strict=True))
    assert changed.accepted
    assert changed.subject_ids == [
        by_status[each].source_server_id for each in (AppliedStatus.APPLIED, AppliedStatus.FAILED)
    ]
    assert (left.accepted, left.text) == (False, "a job has it")
    assert left.subject_ids == [by_status[AppliedStatus.REFUSED].source_server_id]
