"""Which requests need a confirmation, and which one."""

from typing import Any

import pytest

from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import (
    IntendedStart,
    RequestRefusalCode,
    cancel_refusal,
    cleanup_refusal,
    start_options_refusal,
    start_refusal,
)

DRILL, RECOVERY = ExecutionType.DRILL, ExecutionType.RECOVERY
MISSING, WRONG = RequestRefusalCode.MISSING, RequestRefusalCode.WRONG
SERVER = "s-00000000000000001"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (RECOVERY, {}),
        (RECOVERY, {"replaces_drill": True}),
        (DRILL, {"relaunch": [SERVER]}),
        (DRILL, {"relaunch": [SERVER], "server_ids": [SERVER]}),
        (DRILL, {"plan_changes": ["~ plan: RTO (none) → 60"]}),
    ],
)
def test_what_cannot_be_taken_back_is_started_with_the_plan_id_only(
    kind: ExecutionType, fields: dict[str, Any]
) -> None:
    start = IntendedStart("crm", kind, **fields)
    for given, code in ((None, MISSING), ("crn", WRONG), ("", WRONG)):
        refused = start_refusal(start, given)
        assert refused is not None
        assert refused.code is code
        assert refused.text.startswith("nothing was started: ")
    assert start_refusal(start, "crm") is None


def test_a_drill_needs_no_confirmation_but_a_wrong_one_is_a_slip() -> None:
    drill = IntendedStart("crm", DRILL, is_cleaned_up=True)
    assert start_refusal(drill, None) is None
    assert start_refusal(drill, "crm") is None
    refused = start_refusal(drill, "erp")
    assert refused is not None
    assert refused.code is WRONG


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        (DRILL, {"replaces_drill": True}, RequestRefusalCode.NOT_FOR_A_DRILL),
        (RECOVERY, {"is_cleaned_up": True}, RequestRefusalCode.NOT_FOR_A_RECOVERY),
        (
            RECOVERY,
            {"relaunch": [SERVER], "server_ids": ["s-00000000000000002"]},
            RequestRefusalCode.UNKNOWN_SERVERS,
        ),
        (RECOVERY, {"needs_signature": True}, RequestRefusalCode.NOT_SIGNED),
    ],
)
def test_no_confirmation_helps_where_options_do_not_go_together(
    kind: ExecutionType, fields: dict[str, Any], code: RequestRefusalCode
) -> None:
    start = IntendedStart("crm", kind, **fields)
    for refused in (start_refusal(start, "crm"), start_options_refusal(start)):
        assert refused is not None
        assert refused.code is code


def test_a_signed_start_has_what_the_rules_of_its_plan_need() -> None:
    start = IntendedStart("crm", RECOVERY, needs_signature=True, is_signed=True)
    assert start_refusal(start, "crm") is None
    refused = start_options_refusal(IntendedStart("crm", RECOVERY, needs_signature=True))
    assert refused is not None
    assert "with --break-glass REASON --key FILE" in refused.text


def test_a_relaunch_names_the_servers_that_are_not_of_the_plan() -> None:
    start = IntendedStart("crm", DRILL, relaunch=[SERVER], server_ids=[])
    refused = start_options_refusal(start)
    assert refused is not None
    assert f"{SERVER}, which crm does not launch" in refused.text


@pytest.mark.parametrize("kind", [RECOVERY, None])
def test_an_execution_of_unknown_type_is_cancelled_as_a_recovery(
    kind: ExecutionType | None,
) -> None:
    refused = cancel_refusal("crm", kind, None)
    assert refused is not None
    assert refused.code is MISSING
    assert cancel_refusal("crm", kind, "crm") is None
    assert cancel_refusal("crm", DRILL, None) is None


def test_a_recoverys_instances_are_terminated_by_force_and_with_the_plan_id() -> None:
    unforced = cleanup_refusal("crm", RECOVERY, "crm", is_forced=False)
    unconfirmed = cleanup_refusal("crm", RECOVERY, None)
    assert unforced is not None
    assert unconfirmed is not None
    assert unforced.code is RequestRefusalCode.NOT_FORCED
    assert unconfirmed.code is MISSING
    assert unconfirmed.text.startswith("nothing was terminated: ")
    assert cleanup_refusal("crm", RECOVERY, "crm") is None
    assert cleanup_refusal("crm", DRILL, None, is_forced=False) is None
    wrong = cleanup_refusal("crm", DRILL, "erp", is_forced=False)
    assert wrong is not None
    assert wrong.code is WRONG
