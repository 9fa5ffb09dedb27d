"""The endpoints of the API, a file a subject.

Tested in tests/api/ and tests/end_to_end/test_api.py.
"""

from fastapi import FastAPI

from api import docs_page as docs
from api.endpoints import caller, cleanup, events, executions, forecasts, health, plans, steering
from api.endpoints import job_logs as jobs
from api.endpoints import registration as registering
from api.endpoints import starts as starting


def add_to(api: FastAPI) -> None:
    """Add all endpoints."""
    for subject in (caller, health, plans, registering, forecasts, starting, executions, events,
                    jobs, steering, cleanup, docs):  # fmt: skip
        api.include_router(subject.router)
