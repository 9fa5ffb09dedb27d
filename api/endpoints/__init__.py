"""The endpoints of the API, a file a subject."""

from fastapi import FastAPI


def add_to(api: FastAPI) -> None:
    """Add all endpoints."""
