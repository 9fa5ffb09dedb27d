"""The pages: overview, execution, sign-in.

Tested in tests/api/pages/ and tests/end_to_end/pages/.
"""

from fastapi import FastAPI
from nicegui import ui

from api.pages import assets, sign_in
from api.pages.execution import execution_page
from api.pages.overview import overview_page
from api.service import ExecutionService

# A page that was disconnected for longer is reloaded.
_RECONNECT_SECONDS = 15.0


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add all pages."""
    sign_in.add_to(app, service.authenticator)
    assets.serve_files()
    ui.add_head_html(assets.page_head(), shared=True)
    overview_page.add_to(service)
    execution_page.add_to(service)
    ui.run_with(
        app,
        title="drs-waves",
        favicon=assets.ICON,
        language="en-US",
        tailwind=False,
        reconnect_timeout=_RECONNECT_SECONDS,
        show_welcome_message=False,
    )
