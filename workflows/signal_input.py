"""Reads the inputs of signals between our own workflows."""

from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import workflow

from recovery.base_model import Model

M = TypeVar("M", bound=Model)


def parse_signal(model: type[M], inputs: tuple[Any, ...]) -> M | None:
    """The input of a signal between our own workflows, or None when it is something else.

    Anybody can send a signal, with any number of inputs; a workflow task must not fail for one
    that is malformed.
    """
    try:
        return model.model_validate(inputs[0] if inputs else None)
    except ValidationError as error:
        workflow.logger.warning("A malformed signal is left aside: %s", error)
        return None
