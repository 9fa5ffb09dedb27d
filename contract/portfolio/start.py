"""The input of a portfolio's workflow, and the starts of its plans that it carries."""

import base64
import zlib

from contract.execution import StartExecution
from recovery.base_model import Model
from recovery.execution.state import ExecutionType
from recovery.plan.snapshots import PointInTime
from recovery.portfolio.model import DEADLINE_SECONDS
from recovery.portfolio.state import MemberState, PortfolioState

# Temporal takes 2 MiB as an input.
MAX_INPUT_BYTES = 2_000_000


class StartPortfolio(Model):
    """Input of a portfolio's workflow.

    Attributes:
        execution_id: its own ID; it survives resets.
        confirmation: the PortfolioId, typed by the operator; a recovery is refused without it.
        plans: with the status that they begin with; one that an earlier execution of the portfolio
            completed has a report.
        starts: by PlanId, what `packed_start` has made of its start, which is signed where starts
            are. The portfolio's workflow cannot change it, and neither can who writes to Temporal.
        from_execution: the execution that it continues.
        declared_time: from when the RTOs count (epoch seconds); None: from its start.
        replace_drills: first cancel a running drill of each plan.
    """

    execution_id: str
    portfolio_id: str
    portfolio_name: str
    execution_type: ExecutionType = ExecutionType.DRILL
    started_by: str = "unknown"
    start_time: float
    declared_time: float | None = None
    confirmation: str | None = None
    replace_drills: bool = False
    deadline_seconds: float = DEADLINE_SECONDS
    point_in_time: PointInTime | None = None
    from_execution: str | None = None
    expected_seconds: float | None = None
    is_signed: bool = False
    plans: list[MemberState]
    starts: dict[str, str]


def packed_start(start: StartExecution) -> str:
    """A plan's start, compressed, so that those of hundreds of plans are one input."""
    text = start.model_dump_json(exclude_none=True)
    return base64.b64encode(zlib.compress(text.encode(), level=9)).decode()


def unpacked_start(packed: str) -> StartExecution:
    """The start that `packed_start` has compressed."""
    return StartExecution.model_validate_json(zlib.decompress(base64.b64decode(packed)))


def packed_portfolio(state: PortfolioState) -> bytes:
    """A portfolio's state, compressed: that of 500 plans that all ask is more than 2 MB."""
    return zlib.compress(state.model_dump_json(exclude_none=True).encode())


def unpacked_portfolio(packed: bytes) -> PortfolioState:
    """The state that `packed_portfolio` has compressed."""
    return PortfolioState.model_validate_json(zlib.decompress(packed))


class PortfolioContext(Model):
    """What a portfolio's workflow needs to know of its workers."""

    speed: float
