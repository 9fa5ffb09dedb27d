"""The input of the notifier, and the requests of its activities."""

from recovery.base_model import Model
from recovery.execution.notification_problem import NotificationProblem
from recovery.notify.notifier_state import NotifierState, NotifyUpdate
from recovery.plan.model import PlanChannel


class NotifyReport(Model):
    """What a workflow reports to the notifier.

    Attributes:
        update: without routes, which the worker adds.
        plan_channels: the channels that the plan names.
    """

    update: NotifyUpdate
    plan_channels: list[PlanChannel] = []


class NotificationProblems(Model):
    """Signal to a plan's workflow: which channels its notifications do not reach."""

    problems: list[NotificationProblem]


class NotifierInput(Model):
    """Input of the notifier: what its previous run knew."""

    state: NotifierState = NotifierState()


class DeliveryResult(Model):
    """What became of a message.

    Attributes:
        error: why it was not delivered; None if it was.
    """

    error: str | None = None
