"""Options of the whole suite, how its tests are spread over processes, and an end for hung ones."""

import faulthandler
import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from workflows.plan.notifications import REPORTING_FAILED

# On a busy machine, an example now and then takes a second.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
pytest_plugins = ["tests.aws_in_process", "tests.shared_servers", "tests.work_done_once"]

# What is started for a whole folder or module is started once if one process has all its tests.
_TOGETHER = (
    "tests/end_to_end/pages/",
    "tests/end_to_end/test_api.py",
    "tests/end_to_end/test_api_contract.py",
    "tests/cli/commands/test_operator_commands.py",
)
_ALONE = "tests/end_to_end/pages/test_on_call_night.py"
# These take seconds, so each goes to whichever process is free. All others stay together by
# module, which has fewer processes import the same packages.
_APART = ("tests/end_to_end/", "tests/workflows/", "tests/cli/sandbox/test_sandbox_run.py")
# How long after its time limit a test has to end. The limit is an exception that comes once, so a
# task may swallow it, and tearing down after a failure has no limit at all.
_HUNG_SECONDS = 60.0
_standard_error = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    parser.addoption(
        "--record-histories",
        metavar="FOLDER",
        default=None,
        help="keep the Temporal histories of end-to-end tests in this folder (make histories)",
    )


@pytest.fixture(autouse=True)
def _no_error_of_reporting(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which reporting had an error, which ends no execution."""
    yield
    assert REPORTING_FAILED not in [each.getMessage() for each in caplog.get_records("call")]


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo the logging configuration of a worker or server that a test ran in this process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def pytest_configure(config: pytest.Config) -> None:
    """Keep standard error, which pytest replaces while it captures output."""
    config.stash[_standard_error] = os.dup(2)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """End the process, with the stacks of its threads, when a test does not end by itself."""
    _watch(item)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """End the watch for a hung test."""
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Go on with the watch, which pytest ends at a failure."""
    if isinstance(node, pytest.Item):
        _watch(node)


def _watch(item: pytest.Item) -> None:
    marker = item.get_closest_marker("timeout")
    limit = float(marker.args[0] if marker else item.config.getini("timeout"))
    faulthandler.dump_traceback_later(
        limit + _HUNG_SECONDS, file=item.config.stash[_standard_error], exit=True
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest first, so that whatever is left at the end is short."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(test: str) -> int:
    return 0 if test.startswith(_TOGETHER) else 1 if test.startswith(_APART) else 2


def _group(test: str) -> str:
    """What of the tests goes to one process together with this one."""
    for start in _TOGETHER:
        if test.startswith(start) and not test.startswith(_ALONE):
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
