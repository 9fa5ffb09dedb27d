"""Reads the inputs of signals between our own workflows."""

from typing import Any, TypeVar

from pydantic import ValidationError
from temporalio import workflow

from recovery.base_model import Model

M = TypeVar("M", bound=Model)


def parse_signal(model: type[M], inputs: tuple[Any, ...]) -> M | None:
    """Parse the input of a signal between our own workflows; None if it is malformed.

    Any client can send a signal, with any number of inputs; a workflow task must not fail for one
    that is malformed.
    """
    try:
        return model.model_validate(inputs[0] if inputs else None)
    except ValidationError as error:
        workflow.logger.warning("A malformed signal is ignored: %s", error)
        return None
