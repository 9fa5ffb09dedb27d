"""The keys that an operator presses, and the terminal that they come from."""

import os
import pty
import sys

import pytest

from cli.live.keyboard import has_keyboard, keyboard


async def test_a_terminal_that_goes_away_does_not_end_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    primary, secondary = pty.openpty()
    with os.fdopen(secondary) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with keyboard():
            os.close(primary)
        assert not has_keyboard()
