"""What is known of source servers, plans and drills, from which gaps are judged."""

from collections.abc import Iterable, Iterator

from recovery.base_model import Model
from recovery.execution.state import ExecutionState, ExecutionType, PlanStatus
from recovery.plan.model import RecoveryPlan, Target
from recovery.readiness.failed_read import FailedRead

_OPEN = (PlanStatus.IN_PROGRESS, PlanStatus.PAUSED)
_PROVED = (PlanStatus.COMPLETED, PlanStatus.PARTIAL)


class ListedServer(Model):
    """A source server, as DRS lists it."""

    source_server_id: str
    server_name: str | None = None


class ListedTarget(Model):
    """The source servers of a target.

    Attributes:
        target: whose `account_id` is what a plan says.
        account_id: which the worker acts in there, if it is known.
        failed: why they could not be read.
    """

    target: Target
    account_id: str | None = None
    servers: list[ListedServer] = []
    failed: FailedRead | None = None


class EndedDrill(Model):
    """A drill that has ended.

    Attributes:
        plan_hash: of the plan as its file had it.
    """

    execution_id: str
    plan_id: str
    plan_hash: str
    status: PlanStatus
    end_time: float

    @property
    def proves_plan(self) -> bool:
        """Whether it counts as a drill of its plan: it was COMPLETED or PARTIAL."""
        return self.status in _PROVED

    @classmethod
    def of(cls, state: ExecutionState) -> "EndedDrill | None":
        """The drill of an execution; None if it is no drill, or has not ended."""
        is_drill = state.execution_type is ExecutionType.DRILL
        if not is_drill or state.end_time is None or state.status in _OPEN:
            return None
        return cls.model_validate(dict(state) | {"plan_hash": state.registered_hash})


class DrillRecord(Model):
    """The drills of a plan that count.

    Attributes:
        proved: the last one that was COMPLETED or PARTIAL.
        failed: the last one that was not, if it is newer.
    """

    proved: EndedDrill | None = None
    failed: EndedDrill | None = None


class DrillRecords:
    """The drills of all plans, of executions that are read from the newest to the oldest."""

    def __init__(self, plan_ids: Iterable[str]) -> None:
        self._missing = set(plan_ids)
        self._known: dict[str, DrillRecord] = {}

    @property
    def are_complete(self) -> bool:
        """Whether older executions change nothing."""
        return not self._missing

    def add(self, state: ExecutionState) -> None:
        """Note an execution."""
        drill = EndedDrill.of(state)
        if drill is None or drill.plan_id not in self._missing:
            return
        record = self._known.setdefault(drill.plan_id, DrillRecord())
        if drill.proves_plan:
            record.proved = drill
            self._missing.discard(drill.plan_id)
        elif record.failed is None:
            record.failed = drill

    def of(self, plan_id: str) -> DrillRecord:
        """The drills of a plan."""
        return self._known.get(plan_id, DrillRecord())


class CoverageEvidence(Model):
    """All that coverage is judged from.

    Attributes:
        plans: the newest version of each registered plan.
        drills: by PlanId; None if they are not known.
        unread: what could not be read beside targets, each with what to do.
    """

    targets: list[ListedTarget] = []
    plans: list[RecoveryPlan] = []
    drills: dict[str, DrillRecord] | None = {}
    unread: list[str] = []

    def account_of(self, target: Target) -> str | None:
        """The account of a target, as the worker sees it, or else as a plan says."""
        seen = {each.target: each.account_id for each in self.targets}
        bare = target.model_copy(update={"account_id": None})
        return seen.get(target, seen.get(bare)) or target.account_id or target.role_account_id

    def listed_servers(self) -> Iterator[tuple[ListedTarget, ListedServer]]:
        """Each source server once: several roles may act in one account."""
        seen = set[tuple[str | None, str, str]]()
        for target in self.targets:
            account_id = self.account_of(target.target)
            for server in target.servers:
                key = account_id, target.target.region, server.source_server_id
                if key not in seen:
                    seen.add(key)
                    yield target, server
