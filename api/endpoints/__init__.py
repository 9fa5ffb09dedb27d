"""The endpoints of the API, a file a subject."""

from fastapi import FastAPI

from api.endpoints import (
    caller,
    cleanup,
    docs,
    events,
    executions,
    forecasts,
    health,
    jobs,
    plans,
    registering,
    starting,
    steering,
)


def add_to(api: FastAPI) -> None:
    """Add all endpoints."""
    for subject in (caller, health, plans, registering, forecasts, starting, executions, events,
                    jobs, steering, cleanup, docs):  # fmt: skip
        api.include_router(subject.router)
