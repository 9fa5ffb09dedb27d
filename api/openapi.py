"""The API's OpenAPI document: FastAPI's own, with the problem answers that all endpoints share."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import ProblemDetails

_REF = "#/components/schemas/{model}"


def add_to(api: FastAPI) -> None:
    """Have an API tell what it has so."""

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _document(api)
        return api.openapi_schema

    # FastAPI's documented way to change the document.
    api.openapi = document  # type: ignore[method-assign]


def _document(api: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=api.title,
        version=api.version,
        summary=api.summary,
        description=api.description,
        routes=api.routes,
        servers=api.servers,
    )
    schema = ProblemDetails.model_json_schema(ref_template=_REF)
    known = found.setdefault("components", {}).setdefault("schemas", {})
    known |= schema.pop("$defs", {})
    known["ProblemDetails"] = schema
    return found
