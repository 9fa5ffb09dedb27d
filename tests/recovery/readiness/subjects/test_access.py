"""Whether a real recovery can be started, from the worker's keys and their use."""

from typing import Any

import pytest

from recovery.plan.model import RecoveryRules
from recovery.readiness.failed_read import FailedRead
from recovery.readiness.finding import Finding, FindingCode, Severity
from recovery.readiness.subjects.access import AccessEvidence, access_findings
from tests.recovery.plans import diamond

NOW = 1_800_000_000.0
DAY = 86_400.0
FRESH: dict[str, Any] = {"break_glass_keys": ["safe"], "last_break_glass": NOW - DAY}


def judged(approvers: int = 0, **evidence: Any) -> list[Finding]:
    plan = diamond().model_copy(update={"recovery": RecoveryRules(approvers=approvers)})
    return list(access_findings(plan, AccessEvidence(**evidence), NOW))


def codes(found: list[Finding]) -> list[FindingCode]:
    return [each.code for each in found]


def test_a_plan_and_a_worker_that_ask_for_no_signature_need_no_key() -> None:
    assert judged() == []


@pytest.mark.parametrize("asks", [{"approvers": 2}, {"requires_signatures": True}])
def test_what_must_be_signed_needs_keys(asks: dict[str, Any]) -> None:
    (none,) = judged(**asks)
    assert (none.code, none.severity) == (FindingCode.NO_SIGNING_KEY, Severity.BLOCKS)
    assert codes(judged(**asks, **FRESH)) == [FindingCode.ONLY_BREAK_GLASS]
    assert codes(judged(**asks, signing_keys=1)) == [FindingCode.NO_BREAK_GLASS_KEY]
    assert judged(**asks, signing_keys=1, **FRESH) == []


def test_a_break_glass_key_that_was_not_used_for_180_days_is_untested() -> None:
    (never,) = judged(break_glass_keys=["safe"])
    assert (never.code, never.severity) == (FindingCode.BREAK_GLASS_UNTESTED, Severity.WARNS)
    (old,) = judged(break_glass_keys=["safe"], last_break_glass=NOW - 181 * DAY)
    assert old.message == "break-glass key safe was last used 181 days ago"
    assert judged(break_glass_keys=["safe"], last_break_glass=NOW - 179 * DAY) == []


def test_a_use_that_cannot_be_read_is_unknown() -> None:
    failed = FailedRead(action="dynamodb:Query", error="no", is_denied=True)
    (found,) = judged(break_glass_keys=["safe"], failed=failed)
    assert found.evidence["Permission"] == "dynamodb:Query"
    assert found.severity is Severity.UNKNOWN
