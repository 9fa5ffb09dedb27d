"""What the tests of one process would otherwise do again and again, at no use to any of them.

Reading AWS's models for each client and certificates for each HTTP client, and looking for garbage
among all that is loaded, took a seventh to a fifth of the time of tests without Temporal. To check
for each worker that all workflows load in the sandbox took a tenth of the time of tests with one.
"""

import gc
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from botocore.loaders import Loader
from httpx._transports import default as httpx_transports

from runtime.workflow_runner import ReplayableRunner

# The youngest objects are looked at less often than the default's 700, which costs no memory to
# speak of.
_GARBAGE_THRESHOLD = (20_000, 20, 20)
_patch = pytest.MonkeyPatch()


def pytest_configure() -> None:
    """Read each of AWS's models and the certificates once, and load without garbage collection."""
    gc.disable()
    models: dict[Any, Any] = {}
    initialize = Loader.__init__

    def share_models(loader: Loader, *args: Any, **how: Any) -> None:
        initialize(loader, *args, **how)
        # The clients of one session share them in the same way.
        loader._cache = models  # type: ignore[attr-defined]  # private

    _patch.setattr(Loader, "__init__", share_models)
    _patch.setattr(
        httpx_transports,
        "create_ssl_context",
        cache(httpx_transports.create_ssl_context),  # type: ignore[attr-defined]  # private
    )
    prepare = ReplayableRunner.prepare_workflow
    prepared: set[type] = set()

    def prepare_once(runner: ReplayableRunner, defn: Any) -> None:
        if defn.cls not in prepared:
            prepare(runner, defn)
            prepared.add(defn.cls)

    _patch.setattr(ReplayableRunner, "prepare_workflow", prepare_once)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leave what is loaded now, and stays, out of all looks for garbage."""
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLD)
        gc.enable()


def pytest_unconfigure() -> None:
    """Undo it."""
    _patch.undo()
