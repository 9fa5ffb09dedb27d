"""What a portfolio's workflow asks its activities about the executions of its plans."""

from enum import StrEnum

from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.portfolio.state import PlanReport


class PlanStartRequest(Model):
    """Start a plan's execution, once.

    Attributes:
        start: packed.
        portfolio: the portfolio's execution ID.
        replace_drill: first cancel a running drill of the plan.
    """

    start: str
    portfolio: str
    priority: int
    replace_drill: bool = False


class PlanStartOutcome(StrEnum):
    """What became of a plan's start."""

    STARTED = "STARTED"
    FOLLOWED = "FOLLOWED"
    """Another execution of the same type runs already; it counts as the plan's."""
    HELD = "HELD"
    """An execution of the other type runs; the start is asked for again."""
    REFUSED = "REFUSED"


class PlanStartResult(Model):
    """The outcome of a plan's start, and the execution that runs."""

    outcome: PlanStartOutcome
    execution_id: str
    reason: str = ""


class PlanWatchRequest(Model):
    """Await a change of a plan's execution.

    Attributes:
        execution_id: the one that is known.
        since: an execution of the plan that started later counts as the plan's (epoch seconds).
        known: the last report; None if there is none.
        awaited: waves of which other plans wait.
        poll_seconds: between looks, at speed 1.
        quiet_seconds: after which a change that nothing waits for is reported, at speed 1.
        heartbeat_seconds: between heartbeats, at any speed.
    """

    plan_id: str
    execution_id: str
    execution_type: ExecutionType
    since: float
    known: PlanReport | None = None
    awaited: list[str] = []
    poll_seconds: float
    quiet_seconds: float
    heartbeat_seconds: float


class PlanExecution(Model):
    """An execution of a plan."""

    plan_id: str
    execution_id: str


class PlansCancelRequest(Model):
    """Cancel executions, and await their ends for a while.

    Attributes:
        reason: as Temporal keeps it.
    """

    executions: list[PlanExecution]
    execution_type: ExecutionType
    reason: str


class PlansCancelResult(Model):
    """What is known of the executions, by PlanId, after they were cancelled."""

    reports: dict[str, PlanReport]


class PortfolioRecordRequest(Model):
    """Write the state of a portfolio's workflow, which is read by query, to the history.

    Attributes:
        has_starts: also the starts of its plans.
    """

    workflow_id: str
    run_id: str
    has_starts: bool
