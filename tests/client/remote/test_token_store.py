"""Tokens are kept for their owner alone, and for one address."""

import os
import stat
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.backends.null import Keyring as ForgetfulKeyring

from client.errors import RefusedError
from client.remote.token_store import StoredToken, TokenStore

URL = "https://drs.example.com"
SECRET = "the-access-token"
TOKEN = StoredToken.model_validate(
    {"access_token": SECRET, "refresh_token": "the-refresh-token", "client_id": "cli"}
)


class MemoryKeyring(KeyringBackend):
    """A keyring of this process."""

    # Not chosen by itself.
    priority = -1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self.kept.pop((service, username), None)


def test_a_token_is_kept_in_the_keyring(tmp_path: Path) -> None:
    keyring.set_keyring(MemoryKeyring())
    store = TokenStore(tmp_path)
    assert store.put(URL, TOKEN) == "the keyring"
    assert not store.path.exists()
    assert store.get(URL) == TOKEN
    assert store.remove(URL)
    assert store.get(URL) is None


@pytest.mark.parametrize("without", [NoKeyring, ForgetfulKeyring])
def test_without_a_keyring_it_is_kept_in_a_file_for_its_owner(
    without: type[KeyringBackend], tmp_path: Path
) -> None:
    keyring.set_keyring(without())
    store = TokenStore(tmp_path / "state")
    assert store.put(URL, TOKEN) == str(store.path)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert store.get(URL) == TOKEN
    assert store.get("https://other.example.com") is None
    assert store.remove(URL)
    assert not store.remove(URL)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700])
def test_a_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.put(URL, TOKEN)
    os.chmod(store.path, mode)
    for use in (lambda: store.get(URL), lambda: store.put(URL, TOKEN), lambda: store.remove(URL)):
        with pytest.raises(RefusedError, match=f"chmod 600 {store.path}") as refused:
            use()
        assert SECRET not in str(refused.value)


def test_a_damaged_file_is_named_and_not_shown(tmp_path: Path) -> None:
    store = TokenStore(tmp_path)
    store.put(URL, TOKEN)
    store.path.write_text(store.path.read_text()[:-2])
    with pytest.raises(RefusedError, match="is damaged") as refused:
        store.get(URL)
    assert refused.value.__cause__ is None
    assert SECRET not in repr(refused.value)


def test_a_damaged_entry_of_the_keyring_is_not_shown(tmp_path: Path) -> None:
    memory = MemoryKeyring()
    keyring.set_keyring(memory)
    memory.kept["drs-waves", URL] = f'{{"AccessToken": ["{SECRET}"]}}'
    with pytest.raises(RefusedError, match="sign in again") as refused:
        TokenStore(tmp_path).get(URL)
    assert SECRET not in f"{refused.value!r} {refused.value.__cause__!r}"


def test_a_token_is_not_shown_by_what_holds_it() -> None:
    assert SECRET not in f"{TOKEN!r} {TOKEN} {TOKEN.model_dump()}"
