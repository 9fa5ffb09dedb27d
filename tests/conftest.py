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


_LONGEST = ("end_to_end", "workflows", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest first: what is left at the end is short, whichever process takes it."""

    def rank(item: pytest.Item) -> int:
        room = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        return _LONGEST.index(room) if room in _LONGEST else len(_LONGEST)

    items.sort(key=rank)
