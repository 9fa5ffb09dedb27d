"""Lambda functions that answer by the scenario. Moto's own need Docker or ignore the function."""

from __future__ import annotations

import json
import time
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, lambda_backends
from moto.iam.models import iam_backends

from sandbox import effects
from sandbox.drs.simulation import simulation
from sandbox.services.scripts import Function, FunctionAnswer
from sandbox.services.state import AnswerSequence, scripted_backends

_ROLE = "sandbox-function"
_PARTITION = "aws"


def register() -> None:
    """Make moto's Invoke answer by the scenario. Idempotent."""
    LambdaBackend.invoke = _invoke  # type: ignore[assignment, method-assign]


def add_function(script: Function) -> None:
    """Create a function, or replace its answers."""
    backend = lambda_backends[script.account_id][script.region]
    known = {function.function_name for function in backend.list_functions()}
    if script.function_name not in known:
        backend.create_function(
            {
                "FunctionName": script.function_name,
                "Role": _role_arn(script.account_id),
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Code": {"ZipFile": ""},
            }
        )
    state = scripted_backends[script.account_id][script.region]
    state.functions[script.function_name] = script, AnswerSequence(script.answers)


def _role_arn(account_id: str) -> str:
    # Moto refuses a function whose role does not exist.
    roles = iam_backends[account_id][_PARTITION]
    found = [role.arn for role in roles.get_roles() if role.name == _ROLE]
    return found[0] if found else roles.create_role(_ROLE, "{}", "/", None, "", [], None).arn


def _invoke(  # noqa: PLR0917  # as moto calls it
    backend: LambdaBackend,
    function_name: str,
    qualifier: str | None,
    body: Any,
    headers: Any,
    response_headers: dict[str, Any],
) -> bytes:
    name = backend.get_function(function_name, qualifier).function_name
    payload = _payload(body)
    kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
    if kind == "DryRun":
        return b""
    state = scripted_backends[backend.account_id][backend.region_name]
    with state.lock:
        # A function that was created by the API has no script: it returns null.
        script, answers = state.functions.get(name, (None, AnswerSequence((FunctionAnswer(),))))
        key = _key(payload, script.idempotent_by if script else None)
        answer, is_repeat = answers.next(key)
        effects.record(
            "lambda.Invoke",
            account_id=backend.account_id,
            region=backend.region_name,
            key=key,
            details={"FunctionName": name, "InvocationType": kind, "Payload": payload},
            is_repeat=is_repeat,
        )
    if kind == "Event":
        return b""
    time.sleep(answer.seconds / simulation.speed)
    response_headers["x-amz-executed-version"] = "$LATEST"
    if answer.function_error:
        response_headers["x-amz-function-error"] = answer.function_error
    return json.dumps(answer.payload).encode()


def _payload(body: Any) -> Any:
    try:
        return json.loads(body or "{}")
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise LambdaClientError("InvalidRequestContentException", message) from None


def _key(payload: Any, field: str | None) -> str:
    value = payload.get(field) if field and isinstance(payload, dict) else None
    return "" if value is None else str(value)
