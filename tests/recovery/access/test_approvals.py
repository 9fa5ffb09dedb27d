"""Whose approvals count for a launch, and what weakens the approvals of a plan."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.access.approvals import Approval, passed_by_break_glass, weakens_approvals
from recovery.access.binding import require_launch
from recovery.access.grants import AccessCode, Grant
from recovery.execution.state import ExecutionType
from recovery.plan.model import RecoveryPlan, RecoveryRules, Wave
from recovery.steps.model import StepKind
from tests.recovery.access.test_binding import (
    DB,
    LAUNCH,
    PLAN,
    WEB,
    code_of,
    grant,
    message,
    start,
)
from tests.recovery.step_plans import plan_with_steps, read, step

RECOVERY = ExecutionType.RECOVERY
MISSING = AccessCode.APPROVAL_NOT_SIGNED


def plan_with(*, approval: bool = False, **rules: Any) -> RecoveryPlan:
    """The plan with these rules, and perhaps an approval of its database."""
    waves = [DB.model_copy(update={"approval_required": approval}), WEB]
    return PLAN.model_copy(update={"recovery": RecoveryRules(**rules), "waves": waves})


def approval(name: str, actor: str, **changes: Any) -> Approval:
    """An approval that an approver signed at 1000, valid until 2000, and accepted at 1500."""
    accepted, roles = changes.pop("accepted", 1500.0), changes.pop("roles", ["approver"])
    glass = changes.pop("break_glass", None)
    signed = message(name, **changes)
    updated = {"actor": actor, "roles": roles, "break_glass": glass}
    return Approval(signed.model_copy(update=updated), accepted)


def launched(
    plan: RecoveryPlan, *approvals: Approval, signed: Grant | None = None, started: float = 1600.0
) -> AccessCode | None:
    """Why a launch of the database of a recovery is refused; None if it is not."""
    launch = replace(LAUNCH, is_drill=False, approvals=approvals, wave_started=started)
    return code_of(require_launch, launch, signed or grant(start(execution_type=RECOVERY)), plan)


ANN, BOB, OPS = (approval("approve_recovery", who) for who in ("ann", "bob", "ops"))


@pytest.mark.parametrize(
    ("approvals", "code"),
    [
        ([], MISSING),
        ([ANN], MISSING),
        ([ANN, ANN], MISSING),
        ([ANN, OPS], MISSING),
        ([ANN, BOB], None),
        ([ANN, BOB, OPS], None),
        ([ANN, approval("approve_recovery", "bob", approve=False)], MISSING),
        ([ANN, approval("approve_recovery", "bob", Approve=False)], MISSING),
        ([ANN, approval("approve_recovery", "bob", roles=["operator"])], MISSING),
        ([ANN, approval("approve_recovery", "bob", roles=["admin"])], None),
        ([ANN, approval("approve_recovery", "bob", execution_id="crm-ffffffffffff")], MISSING),
        ([ANN, approval("approve_recovery", "bob", accepted=2000.1)], MISSING),
        ([ANN, approval("approve_recovery", "bob", accepted=600.0)], MISSING),
        ([ANN, approval("approve_wave", "bob", wave="db")], MISSING),
        ([ANN, approval("pause", "bob")], MISSING),
        ([ANN, approval("approve", "bob")], MISSING),
        ([ANN, Approval(grant(start()), 1500.0)], MISSING),
        ([approval("approve_recovery", "safe", roles=[], break_glass="lost")], None),
    ],
)
def test_a_recovery_launches_with_the_signed_approvals_of_other_approvers_only(
    approvals: list[Approval], code: AccessCode | None
) -> None:
    assert launched(plan_with(approvers=2), *approvals) is code


def test_a_drill_and_a_start_by_break_glass_need_no_approval_of_the_recovery() -> None:
    plan = plan_with(approvers=2)
    assert code_of(require_launch, LAUNCH, grant(start()), plan) is None
    offline = grant(start(execution_type=RECOVERY), break_glass="the Region is lost")
    assert launched(plan_with(approvers=2, approval=True), signed=offline) is None


@pytest.mark.parametrize(
    ("actor", "changes", "code"),
    [
        ("ann", {}, None),
        ("ann", {"wave": "DATABASE"}, None),
        ("ann", {"wave": "web"}, MISSING),
        ("ann", {"approve": False}, MISSING),
        ("ann", {"roles": ["operator"]}, MISSING),
        ("ann", {"execution_id": "crm-ffffffffffff"}, MISSING),
        ("ann", {"accepted": 2000.1}, MISSING),
        ("ann", {"expires_in_seconds": 60.0}, None),
        ("ops", {}, MISSING),
        ("ops", {"break_glass": "lost"}, None),
    ],
)
def test_a_wave_that_needs_approval_launches_with_a_signed_one_of_its_own_only(
    actor: str, changes: dict[str, Any], code: AccessCode | None
) -> None:
    plan = plan_with(approval=True, starter_may_approve=False)
    assert launched(plan) is MISSING
    given = approval("approve_wave", actor, **{"wave": "db"} | changes)
    assert launched(plan, given) is code


def test_a_starter_may_approve_waves_unless_the_plan_says_otherwise() -> None:
    own = approval("approve_wave", "ops", wave="db")
    assert launched(plan_with(approval=True), own) is None
    assert launched(plan_with(approval=True), approval("approve_recovery", "ops")) is MISSING


def test_an_approval_that_had_expired_when_its_wave_was_started_launches_nothing() -> None:
    given = approval("approve_wave", "ann", wave="db", expires_in_seconds=600.0)
    assert launched(plan_with(approval=True), given, started=2000.0) is None
    assert launched(plan_with(approval=True), given, started=9000.0) is MISSING


def renamed(wave: Wave, **fields: Any) -> RecoveryPlan:
    """The plan with its database under other fields."""
    return PLAN.model_copy(update={"waves": [wave.model_copy(update=fields), WEB]})


@pytest.mark.parametrize(
    ("old", "new", "weaker"),
    [
        (PLAN, PLAN, ""),
        (PLAN, plan_with(approvers=2, approval=True, author_may_start=False), ""),
        (plan_with(approvers=2), plan_with(approvers=1), "Approvers 2 → 1"),
        (plan_with(author_may_start=False), PLAN, "AuthorMayStart"),
        (plan_with(starter_may_approve=False), PLAN, "StarterMayApprove"),
        (plan_with(approval=True), PLAN, "wave db"),
        (plan_with(approval=True), renamed(DB, wave_id="other"), "wave other"),
        (plan_with(approval=True), renamed(DB, wave_id="o", approval_required=True), ""),
        (plan_with(approval=True), PLAN.model_copy(update={"waves": [WEB]}), ""),
    ],
)
def test_a_version_weakens_a_plan_if_it_asks_for_less_approval(
    old: RecoveryPlan, new: RecoveryPlan, weaker: str
) -> None:
    found = weakens_approvals(old, new)
    assert weaker in "; ".join(found)
    assert bool(found) is bool(weaker)


def test_what_break_glass_passes_is_said_before_the_start() -> None:
    plan = plan_with(approvers=2, approval=True, author_may_start=False)
    assert passed_by_break_glass(plan, RECOVERY) == [
        "2 approvals of the recovery",
        "the bar on the plan's author",
        "the approval of Database",
    ]
    assert passed_by_break_glass(plan, ExecutionType.DRILL) == ["the approval of Database"]
    assert passed_by_break_glass(PLAN, RECOVERY) == []


def test_a_cutover_under_another_name_keeps_its_approval() -> None:
    content = plan_with_steps([], cutover=[step(StepKind.LAMBDA)])
    content["Waves"][-1]["ApprovalRequired"] = True
    old = read(content)
    content["Waves"][-1] |= {"WaveId": "other", "ApprovalRequired": False}
    assert weakens_approvals(old, read(content)) == ["wave other without ApprovalRequired"]
    content["Waves"][-1]["Steps"] = [step(StepKind.ALARM)]
    assert not weakens_approvals(old, read(content))
