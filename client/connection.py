"""The connection to Temporal, what errors are stored there, and explanations of its own."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import lru_cache

from temporalio.api.failure.v1 import Failure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverter, PayloadConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import Runtime
from temporalio.service import GrpcCompression, RPCError, RPCStatusCode

from aws.sessions import kms_client
from client.errors import RefusedError, UnreachableError
from contract.temporal import CONNECT_SECONDS, RPC_TIMEOUT
from runtime.telemetry import tracing_interceptors
from security.encryption import EncryptionCodec, EncryptionError, FileKeys, KmsKeys
from security.signers import SigningError
from settings import Settings, get_settings

# Of an activity that is tried again, Temporal keeps up to 4 KB of the last failure, and of a longer
# one only that it was too long (dynamicconfig: mutableStateActivityFailureSizeLimitError).
MAX_FAILURE_BYTES = 3_500
_STACK_CHARACTERS = 500
_ENCODED = "Encoded failure"

DEFAULT_ADDRESS = "localhost:7233"
BREAK_GLASS = "`--break-glass REASON --key FILE` signs it with an offline key"
_PROBE_SECONDS = 2.0
# The statuses of a query that no worker accepts.
_NO_WORKER = (
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.FAILED_PRECONDITION,
)


class ShortFailureConverter(DefaultFailureConverter):
    """Shortens stack traces and leaves out the innermost causes, until Temporal shows the rest."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """See base class."""
        super().to_failure(exception, payload_converter, failure)
        if failure.ByteSize() <= MAX_FAILURE_BYTES:
            return
        for each in _chain(failure):
            each.stack_trace = each.stack_trace[-_STACK_CHARACTERS:]
        while failure.ByteSize() > MAX_FAILURE_BYTES and failure.HasField("cause"):
            *_, before, _last = _chain(failure)
            before.ClearField("cause")


def _chain(failure: Failure) -> Iterator[Failure]:
    """A failure and its causes, from the outermost."""
    yield failure
    while failure.HasField("cause"):
        failure = failure.cause
        yield failure


class EncodedFailureConverter(ShortFailureConverter):
    """Moves the texts of failures, shortened, into a payload, which is encrypted."""

    def to_failure(
        self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure
    ) -> None:
        """See base class, which calls this for each cause."""
        super().to_failure(exception, payload_converter, failure)
        # All of them: causes of a failure that came from Temporal are copied, decoded.
        for each in _chain(failure):
            if each.message != _ENCODED:
                stack = each.stack_trace[-_STACK_CHARACTERS:]
                texts = {"message": each.message, "stack_trace": stack}
                each.encoded_attributes.CopyFrom(payload_converter.to_payloads([texts])[0])
                each.message, each.stack_trace = _ENCODED, ""


def configured_codec(settings: Settings, namespace: str) -> EncryptionCodec:
    """The codec of this process; without keys it encrypts nothing, and still reads plain payloads.

    Raises:
        KeyFileError: the file of the keys cannot be used.
    """
    return _codec(settings.encryption_keys, settings.encryption_kms_keys or (), namespace)


@lru_cache
def _codec(path: str | None, names: tuple[str, ...], namespace: str) -> EncryptionCodec:
    kms = KmsKeys([(name, kms_client(name)) for name in names], namespace) if names else None
    return EncryptionCodec(namespace, file=FileKeys(path) if path else None, kms=kms)


def data_converter(namespace: str) -> DataConverter:
    """How what is sent to Temporal is written, as the settings have it.

    Raises:
        KeyFileError: the file of the keys cannot be used.
    """
    settings = get_settings()
    is_on = settings.encryption_keys or settings.encryption_kms_keys
    return dataclasses.replace(
        pydantic_data_converter,
        failure_converter_class=EncodedFailureConverter if is_on else ShortFailureConverter,
        # Without keys too: it refuses what is encrypted, instead of taking it for something else.
        payload_codec=configured_codec(settings, namespace),
    )


async def connect_to_temporal(runtime: Runtime | None = None) -> Client:
    """Connect as the `temporal` CLI does, with the same profile and variables.

    Args:
        runtime: the SDK's, which exports metrics; default: one that exports nothing.

    Raises:
        RefusedError: the profile or a variable is invalid.
        KeyFileError: the file of the encryption keys cannot be used.
        UnreachableError: Temporal does not answer.
    """
    config = _connect_config()
    address = config.setdefault("target_host", DEFAULT_ADDRESS)
    converter = data_converter(config.get("namespace") or "default")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await Client.connect(
                **config,
                data_converter=converter,
                interceptors=tracing_interceptors(),
                # Messages are small, and encrypted ones do not become smaller.
                grpc_compression=GrpcCompression.NONE,
                runtime=runtime,
            )
    except (RuntimeError, TimeoutError) as error:
        first = (str(error).splitlines() or ["no answer"])[0]
        why = await asyncio.to_thread(_connection_error, address) or first
        raise UnreachableError(
            f"Temporal at {address} cannot be reached ({why})",
            command="Set TEMPORAL_ADDRESS, or start a local one with `drs-waves sandbox up` and "
            "`source .sandbox/env`",
            request="Try again; if it lasts, check TEMPORAL_ADDRESS of this server",
        ) from error


def _connect_config() -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config()
    except (OSError, RuntimeError, ValueError) as error:
        raise RefusedError(
            f"The settings for Temporal cannot be read: {error}. Check the TEMPORAL_… "
            "variables, or run `temporal config list`"
        ) from error


def is_temporal_configured() -> bool:
    """Whether a variable or a profile says which Temporal to use.

    Raises:
        RefusedError: the profile or a variable is invalid.
    """
    return bool(_connect_config().get("target_host"))


def configured_namespace() -> str:
    """The namespace that a connection would use.

    Raises:
        RefusedError: the profile or a variable is invalid.
    """
    return _connect_config().get("namespace") or "default"


def configured_place() -> str:
    """Which Temporal a connection would use, for people.

    Raises:
        RefusedError: the profile or a variable is invalid.
    """
    address = _connect_config().get("target_host")
    return f"Temporal {address or DEFAULT_ADDRESS}, namespace {configured_namespace()}"


def temporal_place(client: Client) -> str:
    """Which Temporal a client uses, for people."""
    return f"Temporal {client.service_client.config.target_host}, namespace {client.namespace}"


async def require_namespace(client: Client) -> None:
    """Check that Temporal has the configured namespace.

    Raises:
        RefusedError: it does not.
        UnreachableError: it does not answer.
    """
    where = client.service_client.config.target_host
    unknown = f"Temporal at {where} has no namespace {client.namespace!r}. Set TEMPORAL_NAMESPACE"
    async with explained_errors(not_found=unknown):
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace), timeout=RPC_TIMEOUT
        )


def _connection_error(address: str) -> str | None:
    """Why an address refuses connections; None if it does not, or if that is unknown.

    The SDK's connection errors have no types, only a text.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE_SECONDS):
            return None
    except ConnectionRefusedError:
        return "connection refused"
    except (OSError, ValueError):
        return None


