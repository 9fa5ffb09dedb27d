"""What `--help` lists."""

from collections.abc import Iterator
from typing import Any, cast

import typer

from cli.app import app

# Of a terminal of 80 columns.
_WIDTH = 72


def summaries(group: Any) -> Iterator[str]:
    commands = [(name, group.get_command(cast(Any, None), name)) for name in group.commands]
    room = _WIDTH - max(len(name) for name, _ in commands)
    for _, command in commands:
        yield command.get_short_help_str(room)
        if hasattr(command, "commands"):
            yield from summaries(command)


def test_no_summary_of_a_command_is_cut_off() -> None:
    shown = list(summaries(typer.main.get_command(app)))
    assert len(shown) > 60
    assert [each for each in shown if each.endswith("...")] == []
