"""Static tokens are random, and only their hash is kept."""

import json

from typer.testing import CliRunner

from cli.app import app
from recovery.access.roles import Role
from security.static_tokens import new_token, token_hash
from settings import Settings


def test_tokens_differ_and_have_256_bits() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    # Base64 has 6 bits a character.
    assert all(len(each) >= 256 / 6 for each in made)


def test_the_hash_is_sha_256_of_the_text() -> None:
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert token_hash("") == empty
    assert token_hash("a") != token_hash("b")
    assert token_hash("\ud800").startswith("sha256:")


def test_a_made_token_is_accepted_by_the_setting_that_is_printed_with_it() -> None:
    result = CliRunner().invoke(app, ["token", "laptop", "--role", "operator", "--role", "viewer"])
    token, setting = result.stdout.splitlines()
    known = Settings(api_tokens=json.loads(setting.partition("=")[2].strip("'"))).api_tokens
    assert known is not None
    assert known["laptop"].hash == token_hash(token)
    assert known["laptop"].roles == [Role.OPERATOR, Role.VIEWER]
    assert CliRunner().invoke(app, ["token", "it's", "--role", "admin"]).exit_code == 2
