"""Errors as problem details (RFC 9457), and how the OpenAPI document describes them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from temporalio.service import RPCError

from api.auth.audited_requests import note_refusal
from api.auth.provider import ProviderUnavailableError
from api.auth.rate_limits import TooManyRequestsError
from api.auth.tokens import NotAuthenticatedError, TokenMissingError
from api.hub import UnknownExecutionError
from api.request_problems import (
    API_VERSION,
    VERSION_HEADER,
    FieldProblem,
    Text,
    UnknownParameterError,
    allowed_methods,
    field_problems,
    no_such_path,
)
from client.errors import (
    ClientError,
    NotRecordedError,
    NoWorkerError,
    RefusedError,
    RejectedError,
    UnreachableError,
    text_for_api,
)
from client.schedules.drill_schedules import UnknownScheduleError
from recovery.access.redaction import redacted
from recovery.operator.confirmation import RequestRefusal, RequestRefusalCode
from recovery.plan.file.problems import printable
from recovery.plan.file.reader import PlanError
from security.encryption import EncryptionError
from storage.dynamodb import TableError

MEDIA_TYPE = "application/problem+json"
# The problems of a request with a body, beside those of every request.
BODY_PROBLEMS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
_RETRY_AFTER_SECONDS = "5"


class ProblemDetails(BaseModel):
    """Why a request failed (RFC 9457).

    Attributes:
        detail: what is wrong and what to do.
        problems: one entry per problem, if there are several.
        command_line: the detail in the words of the command line, if these are others.
        is_worker_missing: whether it failed because no worker answers.
    """

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: Text
    instance: Text
    problems: list[FieldProblem] | None = None
    command_line: Text | None = None
    is_worker_missing: bool | None = None


class ApiProblem(Exception):
    """Ends a request with problem details."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        problems: list[FieldProblem] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.problems = problems


# The key of a request that a refusal is about; "" if the key is missing.
_REFUSED_KEYS = {
    RequestRefusalCode.WRONG: "Confirmation",
    RequestRefusalCode.NOT_FOR_A_DRILL: "ReplaceDrill",
    RequestRefusalCode.NOT_FOR_A_RECOVERY: "CleanupAfterSeconds",
    RequestRefusalCode.UNKNOWN_SERVERS: "Relaunch",
    RequestRefusalCode.POINT_IN_TIME: "PointInTime",
    RequestRefusalCode.DECLARED: "DeclaredTime",
    RequestRefusalCode.FINDINGS_NOT_ACCEPTED: "AcceptFindings",
}


def raise_if_refused(refusal: RequestRefusal | None, plan_id: str) -> None:
    """Raise the refusal of a rule, if there is one.

    Raises:
        ApiProblem: has the text of the refusal, and what to send.
    """
    if refusal is None:
        return
    hint = {
        RequestRefusalCode.MISSING: f'; send "Confirmation": "{plan_id}"',
        RequestRefusalCode.FINDINGS_NOT_ACCEPTED: '; send "AcceptFindings": true for that',
        RequestRefusalCode.NOT_FORCED: '; send "Force": true for that',
    }.get(refusal.code, "")
    key = _REFUSED_KEYS.get(refusal.code)
    detail = refusal.text + hint
    problem = FieldProblem(pointer=f"#/{key}" if key else "#", detail=detail)
    raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=[problem])


def problem_of(error: Exception) -> ApiProblem:
    """Convert an error to a problem."""
    detail = str(error)
    match error:
        case ApiProblem():
            found = error
        case TooManyRequestsError():
            headers = {"Retry-After": str(error.retry_after)}
            found = ApiProblem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=headers)
        case NotAuthenticatedError():
            challenge = "" if isinstance(error, TokenMissingError) else ' error="invalid_token"'
            found = ApiProblem(
                HTTPStatus.UNAUTHORIZED,
                f"{detail}; send it as `Authorization: Bearer …`",
                headers={"WWW-Authenticate": f"Bearer{challenge}"},
            )
        case ProviderUnavailableError():
            found = _unavailable(f"your token cannot be verified now: {detail}")
        case PlanError():
            found = plan_problem(error)
        case NotRecordedError():
            found = ApiProblem(HTTPStatus.NOT_FOUND, error.for_api)
        case UnknownExecutionError() | UnknownScheduleError():
            found = ApiProblem(HTTPStatus.NOT_FOUND, detail)
        case RefusedError():
            found = ApiProblem(HTTPStatus.CONFLICT, error.for_api)
        case UnreachableError() | TableError() | EncryptionError():
            found = _unavailable(text_for_api(error))
        case RPCError():
            found = _unavailable(f"Temporal did not answer: {error.message}")
        case HTTPException():
            status = HTTPStatus(error.status_code)
            found = ApiProblem(status, str(error.detail), headers=error.headers)
        case _:
            structlog.get_logger().exception("unexpected error in a request", exc_info=error)
            detail = "internal error of drs-waves; see the log of the server"
            found = ApiProblem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
    code = error.code if isinstance(error, RejectedError) else None
    note_refusal(code or found.status.name, found.detail)
    return found


