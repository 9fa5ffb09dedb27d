"""The API's documentation page: Swagger UI, served from this server only."""

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>drs-waves API</title>
<link rel="icon" href="docs/files/favicon.png">
<link rel="stylesheet" href="docs/files/swagger-ui.css">
<script src="docs/files/swagger-ui-bundle.js" defer></script>
<script src="docs/start.js" defer></script>
</head><body><div id="swagger-ui"></div></body></html>
"""
# A file of its own, because the content security policy forbids inline scripts. The validator's
# badge would be loaded from another host.
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
  tryItOutEnabled: false, presets: [SwaggerUIBundle.presets.apis],
});
"""


def add_to(api: FastAPI) -> None:
    """Add the page. Its URLs are relative, because a proxy may serve the API under another path."""
    api.mount("/docs/files", StaticFiles(packages=[("fastapi_offline", "static")]))

    @api.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return HTMLResponse(_PAGE)

    @api.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")
