"""The endpoints of the API, one file per subject.

Tested in tests/api/ and tests/end_to_end/test_api.py.
"""

from fastapi import FastAPI

from api import docs_page
from api.endpoints import (
    caller,
    cleanup,
    events,
    executions,
    forecasts,
    health,
    job_logs,
    plans,
    registration,
    starts,
    steering,
)


def add_to(api: FastAPI) -> None:
    """Add all endpoints."""
    for each in (caller, health, plans, registration, forecasts, starts, executions, events,
                 job_logs, steering, cleanup, docs_page):  # fmt: skip
        api.include_router(each.router)
