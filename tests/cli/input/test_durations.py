"""Parsing of durations."""

import pytest

from cli.input.durations import parse_duration
from runtime.exit import CliError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86_400), ("45", 45), ("1.5H", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--expires") == seconds


@pytest.mark.parametrize("text", ["", "0", "-5m", "soon", "2w", "1h30m", "nan", "31d", "٣m"])
def test_what_is_no_duration_is_refused_with_its_option(text: str) -> None:
    with pytest.raises(CliError, match="--expires"):
        parse_duration(text, "--expires")