def _unavailable(detail: str) -> ApiProblem:
    headers = {"Retry-After": _RETRY_AFTER_SECONDS}
    return ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)


async def respond(request: Request, error: Exception) -> JSONResponse:
    """Respond to a request that raised an error."""
    match error:
        case RequestValidationError():
            error = _request_problem(field_problems(error, request))
        case UnknownParameterError():
            error = _request_problem([error.problem])
        case HTTPException(status_code=HTTPStatus.NOT_FOUND) if "route" not in request.scope:
            error = ApiProblem(HTTPStatus.NOT_FOUND, no_such_path(request))
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED):
            allowed = ", ".join(allowed_methods(request))
            error = ApiProblem(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{request.method} is not possible here; {allowed} is",
                headers={"Allow": allowed},
            )
    problem = problem_of(error)
    details = ProblemDetails(
        title=problem.status.phrase,
        status=problem.status,
        detail=redacted(problem.detail),
        instance=request.url.path,
        problems=problem.problems,
        command_line=_in_commands(error, problem.detail),
        is_worker_missing=isinstance(error, NoWorkerError) or None,
    )
    return JSONResponse(
        details.model_dump(mode="json", exclude_none=True),
        status_code=problem.status,
        headers={VERSION_HEADER: API_VERSION, **problem.headers},
        media_type=MEDIA_TYPE,
    )


def _in_commands(error: Exception, detail: str) -> str | None:
    """What an error says to somebody at the command line, if that is something else."""
    is_ours = isinstance(error, ClientError | TableError)
    return str(error) if is_ours and str(error) != detail else None


def add_to(api: FastAPI) -> None:
    """Make an API respond to all errors with problem details, and document them."""
    handled: tuple[type[Exception], ...] = (
        ApiProblem, TooManyRequestsError, NotAuthenticatedError, ProviderUnavailableError,
        PlanError, UnknownExecutionError, RefusedError, UnreachableError, TableError, RPCError,
        EncryptionError, RequestValidationError, UnknownParameterError, HTTPException, Exception,
    )  # fmt: skip
    for each in handled:
        api.add_exception_handler(each, respond)
    generate = api.openapi

    def document() -> dict[str, Any]:
        found = generate()
        schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        found["components"]["schemas"] |= schema.pop("$defs") | {"ProblemDetails": schema}
        return found

    # FastAPI's documented way to change the document.
    api.openapi = document  # type: ignore[method-assign]


def problem_responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem responses of an endpoint, for the OpenAPI document."""
    # Not `model`, which FastAPI documents as application/json; `add_to` adds the schema.
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def plan_problem(error: PlanError, waves: Mapping[str, int] | None = None) -> ApiProblem:
    """The problems of a plan; `waves` are the places of its waves in a JSON body."""
    problems = [
        FieldProblem(
            pointer=None if waves is None else _pointer(each.wave, waves),
            line=each.line,
            wave=each.wave and printable(each.wave),
            detail=each.message,
        )
        for each in error.problems
    ]
    detail = f"the plan has {len(problems)} problem{'s' if len(problems) > 1 else ''}; see problems"
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems)


def _pointer(wave: str | None, waves: Mapping[str, int]) -> str:
    return "#" if wave is None or wave not in waves else f"#/Waves/{waves[wave]}"


def _request_problem(problems: list[FieldProblem]) -> ApiProblem:
    first = problems[0]
    detail = f"{first.place}: {first.detail}" if first.place not in ("", "#") else first.detail
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems)
