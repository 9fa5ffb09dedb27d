"""Errors as problem details (RFC 9457), and how the OpenAPI document describes them."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from temporalio.service import RPCError

from api.auth.tokens import NotAuthenticatedError, ProviderUnavailableError, TokenMissingError
from api.hub import UnknownExecutionError
from client.errors import RefusedError, UnreachableError
from recovery.operator.confirmation import RequestRefusal
from recovery.operator.messages import nearest
from recovery.plan.file.problems import printable
from recovery.plan.file.reader import PlanError
from recovery.text_format import length_note
from storage.dynamodb import TableError

MEDIA_TYPE = "application/problem+json"
# The problems of a request with a body, beside those of every request.
BODY_PROBLEMS = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
_RETRY_AFTER_SECONDS = "5"
# Quoted input may contain lone surrogates, which cannot be encoded.
_Text = Annotated[str, BeforeValidator(lambda text: text.encode(errors="replace").decode())]


class FieldProblem(BaseModel):
    """A problem in one part of a request.

    Attributes:
        pointer: a JSON pointer into the body (RFC 6901, as a fragment), such as `#/Confirmation`.
        parameter: the name of a parameter or header, if the problem is in one.
        line: the line of a plan file, counted from 1.
        wave: the WaveId of a plan file, if the problem is in a wave.
        detail: what is wrong.
    """

    pointer: _Text | None = None
    parameter: _Text | None = None
    line: int | None = None
    wave: _Text | None = None
    detail: _Text

    @property
    def place(self) -> str:
        """The part, as text."""
        return self.parameter or self.pointer or ""


class ProblemDetails(BaseModel):
    """Why a request failed (RFC 9457).

    Attributes:
        detail: what is wrong and what to do.
        problems: one entry per problem, if there are several.
    """

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: _Text
    instance: _Text
    problems: list[FieldProblem] | None = None


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


def raise_if_refused(refusal: RequestRefusal | None) -> None:
    """Raise the refusal of a rule, if there is one.

    Raises:
        ApiProblem: has the text of the refusal.
    """
    if refusal is not None:
        raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, refusal.text)


def problem_of(error: Exception) -> ApiProblem:
    """Convert an error to a problem."""
    detail = str(error)
    match error:
        case ApiProblem():
            found = error
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
            found = _plan_problem(error)
        case UnknownExecutionError():
            found = ApiProblem(HTTPStatus.NOT_FOUND, detail)
        case RefusedError():
            found = ApiProblem(HTTPStatus.CONFLICT, error.for_api)
        case UnreachableError() | TableError():
            found = _unavailable(detail)
        case RPCError():
            found = _unavailable(f"Temporal did not answer: {error.message}")
        case HTTPException():
            status = HTTPStatus(error.status_code)
            found = ApiProblem(status, str(error.detail), headers=error.headers)
        case _:
            structlog.get_logger().exception("unexpected error in a request", exc_info=error)
            detail = "internal error of drs-waves; see the log of the server"
            found = ApiProblem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
    return found


def _unavailable(detail: str) -> ApiProblem:
    headers = {"Retry-After": _RETRY_AFTER_SECONDS}
    return ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=headers)


async def respond(request: Request, error: Exception) -> JSONResponse:
    """Respond to a request that raised an error."""
    if isinstance(error, RequestValidationError):
        error = _request_problem(error, _body_keys(request))
    problem = problem_of(error)
    if problem.status is HTTPStatus.METHOD_NOT_ALLOWED and isinstance(request.app, FastAPI):
        problem.headers["Allow"] = ", ".join(_allowed(request))
    details = ProblemDetails(
        title=problem.status.phrase,
        status=problem.status,
        detail=problem.detail,
        instance=request.url.path,
        problems=problem.problems,
    )
    return JSONResponse(
        details.model_dump(mode="json", exclude_none=True),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def _allowed(request: Request) -> list[str]:
    """All methods of a path; Starlette returns those of the first matching route only."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    paths = request.app.openapi()["paths"]
    # A literal path takes precedence over templates that match it.
    if path in paths:
        return sorted(method.upper() for method in paths[path])
    templates = [template for template in paths if compile_path(template)[0].fullmatch(path)]
    return sorted(method.upper() for template in templates for method in paths[template])


def add_to(api: FastAPI) -> None:
    """Make an API respond to all errors with problem details, and document them."""
    handled: tuple[type[Exception], ...] = (
        ApiProblem, NotAuthenticatedError, ProviderUnavailableError, PlanError,
        UnknownExecutionError, RefusedError, UnreachableError, TableError, RPCError,
        RequestValidationError, HTTPException, Exception,
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


def _plan_problem(error: PlanError) -> ApiProblem:
    problems = [
        FieldProblem(line=each.line, wave=each.wave and printable(each.wave), detail=each.message)
        for each in error.problems
    ]
    detail = f"the plan has {len(problems)} problem{'s' if len(problems) > 1 else ''}; see problems"
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems)


def _request_problem(error: RequestValidationError, keys: Sequence[str]) -> ApiProblem:
    """The problems of a request's parameters and body; `keys` are those of the body."""
    problems = [_field_problem(each, keys) for each in error.errors()]
    first = problems[0]
    detail = f"{first.place}: {first.detail}" if first.place else first.detail
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems)


def _field_problem(error: Mapping[str, Any], keys: Sequence[str]) -> FieldProblem:
    where, *path = error["loc"]
    if where != "body":
        return FieldProblem(parameter=str(path[-1]) if path else where, detail=_message(error, ()))
    if error["type"] == "json_invalid":
        return FieldProblem(
            pointer="#", detail=f"the body is not JSON: {error['ctx']['error']} (at {path[-1]})"
        )
    # "~" and "/" are escaped (RFC 6901), what a URL cannot contain too (RFC 3986).
    tokens = (quote(str(each).replace("~", "~0").replace("/", "~1")) for each in path)
    return FieldProblem(pointer="/".join(["#", *tokens]), detail=_message(error, keys))


def _message(error: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What is wrong with a value, and what to send.

    Args:
        error: one of pydantic's errors.
        keys: the keys that the mapping may have.
    """
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "it is missing"
        case "extra_forbidden":
            return f"unknown key; {nearest(str(error['loc'][-1]), tuple(keys))}"
        case "string_pattern_mismatch":
            pattern, given = context["pattern"], str(error["input"])
            note = length_note(pattern, given)
            return f"{printable(given)!r} does not match {pattern}" + (f" ({note})" if note else "")
    # Without pydantic's prefix for our own checks.
    cause = context.get("error")
    return str(cause if isinstance(cause, ValueError) else error["msg"])


def _body_keys(request: Request) -> tuple[str, ...]:
    """The keys of the body that the endpoint of a request takes."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = field.field_info.annotation if field else None
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())
