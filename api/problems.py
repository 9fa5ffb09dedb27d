"""Errors as problem details (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from temporalio.service import RPCError

from api.auth.tokens import NotAuthenticatedError, ProviderAwayError, TokenMissingError
from api.hub import UnknownExecutionError
from client.errors import RefusedError, UnreachableError
from recovery.plan.file.problems import printable
from recovery.plan.file.reader import PlanError
from storage.dynamodb import TableError

MEDIA_TYPE = "application/problem+json"
_AGAIN_SECONDS = "5"


class FieldProblem(BaseModel):
    """What is wrong with one part of what was sent.

    Attributes:
        pointer: where it is, such as `/body/Confirmation`; or the line of a plan, as `line 7`.
    """

    pointer: str
    detail: str


class ProblemDetails(BaseModel):
    """Why a request was not carried out, after RFC 9457.

    Attributes:
        detail: what is wrong and what to do.
        problems: each of several things that are wrong.
    """

    model_config = ConfigDict(extra="forbid")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
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


def unauthenticated(error: NotAuthenticatedError) -> ApiProblem:
    """The answer to a caller that is not known (RFC 6750)."""
    missing = isinstance(error, TokenMissingError)
    challenge = "Bearer" if missing else 'Bearer error="invalid_token"'
    detail = f"{error}; send it as `Authorization: Bearer …`"
    return ApiProblem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": challenge})


def problem_of(error: Exception) -> ApiProblem:
    """What to answer to an error."""
    detail = str(error)
    match error:
        case ApiProblem():
            found = error
        case NotAuthenticatedError():
            found = unauthenticated(error)
        case ProviderAwayError():
            found = _away(f"who you are cannot be checked now: {detail}")
        case PlanError():
            found = _of_plan(error)
        case UnknownExecutionError():
            found = ApiProblem(HTTPStatus.NOT_FOUND, detail)
        case RefusedError():
            found = ApiProblem(HTTPStatus.CONFLICT, detail)
        case UnreachableError() | TableError():
            found = _away(detail)
        case RPCError():
            found = _away(f"Temporal did not answer: {error.message}")
        case RequestValidationError():
            found = _of_request(error)
        case HTTPException():
            status = HTTPStatus(error.status_code)
            found = ApiProblem(status, str(error.detail), headers=error.headers)
        case _:
            structlog.get_logger().exception("a request met a defect", exc_info=error)
            detail = "this is a defect of drs-waves; its log says more"
            found = ApiProblem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
    return found


def _away(detail: str) -> ApiProblem:
    again = {"Retry-After": _AGAIN_SECONDS}
    return ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers=again)


async def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that ended with an error."""
    problem = problem_of(error)
    if problem.status is HTTPStatus.METHOD_NOT_ALLOWED and isinstance(request.app, FastAPI):
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        problem.headers["Allow"] = ", ".join(_allowed(request.app, path))
    details = ProblemDetails(
        title=problem.status.phrase,
        status=problem.status,
        detail=_sendable(problem.detail),
        instance=_sendable(request.url.path),
        problems=problem.problems and [_sendable_problem(each) for each in problem.problems],
    )
    return JSONResponse(
        details.model_dump(mode="json", exclude_none=True),
        status_code=problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def _allowed(api: FastAPI, path: str) -> list[str]:
    """All methods of an address; Starlette tells those of its first route only."""
    paths = api.openapi()["paths"]
    # One that stands there as it is goes before those that it would fit.
    found = [path] if path in paths else [t for t in paths if compile_path(t)[0].fullmatch(path)]
    return sorted(method.upper() for template in found for method in paths[template])


def _sendable(text: str) -> str:
    """A text without halves of surrogate pairs, which may be in what it quotes."""
    return text.encode(errors="replace").decode()


def _sendable_problem(problem: FieldProblem) -> FieldProblem:
    return FieldProblem(pointer=_sendable(problem.pointer), detail=_sendable(problem.detail))


def add_to(app: FastAPI) -> None:
    """Have an application answer all errors so."""
    foreseen: tuple[type[Exception], ...] = (
        ApiProblem, NotAuthenticatedError, ProviderAwayError, PlanError, UnknownExecutionError,
        RefusedError, UnreachableError, TableError, RPCError, RequestValidationError,
        HTTPException, Exception,
    )  # fmt: skip
    for each in foreseen:
        app.add_exception_handler(each, answer)


def told(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The problem answers of an endpoint, for its OpenAPI document."""
    # Without `model`, which FastAPI tells as application/json; `api/openapi.py` has the schema.
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


def _of_plan(error: PlanError) -> ApiProblem:
    problems = [
        FieldProblem(
            pointer=f"line {each.line}" if each.line else "plan",
            detail=f"wave {printable(each.wave)}: {each.message}" if each.wave else each.message,
        )
        for each in error.problems
    ]
    detail = f"the plan has {len(problems)} problem{'s' if len(problems) > 1 else ''}; see problems"
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems)


def _said(error: Mapping[str, Any]) -> str:
    """What a problem is, without what pydantic puts before the text of our own checks."""
    own = error.get("ctx", {}).get("error")
    return str(own if isinstance(own, ValueError) else error["msg"])


def _of_request(error: RequestValidationError) -> ApiProblem:
    problems = [
        FieldProblem(
            pointer="/" + "/".join(str(part) for part in each["loc"]),
            detail=_said(each),
        )
        for each in error.errors()
    ]
    first = problems[0] if problems else FieldProblem(pointer="/", detail="it cannot be read")
    detail = f"{first.pointer}: {first.detail}"
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, problems=problems)
