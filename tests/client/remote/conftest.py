"""Tests keep no token in the keyring of the person who runs them."""

from collections.abc import Iterator

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """No keyring, until the end of the test."""
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)
