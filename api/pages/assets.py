"""The static files of the pages, and the documents that load them."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from markupsafe import Markup

from api.pages.rendering import render

_FOLDER = Path(__file__).parent / "static"
_ADDRESS = "/pages"


def add_to(app: FastAPI) -> None:
    """Serve the static files."""
    app.mount(_ADDRESS, StaticFiles(directory=_FOLDER))


def document(
    title: str,
    body: str,
    *,
    status: int = 200,
    shown: str | None = None,
    scripts: Sequence[str] = (),
) -> HTMLResponse:
    """An HTML document.

    Args:
        title: the title of the window.
        body: the content.
        status: the HTTP status.
        shown: the digest of the parts that a page with updates shows; None for a page without.
        scripts: the static files of its own scripts.
    """
    html = render(
        "document",
        title=title,
        address=_file_address,
        body=Markup(body),
        shown=shown,
        scripts=scripts,
    )
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


@cache
def _file_address(name: str) -> str:
    """The address of a static file; with a digest, so that browsers reload a changed file."""
    digest = hashlib.sha256((_FOLDER / name).read_bytes()).hexdigest()[:12]
    return f"{_ADDRESS}/{name}?{digest}"
