"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption(
        "--record-histories",
        metavar="FOLDER",
        default=None,
        help="keep the Temporal histories of end-to-end tests in this folder (make histories)",
    )
