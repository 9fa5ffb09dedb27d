"""The kinds of steps that check, each with what runs it."""

from collections.abc import Callable

from activities.steps.interface import CheckStep
from activities.steps.step_clients import StepClients
from recovery.steps.model import StepKind

CHECKS: dict[StepKind, Callable[[StepClients], CheckStep]] = {}
