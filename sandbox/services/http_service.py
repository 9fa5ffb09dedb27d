"""An HTTP service that is on no server, at `/_http/ACCOUNT` and a path of the scenario."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox import effects
from sandbox.drs.simulation import simulation
from sandbox.http.aws_call import Call
from sandbox.scenario import HTTP
from sandbox.services.scripts import HttpAnswer, HttpPath
from sandbox.services.state import GLOBAL_REGION, AnswerSequence, scripted_backends

PREFIX = "/_http/"
_IDEMPOTENCY_KEY = "Idempotency-Key"
_READING = ("GET", "HEAD")


def add_http_path(script: HttpPath) -> None:
    """Add a path, or replace its answers."""
    state = scripted_backends[script.account_id][GLOBAL_REGION]
    state.http_paths[script.path, script.method] = script, AnswerSequence(script.answers)


def http_call(environ: dict[str, Any]) -> Call | None:
    """Return the call of a request to the service, or None if it is to AWS."""
    path = environ["PATH_INFO"]
    if not path.startswith(PREFIX):
        return None
    account_id, _ = _place(path)
    body = environ["wsgi.input"].getvalue().decode(errors="replace")
    return Call(HTTP, environ["REQUEST_METHOD"], "", account_id, text=f"{path}\n{body}")


def respond(request: Request) -> Response:
    """Answer a request by the scenario."""
    account_id, path = _place(request.path)
    # A lookup by index in moto's BackendDict would create the backend, which needs an account.
    account = scripted_backends.get(account_id)
    state = account.get(GLOBAL_REGION) if account else None
    if state is None:
        return Response("Not Found", HTTPStatus.NOT_FOUND)
    with state.lock:
        paths = state.http_paths
        found = paths.get((path, request.method)) or paths.get((path, None))
        if found is None:
            return Response("Not Found", HTTPStatus.NOT_FOUND)
        script, answers = found
        key = request.headers.get(_IDEMPOTENCY_KEY, "")
        # What was not accepted may be asked for again.
        known_by = key if script.idempotent else ""
        answer, is_repeat = answers.next(known_by, is_kept=_is_accepted)
        if _is_accepted(answer) and (key or request.method not in _READING):
            effects.record(
                f"http.{request.method}",
                account_id=account_id,
                region="",
                key=key,
                details=_details(request, path),
                is_repeat=is_repeat,
            )
    time.sleep(answer.seconds / simulation.speed)
    return _response(answer)


def _is_accepted(answer: HttpAnswer) -> bool:
    if answer.accepted is None:
        return answer.status < HTTPStatus.BAD_REQUEST
    return answer.accepted


def _place(path: str) -> tuple[str, str]:
    """Return the account and the path of the service."""
    account_id, _, rest = path.removeprefix(PREFIX).partition("/")
    return account_id, f"/{rest}"


def _details(request: Request, path: str) -> dict[str, Any]:
    text = request.get_data(as_text=True)
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    query = request.query_string.decode(errors="replace")
    return {"Path": path, "Query": query, "Headers": dict(request.headers), "Body": body}


def _response(answer: HttpAnswer) -> Response:
    if isinstance(answer.body, str):
        response = Response(answer.body, answer.status, mimetype="text/plain")
    else:
        response = Response(json.dumps(answer.body), answer.status, mimetype="application/json")
    # A relative or link-local Location stays as the scenario has it.
    response.autocorrect_location_header = False
    response.headers.update(answer.headers)
    return response
