"""What a start of a portfolio asks for, and what steers one: whichever way it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol
from uuid import uuid4

from pydantic.dataclasses import dataclass

from contract.execution import Takeover
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.forecast.report import ForecastReport
from recovery.plan.model import RecoveryPlan
from recovery.plan.snapshots import PointInTime
from recovery.portfolio.messages import PortfolioMessage, PortfolioMessageName
from recovery.portfolio.model import DEADLINE_SECONDS, PortfolioMember
from recovery.portfolio.state import PlanReport, PortfolioState


@dataclass(frozen=True, config=Model.model_config)
class OrderedPlan:
    """A plan of a portfolio that is started.

    Attributes:
        takeover: the execution that its own continues.
        report: of an execution that runs or is up, so that the plan is not started.
    """

    member: PortfolioMember
    takeover: Takeover | None = None
    report: PlanReport | None = None


@dataclass(frozen=True, config=Model.model_config)
class PortfolioOrder:
    """A start of a portfolio.

    Attributes:
        confirmation: the PortfolioId as it was typed.
        point_in_time: what all its plans are recovered to; the choice is in the plans.
        from_execution: the execution of a portfolio that it continues.
        declared: when the disaster or the exercise was declared, from when its RTOs count (epoch
            seconds). Default: `continued_from`, or else its start.
        continued_from: from when the RTOs of the execution count that it continues.
        replace_drills: first cancel running drills of its plans; for real recoveries.
        accepted: by PlanId, the findings that somebody accepted for its drill, named.
        expected: the forecast that was shown.
        key: the same for each repetition of one start.
    """

    portfolio_id: str
    portfolio_name: str
    execution_type: ExecutionType
    plans: Sequence[OrderedPlan]
    confirmation: str | None = None
    deadline_seconds: float = DEADLINE_SECONDS
    point_in_time: PointInTime | None = None
    from_execution: str | None = None
    declared: float | None = None
    continued_from: float | None = None
    replace_drills: bool = False
    accepted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    expected: ForecastReport | None = None
    key: str = field(default_factory=lambda: uuid4().hex)

    @property
    def counted_from(self) -> float | None:
        """From when its RTOs count (epoch seconds); None: from its start."""
        return self.continued_from if self.declared is None else self.declared

    @property
    def to_start(self) -> list[RecoveryPlan]:
        """The plans that are started."""
        return [each.member.plan for each in self.plans if each.report is None]


class StartedPortfolio(Model):
    """The execution of a portfolio that was started.

    Attributes:
        temporal: the address and namespace of the Temporal that it runs on.
        is_queued: no worker runs, so it begins once one does.
    """

    execution_id: str
    portfolio_id: str
    temporal: str = ""
    is_queued: bool = False
    warnings: list[str] = []


class Portfolios(Protocol):
    """The portfolios of one installation.

    All methods raise RefusedError where something is refused or not known, and UnreachableError
    where Temporal, the workers or the API do not answer.
    """

    async def registered_plan(self, plan_id: str) -> RecoveryPlan:
        """The newest version of a registered plan."""

    async def require_startable(self, portfolio_id: str, *, replace_drills: bool = False) -> None:
        """Refuse a start that would be refused after its confirmation."""

    async def continuation(
        self, execution_id: str, execution_type: ExecutionType
    ) -> PortfolioOrder:
        """What starts the plans that an ended execution of a portfolio did not complete."""

    async def start(self, order: PortfolioOrder) -> StartedPortfolio:
        """Start a portfolio."""

    async def state(self, given: str) -> PortfolioState:
        """The state of an execution, or of the running or last one of a PortfolioId."""

    async def executions(self, limit: int) -> list[PortfolioState]:
        """The latest executions of portfolios, newest first."""

    async def send(
        self, state: PortfolioState, name: PortfolioMessageName, message: PortfolioMessage
    ) -> str | None:
        """Send a message to exactly this execution; its effect, None while no worker answers."""

    async def cancel(
        self, state: PortfolioState, *, reason: str, confirmation: str | None
    ) -> str | None:
        """Cancel exactly this execution, and the plans' executions that it started."""
