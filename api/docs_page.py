"""The API's documentation page: Swagger UI, of which nothing is loaded from another host."""

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
    """The page. All addresses are relative, for a proxy may put the API elsewhere."""
    return get_swagger_ui_html(
        openapi_url="docs/openapi.json",
        title="drs-waves API",
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon-32x32.png",
        oauth2_redirect_url=None,
        # The badge would be asked of validator.swagger.io.
        swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": False},
    )


@router.get("/docs/openapi.json")
async def document(request: Request) -> dict[str, Any]:
    """The document for the page: the bundle's Swagger UI 4 shows no OpenAPI 3.1."""
    told: dict[str, Any] = {**request.app.openapi(), "openapi": "3.0.3"}
    told["info"] = {key: value for key, value in told["info"].items() if key != "summary"}
    found: dict[str, Any] = _of_3_0(told)
    return found


def _add_files() -> None:
    for name, kind in _FILES.items():
        path = Path(str(swagger_ui_path)) / name

        async def file(path: Path = path, kind: str = kind) -> FileResponse:
            return FileResponse(path, media_type=kind)

        router.add_api_route(f"/docs/{name}", file, methods=["GET"])


_add_files()


def _of_3_0(part: Any) -> Any:
    """A part of an OpenAPI 3.1 document as 3.0 spells it."""
    if isinstance(part, list):
        return [_of_3_0(each) for each in part]
    if not isinstance(part, dict):
        return part
    told = {key: _of_3_0(value) for key, value in part.items()}
    choices = told.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        others = [each for each in choices if each != {"type": "null"}]
        del told["anyOf"]
        told |= {"nullable": True, **({"allOf": others} if len(others) == 1 else {"anyOf": others})}
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = told.get(bound)
        if isinstance(value, int | float) and not isinstance(value, bool):
            told |= {limit: value, bound: True}
    if "const" in told and isinstance(told["const"], str):
        told["enum"] = [told.pop("const")]
    return told
