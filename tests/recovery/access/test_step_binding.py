"""A step belongs to a signed start and its plan, or is refused with the reason."""

from dataclasses import replace
from typing import Any

import pytest

from recovery.access.grants import AccessCode, Grant
from recovery.access.step_binding import (
    RequestedDecision,
    RequestedStep,
    require_decision,
    require_step,
)
from recovery.execution.state import ExecutionType
from recovery.plan.model import RecoveryPlan, Server, Target, Wave
from recovery.steps.model import Manual, Step, StepPhase
from tests.recovery.access.test_binding import EXECUTION, code_of, grant, message, start
from tests.recovery.plans import role_arn, server_id

PROMOTE = Step.model_validate(
    {"StepId": "promote", "When": "DRILL", "Retries": 1, "Lambda": {"FunctionName": "promote"}}
)
NOTIFY = Step.model_validate(
    {
        "StepId": "notify",
        "When": "RECOVERY",
        "RoleArn": role_arn("222222222222"),
        "AccountId": "222222222222",
        "Lambda": {"FunctionName": "notify"},
    }
)
LAST = PROMOTE.model_copy(update={"step_id": "last"})
PLAN = RecoveryPlan(
    plan_id="crm",
    waves=[
        Wave(
            wave_id="db",
            region="us-west-2",
            servers=[Server(source_server_id=server_id(1))],
            post_launch_steps=[PROMOTE, NOTIFY],
        ),
        Wave(
            wave_id="web",
            region="us-west-2",
            servers=[Server(source_server_id=server_id(2))],
            approval_required=True,
            post_launch_steps=[PROMOTE],
        ),
    ],
)
DB = PLAN.waves[0]
STEP = RequestedStep(
    execution_id=EXECUTION,
    execution_type=ExecutionType.DRILL,
    wave_id="db",
    phase=StepPhase.POST_LAUNCH,
    step=PROMOTE,
    attempt=1,
    target=Target(region="us-west-2"),
)
OTHER_FUNCTION = PROMOTE.model_copy(
    update={"lambda_": PROMOTE.spec.model_copy(update={"function_name": "delete"})}
)


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        ({}, None),
        ({"attempt": 2}, None),
        ({"execution_id": "crm-ffffffffffff"}, AccessCode.OTHER_EXECUTION),
        ({"execution_type": ExecutionType.RECOVERY}, AccessCode.OTHER_CONTENT),
        ({"wave_id": "other"}, AccessCode.OTHER_WAVE),
        ({"step": OTHER_FUNCTION}, AccessCode.OTHER_CONTENT),
        ({"step": PROMOTE.model_copy(update={"step_id": "x"})}, AccessCode.OTHER_CONTENT),
        ({"step": PROMOTE.model_copy(update={"idempotent": True})}, AccessCode.OTHER_CONTENT),
        ({"step": NOTIFY}, AccessCode.OTHER_CONTENT),
        ({"phase": StepPhase.PRE_LAUNCH}, AccessCode.OTHER_CONTENT),
        ({"target": Target(region="eu-west-1")}, AccessCode.OTHER_TARGET),
        (
            {"target": Target(region="us-west-2", role_arn=role_arn("333333333333"))},
            AccessCode.OTHER_TARGET,
        ),
        ({"attempt": 0}, AccessCode.ATTEMPT_NOT_SIGNED),
        ({"attempt": 3}, AccessCode.ATTEMPT_NOT_SIGNED),
        ({"wave_id": "web"}, AccessCode.APPROVAL_NOT_SIGNED),
        ({"server_ids": [server_id(1)]}, None),
        ({"server_ids": [server_id(2)]}, AccessCode.OTHER_SERVERS),
        ({"servers": [(server_id(2), Target(region="us-west-2"))]}, None),
        ({"servers": [(server_id(2), Target(region="eu-west-1"))]}, AccessCode.OTHER_SERVERS),
        ({"servers": [(server_id(3), Target(region="us-west-2"))]}, AccessCode.OTHER_SERVERS),
        # What an earlier execution ran counts on, as its wave's workflow says.
        ({"attempt": 5, "earlier_attempts": 3}, None),
        ({"attempt": 6, "earlier_attempts": 3}, AccessCode.ATTEMPT_NOT_SIGNED),
    ],
)
def test_a_step_runs_as_the_signed_plan_has_it(
    forged: dict[str, Any], code: AccessCode | None
) -> None:
    signed = grant(start(plan_hash=PLAN.plan_hash))
    assert code_of(require_step, replace(STEP, **forged), signed, PLAN) is code


def rerun(**fields: Any) -> Grant:
    return message("rerun_step", **{"wave": "db", "step": "promote"} | fields)


