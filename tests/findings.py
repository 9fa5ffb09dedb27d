"""Findings and results of looks, as tests need them."""

from typing import Any

from contract.readiness import Readiness, SourcesSeen, TargetContext, WorkerContext
from recovery.readiness.finding import Finding, FindingCode
from recovery.readiness.finding_kinds import FINDING_KINDS
from recovery.readiness.planned_target import finding_of
from recovery.readiness.verdict import status_of


def a_finding(code: FindingCode, message: str = "found", **fields: Any) -> Finding:
    """A finding of a code, with what is the same for all of its kind."""
    return finding_of(FINDING_KINDS[code], message).model_copy(update=fields)


def a_readiness(*findings: Finding, targets: tuple[TargetContext, ...] = ()) -> Readiness:
    """The result of a look."""
    return Readiness(
        looked_time=1_000_000.0,
        plan_hash="0" * 64,
        status=status_of(findings),
        context=WorkerContext(speed=1, targets=list(targets)),
        findings=list(findings),
        sources=SourcesSeen(total=0),
    )
