"""Signals between our own workflows."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from recovery.base_model import Model

W = TypeVar("W")
M = TypeVar("M", bound=Model)


def model_signal(handle: Callable[[W, M], None]) -> Callable[..., None]:
    """Make a method the handler of the signal of its name, whose input is a model.

    Any client can send a signal, with any number of inputs; a workflow task must not fail for one
    that is malformed, so it is ignored.
    """
    _, parameter = inspect.signature(handle).parameters.values()
    model: type[M] = parameter.annotation

    def handle_any(self: W, *inputs: Any) -> None:
        try:
            parsed = model.model_validate(inputs[0] if inputs else None)
        except ValidationError as error:
            workflow.logger.warning("A malformed signal is ignored: %s", error)
        else:
            handle(self, parsed)

    handle_any.__doc__ = handle.__doc__
    return workflow.signal(name=handle.__name__)(handle_any)


async def signal_workflow(workflow_id: str, name: str, *inputs: Model) -> bool:
    """Signal another workflow; False if it has ended."""
    try:
        await workflow.get_external_workflow_handle(workflow_id).signal(name, args=inputs)
    except ApplicationError:
        return False
    return True
