"""The API's documentation page: Swagger UI, served from this server only."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles


def add_to(api: FastAPI) -> None:
    """Add the page. Its URLs are relative, because a proxy may serve the API under another path."""
    api.mount("/docs/files", StaticFiles(packages=[("fastapi_offline", "static")]))

    @api.get("/docs", include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title="drs-waves API",
            swagger_js_url="docs/files/swagger-ui-bundle.js",
            swagger_css_url="docs/files/swagger-ui.css",
            swagger_favicon_url="docs/files/favicon.png",
            oauth2_redirect_url=None,
            # The badge would be loaded from validator.swagger.io.
            swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": False},
        )
