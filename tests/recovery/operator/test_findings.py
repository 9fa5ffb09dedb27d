"""Which findings refuse a drill, and which somebody must accept."""

import pytest

from recovery.execution.state import ExecutionType
from recovery.operator.confirmation import (
    IntendedStart,
    RequestRefusalCode,
    findings_refusal,
)
from recovery.readiness.finding import Finding, FindingCode
from tests.findings import a_finding

DRILL = IntendedStart("crm", ExecutionType.DRILL)
RECOVERY = IntendedStart("crm", ExecutionType.RECOVERY)
LIVE = a_finding(FindingCode.LIVE_RECOVERY_INSTANCE, source_server_id="s-1")
LAGS = a_finding(FindingCode.RPO_EXCEEDED, source_server_id="s-1")
UNREAD = a_finding(FindingCode.PERMISSION_MISSING)
WARNING = a_finding(FindingCode.AGENT_UNSEEN, source_server_id="s-1")


@pytest.mark.parametrize("finding", [LIVE, LAGS, UNREAD, WARNING])
def test_a_recovery_is_never_blocked(finding: Finding) -> None:
    assert findings_refusal(RECOVERY, [finding], is_accepted=False) is None


def test_a_warning_needs_nobody() -> None:
    assert findings_refusal(DRILL, [WARNING], is_accepted=False) is None


@pytest.mark.parametrize(
    "code",
    [
        FindingCode.LIVE_RECOVERY_INSTANCE,
        FindingCode.WRONG_ACCOUNT,
        FindingCode.ISOLATION_IMPOSSIBLE,
    ],
)
def test_some_findings_refuse_a_drill_also_if_somebody_accepts_them(code: FindingCode) -> None:
    refusal = findings_refusal(DRILL, [a_finding(code), LAGS], is_accepted=True)
    assert refusal is not None
    assert refusal.code is RequestRefusalCode.FINDINGS_REFUSE
    assert code in refusal.text


def test_a_server_that_is_named_for_a_relaunch_does_not_refuse() -> None:
    start = IntendedStart("crm", ExecutionType.DRILL, relaunch=["s-1"])
    assert findings_refusal(start, [LIVE], is_accepted=False) is None


@pytest.mark.parametrize("finding", [LAGS, UNREAD])
def test_what_blocks_or_is_unknown_is_accepted_by_somebody(finding: Finding) -> None:
    refusal = findings_refusal(DRILL, [finding], is_accepted=False)
    assert refusal is not None
    assert refusal.code is RequestRefusalCode.FINDINGS_NOT_ACCEPTED
    assert findings_refusal(DRILL, [finding], is_accepted=True) is None
