"""How we reach AWS: one session a target, typed troubles instead of botocore's errors.

Credentials, endpoint and proxies come from AWS's own environment and files. A target with a role
is entered through the Region's own STS endpoint, so that no other Region is needed.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from http import HTTPStatus
from typing import Any, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
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
from botocore.loaders import Loader, create_loader
from botocore.model import OperationModel

from recovery.execution import shortened
from recovery.plan import Target

CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 25


class Trouble(StrEnum):
    """What kind of failure an AWS call met; it decides what happens next."""

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

# SSLError is not one of them: TLS may break while the answer is read, too.
_NEVER_SENT = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)


class AwsTrouble(Exception):
    """A failed AWS call, said in one line.

    Attributes:
        kind: what kind of failure it was.
        retry_after: seconds AWS asks to wait, where it says so.
        resource_id: what the failure is about, where AWS says so.
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
            return cls._of_answer(error, operation)
        if isinstance(error, ParamValidationError):
            return cls(Trouble.INVALID, f"{operation}: {error}")
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return cls(Trouble.CREDENTIALS, f"{operation}: no AWS credentials were found")
        if isinstance(error, CredentialRetrievalError):
            return cls(Trouble.CREDENTIALS, f"{operation}: {error}")
        if isinstance(error, _NEVER_SENT):
            return cls(Trouble.UNREACHABLE, f"{operation}: {error}")
        # A connection that broke, or an answer that never came: the call may have had its effect.
        return cls(Trouble.UNCLEAR, f"{operation}: {type(error).__name__}: {error}")

    @classmethod
    def _of_answer(cls, error: ClientError, operation: str) -> "AwsTrouble":
        answer = cast(dict[str, Any], error.response)
        code = str(answer.get("Error", {}).get("Code", "Unknown"))
        text = str(answer.get("Error", {}).get("Message", "")) or str(error)
        meta = answer.get("ResponseMetadata", {})
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
            resource_id=answer.get("resourceId"),
        )


def _seconds_in(header: object) -> float | None:
    """The seconds that a Retry-After header asks for; None where it names none."""
    try:
        seconds = float(str(header))
    except ValueError:
        return None
    return min(seconds, _LONGEST_RETRY_AFTER) if seconds > 0 else None


class IncompleteAnswerError(Exception):
    """An answer that broke off on its way, which botocore would take for one that says nothing."""


def refuse_incomplete(
    operation_model: OperationModel, response_dict: dict[str, Any], **_: object
) -> None:
    """See that an answer is whole, before botocore reads it.

    botocore 1.44 asks urllib3 not to compare a body with its Content-Length, and reads JSON that it
    cannot parse as an empty object. A connection that breaks in the middle of an answer would so
    look like "no jobs", "no instances".

    Raises:
        IncompleteAnswerError: the connection broke, or a success is no JSON object.
    """
    headers, body = response_dict["headers"], response_dict["body"]
    length = headers.get("content-length")
    if length is None and "transfer-encoding" not in headers:
        raise IncompleteAnswerError("the connection broke in the answer's headers")
    if length is not None and len(body) != int(length):
        raise IncompleteAnswerError(f"only {len(body)} of {length} bytes came")
    speaks_json = operation_model.service_model.protocol in _JSON_PROTOCOLS
    if response_dict["status_code"] < HTTPStatus.MULTIPLE_CHOICES and speaks_json:
        try:
            said = json.loads(body)
        except ValueError as error:
            raise IncompleteAnswerError(f"the answer is no JSON: {error}") from error
        if not isinstance(said, dict):
            raise IncompleteAnswerError("the answer is no JSON object")


_JSON_PROTOCOLS = ("json", "rest-json")


@cache
def _service_models(data_path: str | None) -> Loader:
    """What botocore knows of services; each session would read megabytes of it anew."""
    return create_loader(data_path)


def heedful_session(
    *, source: botocore.session.Session | None = None, region_name: str | None = None
) -> boto3.Session:
    """A boto3 session whose clients take only whole answers."""
    source = source or botocore.session.get_session()
    session = boto3.Session(botocore_session=source, region_name=region_name)
    models = _service_models(source.get_config_variable("data_path"))
    source.register_component("data_loader", models)
    session.events.register("before-parse", refuse_incomplete)
    return session


class AwsSessions:
    """One boto3 session a role, one client a service and Region; shared by all activities."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str | None, str], boto3.Session] = {}
        self._clients: dict[tuple[Target, str, bool], Any] = {}
        self._lock = threading.Lock()

    def client(self, service: str, target: Target, *, retries: bool = True) -> Any:
        """A client that acts in `target`.

        Args:
            service: boto3's name of the service.
            target: where to act.
            retries: whether botocore may repeat a call by itself.
        """
        where = target.model_copy(update={"account_id": None})
        with self._lock:
            key = (where, service, retries)
            if key not in self._clients:
                attempts = {"mode": "standard", "total_max_attempts": 3 if retries else 1}
                config = Config(
                    retries=cast(Any, attempts),
                    connect_timeout=CONNECT_TIMEOUT_SECONDS,
                    read_timeout=READ_TIMEOUT_SECONDS,
                    max_pool_connections=50,
                    tcp_keepalive=True,
                )
                session = self._session(where)
                self._clients[key] = session.client(
                    cast(Any, service), region_name=where.region, config=config
                )
            return self._clients[key]

    def _session(self, target: Target) -> boto3.Session:
        role = target.role_arn
        key = (role, target.region if role else "")
        if key not in self._sessions:
            base = heedful_session(region_name=target.region)
            self._sessions[key] = _in_role(base, role, target.region) if role else base
        return self._sessions[key]


def _in_role(base: boto3.Session, role_arn: str, region: str) -> boto3.Session:
    """A session that acts in a role, with credentials that renew themselves."""
    source = botocore.session.get_session()

    def create_client(service: str, **kwargs: Any) -> Any:
        kwargs.update(region_name=region)
        return base.client(cast(Any, service), **kwargs)

    credentials = base.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        create_client,
        credentials,
        role_arn,
        extra_args={"RoleSessionName": "drs-waves"},
    )
    renewing = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
    source._credentials = renewing  # type: ignore[attr-defined]
    return heedful_session(source=source, region_name=region)


async def call(operation: str, function: Callable[..., Any], /, **kwargs: Any) -> Any:
    """Call boto3 in a thread.

    Raises:
        AwsTrouble: for whatever went wrong.
    """
    try:
        return await asyncio.to_thread(function, **kwargs)
    except AwsTrouble:
        raise
    except Exception as error:
        raise AwsTrouble.of(error, operation) from error
