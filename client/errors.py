"""Errors of the client functions."""

from recovery.execution.state import RefusalCode
from storage.dynamodb import TableError


class ClientError(Exception):
    """An error that says what is wrong and what to do, on the command line and in the API.

    Attributes:
        text: why, in words that are true everywhere.
        for_api: the message in the words of the API.
        running: the running execution that is the reason; None if there is none. Pages link to it.
    """

    def __init__(
        self, text: str, *, command: str = "", request: str = "", running: str | None = None
    ) -> None:
        """Create the error.

        Args:
            text: why, in words that are true everywhere.
            command: what to do on the command line; follows the text.
            request: what to do with the API; follows the text there.
            running: the running execution that is the reason.
        """
        end = "" if text.endswith("?") else "."
        super().__init__(f"{text}{end} {command}" if command else text)
        self.for_api = f"{text}{end} {request}" if request else text
        self.text, self.running = text, running


class RefusedError(ClientError):
    """A request is refused; the message says why and what to do."""


class NotRecordedError(RefusedError):
    """The history has no such execution, so nothing can be reported of it."""


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


class UnreachableError(ClientError):
    """Temporal or its workers do not respond; the message says what to do.

    Attributes:
        who: who does not answer, as a display names it.
    """

    who = "Temporal"


class NoWorkerError(UnreachableError):
    """Temporal responds, but no worker does; the message says how to start one."""

    who = "A worker"


class ApiUnreachableError(UnreachableError):
    """The API of drs-waves does not respond."""

    who = "The API"


def text_for_api(error: BaseException) -> str:
    """An error's message in the words of the API."""
    return error.for_api if isinstance(error, ClientError | TableError) else str(error)


def all_unreachable(*errors: BaseException) -> UnreachableError:
    """One error of several, where nothing that could answer does."""
    found = UnreachableError("; ".join(map(str, errors)))
    found.for_api = "; ".join(map(text_for_api, errors))
    return found
