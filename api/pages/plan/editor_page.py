"""The editor of a plan: problems and graph while one types, and registration of a version."""

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from markupsafe import Markup, escape

from api.auth.request_guard import MAX_BODY_BYTES
from api.auth.roles import require
from api.auth.tokens import Principal
from api.endpoints.registration import EXAMPLE
from api.pages.assets import document
from api.pages.forms import sent_fields
from api.pages.live_page import failed
from api.pages.plan.plan_graph import graph_of_plan
from api.pages.rendering import render
from api.pages.sign_in import current_user, user_of
from api.problems import problem_of
from api.service import ExecutionService
from aws.regions import known_regions
from recovery.access.roles import Role
from recovery.plan.diff import differences
from recovery.plan.file.reader import PlanError, Problem, ReadPlan, parse_plan
from recovery.plan.file.writer import plan_text
from recovery.plan.registration import version_differences


class PlanEditor:
    """Checks and registers the text of a plan for a user."""

    def __init__(self, service: ExecutionService, user: Principal) -> None:
        self._service = service
        self._user = user

    async def parts(self, text: str, plan_id: str, opened: int) -> dict[str, str]:
        """Render problems, graph and difference of a text, by the ID of their element.

        Args:
            text: the plan file.
            plan_id: the plan that is edited; "" for a new one.
            opened: the version that the text was made from; 0 for none.
        """
        may = self._user.may(Role.OPERATOR)
        try:
            read = await _read(text, plan_id)
        except PlanError as error:
            problems = render("editor_problems", problems=error.problems, is_valid=False)
            return {
                "problems": problems,
                "difference": render("editor_difference", newest=None, plan=None, may=may),
            }
        plans, plan = self._service.plans, read.plan
        newest = await plans.plan(plan.plan_id)
        difference = render(
            "editor_difference",
            plan=plan,
            newest=newest.version if newest else None,
            is_same=newest is not None and not version_differences(newest.known, plan),
            is_newer=newest is not None and newest.version.version != opened,
            differences=differences(newest.plan, plan) if newest else [],
            opened=opened,
            may=may,
        )
        return {
            "problems": render("editor_problems", problems=read.warnings, is_valid=True),
            "plan-graph": await asyncio.to_thread(graph_of_plan, plan),
            "difference": difference,
        }

    async def register(self, text: str, plan_id: str, after: int) -> str:
        """Register a text, and return the address of the plan.

        Args:
            text: the plan file.
            plan_id: the plan that is edited; "" for a new one.
            after: the version whose difference to the text was shown; 0 for none.

        Raises:
            PlanError: the plan is not valid.
            ApiProblem: the user may not, or there is a newer version.
        """
        plan = (await _read(text, plan_id)).plan
        await self._service.register(self._user, plan, after=after)
        return f"/plans/{plan.plan_id}"


async def _read(text: str, plan_id: str) -> ReadPlan:
    regions = known_regions()
    read = await asyncio.to_thread(parse_plan, text, file="plan.yaml", regions=regions)
    if plan_id and read.plan.plan_id != plan_id:
        message = f"PlanId is {read.plan.plan_id}, but this is the editor of {plan_id}"
        raise PlanError((Problem(f"{message}; a new plan has its own editor", read.file),))
    return read


def add_to(app: FastAPI, service: ExecutionService) -> None:
    """Add the editor."""

    async def fields_of(request: Request, role: Role) -> tuple[PlanEditor, dict[str, str]]:
        user = await current_user(service.authenticator, request)
        require(user, role)
        fields = await sent_fields(request, max_bytes=MAX_BODY_BYTES)
        return PlanEditor(service, user), fields

    async def page(request: Request, plan_id: str) -> Response:
        user = await user_of(service.authenticator, request)
        if isinstance(user, Response):
            return user
        here = f"{plan_id}: edit" if plan_id else "new plan"
        top: dict[str, Any] = {"user": user, "is_open": service.authenticator.is_open, "here": here}
        try:
            known = await service.plan(plan_id) if plan_id else None
            text, opened = (plan_text(known.plan), known.version.version) if known else (EXAMPLE, 0)
            parts = await PlanEditor(service, user).parts(text, plan_id, opened)
        except Exception as error:
            problem = problem_of(error)
            body = render("notice", title="Not available", text=f"{problem.detail}.", **top)
            return document("Editor · drs-waves", body, status=problem.status)
        # Escaped here, because the renderer makes line breaks of texts visible.
        parts.setdefault("plan-graph", Markup('<div id="plan-graph"></div>'))
        body = render(
            "editor", text=escape(text), plan_id=plan_id, opened=opened, parts=parts, **top
        )
        return document("Editor · drs-waves", body, scripts=["editor.js"])

    @app.get("/plans/new", include_in_schema=False)
    async def new(request: Request) -> Response:
        return await page(request, "")

    @app.get("/plans/{plan_id}/edit", include_in_schema=False)
    async def edit(request: Request, plan_id: str) -> Response:
        return await page(request, plan_id)

    @app.post("/editor/check", include_in_schema=False)
    async def check(request: Request) -> Response:
        try:
            editor, fields = await fields_of(request, Role.VIEWER)
            opened = int(fields["opened"])
            return JSONResponse(await editor.parts(fields["text"], fields["plan_id"], opened))
        except Exception as error:
            return failed(error)

    @app.post("/editor/register", include_in_schema=False)
    async def register(request: Request) -> Response:
        try:
            editor, fields = await fields_of(request, Role.OPERATOR)
            after = int(fields["version"])
            return JSONResponse(await editor.register(fields["text"], fields["plan_id"], after))
        except Exception as error:
            return failed(error)
