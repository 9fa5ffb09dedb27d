"""The OpenAPI document of the API: FastAPI's own, with the schema of problem details."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import ProblemDetails

_REF = "#/components/schemas/{model}"


def add_to(api: FastAPI) -> None:
    """Add the shared schemas to the OpenAPI document of an API."""

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _document(api)
        return api.openapi_schema

    # FastAPI's documented way to change the document.
    api.openapi = document  # type: ignore[method-assign]


def _document(api: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=api.title,
        version=api.version,
        summary=api.summary,
        description=api.description,
        routes=api.routes,
        servers=api.servers,
    )
    schema = ProblemDetails.model_json_schema(ref_template=_REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= schema.pop("$defs", {})
    schemas["ProblemDetails"] = schema
    return document
