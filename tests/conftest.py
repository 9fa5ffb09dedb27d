"""Options of the whole suite, and how its tests are spread over processes."""

from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

pytest_plugins = ["tests.aws_in_process", "tests.shared_servers"]

# What is started for a whole folder or module is started once if one process has all its tests.
_TOGETHER = (
    "tests/end_to_end/pages/",
    "tests/end_to_end/test_api.py",
    "tests/end_to_end/test_api_contract.py",
    "tests/cli/commands/test_operator_commands.py",
)
# These take seconds, so each goes to whichever process is free. All others stay together by
# module, which has fewer processes import the same packages.
_APART = ("tests/end_to_end/", "tests/workflows/", "tests/cli/sandbox/test_sandbox_run.py")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption(
        "--record-histories",
        metavar="FOLDER",
        default=None,
        help="keep the Temporal histories of end-to-end tests in this folder (make histories)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest first, so that whatever is left at the end is short."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(test: str) -> int:
    return 0 if test.startswith(_TOGETHER) else 1 if test.startswith(_APART) else 2


def _group(test: str) -> str:
    """What of the tests goes to one process together with this one."""
    for start in _TOGETHER:
        if test.startswith(start):
            return start
    return test if test.startswith(_APART) else test.partition("::")[0]


class _Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Spread the tests that are long, and keep those together that share what is expensive."""
    if config.getoption("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return _Scheduling(config, log)
