"""Errors of the client functions."""

from recovery.execution.state import RefusalCode


class RefusedError(Exception):
    """A request is refused; the message says why and what to do."""


class RejectedError(RefusedError):
    """An execution rejected an operator's message.

    Attributes:
        code: why; None if a worker of another version sent an unknown code.
    """

    def __init__(self, text: str, code: RefusalCode | None) -> None:
        super().__init__(text)
        self.code = code


class UnreachableError(Exception):
    """Temporal or its workers do not respond; the message says what to do."""
