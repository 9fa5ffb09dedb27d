"""The input of the notifier, and the requests of its activities."""

import base64
import zlib

from contract.identifiers import plan_workflow_id, portfolio_workflow_id
from recovery.base_model import Model
from recovery.execution.notification_problem import NotificationProblem
from recovery.execution.state import PlanStatus
from recovery.notify.events import NotifiedExecution
from recovery.notify.notifier_state import NotifierState, NotifyUpdate
from recovery.plan.model import PlanChannel


def workflow_id_of(execution: NotifiedExecution) -> str:
    """The workflow ID of an execution, of a plan or a portfolio."""
    own = portfolio_workflow_id if execution.is_portfolio else plan_workflow_id
    return own(execution.plan_id)


class NotifyReport(Model):
    """What a workflow reports to the notifier.

    Attributes:
        update: without routes, which the worker adds.
        plan_channels: the channels that the plan names.
    """

    update: NotifyUpdate
    plan_channels: list[PlanChannel] = []


class NotificationProblems(Model):
    """Signal to a plan's or portfolio's workflow: which channels its messages do not reach."""

    execution_id: str
    problems: list[NotificationProblem]


class NotifierInput(Model):
    """Input of the notifier: what its previous run knew.

    Attributes:
        packed: the state, compressed: that of a hundred executions is more than 2 MB.
    """

    packed: str = ""

    @classmethod
    def of(cls, state: NotifierState) -> "NotifierInput":
        """The input of the next run."""
        data = zlib.compress(state.model_dump_json().encode(), level=1)
        return cls(packed=base64.b64encode(data).decode())

    @property
    def state(self) -> NotifierState:
        """What the previous run knew."""
        if not self.packed:
            return NotifierState()
        return NotifierState.model_validate_json(zlib.decompress(base64.b64decode(self.packed)))


class EndedExecution(Model):
    """An execution that no longer runs.

    Attributes:
        outcome: as Temporal has it; FAILED also where it was closed from outside.
    """

    execution_id: str
    outcome: PlanStatus = PlanStatus.FAILED


class DeliveryResult(Model):
    """What became of a message.

    Attributes:
        error: why it was not delivered; None if it was.
    """

    error: str | None = None
