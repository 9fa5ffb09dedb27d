"""Keeps the tokens of `drs-waves login`, one an API: in the keyring, or else in a file.

The file is for its owner alone; one that others can read is refused.
"""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import keyring
from keyring.errors import KeyringError
from pydantic import SecretStr, TypeAdapter, ValidationError, field_serializer

from client.errors import RefusedError
from recovery.base_model import Model

_SERVICE = "drs-waves"
_PRIVATE = 0o600


class StoredToken(Model):
    """What a sign-in gave.

    Attributes:
        refresh_token: gets the next access token; None if the provider gave none.
        expires_time: of the access token (epoch seconds); None if that is not known.
        token_endpoint: where it is refreshed.
    """

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    expires_time: float | None = None
    token_endpoint: str | None = None
    client_id: str | None = None

    @field_serializer("access_token", "refresh_token", when_used="json")
    def _secret(self, value: SecretStr | None) -> str | None:
        return value.get_secret_value() if value else None


_FILE = TypeAdapter(dict[str, StoredToken])


class TokenStore:
    """The tokens of this user, by the address of the API that they are for.

    Attributes:
        path: of the file.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Create it; `folder` is that of the file, by default below the user's state folder."""
        state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        self.path = (folder or Path(state).expanduser() / "drs-waves") / "tokens.json"

    def get(self, url: str) -> StoredToken | None:
        """The token for an API.

        Raises:
            RefusedError: others can read the file, or it cannot be read.
        """
        try:
            kept = keyring.get_password(_SERVICE, url)
        except KeyringError:
            kept = None
        if kept is None:
            return self._read().get(url)
        try:
            return StoredToken.model_validate_json(kept)
        except ValidationError:
            # The error would show the token.
            raise RefusedError(f"the keyring's token for {url} is damaged; sign in again") from None

    def put(self, url: str, token: StoredToken) -> str:
        """Keep the token for an API; returns where it is, for people.

        Raises:
            RefusedError: the file cannot be used.
        """
        text = token.model_dump_json(exclude_none=True)
        try:
            keyring.set_password(_SERVICE, url, text)
            # Some keyrings keep nothing.
            if keyring.get_password(_SERVICE, url) == text:
                return "the keyring"
        except KeyringError:
            pass
        self._write(self._read() | {url: token})
        return str(self.path)

    def remove(self, url: str) -> bool:
        """Remove the token for an API; whether there was one.

        Raises:
            RefusedError: the file cannot be used.
        """
        was_known = self.get(url) is not None
        with suppress(KeyringError):
            keyring.delete_password(_SERVICE, url)
        kept = self._read()
        if kept.pop(url, None) is not None:
            self._write(kept)
        return was_known

    def _read(self) -> dict[str, StoredToken]:
        try:
            with self.path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                text = file.read()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RefusedError(f"{self.path} cannot be read: {error.strerror}") from error
        if os.name == "posix" and mode & ~_PRIVATE:
            raise RefusedError(
                f"{self.path} is refused, because others may read it (mode {mode:04o})",
                command=f"Run `chmod 600 {self.path}`; if others could, end that sign-in at your "
                "identity provider",
            )
        try:
            return _FILE.validate_json(text)
        except ValidationError:
            # The error would show the tokens.
            raise RefusedError(f"{self.path} is damaged; remove it, and sign in again") from None

    def _write(self, tokens: dict[str, StoredToken]) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Readable by its owner only, from the first byte on.
            number, name = tempfile.mkstemp(dir=folder)
            with os.fdopen(number, "wb") as file:
                file.write(_FILE.dump_json(tokens, by_alias=True, exclude_none=True))
            os.replace(name, self.path)
        except OSError as error:
            raise RefusedError(f"{self.path} cannot be written: {error.strerror}") from error
