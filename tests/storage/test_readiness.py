"""Results of looks: each follows the one before it, the oldest are replaced."""

import pytest

from recovery.plan.model import Target
from recovery.readiness.finding import Finding, FindingCode
from recovery.readiness.result import KEPT_LOOKS, Lag, PlanReadiness, next_result
from recovery.readiness.verdict import ReadinessStatus, status_of
from settings import Settings
from storage import readiness
from storage.readiness import ReadinessTable, ServerEvidence
from tests.aws_in_process import LocalAws
from tests.findings import a_finding

NOW = 1_000_000.0


@pytest.fixture
async def table(aws: LocalAws) -> ReadinessTable:
    """The table, and nothing in it."""
    table = ReadinessTable(Settings())
    assert await table.create()
    return table


def result(
    before: PlanReadiness | None, *findings: Finding, time: float = NOW, lag: float = 0.0
) -> PlanReadiness:
    return next_result(
        before,
        plan_id="crm",
        plan_hash="f" * 64,
        looked_time=time,
        period_seconds=3600.0,
        status=status_of(findings),
        findings=findings,
        worst_lag=Lag(seconds=lag, source_server_id="s-1"),
    )


LAGS = a_finding(FindingCode.RPO_EXCEEDED, "lags", source_server_id="s-1")


async def test_a_result_is_kept_with_its_findings_and_those_before(table: ReadinessTable) -> None:
    ready = result(None)
    assert await table.record(ready, [], left_out=0)
    lost = result(ready, LAGS, time=NOW + 3600, lag=3000)
    assert await table.record(lost, [LAGS], left_out=2)

    known = await table.known("crm")
    assert known is not None
    assert known.readiness == lost
    assert (known.findings, known.left_out) == ([LAGS], 2)
    assert [look.status for look in known.looks] == ["NOT_READY", "READY"]
    assert await table.all_current() == {"crm": lost}
    assert await table.latest() == []


async def test_a_look_that_does_not_follow_the_last_one_is_not_written(
    table: ReadinessTable,
) -> None:
    first = result(None)
    assert await table.record(first, [], left_out=0)
    assert not await table.record(result(None, LAGS), [LAGS], left_out=0)
    second = result(first, time=NOW + 1)
    assert await table.record(second, [], left_out=0)
    assert not await table.record(result(first, LAGS, time=NOW + 2), [LAGS], left_out=0)
    assert await table.current("crm") == second


async def test_only_the_last_looks_are_kept(
    table: ReadinessTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "KEPT_LOOKS", 3)
    last = None
    for number in range(5):
        last = result(last, time=NOW + number)
        assert await table.record(last, [], left_out=0)
    assert [look.looked_time - NOW for look in await table.looks("crm")] == [4, 3, 2]
    assert KEPT_LOOKS == 400


async def test_evidence_of_servers_is_kept_by_target_and_subject(table: ReadinessTable) -> None:
    here, there = Target(region="us-west-2"), Target(region="eu-west-1")
    read = {"s-1": ServerEvidence(read_time=NOW, value={"TemplateId": "lt-1"})}
    await table.put_evidence(here, "launch_template", read)
    assert await table.evidence(here, "launch_template") == read
    assert await table.evidence(here, "snapshots") == {}
    assert await table.evidence(there, "launch_template") == {}


def test_readiness_is_lost_and_regained_once() -> None:
    first_bad = result(None, LAGS)
    assert (first_bad.is_lost, first_bad.is_regained) == (True, False)
    again = result(first_bad, LAGS, time=NOW + 1)
    assert (again.is_lost, again.is_regained, again.since) == (False, False, NOW)
    mended = result(again, time=NOW + 2)
    assert (mended.is_lost, mended.is_regained) == (False, True)
    still = result(mended, time=NOW + 3)
    assert (still.is_lost, still.is_regained) == (False, False)
    assert result(None).is_regained is False


@pytest.mark.parametrize(
    ("after", "plan_hash", "status"),
    [
        (7200, "f" * 64, ReadinessStatus.READY),
        (7201, "f" * 64, ReadinessStatus.STALE),
        (1, "0" * 64, ReadinessStatus.UNKNOWN),
        (1, None, ReadinessStatus.READY),
    ],
)
def test_a_result_is_bound_to_its_plan_and_its_time(
    after: float, plan_hash: str | None, status: ReadinessStatus
) -> None:
    assert result(None).at(NOW + after, plan_hash).status is status


def test_the_worst_lag_of_each_day_is_kept() -> None:
    first = result(None, time=0, lag=60)
    second = result(first, time=3600, lag=30)
    third = result(second, time=86_400, lag=10)
    assert third.lag_of_days == {"1970-01-01": 60.0, "1970-01-02": 10.0}
