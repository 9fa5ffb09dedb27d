"""The report of a portfolio as programs read it. Times are epoch seconds."""

from recovery.base_model import Model
from recovery.execution.state import ExecutionType, PlanStatus
from recovery.plan.snapshots import PointInTime
from recovery.portfolio.state import MemberStatus, PortfolioMessageRecord, PortfolioState
from recovery.report.action_items import ActionItem
from recovery.report.declaration import Declaration, MeasuredFrom
from recovery.report.model import (
    MeasuredRpo,
    MeasuredRto,
    MeasuredTime,
    ReportedDecision,
    ReportRecord,
    ReportVerdict,
)

# Raised when a key is removed or renamed, or its type or meaning changes; not when one is added.
VERSION = 1


class PortfolioRecord(Model):
    """What the tables have of a portfolio, from which its report is made.

    Attributes:
        executions: by execution ID, those of its plans that are recorded.
    """

    state: PortfolioState
    executions: dict[str, ReportRecord] = {}
    declarations: list[Declaration] = []


class ReportedMember(Model):
    """A plan of a portfolio as it ended. `report EXECUTION` has its own report.

    Attributes:
        execution_id: the execution that ran for it; None if none was started.
        is_attached: the portfolio did not start that execution.
        is_recorded: the history has that execution; without it, what is measured is not known.
        rto: from the portfolio's declaration.
        verdict: of its own report, measured from the portfolio's declaration.
        decisions: of operators, those about its part in the portfolio first.
        not_tested: the steps that this kind of execution left out.
    """

    plan_id: str
    plan_name: str
    status: MemberStatus
    status_reason: str = ""
    depends_on: list[str] = []
    execution_id: str | None = None
    is_attached: bool = False
    is_recorded: bool = False
    start_time: float | None = None
    end_time: float | None = None
    waves: int = 0
    servers: int = 0
    servers_launched: int = 0
    verdict: ReportVerdict | None = None
    rto: MeasuredRto | None = None
    recovery_points: MeasuredRpo | None = None
    decisions: list[ReportedDecision] = []
    not_tested: list[str] = []
    problems: list[str] = []
    open_action_items: int = 0


class PortfolioReport(Model):
    """The report of a portfolio.

    Attributes:
        report_version: of this form.
        generated_time: when it was made.
        since: what the times are measured from.
        launched: to the last server of all plans that was launched.
        complete: to the end of the last plan; None unless every plan is up.
        sandbox_speed: how much faster than DRS the simulation was; None on real AWS.
        action_items: of all plans.
    """

    report_version: int = VERSION
    generated_time: float
    execution_id: str
    portfolio_id: str
    portfolio_name: str
    execution_type: ExecutionType
    status: PlanStatus
    status_reason: str = ""
    is_over: bool
    started_by: str
    start_time: float
    end_time: float | None = None
    from_execution: str | None = None
    point_in_time: PointInTime | None = None
    sandbox_speed: float | None = None
    method: list[str]
    since: float
    measured_from: MeasuredFrom
    declarations: list[Declaration] = []
    launched: MeasuredTime | None = None
    complete: MeasuredTime | None = None
    verdict: ReportVerdict
    plans: list[ReportedMember]
    messages: list[PortfolioMessageRecord] = []
    action_items: list[ActionItem] = []
