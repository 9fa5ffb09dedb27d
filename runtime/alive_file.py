"""A file by whose age the health check of a container sees that a process runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

_SECONDS = 10.0


@asynccontextmanager
async def touching(path: str | None) -> AsyncIterator[None]:
    """Touch a file every ten seconds, as long as this event loop runs; None: no file."""
    if path is None:
        yield
        return
    task = asyncio.create_task(_touch_again(Path(path)))
    try:
        yield
    finally:
        task.cancel()


async def _touch_again(path: Path) -> None:
    known: str | None = None
    while True:
        problem = _touch(path)
        if problem not in (None, known):
            structlog.get_logger().warning(
                f"DRS_WAVES_ALIVE_FILE={path} cannot be written, so health checks fail: {problem}"
            )
        known = problem
        await asyncio.sleep(_SECONDS)


def _touch(path: Path) -> str | None:
    """Touch the file; why it cannot be, which must not keep anything from running."""
    try:
        path.touch()
    except OSError as error:
        return error.strerror or str(error)
    return None
