"""The age of the file says whether the process still runs."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime import alive_file
from runtime.alive_file import touching


async def test_the_file_is_touched_again_and_again_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive_file, "_SECONDS", 0.001)
    path = tmp_path / "alive"
    async with touching(str(path)):
        for _ in range(2):
            while not path.exists():
                await asyncio.sleep(0.001)
            path.unlink()
    path.unlink(missing_ok=True)
    await asyncio.sleep(0.05)
    assert not path.exists()


async def test_a_file_that_cannot_be_written_is_named_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive_file, "_SECONDS", 0.001)
    with capture_logs() as logs:
        async with touching(str(tmp_path / "missing" / "alive")):
            await asyncio.sleep(0.05)
    (warning,) = logs
    assert "DRS_WAVES_ALIVE_FILE" in warning["event"]
