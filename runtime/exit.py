"""Exit codes, and messages for errors."""

import os
import sys
import traceback
from collections.abc import Callable
from enum import IntEnum
from typing import NoReturn

from pydantic import ValidationError
from pydantic_settings import SettingsError
from temporalio.service import RPCError

from aws.errors import AwsError, AwsErrorKind
from client.connection import explained
from client.errors import RefusedError, UnreachableError
from recovery.access.redaction import redacted
from recovery.execution.state import PlanStatus
from recovery.model_file import ModelFileError
from recovery.plan.file.reader import PlanError
from runtime.output_stream import OutputStream
from runtime.setting_errors import setting_problems
from security.audit_log import AuditLogError
from security.encryption import EncryptionError
from security.public_keys import KeyFileError
from storage.dynamodb import TableError

DEBUG_VARIABLE = "DRS_WAVES_DEBUG"


class ExitCode(IntEnum):
    """The exit code of a command."""

    COMPLETED = 0
    FAILED = 1
    BAD_INPUT = 2
    PARTIAL = 3
    CANCELLED = 4
    UNREACHABLE = 5
    TIME_OVER = 124
    """As the command `timeout` has it."""
    UNEXPECTED = 70
    """EX_SOFTWARE of sysexits.h: a defect of this program."""
    INTERRUPTED = 130
    """128 and SIGINT, as shells have it."""


_WORST_LAST = (
    ExitCode.COMPLETED,
    ExitCode.PARTIAL,
    ExitCode.CANCELLED,
    ExitCode.FAILED,
    ExitCode.BAD_INPUT,
    ExitCode.UNREACHABLE,
)
_REFUSALS = (AwsErrorKind.INVALID, AwsErrorKind.UNKNOWN_SERVER)


class CliError(Exception):
    """Ends a command with a message and an exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.BAD_INPUT) -> None:
        super().__init__(message)
        self.code = code


def exit_code_of(status: PlanStatus) -> ExitCode:
    """The exit code of an execution that has ended."""
    return ExitCode.__members__.get(status, ExitCode.FAILED)


def worst_exit_code(codes: list[ExitCode]) -> ExitCode:
    """The worst of several exit codes."""
    return max(codes, key=_WORST_LAST.index, default=ExitCode.COMPLETED)


def explain(error: BaseException) -> CliError | None:
    """The message for an expected error; None for an unexpected one."""
    known: CliError | None = None
    match error:
        case CliError():
            known = error
        case PlanError() | ModelFileError():
            known = CliError(str(error))
        case KeyFileError() | AuditLogError():
            known = CliError(_sentence(str(error)))
        case EncryptionError():
            known = CliError(_sentence(str(error)), ExitCode.UNREACHABLE)
        case RefusedError():
            known = CliError(_sentence(str(error)))
        case UnreachableError():
            known = CliError(_sentence(str(error)), ExitCode.UNREACHABLE)
        case TableError():
            known = CliError(_sentence(str(error)), _aws_code(error.__cause__))
        case AwsError():
            known = CliError(_sentence(str(error)), _aws_code(error))
        case RPCError():
            known = explain(explained(error))
        case ValidationError() if error.title == "Settings":
            known = CliError("\n".join(setting_problems(error)))
        case SettingsError():
            known = CliError(f"a DRS_WAVES_… setting is not JSON: {error}")
    return known


def _sentence(text: str) -> str:
    return text.replace("..", ".").removesuffix(".")


def _aws_code(error: BaseException | None) -> ExitCode:
    refused = isinstance(error, AwsError) and error.kind in _REFUSALS
    return ExitCode.BAD_INPUT if refused else ExitCode.UNREACHABLE


def before_exit(finish: Callable[[], None]) -> None:
    """Have something called before this process ends; it must return soon."""
    _BEFORE_EXIT.append(finish)


_BEFORE_EXIT: list[Callable[[], None]] = []


def exit_process(code: int) -> NoReturn:
    """End this process with an exit code, and say so if its output is incomplete."""
    for finish in _BEFORE_EXIT:
        finish()
    out, err = OutputStream.of(sys.stdout), OutputStream.of(sys.stderr)
    out.flush()
    if out.error is not None:
        err.write(f"warning: standard output is incomplete: {out.error}\n")
    err.flush()
    # Threads of Temporal's core outlive its clients. In one run of 15 they crashed at Python's end,
    # and a crash must not replace the exit code of a recovery.
    os._exit(code)


def report(error: Exception, say: Callable[[str], None]) -> ExitCode:
    """Print an error, line by line.

    Args:
        error: the exception that ended the process.
        say: prints a line.

    Returns:
        The exit code.
    """
    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write(redacted("".join(traceback.format_exception(error))))
    known = explain(error)
    if known is not None:
        for line in redacted(str(known)).splitlines():
            say(f"error: {line}")
        return known.code
    summary = redacted(str(error)).splitlines()[0] if str(error) else "no message"
    say(f"error: unexpected {type(error).__name__}: {summary}")
    if not os.environ.get(DEBUG_VARIABLE):
        say(f"Set {DEBUG_VARIABLE}=1 to see the traceback.")
    return ExitCode.UNEXPECTED
