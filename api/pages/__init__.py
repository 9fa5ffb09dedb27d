"""The pages: overview, plan, editor, execution, sign-in.

The server renders everything and keeps nothing of an open page, so any server process answers any
request. Tested in tests/api/pages/ and tests/end_to_end/pages/.
"""

from fastapi import FastAPI, Request, Response

from api.pages import assets
from api.pages.execution import execution_routes
from api.pages.overview import decisions_page, overview_page
from api.pages.plan import editor_page, plan_page
from api.pages.portfolio import portfolio_page
from api.pages.rendering import render
from api.pages.sign_in import SignInPages
from api.service import ExecutionService


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add all pages."""
    assets.add_to(app)
    SignInPages(service.settings, service.authenticator).add_to(app)
    overview_page.add_to(app, service)
    decisions_page.add_to(app, service)
    execution_routes.add_to(app, service)
    editor_page.add_to(app, service)
    plan_page.add_to(app, service)
    portfolio_page.add_to(app, service)
    for status in (404, 405):
        app.add_exception_handler(status, _not_found)


async def _not_found(request: Request, _: Exception) -> Response:
    """A page that says that there is no page at an address."""
    text = f"There is no page at {request.url.path}."
    body = render("notice", user=None, is_open=True, here="not found", title="Not found", text=text)
    return assets.document("Not found · drs-waves", body, status=404)
