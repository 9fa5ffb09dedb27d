"""The endpoints of the API, one file per subject.

Tested in tests/api/ and tests/end_to_end/test_api.py.
"""

from http import HTTPStatus

from fastapi import Depends, FastAPI

from api.codec import routes as codec
from api.endpoints import (
    caller,
    cleanup,
    continuation,
    decisions,
    execution_state,
    executions,
    health,
    plans,
    registration,
    sign_in,
    steering,
    step_revert,
)
from api.endpoints.launch_settings import routes as launch_settings
from api.endpoints.schedules import drill_schedules
from api.metrics import routes as metrics
from api.portfolios import endpoints as portfolios
from api.problems import problem_responses
from api.reports import execution_reports, plan_reports
from api.request_problems import check_request

_PROBLEMS = problem_responses(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_CHECKS = [Depends(check_request)]
_UNKNOWN_EXECUTION = problem_responses(HTTPStatus.NOT_FOUND)


def add_to(api: FastAPI) -> None:
    """Add all endpoints."""
    api.include_router(health.router)
    api.include_router(sign_in.router)
    of_apis = (
        caller,
        plans,
        registration,
        drill_schedules,
        launch_settings,
        executions,
        decisions,
        portfolios,
        plan_reports,
        metrics,
        codec,
    )
    for of_api in of_apis:
        api.include_router(of_api.router, responses=_PROBLEMS, dependencies=_CHECKS)
    for of_execution in (
        execution_state,
        steering,
        cleanup,
        step_revert,
        continuation,
        execution_reports,
    ):
        api.include_router(
            of_execution.router,
            prefix="/executions/{execution_id}",
            responses=_PROBLEMS | _UNKNOWN_EXECUTION,
            dependencies=_CHECKS,
        )
