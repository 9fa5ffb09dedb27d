"""The API's documentation page: Swagger UI, served from this server only."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from swagger_ui_bundle import swagger_ui_path  # type: ignore[import-untyped]

router = APIRouter(include_in_schema=False)

_FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}


@router.get("/docs")
async def documentation() -> HTMLResponse:
    """The page. Its URLs are relative, because a proxy may serve the API under another path."""
    return get_swagger_ui_html(
        openapi_url="docs/openapi.json",
        title="drs-waves API",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon-32x32.png",
        oauth2_redirect_url=None,
        # The badge would be loaded from validator.swagger.io.
        swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": False},
    )


@router.get("/docs/openapi.json")
async def openapi_3_0(request: Request) -> dict[str, Any]:
    """The OpenAPI document for the page: the bundled Swagger UI 4 does not support OpenAPI 3.1."""
    document: dict[str, Any] = {**request.app.openapi(), "openapi": "3.0.3"}
    document["info"] = {k: v for k, v in document["info"].items() if k != "summary"}
    converted: dict[str, Any] = _as_3_0(document)
    return converted


def _add_files() -> None:
    for name, kind in _FILES.items():
        path = Path(str(swagger_ui_path)) / name

        async def file(path: Path = path, kind: str = kind) -> FileResponse:
            return FileResponse(path, media_type=kind)

        router.add_api_route(f"/docs/{name}", file, methods=["GET"])


_add_files()


def _as_3_0(part: Any) -> Any:
    """Convert a part of an OpenAPI 3.1 document to 3.0."""
    if isinstance(part, list):
        return [_as_3_0(each) for each in part]
    if not isinstance(part, dict):
        return part
    converted = {key: _as_3_0(value) for key, value in part.items()}
    choices = converted.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [each for each in choices if each != {"type": "null"}]
        del converted["anyOf"]
        converted |= {
            "nullable": True,
            **({"allOf": others} if len(others) == 1 else {"anyOf": others}),
        }
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = converted.get(bound)
        if isinstance(value, int | float) and not isinstance(value, bool):
            converted |= {limit: value, bound: True}
    if "const" in converted and isinstance(converted["const"], str):
        converted["enum"] = [converted.pop("const")]
    return converted
