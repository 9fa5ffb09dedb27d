"""Sends HTTP requests, each with the step attempt ID as its `Idempotency-Key`."""

import asyncio
import json
import time
from http import HTTPStatus
from typing import Any, cast

import httpx
from pydantic import JsonValue, ValidationError

from activities.notify.delivery import DeliveryError
from activities.notify.secret_reader import SecretReader
from activities.outbound.addresses import AddressRefusedError, UnknownHostError
from activities.outbound.http_transport import CheckedTransport, beginning
from activities.steps.interface import (
    CannotFindError,
    OutcomeUnknownError,
    ResolvedCall,
    StepRefusedError,
)
from activities.steps.step_clients import StepClients
from aws.errors import AwsError, AwsErrorKind
from aws.sessions import OwnClients
from contract.steps import StartedStep, StartOutcome, StepResult
from recovery.notify.channels import SecretReference
from recovery.steps.model import Http
from recovery.steps.outputs import as_object
from recovery.steps.state import MASK, StepStatus
from recovery.text_format import visible

_CONNECT_SECONDS = 10.0
_MAX_BODY_BYTES = 65_536
_SHOWN_CHARACTERS = 200
# What says where a request goes and where it ends.
_OWN_HEADERS = (b"host", b"content-length", b"transfer-encoding", b"connection", b"idempotency-key")
# The credentials of the worker itself, which no plan may send anywhere.
_OWN_VARIABLES = ("AWS_", "DRS_WAVES_", "TEMPORAL_")
_KEYS = {"env": "Env", "secretsmanager": "SecretsManager", "ssm": "SsmParameter"}
Headers = list[tuple[bytes, bytes]]


class HttpRequestStep:
    """See `ActingStep`. A service does not say later what became of a request."""

    may_repeat = False

    def __init__(self, clients: StepClients) -> None:
        self._secrets = SecretReader(OwnClients())
        # A redirect is not followed: its target would have the effect, and gets no secrets.
        self._client = httpx.AsyncClient(
            transport=CheckedTransport(uses_proxy=True), follow_redirects=False, timeout=None
        )

    async def start(self, step: ResolvedCall) -> StartedStep:
        """See `ActingStep`: the answer is all of it."""
        spec = cast(Http, step.spec)
        content = None if spec.body is None else json.dumps(spec.body).encode()
        sending = _Sending(step.not_after)
        secrets = {
            name: await self._secret(reference) for name, reference in spec.secret_headers.items()
        }
        try:
            request = self._client.build_request(
                spec.method,
                httpx.URL(spec.url).copy_merge_params(spec.query),
                headers=_headers(step, spec, secrets, has_body=content is not None),
                content=content,
                timeout=httpx.Timeout(None, connect=_CONNECT_SECONDS),
                extensions={"trace": sending.trace},
            )
            self._client.cookies.clear()
            async with asyncio.timeout(max(0.0, step.seconds_left)):
                status, body = await self._send(request)
        except AddressRefusedError as error:
            raise StepRefusedError(str(error)) from error
        except (httpx.InvalidURL, httpx.LocalProtocolError) as error:
            # Its text may have the value of a secret header.
            raise StepRefusedError(f"no request can be made: {type(error).__name__}") from None
        except UnknownHostError as error:
            raise AwsError(AwsErrorKind.UNREACHABLE, str(error)) from error
        except (httpx.HTTPError, TimeoutError) as error:
            said = f"{spec.method} {spec.url}: {error or type(error).__name__}"
            if sending.began:
                raise OutcomeUnknownError(f"{said}, after the request was sent") from None
            raise AwsError(AwsErrorKind.UNREACHABLE, said) from None
        for secret in secrets.values():
            # A service may send back what it got.
            body = body.replace(secret.encode(), MASK.encode())
        is_shown = not step.call.step.has_secret_outputs
        return _started(spec, status, body, is_shown=is_shown)

    async def find(self, step: ResolvedCall) -> StartedStep | None:
        """See `ActingStep`."""
        raise CannotFindError("an HTTP service does not say whether it got a request")

    async def poll(self, step: ResolvedCall, started: StartedStep) -> StepResult | str:
        """See `ActingStep`."""
        assert started.result is not None, "the start of a request is all of it"
        return started.result

    async def stop(self, step: ResolvedCall, started: StartedStep) -> str:
        """See `ActingStep`."""
        return "a request cannot be stopped"

    async def _send(self, request: httpx.Request) -> tuple[int, bytes]:
        response = await self._client.send(request, stream=True)
        try:
            return response.status_code, await beginning(response, _MAX_BODY_BYTES + 1)
        finally:
            await response.aclose()

    async def _secret(self, text: str) -> str:
        kind, _, name = text.partition(":")
        if kind == "env" and name.upper().startswith(_OWN_VARIABLES):
            raise StepRefusedError(f"{text} is the worker's own, which no step may send")
        try:
            return await self._secrets.read(SecretReference.model_validate({_KEYS[kind]: name}))
        except ValidationError:
            raise StepRefusedError(f"{text} is no reference to a secret") from None
        except DeliveryError as error:
            if error.is_permanent:
                raise StepRefusedError(str(error)) from None
            raise AwsError(AwsErrorKind.UNREACHABLE, str(error)) from None


