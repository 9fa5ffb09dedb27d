"""The pages: the overview, an execution, signing in.

Tested in tests/api/pages/ and tests/end_to_end/pages/.
"""

from fastapi import FastAPI
from nicegui import ui

from api.pages import assets as served
from api.pages import sign_in as tokens
from api.pages.execution import execution_page
from api.pages.overview import overview_page
from api.service import House

# A page that has lost its connection for longer is loaded anew.
_RECONNECT_SECONDS = 15.0


def add_to(app: FastAPI, house: House) -> None:
    """Add all pages."""
    tokens.add_to(app, house.gate)
    served.serve_files()
    ui.add_head_html(served.page_head(), shared=True)
    overview_page.add_to(house)
    execution_page.add_to(house)
    ui.run_with(
        app,
        title="drs-waves",
        favicon=served.ICON,
        language="en-US",
        tailwind=False,
        reconnect_timeout=_RECONNECT_SECONDS,
        show_welcome_message=False,
    )
