"""What is wrong with a request: its path, its parameters and its body."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Header, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, BeforeValidator
from starlette.routing import compile_path

from api.parameters import EXECUTION_ID_NOTE, EXECUTION_ID_PATTERN
from recovery.operator.messages import nearest
from recovery.plan.file.problems import printable
from recovery.text_format import count, length_note

# Quoted input may contain lone surrogates, which cannot be encoded.
Text = Annotated[str, BeforeValidator(lambda text: text.encode(errors="replace").decode())]
# In pydantic's "'DRILL' or 'RECOVERY'".
_QUOTED = re.compile(r"'([^']+)'")
_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a JSON object",
    "model_type": "a JSON object",
    "model_attributes_type": "a JSON object",
    "finite_number": "a number that is not infinite",
}
# By error: what is expected, and the name of the limit in pydantic's context.
_LIMITS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}
_SIZES = {
    "too_short": ("at least", "min_length", "element"),
    "too_long": ("at most", "max_length", "element"),
    "string_too_short": ("at least", "min_length", "character"),
    "string_too_long": ("at most", "max_length", "character"),
}


# Raised when a key, a path or a meaning changes or goes; not when one is added.
API_VERSION = "1"
VERSION_HEADER = "API-Version"
Version = Annotated[
    str | None,
    Header(
        alias=VERSION_HEADER,
        pattern=f"^{API_VERSION}$",
        description="The version of the API that the caller expects. Default: any.",
    ),
]


class FieldProblem(BaseModel):
    """A problem in one part of a request.

    Attributes:
        pointer: a JSON pointer into the body that was sent (RFC 6901, as a fragment), such as
            `#/Confirmation`; of a key that is missing, the object that lacks it.
        parameter: the name of a parameter or header, if the problem is in one.
        line: the line of a plan file, counted from 1.
        wave: the WaveId of a plan file, if the problem is in a wave.
        detail: what is wrong.
    """

    pointer: Text | None = None
    parameter: Text | None = None
    line: int | None = None
    wave: Text | None = None
    detail: Text

    @property
    def place(self) -> str:
        """The part, as text."""
        return self.parameter or self.pointer or ""


class UnknownParameterError(Exception):
    """A request has a query parameter that its endpoint does not know."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        hint = nearest(name, tuple(known)) if known else "this request takes none"
        self.problem = FieldProblem(parameter=name, detail=f"unknown parameter; {hint}")
        super().__init__(f"{name}: {self.problem.detail}")


