"""Why a client could not do what it was asked."""

from recovery.execution.state import RefusalCode


class RefusedError(Exception):
    """What was asked is refused; the message says why and what to do."""


class RejectedError(RefusedError):
    """An execution rejected an operator's message.

    Attributes:
        code: why; None where the execution's worker is of a version that has another reason.
    """

    def __init__(self, text: str, code: RefusalCode | None) -> None:
        super().__init__(text)
        self.code = code


class UnreachableError(Exception):
    """Temporal, or a worker behind it, does not answer; the message says what to do."""
