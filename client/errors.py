"""Errors of the client functions."""

from recovery.execution.state import RefusalCode


class RefusedError(Exception):
    """A request is refused; the message says why and what to do.

    Attributes:
        for_api: the message in the words of the API.
    """

    def __init__(self, text: str, *, command: str = "", request: str = "") -> None:
        """Create the error.

        Args:
            text: why, in words that are true everywhere.
            command: what to do on the command line; follows the text.
            request: what to do with the API; follows the text there.
        """
        super().__init__(f"{text}. {command}" if command else text)
        self.for_api = f"{text}. {request}" if request else text


class RejectedError(RefusedError):
    """An execution rejected an operator's message.

    Attributes:
        code: why; None if a worker of another version sent an unknown code.
    """

    def __init__(
        self, text: str, code: RefusalCode | None, *, command: str = "", request: str = ""
    ) -> None:
        super().__init__(text, command=command, request=request)
        self.code = code


class UnreachableError(Exception):
    """Temporal or its workers do not respond; the message says what to do."""


class NoWorkerError(UnreachableError):
    """Temporal responds, but no worker does; the message says how to start one."""
