"""Errors of AWS calls, classified by what to do about them."""

from enum import StrEnum
from typing import Any, cast

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
)

from recovery.text_format import shortened


class Trouble(StrEnum):
    """The kind of a failed AWS call; it decides what happens next."""

    THROTTLED = "Throttled"
    QUOTA = "QuotaExceeded"
    CONFLICT = "Conflict"
    CREDENTIALS = "NoCredentials"
    UNREACHABLE = "Unreachable"
    UNCLEAR = "UnclearAnswer"
    IN_DOUBT = "LaunchInDoubt"
    INVALID = "Invalid"
    ACCESS_DENIED = "AccessDenied"
    UNKNOWN_SERVER = "UnknownServer"
    UNINITIALIZED = "UninitializedAccount"

    @property
    def can_pass(self) -> bool:
        """Whether the same call may succeed later."""
        return self not in _LASTING

    @property
    def is_refusal(self) -> bool:
        """Whether the call certainly had no effect."""
        return self is not Trouble.UNCLEAR


_LASTING = (Trouble.INVALID, Trouble.ACCESS_DENIED, Trouble.UNKNOWN_SERVER, Trouble.UNINITIALIZED)
# Source: botocore's models of DRS and STS, and the codes that all AWS services share.
_CODES = {
    "ThrottlingException": Trouble.THROTTLED,
    "Throttling": Trouble.THROTTLED,
    "TooManyRequestsException": Trouble.THROTTLED,
    "RequestLimitExceeded": Trouble.THROTTLED,
    "RequestThrottled": Trouble.THROTTLED,
    "RequestThrottledException": Trouble.THROTTLED,
    "SlowDown": Trouble.THROTTLED,
    "RequestTimeTooSkewed": Trouble.CREDENTIALS,
    "RequestTimeout": Trouble.UNCLEAR,
    "RequestTimeoutException": Trouble.UNCLEAR,
    "ServiceQuotaExceededException": Trouble.QUOTA,
    "ConflictException": Trouble.CONFLICT,
    "ExpiredToken": Trouble.CREDENTIALS,
    "ExpiredTokenException": Trouble.CREDENTIALS,
    "RequestExpired": Trouble.CREDENTIALS,
    "ValidationException": Trouble.INVALID,
    "ValidationError": Trouble.INVALID,
    "AccessDenied": Trouble.ACCESS_DENIED,
    "AccessDeniedException": Trouble.ACCESS_DENIED,
    "UnauthorizedOperation": Trouble.ACCESS_DENIED,
    "UnrecognizedClientException": Trouble.ACCESS_DENIED,
    "InvalidClientTokenId": Trouble.ACCESS_DENIED,
    "ResourceNotFoundException": Trouble.UNKNOWN_SERVER,
    "UninitializedAccountException": Trouble.UNINITIALIZED,
}


_LONGEST_MESSAGE = 2000
# Seconds; a launch must not wait for an hour because a header says so.
_LONGEST_RETRY_AFTER = 300.0
# SSLError is not one of them: TLS may also break while the response is read.
_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class AwsTrouble(Exception):
    """A failed AWS call; its message is one line.

    Attributes:
        kind: how it failed.
        retry_after: seconds that AWS asks to wait, if it does.
        resource_id: the resource that AWS names, if it names one.
    """

    def __init__(
        self,
        kind: Trouble,
        message: str,
        *,
        retry_after: float | None = None,
        resource_id: str | None = None,
    ) -> None:
        super().__init__(shortened(message, most=_LONGEST_MESSAGE))
        self.kind = kind
        self.retry_after = retry_after
        self.resource_id = resource_id

    @classmethod
    def of(cls, error: Exception, operation: str) -> "AwsTrouble":
        """Classify what boto3 raised when it called `operation`."""
        if isinstance(error, ClientError):
            return cls._of_response(error, operation)
        if isinstance(error, ParamValidationError):
            return cls(Trouble.INVALID, f"{operation}: {error}")
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return cls(Trouble.CREDENTIALS, f"{operation}: no AWS credentials were found")
        if isinstance(error, CredentialRetrievalError):
            return cls(Trouble.CREDENTIALS, f"{operation}: {error}")
        if isinstance(error, _NEVER_SENT):
            return cls(Trouble.UNREACHABLE, f"{operation}: {error}")
        # The connection broke, or no response came: the call may have had its effect.
        return cls(Trouble.UNCLEAR, f"{operation}: {type(error).__name__}: {error}")

    @classmethod
    def _of_response(cls, error: ClientError, operation: str) -> "AwsTrouble":
        response = cast(dict[str, Any], error.response)
        code = str(response.get("Error", {}).get("Code", "Unknown"))
        text = str(response.get("Error", {}).get("Message", "")) or str(error)
        meta = response.get("ResponseMetadata", {})
        status = int(meta.get("HTTPStatusCode") or 0)
        kind = _CODES.get(code)
        if kind is None:
            if status == 429:
                kind = Trouble.THROTTLED
            else:
                kind = Trouble.INVALID if 400 <= status < 500 else Trouble.UNCLEAR
        return cls(
            kind,
            f"{operation}: {code}: {text}",
            retry_after=_seconds_in(meta.get("HTTPHeaders", {}).get("retry-after", "")),
            resource_id=response.get("resourceId"),
        )


def _seconds_in(header: object) -> float | None:
    """The seconds that a Retry-After header asks for; None where it names none."""
    try:
        seconds = float(str(header))
    except ValueError:
        return None
    return min(seconds, _LONGEST_RETRY_AFTER) if seconds > 0 else None


class IncompleteAnswerError(Exception):
    """An incomplete response, which botocore would parse as an empty one."""
