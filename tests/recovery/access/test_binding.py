"""An act belongs to a signed request and its plan, or is refused with the reason."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.access.binding import (
    RequestedLaunch,
    is_answer,
    require_current,
    require_launch,
    require_same,
)
from recovery.access.grants import (
    AccessCode,
    AccessRefusedError,
    Algorithm,
    CleanupSubject,
    Grant,
    MessageSubject,
    SignedTakeover,
    StartSubject,
)
from recovery.execution.state import ExecutionType
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.plan.snapshots import ChosenPoint, PointInTime, PointKind, ServerSnapshots, Snapshot
from tests.recovery.plans import role_arn, server_id

EXECUTION = "crm-0123456789ab"
PLAN = RecoveryPlan(
    plan_id="crm",
    waves=[
        Wave(
            wave_id="db",
            wave_name="Database",
            region="us-west-2",
            retries=1,
            servers=[Server(source_server_id=server_id(n)) for n in range(15)],
        ),
        Wave(
            wave_id="web",
            region="us-west-2",
            role_arn=role_arn("111111111111"),
            account_id="111111111111",
            servers=[Server(source_server_id=server_id(200))],
        ),
    ],
)
DB, WEB = PLAN.waves
LAUNCH = RequestedLaunch(
    execution_id=EXECUTION,
    wave_id="db",
    attempt=1,
    number=0,
    target=DB.target,
    servers=DB.servers[:10],
    is_drill=True,
    since=1000.0,
)
ANSWERED = f"{EXECUTION}/db/1/0"


def start(**fields: Any) -> StartSubject:
    """The signed start of a drill of the plan."""
    values: dict[str, Any] = {
        "execution_id": EXECUTION,
        "plan_id": "crm",
        "plan_hash": PLAN.plan_hash,
        "execution_type": ExecutionType.DRILL,
        "start_time": 1000.0,
    }
    return StartSubject(**values | fields)


def grant(subject: StartSubject | MessageSubject | CleanupSubject, **fields: Any) -> Grant:
    """A verified grant."""
    values: dict[str, Any] = {
        "kid": "key",
        "algorithm": Algorithm.ED25519,
        "issued_time": 1000.0,
        "expires_time": 2000.0,
        "nonce": "1",
        "actor": "ops",
    }
    return Grant(**values | fields, subject=subject)


def message(name: str, nonce: str = "1", **fields: Any) -> Grant:
    """A signed message of the execution."""
    execution_id = fields.pop("execution_id", EXECUTION)
    subject = MessageSubject(execution_id=execution_id, name=name, fields=fields)
    return grant(subject, nonce=nonce)


def code_of(call: Any, *args: Any, **kwargs: Any) -> AccessCode | None:
    """Why it is refused; None if it is not."""
    try:
        call(*args, **kwargs)
    except AccessRefusedError as refused:
        return refused.code
    return None


SNAPSHOT = "pit-0123456789abcdef0"


def at(kind: PointKind, snapshot_id: str | None = None) -> list[Server]:
    """The first server, launched from a snapshot that was not chosen for it."""
    point = ChosenPoint(kind=kind, snapshot_id=snapshot_id)
    return [Server(source_server_id=server_id(0), chosen_point=point)]


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ({}, None),
        ({"execution_id": "crm-ffffffffffff"}, AccessCode.OTHER_EXECUTION),
        ({"is_drill": False}, AccessCode.OTHER_CONTENT),
        ({"wave_id": "app"}, AccessCode.OTHER_WAVE),
        ({"target": Target(region="us-east-1")}, AccessCode.OTHER_TARGET),
        (
            {"target": Target(region="us-west-2", role_arn=role_arn("222222222222"))},
            AccessCode.OTHER_TARGET,
        ),
        ({"servers": WEB.servers}, AccessCode.OTHER_SERVERS),
        ({"servers": []}, AccessCode.OTHER_SERVERS),
        ({"servers": DB.servers}, AccessCode.OTHER_SERVERS),
        ({"number": 1}, AccessCode.OTHER_SERVERS),
        ({"number": 7}, AccessCode.OTHER_SERVERS),
        ({"number": -1}, AccessCode.OTHER_SERVERS),
        ({"number": 1, "servers": DB.servers[10:]}, None),
        # The servers of a first launch may have a job already.
        ({"servers": DB.servers[5:15]}, None),
        (
            {"servers": [Server(source_server_id=server_id(0), recovery_snapshot_id=SNAPSHOT)]},
            AccessCode.OTHER_SERVERS,
        ),
        ({"servers": at(PointKind.SNAPSHOT, SNAPSHOT)}, AccessCode.OTHER_SERVERS),
        (
            {"servers": at(PointKind.LATEST)},
            AccessCode.OTHER_SERVERS,
        ),
        ({"relaunch": [server_id(0)]}, AccessCode.RELAUNCH_NOT_SIGNED),
        ({"since": 1000.1}, AccessCode.OTHER_CONTENT),
        ({"attempt": 2}, None),
        ({"attempt": 0}, AccessCode.ATTEMPT_NOT_SIGNED),
        ({"attempt": 3}, AccessCode.ATTEMPT_NOT_SIGNED),
        ({"attempt": 3, "retries": [message("retry_wave", wave="db")]}, None),
        ({"attempt": 3, "retries": [message("retry_wave", wave="DATABASE")]}, None),
        ({"attempt": 4, "retries": [message("retry_wave", wave="db")] * 2}, "unsigned"),
        ({"attempt": 3, "retries": [message("retry_wave", wave="web")]}, "unsigned"),
        ({"attempt": 3, "retries": [message("skip_wave", wave="db")]}, "unsigned"),
        # Each of these begins another attempt of a wave that has ended.
        ({"attempt": 3, "retries": [message("accept_wave", wave="db")]}, None),
        ({"attempt": 3, "retries": [message("skip_step", wave="db", step="x")]}, None),
        ({"attempt": 3, "retries": [message("complete_step", wave="db", step="x")]}, None),
        ({"attempt": 3, "retries": [message("rerun_step", wave="db", step="x")]}, None),
        ({"attempt": 3, "retries": [message("fail_step", wave="db", step="x")]}, "unsigned"),
        (
            {"attempt": 3, "retries": [message("retry_wave", wave="db", execution_id="x")]},
            "unsigned",
        ),
    ],
)
def test_a_launch_belongs_to_the_signed_plan_or_is_refused(
    forged: dict[str, Any], code: AccessCode | str | None
) -> None:
    expected = AccessCode.ATTEMPT_NOT_SIGNED if code == "unsigned" else code
    assert code_of(require_launch, replace(LAUNCH, **forged), grant(start()), PLAN) == expected


def test_a_planned_account_must_be_the_resolved_one() -> None:
    launch = replace(LAUNCH, wave_id="web", servers=WEB.servers, target=WEB.target)
    assert code_of(require_launch, launch, grant(start()), PLAN) is None
    other = WEB.target.model_copy(update={"account_id": "222222222222"})
    refused = code_of(require_launch, replace(launch, target=other), grant(start()), PLAN)
    assert refused is AccessCode.OTHER_TARGET


def test_a_relaunch_and_an_earlier_search_are_allowed_where_the_start_names_them() -> None:
    takeover = SignedTakeover(execution_id="crm-000000000000", since=500.0)
    signed = grant(start(relaunch=[server_id(0)], takeover=takeover))
    launch = replace(LAUNCH, relaunch=[server_id(0)], since=500.0)
    assert code_of(require_launch, launch, signed, PLAN) is None
    late = replace(launch, since=1000.0)
    assert code_of(require_launch, late, signed, PLAN) is AccessCode.OTHER_CONTENT


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("execution_id", "crm-ffffffffffff", AccessCode.OTHER_EXECUTION),
        ("plan_id", "erp", AccessCode.OTHER_PLAN),
        ("plan_hash", "1" * 64, AccessCode.OTHER_PLAN),
        ("execution_type", ExecutionType.RECOVERY, AccessCode.OTHER_CONTENT),
        ("start_time", 5000.0, AccessCode.OTHER_CONTENT),
        ("declared_time", 900.0, AccessCode.OTHER_CONTENT),
        ("relaunch", [server_id(0)], AccessCode.OTHER_CONTENT),
        ("takeover", SignedTakeover(execution_id="x", since=1), AccessCode.OTHER_CONTENT),
    ],
)
def test_a_start_is_what_was_signed(field: str, value: object, code: AccessCode) -> None:
    signed = grant(start())
    assert code_of(require_same, signed, start(), actor="ops") is None
    assert code_of(require_same, signed, start(**{field: value}), actor="ops") is code


def test_a_grant_is_of_its_actor_its_kind_and_its_time() -> None:
    signed = grant(start())
    assert code_of(require_same, signed, start(), actor="boss") is AccessCode.OTHER_ACTOR
    cleanup = CleanupSubject(execution_id=EXECUTION, plan_id="crm")
    assert code_of(require_same, signed, cleanup, actor="ops") is AccessCode.OTHER_KIND
    assert code_of(require_current, signed, now=1500.0) is None
    assert code_of(require_current, signed, now=2000.1) is AccessCode.EXPIRED
    assert code_of(require_current, signed, now=699.0) is AccessCode.NOT_YET_VALID


@pytest.mark.parametrize(
    ("answer", "job_id", "is_its"),
    [
        (message("launch_anyway", wave="Database", launch=ANSWERED), None, True),
        (message("launch_anyway", wave="db", launch=ANSWERED), None, True),
        (message("launch_anyway", wave="db", launch=f"{EXECUTION}/db/1/1"), None, False),
        (message("launch_anyway", wave="db"), None, False),
        (message("launch_anyway", wave="web", launch=ANSWERED), None, False),
        (message("launch_anyway", wave="db", launch=ANSWERED, execution_id="x"), None, False),
        (message("launch_anyway", wave="db", launch=ANSWERED), "drsjob-1", False),
        (message("adopt_job", wave="db", job="drsjob-1", launch=ANSWERED), "drsjob-1", True),
        (message("adopt_job", wave="db", job="drsjob-1"), "drsjob-1", False),
        (message("adopt_job", wave="db", job="drsjob-1", launch=ANSWERED), "drsjob-2", False),
        (message("adopt_job", wave="db", job="drsjob-1", launch=ANSWERED), None, False),
        (grant(start()), None, False),
    ],
)
def test_an_answer_about_a_launch_in_doubt_is_of_a_signed_message(
    answer: Grant, job_id: str | None, is_its: bool
) -> None:
    assert is_answer(answer, LAUNCH, PLAN, job_id) is is_its


def test_a_launch_is_from_the_snapshots_that_were_signed() -> None:
    read = {
        i: ServerSnapshots.of(i, [Snapshot(snapshot_id=SNAPSHOT, time=10.0)], around=20.0)
        for i in DB.server_ids[1:]
    }
    chosen = PLAN.at_point_in_time(PointInTime(time=20.0), read)
    servers = chosen.waves[0].servers
    signed = grant(start(points_hash=chosen.points_hash))
    launch = replace(LAUNCH, servers=servers[1:10])
    assert code_of(require_launch, launch, signed, chosen) is None
    # The first one has no snapshot, so nothing of it is launched: not its latest data either.
    for others in (servers[:1], DB.servers[1:2]):
        code = code_of(require_launch, replace(launch, servers=others), signed, chosen)
        assert code is AccessCode.OTHER_SERVERS


def test_another_choice_than_the_signed_one_is_refused() -> None:
    signed = grant(start(points_hash="a"))
    assert code_of(require_same, signed, start(points_hash="a"), actor="ops") is None
    for other in ("b", None):
        code = code_of(require_same, signed, start(points_hash=other), actor="ops")
        assert code is AccessCode.OTHER_PLAN