@pytest.mark.parametrize(
    ("messages", "most"),
    [
        ([], 2),
        ([rerun()], 4),
        ([rerun(), rerun()], 4),
        ([rerun(), rerun(nonce="2")], 6),
        ([message("retry_wave", wave="db")], 4),
        # It may have begun another attempt of the wave, in which this step runs again.
        ([rerun(step="other")], 4),
        ([message("accept_wave", wave="db")], 4),
        ([message("skip_step", wave="db", step="other")], 4),
        ([message("complete_step", wave="db", step="other")], 4),
        ([message("fail_step", wave="db", step="promote")], 2),
        ([rerun(wave="web")], 2),
        ([rerun(execution_id="crm-ffffffffffff")], 2),
        ([message("pause")], 2),
    ],
)
def test_each_further_row_of_attempts_follows_a_signed_message(
    messages: list[Grant], most: int
) -> None:
    signed = grant(start(plan_hash=PLAN.plan_hash))
    for attempt, code in ((most, None), (most + 1, AccessCode.ATTEMPT_NOT_SIGNED)):
        asked = replace(STEP, attempt=attempt, messages=messages)
        assert code_of(require_step, asked, signed, PLAN) is code


def test_a_step_acts_in_its_own_target_or_else_in_the_waves() -> None:
    assert DB.target_of(PROMOTE) == DB.target
    assert DB.target_of(NOTIFY) == Target(
        region="us-west-2", role_arn=role_arn("222222222222"), account_id="222222222222"
    )


OPEN = Step.model_validate(
    {"StepId": "open", "When": "DRILL", "Manual": {"Instruction": "Open the gate"}}
)
GATED = RecoveryPlan(
    plan_id="crm",
    waves=[
        Wave(wave_id="db", region="us-west-2", servers=[], steps=[PROMOTE, OPEN, LAST]),
    ],
)
COMPLETED = message("complete_step", wave="db", step="open", outputs={"Ticket": "7"})


@pytest.mark.parametrize(
    ("step", "messages", "code"),
    [
        (PROMOTE, [], None),
        (LAST, [], AccessCode.DECISION_NOT_SIGNED),
        (LAST, [COMPLETED], None),
        (LAST, [message("skip_step", wave="db", step="open")], None),
        (LAST, [message("fail_step", wave="db", step="open")], AccessCode.DECISION_NOT_SIGNED),
        (LAST, [message("complete_step", wave="db", step="x")], AccessCode.DECISION_NOT_SIGNED),
        (LAST, [message("complete_step", wave="db")], AccessCode.DECISION_NOT_SIGNED),
        (LAST, [message("complete_step", wave="w", step="open")], AccessCode.DECISION_NOT_SIGNED),
        (
            LAST,
            [message("complete_step", wave="db", step="open", execution_id="crm-ffffffffffff")],
            AccessCode.DECISION_NOT_SIGNED,
        ),
    ],
)
def test_a_step_after_a_manual_one_needs_a_signed_word_of_an_operator(
    step: Step, messages: list[Grant], code: AccessCode | None
) -> None:
    signed = grant(start(plan_hash=GATED.plan_hash))
    asked = replace(STEP, phase=StepPhase.ALONE, step=step, messages=messages)
    assert code_of(require_step, asked, signed, GATED) is code


ASKS = Manual.model_validate(
    {"Instruction": "Count", "Inputs": [{"Name": "Rows", "Type": "NUMBER"}]}
)
DECISION = RequestedDecision(
    "complete_step", "db", step_id="count", manual=ASKS, author=("ops", "seen"), outputs={"Rows": 3}
)
SAID: dict[str, Any] = {
    "wave": "db",
    "step": "count",
    "actor": "ops",
    "reason": "seen",
    "outputs": {"Rows": "3"},
}


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        ("complete_step", {}, None),
        # It would fit any step of the wave.
        ("complete_step", {"step": None}, AccessCode.OTHER_CONTENT),
        ("skip_step", {"outputs": None}, AccessCode.OTHER_CONTENT),
        ("complete_step", {"step": "other"}, AccessCode.OTHER_CONTENT),
        ("complete_step", {"wave": "web"}, AccessCode.OTHER_CONTENT),
        ("complete_step", {"outputs": {"Rows": "4"}}, AccessCode.OTHER_CONTENT),
        ("complete_step", {"actor": "boss"}, AccessCode.OTHER_CONTENT),
        ("complete_step", {"reason": "not seen"}, AccessCode.OTHER_CONTENT),
        ("complete_step", {"execution_id": "crm-ffffffffffff"}, AccessCode.OTHER_EXECUTION),
        ("complete", {}, AccessCode.MALFORMED),
    ],
)
def test_a_wave_applies_a_decision_only_as_it_was_signed(
    name: str, said: dict[str, Any], code: AccessCode | None
) -> None:
    fields = {key: value for key, value in (SAID | said).items() if value is not None}
    signed = message(name, **fields)
    operator = signed.model_copy(update={"roles": ["operator"]})
    assert code_of(require_decision, operator, start(), PLAN, DECISION) is code
    assert code_of(require_decision, signed, start(), PLAN, DECISION) in (
        AccessCode.OTHER_ACTOR,
        AccessCode.OTHER_EXECUTION,
    )


def test_a_launch_is_accepted_only_by_the_signed_message_that_does() -> None:
    accepted = RequestedDecision("accept_wave", "db")
    for name, code in (("accept_wave", None), ("retry_wave", AccessCode.OTHER_CONTENT)):
        signed = message(name, wave="db").model_copy(update={"roles": ["operator"]})
        assert code_of(require_decision, signed, start(), PLAN, accepted) is code
