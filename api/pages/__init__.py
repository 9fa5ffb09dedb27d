"""The pages: the overview, an execution, signing in."""

from fastapi import FastAPI

from api.house import House


def add_to(app: FastAPI, house: House) -> None:
    """Add all pages."""
