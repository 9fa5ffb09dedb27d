"""The addresses of an execution's pages, and of what they load."""

from collections.abc import Awaitable, Callable
from functools import lru_cache

from fastapi import FastAPI, Request, Response

from api.auth.tokens import Principal
from api.endpoints.execution_state import export
from api.execution_export import ExportFormat
from api.pages.execution.execution_page import ExecutionPage
from api.pages.execution.execution_renderer import ExecutionRenderer
from api.pages.execution.wall_page import WallPage
from api.pages.live_page import add_live_page, failed
from api.pages.sign_in import current_user
from api.reports.responses import ReportFile
from api.service import ExecutionService

_MAX_RENDERERS = 100


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the page and its wall view."""

    @lru_cache(maxsize=_MAX_RENDERERS)
    def renderer(execution_id: str) -> ExecutionRenderer:
        return ExecutionRenderer()

    def open_page(request: Request, user: Principal) -> ExecutionPage:
        execution_id = request.path_params["execution_id"]
        kind = WallPage if request.query_params.get("view") == "wall" else ExecutionPage
        return kind(service, user, execution_id, renderer(execution_id))

    path = "/executions/{execution_id}"
    add_live_page(app, service, path, "Execution · drs-waves", open_page)

    async def answered(
        request: Request, answer: Callable[[ExecutionPage], Awaitable[Response]]
    ) -> Response:
        try:
            user = await current_user(service.authenticator, request)
            return await answer(open_page(request, user))
        except Exception as error:
            return failed(error)

    @app.get(f"{path}/panel", include_in_schema=False)
    async def panel(request: Request, wave: str) -> Response:
        return await answered(request, lambda page: page.panel(wave))

    @app.get(f"{path}/notifications", include_in_schema=False)
    async def notifications(request: Request) -> Response:
        return await answered(request, lambda page: page.notifications())

    @app.get(f"{path}/action_items", include_in_schema=False)
    async def action_items(request: Request) -> Response:
        return await answered(request, lambda page: page.action_items())

    @app.get(f"{path}/report.{{kind}}", include_in_schema=False)
    async def report(request: Request, kind: ReportFile) -> Response:
        return await answered(request, lambda page: page.report(kind))

    @app.get(f"{path}/find", include_in_schema=False)
    async def find(request: Request, text: str) -> Response:
        return await answered(request, lambda page: page.find(text))

    @app.get(f"{path}/export.{{kind}}", include_in_schema=False)
    async def export_file(request: Request, execution_id: str, kind: ExportFormat) -> Response:
        return await answered(request, lambda _: export(service, execution_id, kind))