@asynccontextmanager
async def explained_errors(not_found: str | None = None) -> AsyncIterator[None]:
    """Turn Temporal's errors into errors that say what to do.

    Args:
        not_found: the message for NOT_FOUND; default: Temporal's.

    Raises:
        RefusedError: Temporal refused.
        UnreachableError: Temporal or its workers did not respond, or KMS did not sign.
    """
    try:
        yield
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError) as error:
        raise UnreachableError(f"The state cannot be read: {error}") from error
    except SigningError as error:
        raise UnreachableError(
            str(error),
            command=BREAK_GLASS,
            request="Try again; if it lasts, use an offline key on the command line",
        ) from error
    except EncryptionError as error:
        raise UnreachableError(str(error)) from error
    except RPCError as error:
        raise explained(error, not_found) from error


def explained(error: RPCError, not_found: str | None = None) -> RefusedError | UnreachableError:
    """One of Temporal's errors as one that says what to do; see `explained_errors`."""
    message = error.message or error.status.name
    match error.status:
        case RPCStatusCode.NOT_FOUND:
            return RefusedError(not_found or f"Temporal refused: {message}")
        case RPCStatusCode.INVALID_ARGUMENT:
            # Temporal has no separate status for unknown search attributes.
            hint = "`drs-waves init-tables` registers our search attributes, if they are missing"
            return RefusedError(f"Temporal refused: {message}", command=hint)
        case RPCStatusCode.PERMISSION_DENIED:
            return RefusedError(f"Temporal refused: {message}")
    is_worker_missing = error.status in _NO_WORKER
    who = "Temporal or its workers" if is_worker_missing else "Temporal"
    return UnreachableError(
        f"{who} did not answer: {message}",
        command="Is a worker running? `drs-waves worker` starts one" if is_worker_missing else "",
        request="Is a worker running? GET /api/health says so" if is_worker_missing else "",
    )
