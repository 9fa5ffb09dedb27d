"""The static files of the pages, and the HTML head that loads them."""

import hashlib
from functools import cache
from pathlib import Path

from markupsafe import Markup
from nicegui import app

_FOLDER = Path(__file__).parent / "static"
_ADDRESS = "/pages"
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<rect width="32" height="32" rx="7" fill="#0b4f7d"/>'
    '<path d="M4 13c4-5 8-5 12 0s8 5 12 0M4 22c4-5 8-5 12 0s8 5 12 0" fill="none" '
    'stroke="#fff" stroke-width="3" stroke-linecap="round"/></svg>'
)


def serve_files() -> None:
    """Serve the static files."""
    app.add_static_files(_ADDRESS, _FOLDER)


@cache
def page_head() -> Markup:
    """The HTML that loads the files; with a digest, so that browsers reload a changed file."""
    script, style = (
        f"{_ADDRESS}/{name}?{hashlib.sha256((_FOLDER / name).read_bytes()).hexdigest()[:12]}"
        for name in ("theme.js", "pages.css")
    )
    return Markup(f'<script src="{script}"></script><link rel="stylesheet" href="{style}">')
