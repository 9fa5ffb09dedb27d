"""`encryption-key` adds a key that decrypts, and lets it encrypt when told to."""

from pathlib import Path

from typer.testing import CliRunner

from cli.app import app
from security.encryption import EncryptionKeys


def test_a_key_is_added_and_then_encrypts(tmp_path: Path) -> None:
    path = str(tmp_path / "keys.json")
    first = CliRunner().invoke(app, ["encryption-key", path]).stdout.split()[0]
    second = CliRunner().invoke(app, ["encryption-key", path]).stdout.split()[0]
    assert EncryptionKeys.read(path).current == first != second
    assert CliRunner().invoke(app, ["encryption-key", path, "--use", second]).exit_code == 0
    keys = EncryptionKeys.read(path)
    assert keys.current == second
    assert [each.id for each in keys.keys] == [first, second]
    assert CliRunner().invoke(app, ["encryption-key", path, "--use", "none"]).exit_code != 0