def _headers(step: ResolvedCall, spec: Http, secrets: dict[str, str], *, has_body: bool) -> Headers:
    """All headers of a request.

    Raises:
        StepRefusedError: one must not be set.
    """
    given = [(name.encode(), value.encode()) for name, value in (spec.headers | secrets).items()]
    names = {name.lower() for name, _ in given}
    if refused := names.intersection(_OWN_HEADERS):
        raise StepRefusedError(f"the header {min(refused).decode()} is the request's own")
    own = {
        b"User-Agent": b"drs-waves",
        b"Accept": b"application/json, */*",
        b"Accept-Encoding": b"identity",
    }
    if has_body:
        own[b"Content-Type"] = b"application/json"
    own = {name: value for name, value in own.items() if name.lower() not in names}
    own[b"Idempotency-Key"] = step.call.attempt_id.encode()
    return [*own.items(), *given]


class _Sending:
    """Whether a request was sent, by httpcore's trace; it is not sent when it is too late."""

    def __init__(self, not_after: float) -> None:
        self._not_after = not_after
        self.began = False

    async def trace(self, event: str, _: dict[str, Any]) -> None:
        """Called by httpcore at each event of a request.

        Raises:
            AwsError: it is too late to send it.
        """
        if event.endswith("send_request_headers.started"):
            if time.monotonic() > self._not_after:
                raise AwsError(
                    AwsErrorKind.THROTTLED, "the host answers too slowly, so nothing was sent"
                )
            self.began = True


def _started(spec: Http, status: int, body: bytes, *, is_shown: bool) -> StartedStep:
    """What an answer means.

    Args:
        spec: the request.
        status: of the answer.
        body: of the answer.
        is_shown: people may see the beginning of the body, which has no secret output.

    Raises:
        OutcomeUnknownError: the service does not say what it did.
        AwsError: it took no request.
    """
    text = visible(body[: _SHOWN_CHARACTERS * 4].decode(errors="replace"))[:_SHOWN_CHARACTERS]
    said = f"{spec.method} {spec.url}: HTTP {status}"
    said += f': "{text.strip()}"' if text and is_shown else ""
    is_expected = status in (spec.expected_status or range(200, 300))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and not is_expected:
        raise OutcomeUnknownError(said)
    if status == HTTPStatus.TOO_MANY_REQUESTS and not is_expected:
        raise AwsError(AwsErrorKind.THROTTLED, said)
    if is_expected:
        result = StepResult(status=StepStatus.SUCCEEDED, reason=said, outputs=_outputs(body))
    else:
        result = StepResult(status=StepStatus.FAILED, reason=said)
    return StartedStep(outcome=StartOutcome.STARTED, link=spec.url, result=result)


def _outputs(body: bytes) -> dict[str, JsonValue]:
    """A body's JSON, or its text; nothing of one that is longer than 64 KB."""
    if len(body) > _MAX_BODY_BYTES:
        return {}
    try:
        return as_object(json.loads(body))
    except ValueError:
        return as_object(body.decode(errors="replace"))
