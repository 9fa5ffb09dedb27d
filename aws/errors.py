"""Errors of AWS calls, classified by what to do about them."""

from enum import StrEnum
from http import HTTPStatus
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

from recovery.access.redaction import redacted
from recovery.text_format import shortened


class AwsErrorKind(StrEnum):
    """The kind of a failed AWS call; it decides what happens next."""

    THROTTLED = "Throttled"
    QUOTA = "QuotaExceeded"
    CONFLICT = "Conflict"
    CREDENTIALS = "NoCredentials"
    UNREACHABLE = "Unreachable"
    UNCLEAR = "UnclearAnswer"
    IN_DOUBT = "LaunchInDoubt"
    REFUSED = "Refused"
    """AWS refused it, for a cause that is not known to last."""
    INVALID = "Invalid"
    NOT_ALLOWED = "NotAllowed"
    """The worker's allow-list does not have the target, so nothing was called."""
    ACCESS_DENIED = "AccessDenied"
    UNKNOWN_SERVER = "UnknownServer"
    UNINITIALIZED = "UninitializedAccount"

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later."""
        return self not in _PERMANENT

    @property
    def had_no_effect(self) -> bool:
        """Whether the call certainly had no effect."""
        return self is not AwsErrorKind.UNCLEAR

    @property
    def may_concern_a_part(self) -> bool:
        """Whether AWS refused what was requested, of which it may accept a part."""
        return self is AwsErrorKind.REFUSED or self in _PERMANENT


_PERMANENT = (
    AwsErrorKind.INVALID,
    AwsErrorKind.NOT_ALLOWED,
    AwsErrorKind.ACCESS_DENIED,
    AwsErrorKind.UNKNOWN_SERVER,
    AwsErrorKind.UNINITIALIZED,
)
# Source: botocore's models of DRS, STS, SNS, SSM, Lambda and Route 53, and the codes that all AWS
# services share. Only a code that is listed as lasting is lasting. Skewed clocks and replaced
# credentials pass.
_CODES = {
    "ThrottlingException": AwsErrorKind.THROTTLED,
    "Throttling": AwsErrorKind.THROTTLED,
    "Throttled": AwsErrorKind.THROTTLED,
    "TooManyRequestsException": AwsErrorKind.THROTTLED,
    "RequestLimitExceeded": AwsErrorKind.THROTTLED,
    "RequestThrottled": AwsErrorKind.THROTTLED,
    "RequestThrottledException": AwsErrorKind.THROTTLED,
    "SlowDown": AwsErrorKind.THROTTLED,
    "RequestAbortedException": AwsErrorKind.UNCLEAR,
    "RequestTimeout": AwsErrorKind.UNCLEAR,
    "RequestTimeoutException": AwsErrorKind.UNCLEAR,
    "ServiceQuotaExceededException": AwsErrorKind.QUOTA,
    "AutomationExecutionLimitExceededException": AwsErrorKind.QUOTA,
    "ConflictException": AwsErrorKind.CONFLICT,
    "ExpiredToken": AwsErrorKind.CREDENTIALS,
    "ExpiredTokenException": AwsErrorKind.CREDENTIALS,
    "RequestExpired": AwsErrorKind.CREDENTIALS,
    "RequestTimeTooSkewed": AwsErrorKind.CREDENTIALS,
    "InvalidSignatureException": AwsErrorKind.CREDENTIALS,
    "SignatureDoesNotMatch": AwsErrorKind.CREDENTIALS,
    "IncompleteSignature": AwsErrorKind.CREDENTIALS,
    "IncompleteSignatureException": AwsErrorKind.CREDENTIALS,
    "MissingAuthenticationToken": AwsErrorKind.CREDENTIALS,
    "MissingAuthenticationTokenException": AwsErrorKind.CREDENTIALS,
    "UnrecognizedClientException": AwsErrorKind.CREDENTIALS,
    "InvalidClientTokenId": AwsErrorKind.CREDENTIALS,
    "ValidationException": AwsErrorKind.INVALID,
    "ValidationError": AwsErrorKind.INVALID,
    "InvalidDocument": AwsErrorKind.INVALID,
    "InvalidDocumentVersion": AwsErrorKind.INVALID,
    "InvalidParameters": AwsErrorKind.INVALID,
    "UnsupportedPlatformType": AwsErrorKind.INVALID,
    "AutomationDefinitionNotFoundException": AwsErrorKind.INVALID,
    "AutomationDefinitionVersionNotFoundException": AwsErrorKind.INVALID,
    "InvalidAutomationExecutionParametersException": AwsErrorKind.INVALID,
    "IdempotentParameterMismatch": AwsErrorKind.INVALID,
    "InvalidChangeBatch": AwsErrorKind.INVALID,
    "InvalidInput": AwsErrorKind.INVALID,
    "NoSuchHostedZone": AwsErrorKind.INVALID,
    "NoSuchEntity": AwsErrorKind.INVALID,
    "NotFoundException": AwsErrorKind.INVALID,
    "PriorRequestNotComplete": AwsErrorKind.THROTTLED,
    "InvalidParameterValueException": AwsErrorKind.INVALID,
    "InvalidRequestContentException": AwsErrorKind.INVALID,
    "RequestTooLargeException": AwsErrorKind.INVALID,
    "InvalidLaunchTemplateId.Malformed": AwsErrorKind.INVALID,
    "InvalidLaunchTemplateId.NotFound": AwsErrorKind.INVALID,
    "InvalidLaunchTemplateId.VersionNotFound": AwsErrorKind.INVALID,
    "LaunchTemplateVersionLimitExceeded": AwsErrorKind.QUOTA,
    "VersionLimitExceeded": AwsErrorKind.QUOTA,
    "AccessDenied": AwsErrorKind.ACCESS_DENIED,
    "AccessDeniedException": AwsErrorKind.ACCESS_DENIED,
    "UnauthorizedOperation": AwsErrorKind.ACCESS_DENIED,
    "AuthorizationError": AwsErrorKind.ACCESS_DENIED,
    "ResourceNotFoundException": AwsErrorKind.UNKNOWN_SERVER,
    "UninitializedAccountException": AwsErrorKind.UNINITIALIZED,
}


# Every answer of the services used here has it; what a gateway answers in their place has not.
REQUEST_ID_HEADER = "x-amzn-requestid"
_MAX_MESSAGE_LENGTH = 2000
# Seconds; a launch must not wait for an hour because a header says so.
_MAX_RETRY_AFTER = 300.0
# SSLError is not one of them: TLS may also break while the response is read.
_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class AwsError(Exception):
    """A failed AWS call; its message is one line, without credentials.

    Attributes:
        kind: how it failed.
        retry_after: seconds that AWS asks to wait, if it does.
        resource_id: the resource that AWS names, if it names one.
        code: of AWS's answer, such as `ThrottlingException`; "" without one.
        is_clock_skew: the clock of the worker differs too much from that of AWS.
        operation: the operation that was called, such as `DescribeJobs`; "" if it is not known.
    """

    def __init__(
        self,
        kind: AwsErrorKind,
        message: str,
        *,
        retry_after: float | None = None,
        resource_id: str | None = None,
        operation: str = "",
        code: str = "",
        is_clock_skew: bool = False,
    ) -> None:
        super().__init__(shortened(redacted(message), max_bytes=_MAX_MESSAGE_LENGTH))
        self.kind = kind
        self.retry_after = retry_after
        self.resource_id = resource_id
        self.operation = operation
        self.code = code
        self.is_clock_skew = is_clock_skew

    @classmethod
    def of(cls, error: Exception, operation: str) -> "AwsError":
        """Classify what boto3 raised when it called `operation`."""
        classified = cls._classified(error, operation)
        # A call may fail where its credentials are made: by STS's AssumeRole.
        answered = error.operation_name if isinstance(error, ClientError) else operation
        classified.operation = answered
        return classified

    @classmethod
    def _classified(cls, error: Exception, operation: str) -> "AwsError":
        if isinstance(error, ClientError):
            return cls._of_response(error, operation)
        if isinstance(error, ParamValidationError):
            return cls(AwsErrorKind.INVALID, f"{operation}: {error}")
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return cls(AwsErrorKind.CREDENTIALS, f"{operation}: no AWS credentials were found")
        if isinstance(error, CredentialRetrievalError):
            return cls(AwsErrorKind.CREDENTIALS, f"{operation}: {error}")
        if isinstance(error, _NEVER_SENT):
            return cls(AwsErrorKind.UNREACHABLE, f"{operation}: {error}")
        # The connection broke, or no response came: the call may have had its effect.
        return cls(AwsErrorKind.UNCLEAR, f"{operation}: {type(error).__name__}: {error}")

    @staticmethod
    def cause(error: Exception) -> Exception | None:
        """What boto3 raised, to chain it; None if its text has credentials.

        Temporal stores the causes of an activity's failure with their texts.
        """
        return error if redacted(str(error)) == str(error) else None

    @classmethod
    def _of_response(cls, error: ClientError, operation: str) -> "AwsError":
        response = cast(dict[str, Any], error.response)
        code = str(response.get("Error", {}).get("Code", ""))
        text = str(response.get("Error", {}).get("Message", "")) or str(error)
        meta = response.get("ResponseMetadata", {})
        status, headers = int(meta.get("HTTPStatusCode") or 0), meta.get("HTTPHeaders", {})
        # botocore takes the status as the code of an answer without one.
        if REQUEST_ID_HEADER not in headers or not code or code.isdigit():
            return cls(
                AwsErrorKind.UNCLEAR,
                f"{operation}: HTTP {status} from a proxy or gateway between the worker and AWS: "
                f"the response has no AWS request ID or no AWS error code: {text}",
            )
        kind = _CODES.get(code) or _kind_of_status(status)
        if kind is AwsErrorKind.UNINITIALIZED:
            text = f"{text}; DRS was never used in this account and Region: is the Region right?"
        return cls(
            kind,
            f"{operation}: {code}: {text}",
            retry_after=_seconds_in(headers.get("retry-after", "")),
            resource_id=response.get("resourceId"),
            code=code,
            is_clock_skew=_is_clock_skew(code, text),
        )


def _is_clock_skew(code: str, text: str) -> bool:
    """Whether AWS refused a signature for its time; other wrong signatures have the same codes."""
    is_signature = code in ("InvalidSignatureException", "SignatureDoesNotMatch")
    is_late = "Signature expired" in text or "Signature not yet current" in text
    return code == "RequestTimeTooSkewed" or (is_signature and is_late)


def _kind_of_status(status: int) -> AwsErrorKind:
    """The kind of an error of AWS whose code is not known."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return AwsErrorKind.THROTTLED
    refused = 400 <= status < 500 and status != HTTPStatus.REQUEST_TIMEOUT
    return AwsErrorKind.REFUSED if refused else AwsErrorKind.UNCLEAR


def _seconds_in(header: object) -> float | None:
    """The seconds that a Retry-After header asks for; None where it names none."""
    try:
        seconds = float(str(header))
    except ValueError:
        return None
    return min(seconds, _MAX_RETRY_AFTER) if seconds > 0 else None


class TargetRefusedError(AwsError):
    """The worker must not act in a target: its allow-list or the plan names another."""


class UnprovenResponseError(Exception):
    """A response that is incomplete, or not proven to be AWS's."""
