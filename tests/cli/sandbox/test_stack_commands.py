"""What the commands of the sandbox say about it."""

from typer.testing import CliRunner

from cli.sandbox.stack_commands import FOLDER, sandbox
from sandbox.stack import PORTS


def test_the_help_of_up_names_its_folder_and_each_port() -> None:
    said = CliRunner().invoke(sandbox, ["up", "--help"]).stdout.split()
    words = {word.strip(",.;") for word in said}
    assert {str(port) for port in PORTS.values()} <= words
    assert str(FOLDER).removeprefix(".") in words