async def check_request(request: Request, response: Response, version: Version = None) -> None:
    """Refuse another version, and a parameter that would be ignored, such as a misspelled filter.

    Raises:
        UnknownParameterError: there is one.
    """
    response.headers[VERSION_HEADER] = API_VERSION
    if not request.query_params:
        return
    paths = request.app.openapi()["paths"]
    # The path of a route of an included router lacks the router's prefix.
    method = request.method.lower()
    documents = [paths[each].get(method, {}) for each in _templates(paths, own_path(request))]
    parameters = [each for document in documents for each in document.get("parameters", [])]
    known = [each["name"] for each in parameters if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            raise UnknownParameterError(name, known)


def field_problems(error: RequestValidationError, request: Request) -> list[FieldProblem]:
    """The problems of a request's parameters and body."""
    keys, errors = _body_keys(request), error.errors()
    unknown = [str(each["loc"][-1]) for each in errors if each["type"] == "extra_forbidden"]
    meant = {close for key in unknown for close in difflib.get_close_matches(key, keys, n=1)}
    return [
        _field_problem(each, keys)
        for each in errors
        # A misspelled key is one problem, not two.
        if each["type"] != "missing" or each["loc"][-1] not in meant
    ]


def no_such_path(request: Request) -> str:
    """Say that there is no such path, and which one is nearest."""
    path, root = own_path(request), request.scope.get("root_path", "")
    known = _filled(request.app.openapi()["paths"], path)
    close = difflib.get_close_matches(path, [*known], n=1, cutoff=0.8)
    hint = f"did you mean {root}{close[0]}?" if close else f"{root}/openapi.json lists the paths"
    return f"there is no {printable(root + path)}; {hint}"


def allowed_methods(request: Request) -> list[str]:
    """All methods of a path; Starlette returns those of the first matching route only."""
    paths = request.app.openapi()["paths"]
    templates = _templates(paths, own_path(request))
    return sorted(method.upper() for template in templates for method in paths[template])


def _templates(paths: Mapping[str, Any], path: str) -> list[str]:
    """The templates that a path matches; a literal path takes precedence over them."""
    if path in paths:
        return [path]
    return [template for template in paths if compile_path(template)[0].fullmatch(path)]


def own_path(request: Request) -> str:
    """The path of a request below the API."""
    path: str = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    return path


def _filled(templates: Sequence[str], path: str) -> Iterator[str]:
    """The paths of as many parts, with the parameters of this one."""
    parts = path.split("/")
    for template in templates:
        wanted = template.split("/")
        if len(wanted) == len(parts):
            pairs = zip(wanted, parts, strict=True)
            yield "/".join(given if each.startswith("{") else each for each, given in pairs)


def _field_problem(error: Mapping[str, Any], keys: Sequence[str]) -> FieldProblem:
    where, *path = error["loc"]
    is_missing = error["type"] == "missing"
    if where != "body":
        return FieldProblem(parameter=str(path[-1]) if path else where, detail=_message(error, ()))
    if error["type"] == "json_invalid":
        reason = f"{error['ctx']['error']}, at character {path[-1]}"
        return FieldProblem(pointer="#", detail=f"the body is not JSON: {reason}")
    # "~" and "/" are escaped (RFC 6901), what a URL cannot contain too (RFC 3986).
    tokens = [quote(str(each).replace("~", "~0").replace("/", "~1")) for each in path]
    # What is missing has no place; a pointer names what was sent.
    pointer = "/".join(["#", *(tokens[:-1] if is_missing else tokens)])
    return FieldProblem(pointer=pointer, detail=_message(error, keys))


def _message(error: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What is wrong with a value, and what to send.

    Args:
        error: one of pydantic's errors.
        keys: the keys that the mapping may have.
    """
    kind, context, place = error["type"], error.get("ctx", {}), error["loc"]
    given = printable(str(error["input"])) if isinstance(error["input"], str) else None
    match kind:
        case "missing":
            return f"{place[-1]} is missing" if len(place) > 1 else "the body is missing; send JSON"
        case "extra_forbidden":
            return f"unknown key; {nearest(str(place[-1]), tuple(keys))}"
        case "string_pattern_mismatch":
            note = length_note(context["pattern"], str(error["input"]))
            if context["pattern"] == f"^{EXECUTION_ID_PATTERN}$":
                note = EXECUTION_ID_NOTE
            return f"{given!r} does not match {context['pattern']}" + (f" ({note})" if note else "")
        case "enum" | "literal_error" if given is not None:
            choices = _QUOTED.findall(context["expected"])
            return f"{given!r} is none of {', '.join(choices)}; {_nearest_choice(given, choices)}"
    cause = context.get("error")
    if isinstance(cause, ValueError):
        # Without pydantic's prefix for our own checks.
        return str(cause)
    return _expectation(error) or str(error["msg"])


def _expectation(error: Mapping[str, Any]) -> str | None:
    kind, context, given = error["type"], error.get("ctx", {}), error["input"]
    found = f", not {printable(str(given))!r}" if isinstance(given, str) else ""
    found = f", not {given}" if isinstance(given, int | float) else found
    if error["loc"] == ("body",) and kind in _EXPECTED:
        return "the body must be a JSON object, sent with Content-Type: application/json"
    if expected := _EXPECTED.get(kind):
        return f"must be {expected}{found}"
    if limit := _LIMITS.get(kind):
        return f"must be {limit[0]} {context[limit[1]]:g}{found}"
    if size := _SIZES.get(kind):
        return f"must have {size[0]} {count(context[size[1]], size[2])}"
    return None


def _nearest_choice(given: str, choices: list[str]) -> str:
    close = {each.casefold(): each for each in choices}.get(given.casefold())
    return f"did you mean {close}?" if close else "send one of them"


def _body_keys(request: Request) -> tuple[str, ...]:
    """The keys of the body that the endpoint of a request takes."""
    field = getattr(request.scope.get("route"), "body_field", None)
    model = field.field_info.annotation if field else None
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())
